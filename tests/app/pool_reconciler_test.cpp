#include "ringmaster/app/pool_reconciler.hpp"

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/number_import.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using ringpool::NumbersChange;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolNumber;
using testing::ElementsAre;
using testing::IsEmpty;

class CollectingLog final : public Log {
  public:
    void write(LogLevel, std::string_view message) noexcept override {
        lines.emplace_back(message);
    }
    std::vector<std::string> lines;
};

PhoneNumber number(int i) {
    return PhoneNumber::from_digits(12015550100u + static_cast<unsigned>(i));
}
PoolNumber pool_number(int i) {
    return {number(i), ringpool::FormattedNumber("x")};
}

/// Keeps the rules of a store in the simplest way, and the calls in order. Numbers in `held` drain.
class FakeAdministration final : public ringpool::PoolAdministration {
  public:
    explicit FakeAdministration(ringpool::Catalog& catalog) : catalog_(catalog) {}

    Result<bool> put_pool(PoolDefinition definition) override {
        calls.push_back("put " + definition.id);
        if (failing) return Error{ErrorCode::unavailable, "the disk fails"};
        const PhoneNumber overflow = definition.overflow.number;
        for (const auto& [id, pool] : pools) {
            if (pool.contains(overflow)) return Error{ErrorCode::invalid, "it is in pool " + id};
        }
        const std::string id = definition.id;
        if (auto put = catalog_.put(std::move(definition)); !put) return put.error();
        return pools.try_emplace(id).second;
    }
    Result<void> remove_pool(std::string_view) override {
        ADD_FAILURE() << "a pool is removed";
        return {};
    }
    Result<NumbersChange> edit_numbers(std::string_view id, ringpool::NumbersEdit edit) override {
        calls.push_back("edit " + std::string(id));
        NumbersChange change;
        for (const PhoneNumber n : edit.remove) {
            if (pools[std::string(id)].erase(n) == 0) continue;
            (held.contains(n) ? change.draining : change.removed).push_back(n);
        }
        return change;
    }
    Result<NumbersChange> set_numbers(std::string_view id,
                                      std::vector<PoolNumber> wanted) override {
        calls.push_back("set " + std::string(id));
        NumbersChange change;
        for (const PoolNumber& n : wanted) {
            for (const auto& [other, pool] : pools) {
                if (other == id || !pool.contains(n.number)) continue;
                change.refused.push_back({n.number, "it is in pool " + other});
            }
        }
        if (!change.refused.empty()) return change;
        for (const PoolNumber& n : wanted) {
            if (pools[std::string(id)].insert(n.number).second) change.added.push_back(n.number);
        }
        return change;
    }
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t) override {
        // One number a page: whoever forgets to ask for the next one is found out.
        const auto& pool = pools[std::string(id)];
        ringpool::NumberPage page;
        if (from < pool.size()) {
            page.numbers.resize(1);
            page.numbers[0].number.number =
                *std::next(pool.begin(), static_cast<std::ptrdiff_t>(from));
            page.next = from + 1 < pool.size() ? from + 1 : 0;
        }
        return page;
    }
    Result<ringpool::PoolFigures> figures(std::string_view) override {
        return ringpool::PoolFigures{};
    }

    std::map<std::string, std::set<PhoneNumber>> pools;
    std::set<PhoneNumber> held;
    std::vector<std::string> calls;
    bool failing = false;

  private:
    ringpool::Catalog& catalog_;
};

class PoolReconcilerTest : public testing::Test {
  protected:
    /// A pool of the configuration, with these numbers in its file.
    void configure(const std::string& id, const std::vector<int>& numbers, int overflow = 99) {
        PoolConfig pool;
        pool.definition.id = id;
        pool.definition.key = "k";
        pool.definition.overflow = pool_number(overflow);
        pools_.push_back(pool);
        auto& file = files_.pools.emplace_back();
        file.emplace();
        for (const int i : numbers) file->push_back(pool_number(i));
    }
    void configure_without_file(const std::string& id) {
        configure(id, {});
        files_.pools.back().reset();
    }
    Result<void> apply() {
        Result<void> applied;
        log_.lines.clear();
        administration_.calls.clear();
        runtime::Reactor reactor(clock_, errors_, {.max_fibers = 4});
        runtime::HelperThread helper(reactor, "test");
        PoolReconciler reconciler(catalog_, administration_, helper, log_);
        reactor.post([&] {
            reactor.scheduler().run("test", [&] {
                applied = reconciler.apply(pools_, files_);
                reactor.stop();
            });
        });
        reactor.run();
        return applied;
    }
    void apply_well() {
        const auto applied = apply();
        ASSERT_TRUE(applied) << applied.error().message;
    }
    void forget_configuration() {
        pools_.clear();
        files_ = {};
    }

    SystemClock clock_;
    CollectingLog log_;
    ErrorReporter errors_{log_};
    ringpool::Catalog catalog_;
    FakeAdministration administration_{catalog_};
    std::vector<PoolConfig> pools_;
    NumberFiles files_;
};

TEST_F(PoolReconcilerTest, CreatesPoolsWithTheirNumbers) {
    configure("autos", {1, 2});
    configure("boats", {3});
    apply_well();
    EXPECT_THAT(administration_.calls,
                ElementsAre("put autos", "put boats", "set autos", "set boats"));
    EXPECT_THAT(administration_.pools["autos"], ElementsAre(number(1), number(2)));
    EXPECT_THAT(log_.lines,
                ElementsAre("pool autos: created, 2 numbers added, 0 removed, 0 draining",
                            "pool boats: created, 1 numbers added, 0 removed, 0 draining"));
}

TEST_F(PoolReconcilerTest, SaysNothingWhereNothingHasChanged) {
    configure("autos", {1, 2});
    apply_well();
    apply_well();
    EXPECT_THAT(administration_.calls, ElementsAre("set autos"));
    EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(PoolReconcilerTest, TellsWhatHasChanged) {
    configure("autos", {1, 2, 3});
    apply_well();
    forget_configuration();
    administration_.held = {number(3)};
    configure("autos", {1, 4, 5, 6});
    pools_[0].definition.name = "Cars";
    apply_well();
    EXPECT_THAT(
        log_.lines,
        ElementsAre("pool autos: definition changed, 3 numbers added, 1 removed, 1 draining"));
    EXPECT_THAT(administration_.pools["autos"],
                ElementsAre(number(1), number(4), number(5), number(6)));
}

TEST_F(PoolReconcilerTest, MovesNumbersInEitherDirection) {
    configure("autos", {1, 2});
    configure("boats", {3, 4});
    apply_well();
    forget_configuration();
    configure("autos", {1, 3});
    configure("boats", {2, 4});
    apply_well();
    EXPECT_THAT(administration_.pools["autos"], ElementsAre(number(1), number(3)));
    EXPECT_THAT(administration_.pools["boats"], ElementsAre(number(2), number(4)));
    EXPECT_THAT(log_.lines, ElementsAre("pool autos: 1 numbers added, 1 removed, 0 draining",
                                        "pool boats: 1 numbers added, 1 removed, 0 draining"));
}

TEST_F(PoolReconcilerTest, MakesANumberAnOverflowNumberAndBack) {
    configure("autos", {1, 2}, 98);
    apply_well();
    forget_configuration();
    configure("autos", {1, 98}, 2);
    apply_well();
    EXPECT_THAT(administration_.pools["autos"], ElementsAre(number(1), number(98)));
    EXPECT_EQ(catalog_.at(*catalog_.find("autos")).overflow.number, number(2));
}

TEST_F(PoolReconcilerTest, LeavesAloneWhatTheConfigurationDoesNotName) {
    configure("autos", {1});
    configure("boats", {2});
    apply_well();
    forget_configuration();
    configure_without_file("boats");
    apply_well();
    EXPECT_THAT(administration_.pools["autos"], ElementsAre(number(1)));
    EXPECT_THAT(administration_.pools["boats"], ElementsAre(number(2)));
    EXPECT_THAT(administration_.calls, IsEmpty());
}

TEST_F(PoolReconcilerTest, TellsWhatTheStoreRefusesAndAppliesTheRest) {
    configure("theirs", {1, 2});
    apply_well();
    forget_configuration();
    configure("autos", {1, 2, 3});
    apply_well();
    EXPECT_THAT(administration_.pools["autos"], ElementsAre(number(3)));
    EXPECT_THAT(log_.lines,
                ElementsAre("pool autos: +12015550101 is refused: it is in pool theirs",
                            "pool autos: +12015550102 is refused: it is in pool theirs",
                            "pool autos: created, 1 numbers added, 0 removed, 0 draining"));
}

TEST_F(PoolReconcilerTest, TellsTheFirstTwentyOfManyRefused) {
    std::vector<int> many(25);
    for (int i = 0; i < 25; ++i) many[static_cast<std::size_t>(i)] = i;
    configure("theirs", many);
    apply_well();
    forget_configuration();
    many.push_back(30);
    configure("autos", many);
    apply_well();
    ASSERT_EQ(log_.lines.size(), 22u);
    EXPECT_EQ(log_.lines[20], "pool autos: 5 more are refused");
}

TEST_F(PoolReconcilerTest, LeavesAPoolAsItIsWhoseDefinitionIsRefused) {
    configure("theirs", {1});
    apply_well();
    forget_configuration();
    configure("autos", {2}, 1);
    configure("boats", {3});
    apply_well();
    EXPECT_THAT(log_.lines,
                ElementsAre("pool autos: its definition is refused: it is in pool theirs",
                            "pool boats: created, 1 numbers added, 0 removed, 0 draining"));
    EXPECT_FALSE(administration_.pools.contains("autos"));
}

TEST_F(PoolReconcilerTest, FailsWhereTheStoreDoes) {
    configure("autos", {1});
    configure("boats", {2});
    administration_.failing = true;
    const auto applied = apply();
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::unavailable);
    EXPECT_EQ(applied.error().message, "pool autos: the disk fails");
    EXPECT_THAT(administration_.calls, ElementsAre("put autos"));
}

}  // namespace
}  // namespace ringmaster::app
