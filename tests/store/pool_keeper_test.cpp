#include "ringmaster/store/pool_keeper.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::NumbersChange;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;
using State = ringpool::NumberState::State;

constexpr auto kAllocated = Allocation::Outcome::allocated;

PhoneNumber number(unsigned i) {
    return test_number(0, i).number;
}

std::vector<PoolNumber> numbers(std::initializer_list<unsigned> list) {
    std::vector<PoolNumber> result;
    for (const unsigned i : list) result.push_back(test_number(0, i));
    return result;
}

std::vector<PoolNumber> numbers_up_to(unsigned count, unsigned first = 0) {
    std::vector<PoolNumber> result;
    for (unsigned i = 0; i < count; ++i) result.push_back(test_number(0, first + i));
    return result;
}

std::vector<PhoneNumber> plain(std::initializer_list<unsigned> list) {
    std::vector<PhoneNumber> result;
    for (const unsigned i : list) result.push_back(number(i));
    return result;
}

ringpool::PoolDefinition definition(const std::string& id) {
    ringpool::PoolDefinition pool;
    pool.id = id;
    pool.key = std::string("secret");
    pool.lifetime = 30min;
    pool.cooldown = 5min;
    pool.overflow = {PhoneNumber::from_digits(18005550100),
                     ringpool::FormattedNumber("800-555-0100")};
    return pool;
}

/// What administrators see: each pool's definition and numbers, the draining ones marked.
using World = std::map<std::string, std::pair<ringpool::PoolDefinition, std::set<std::string>>>;

World world_of(TestStore& store) {
    World world;
    store.catalog().for_each([&](ringpool::PoolIndex, const ringpool::PoolDefinition& pool) {
        auto& [known, names] = world[pool.id];
        known = pool;
        for (std::size_t from = 0;;) {
            const auto page = store->pools().numbers(pool.id, from, 3).value();
            for (const auto& n : page.numbers) {
                EXPECT_TRUE(
                    names.insert(n.number.number.e164() + (n.draining ? " drains" : "")).second);
            }
            if (page.next == 0) break;
            from = page.next;
        }
    });
    return world;
}

class PoolKeeperTest : public ::testing::Test {
  protected:
    PoolKeeperTest() { options_.segment_bytes = 64 << 10; }

    std::unique_ptr<TestStore> open() {
        auto store = std::make_unique<TestStore>(directory_.path(), std::vector<TestPool>(),
                                                 options_, &disk_, &clock_);
        if (store->error()) throw std::runtime_error(store->error()->message);
        return store;
    }
    /// With pools "autos" (numbers 0, 1, 2) and "boats" (10, 11).
    std::unique_ptr<TestStore> open_with_two_pools() {
        auto store = open();
        EXPECT_TRUE(put(*store, definition("autos")).value());
        EXPECT_TRUE(put(*store, definition("boats")).value());
        EXPECT_EQ(set(*store, "autos", numbers({0, 1, 2})).value().added, plain({0, 1, 2}));
        EXPECT_EQ(set(*store, "boats", numbers({10, 11})).value().added, plain({10, 11}));
        return store;
    }
    template <class Job>
    static auto in_fiber(TestStore& store, Job&& job) {
        std::optional<decltype(job())> result;
        store.run([&] { result.emplace(job()); });
        return *std::move(result);
    }
    static Result<bool> put(TestStore& store, const ringpool::PoolDefinition& pool) {
        return in_fiber(store, [&] { return store->pools().put_pool(pool); });
    }
    static Result<void> remove(TestStore& store, std::string_view id) {
        return in_fiber(store, [&] { return store->pools().remove_pool(id); });
    }
    static Result<NumbersChange> set(TestStore& store, std::string_view id,
                                     const std::vector<PoolNumber>& wanted) {
        return in_fiber(store, [&] { return store->pools().set_numbers(id, wanted); });
    }
    static Result<NumbersChange> edit(TestStore& store, std::string_view id,
                                      const ringpool::NumbersEdit& edit) {
        return in_fiber(store, [&] { return store->pools().edit_numbers(id, edit); });
    }
    static World world(TestStore& store) {
        return in_fiber(store, [&] { return world_of(store); });
    }
    static ringpool::PoolFigures figures(TestStore& store, std::string_view id) {
        return in_fiber(store, [&] { return store->pools().figures(id).value(); });
    }
    static std::vector<std::string> reasons(const Result<NumbersChange>& change) {
        std::vector<std::string> result;
        for (const auto& refusal : change.value().refused) {
            result.push_back(refusal.number.e164() + " " + refusal.reason);
        }
        return result;
    }

    TempDirectory directory_;
    TestDisk disk_;
    LeapingClock clock_;
    EmbeddedStoreOptions options_;
};

// --- pools ---------------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, PoolsOutliveARestart) {
    auto store = open_with_two_pools();
    auto autos = definition("autos");
    autos.key = std::string("another");
    EXPECT_FALSE(put(*store, autos).value()) << "not created, but changed";
    const World before = world(*store);
    EXPECT_EQ(before.at("autos").first.key, "another");
    EXPECT_EQ(before.at("boats").second.size(), 2u);
    disk_.freeze();
    store.reset();
    disk_.freeze_after(1 << 30);
    EXPECT_EQ(world(*open()), before);
}

TEST_F(PoolKeeperTest, WhatChangesNothingWritesNothing) {
    const auto store = open_with_two_pools();
    disk_.fail(TestDisk::renaming, std::errc::io_error);
    EXPECT_FALSE(put(*store, definition("autos")).value());
    const auto same = set(*store, "autos", numbers({2, 1, 0, 1}));
    EXPECT_TRUE(same.value().added.empty());
    EXPECT_TRUE(edit(*store, "autos", {{}, plain({10, 77})}).value().removed.empty());
    disk_.heal();
}

TEST_F(PoolKeeperTest, RefusesWhatNoPoolMayBe) {
    options_.max_pools = 2;
    options_.max_numbers = 3;
    const auto store = open_with_two_pools();
    const World before = world(*store);
    const auto code = [](const auto& result) { return result.error().code; };
    auto wrong = definition("autos");
    wrong.overflow.number = number(10);
    EXPECT_EQ(code(put(*store, wrong)), ErrorCode::invalid);
    wrong.overflow.number = number(1);
    EXPECT_EQ(code(put(*store, wrong)), ErrorCode::invalid) << "nor of its own";
    wrong = definition("a b");
    EXPECT_EQ(code(put(*store, wrong)), ErrorCode::invalid);
    EXPECT_EQ(code(put(*store, definition("third"))), ErrorCode::invalid);
    EXPECT_EQ(code(set(*store, "autos", numbers({0, 1, 2, 3}))), ErrorCode::invalid);
    EXPECT_EQ(code(edit(*store, "autos", {numbers({3}), {}})), ErrorCode::invalid);
    EXPECT_EQ(code(edit(*store, "cars", {})), ErrorCode::not_found);
    EXPECT_EQ(code(remove(*store, "cars")), ErrorCode::not_found);
    EXPECT_EQ(world(*store), before);
}

TEST_F(PoolKeeperTest, NothingIsAskedAfterClose) {
    const auto store = open_with_two_pools();
    store->close();
    EXPECT_EQ(put(*store, definition("cars")).error().code, ErrorCode::unavailable);
}

TEST_F(PoolKeeperTest, ARemovedPoolKeepsItsPromises) {
    const auto store = open_with_two_pools();
    const auto held = store->allocate(0, "v-1").number;
    EXPECT_TRUE(remove(*store, "autos").ok());
    EXPECT_EQ(store->catalog().size(), 1u);
    EXPECT_EQ(store->allocate(0, "v-1").reason, OverflowReason::exhausted) << "as it was under way";
    // In another pool, nobody gets it before the time is over.
    EXPECT_EQ(set(*store, "boats", numbers({0})).value().added, plain({0}));
    EXPECT_EQ(store->allocate(1, "v-2").reason, OverflowReason::exhausted);
    clock_.leap(35min);
    EXPECT_EQ(store->allocate(1, "v-2").number, held);
}

TEST_F(PoolKeeperTest, APoolThatIsRemovedAndComesBackKnowsItsSessions) {
    auto store = open_with_two_pools();
    store->allocate(0, "v-0");
    const auto held = store->allocate(0, "v-1").number;
    EXPECT_TRUE(remove(*store, "autos").ok());
    store.reset();
    store = open();
    EXPECT_EQ(world(*store).size(), 1u);
    EXPECT_TRUE(put(*store, definition("autos")).value());
    EXPECT_TRUE(set(*store, "autos", numbers({2, 1, 0})).ok());
    const auto pool = store->catalog().find("autos").value();
    EXPECT_EQ(store->allocate(pool, "v-1").number, held);
    EXPECT_EQ(store->allocate(pool, "v-2").number, number(2)) << "the only one that is free";
}

TEST_F(PoolKeeperTest, NewRulesApplyFromTheNextTouchOn) {
    const auto store = open_with_two_pools();
    store->allocate(0, "v-0");
    auto shorter = definition("autos");
    shorter.lifetime = 1min;
    shorter.cooldown = 0s;
    EXPECT_FALSE(put(*store, shorter).value());
    store->allocate(0, "v-1");
    store->allocate(0, "v-2");
    clock_.leap(1min);
    EXPECT_EQ(store->allocate(0, "v-3").number, number(1));
    EXPECT_EQ(store->allocate(0, "v-4").number, number(2));
    EXPECT_EQ(store->allocate(0, "v-5").reason, OverflowReason::exhausted);
}

// --- numbers -------------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, AFreeNumberLeavesAtOnceAndAHeldOneDrains) {
    auto store = open_with_two_pools();
    const auto held = store->allocate(0, "v-1").number;
    ASSERT_EQ(held, number(0));
    const auto change = set(*store, "autos", numbers({2, 3}));
    EXPECT_EQ(change.value().added, plain({3}));
    EXPECT_EQ(change.value().removed, plain({1}));
    EXPECT_EQ(change.value().draining, plain({0}));
    const std::set<std::string> draining = {number(0).e164() + " drains", number(2).e164(),
                                            number(3).e164()};
    EXPECT_EQ(world(*store).at("autos").second, draining);
    store.reset();
    store = open();
    EXPECT_EQ(world(*store).at("autos").second, draining);
    EXPECT_EQ(store->allocate(0, "v-1").number, held) << "its session keeps it";
    EXPECT_EQ(figures(*store, "autos").draining, 1u);
    clock_.leap(35min);
    EXPECT_EQ(figures(*store, "autos").numbers, 2u);
    EXPECT_EQ(world(*store).at("autos").second.size(), 2u);
    for (const char* session : {"v-1", "v-2"}) {
        EXPECT_NE(store->allocate(0, session).number, held);
    }
    EXPECT_EQ(store->allocate(0, "v-3").reason, OverflowReason::exhausted);
}

TEST_F(PoolKeeperTest, ANumberThatDrainsMayComeBack) {
    const auto store = open_with_two_pools();
    store->allocate(0, "v-1");
    EXPECT_EQ(edit(*store, "autos", {{}, plain({0, 0, 1})}).value().draining, plain({0}));
    // Whatever is in both lists is added.
    EXPECT_EQ(edit(*store, "autos", {numbers({0, 1}), plain({1, 0})}).value().added, plain({0, 1}));
    EXPECT_EQ(world(*store).at("autos").second.size(), 3u);
    EXPECT_EQ(store->allocate(0, "v-1").number, number(0));
    store->allocate(0, "v-2");
    store->allocate(0, "v-3");
    EXPECT_EQ(store->allocate(0, "v-4").reason, OverflowReason::exhausted);
    clock_.leap(35min);
    EXPECT_EQ(store->allocate(0, "v-4").number, number(0));
}

TEST_F(PoolKeeperTest, TellsEachNumberThatItRefusesAndThenAppliesNothing) {
    auto store = open_with_two_pools();
    store->allocate(1, "v-1");
    EXPECT_TRUE(edit(*store, "boats", {{}, plain({10})}).ok());
    const World before = world(*store);
    auto wanted = numbers({0, 5, 10, 11});
    wanted.push_back({PhoneNumber::from_digits(18005550100), {}});
    const std::vector<std::string> expected = {
        "+18005550100 it is the overflow number of pool 'boats'",
        number(10).e164() + " it is still held in pool 'boats', which it is to leave",
        number(11).e164() + " it is in pool 'boats'"};
    const auto change = set(*store, "autos", wanted);
    EXPECT_EQ(reasons(change), expected);
    EXPECT_TRUE(change.value().added.empty());
    EXPECT_EQ(world(*store), before);
    store.reset();
    EXPECT_EQ(world(*open()), before);
}

TEST_F(PoolKeeperTest, ANumberMovesToAnotherPoolWhenItsTimeIsOver) {
    auto store = open_with_two_pools();
    store->allocate(0, "v-1");
    const auto record = (*store)->pool(0).slot(0).record;
    EXPECT_TRUE(edit(*store, "autos", {{}, plain({0, 1})}).ok());
    EXPECT_EQ(edit(*store, "boats", {numbers({1}), {}}).value().added, plain({1}))
        << "nobody has had it";
    EXPECT_EQ(edit(*store, "boats", {numbers({0}), {}}).value().refused.size(), 1u);
    clock_.leap(35min);
    EXPECT_EQ(edit(*store, "boats", {numbers({0}), {}}).value().added, plain({0}));
    const World after = world(*store);
    EXPECT_EQ(after.at("autos").second, std::set<std::string>{number(2).e164()});
    EXPECT_EQ(after.at("boats").second.size(), 4u);
    const auto& boats = (*store)->pool(1);
    EXPECT_EQ(boats.slot(3).record, record) << "the history goes with it";
    disk_.freeze();
    store.reset();
    disk_.freeze_after(1 << 30);
    EXPECT_EQ(world(*open()), after);
}

TEST_F(PoolKeeperTest, CountsWhatHappens) {
    const auto store = open_with_two_pools();
    store->allocate(0, "a");
    store->allocate(0, "b");
    store->allocate(0, "a");
    store->run([&] { (void)(*store)->release(0, number(1), {"b", {}}, {}); });
    store->allocate(0, "c");
    auto seen = figures(*store, "autos");
    EXPECT_EQ(seen.numbers, 3u);
    EXPECT_EQ(seen.held, 2u);
    EXPECT_EQ(seen.cooling, 1u);
    EXPECT_EQ(seen.free, 0u);
    EXPECT_EQ(seen.counters.allocations, 4u);
    EXPECT_EQ(seen.counters.new_holds, 3u);
    EXPECT_EQ(seen.counters.releases, 1u);
    EXPECT_EQ(seen.counters.early_reissues, 0u);
    store->allocate(0, "d");
    EXPECT_EQ(figures(*store, "autos").counters.overflows[0], 1u);
    clock_.leap(5min);
    store->allocate(0, "d");  // gets what b gave back five minutes ago
    clock_.leap(66min);
    store->allocate(0, "e");  // a's time is over for longer than a lifetime
    store->allocate(0, "c");  // it had that number itself
    seen = figures(*store, "autos");
    EXPECT_EQ(seen.counters.early_reissues, 1u);
    EXPECT_EQ(seen.counters.new_holds, 6u);
    EXPECT_EQ(figures(*store, "boats").counters.allocations, 0u);
}

TEST_F(PoolKeeperTest, TellsWhenANumberWillBeFree) {
    const auto store = open_with_two_pools();
    const auto until = store->allocate(0, "v-1").expires_at + 5min;
    const auto page = in_fiber(*store, [&] { return *(*store)->pools().numbers("autos", 0, 1); });
    ASSERT_EQ(page.numbers.size(), 1u);
    EXPECT_EQ(page.numbers[0].state, State::held);
    // Both clocks count whole milliseconds, but not the same ones.
    EXPECT_LE(std::chrono::abs(page.numbers[0].free_at - until), 1s);
    EXPECT_NE(page.next, 0u);
}

// --- trouble -------------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, ADiskThatFailsChangesNothing) {
    auto store = open_with_two_pools();
    store->allocate(0, "v-1");
    const World before = world(*store);
    for (const unsigned step : {TestDisk::creating, TestDisk::writing, TestDisk::syncing,
                                TestDisk::renaming, TestDisk::syncing_directory}) {
        SCOPED_TRACE(step);
        disk_.fail(step, std::errc::no_space_on_device);
        EXPECT_EQ(set(*store, "autos", numbers({7})).error().code, ErrorCode::unavailable);
        EXPECT_EQ(put(*store, definition("cars")).error().code, ErrorCode::unavailable);
        EXPECT_EQ(world(*store), before);
        disk_.heal();
    }
    disk_.fail(TestDisk::removing | TestDisk::creating, std::errc::io_error);
    EXPECT_EQ(remove(*store, "boats").error().code, ErrorCode::unavailable);
    EXPECT_EQ(world(*store), before);
    disk_.heal();
    // What was half written must not forbid the number to another pool.
    EXPECT_EQ(edit(*store, "boats", {numbers({7}), {}}).value().added, plain({7}));
    const World after = world(*store);
    store.reset();
    EXPECT_EQ(world(*open()), after);
}

TEST_F(PoolKeeperTest, RefusesFilesThatNameOneNumberTwice) {
    write_pools(directory_.path(), {{"autos", 3}});
    std::filesystem::create_directories(directory_.path() / "pools");
    const PoolFiles files(disk_, directory_.path() / "pools");
    const auto expect_damaged = [&](const std::string& id, std::string_view what) {
        const TestStore store(directory_.path(), {}, options_, &disk_);
        ASSERT_TRUE(store.error());
        EXPECT_EQ(store.error()->code, ErrorCode::damaged);
        EXPECT_NE(store.error()->message.find(files.path_of(id).string()), std::string::npos);
        EXPECT_NE(store.error()->message.find(what), std::string::npos) << store.error()->message;
    };
    ASSERT_TRUE(files.save({definition("boats"), {{test_number(0, 2), true}}}).ok());
    expect_damaged("boats", "is in pool 'autos' already");
    auto overflow = definition("boats");
    overflow.overflow.number = number(2);
    ASSERT_TRUE(files.save({overflow, {}}).ok());
    expect_damaged("autos", "is the overflow number of pool 'boats'");
}

/// Everything that an administrator may do, after which the next start must find all of it or
/// nothing.
struct Change {
    const char* name;
    std::function<bool(TestStore&)> make;
    friend void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }
};
class CrashAtAnyStep : public PoolKeeperTest, public ::testing::WithParamInterface<Change> {};

const Change kChanges[] = {
    {"create", [](TestStore& store) { return store->pools().put_pool(definition("cars")).ok(); }},
    {"change",
     [](TestStore& store) {
         auto pool = definition("autos");
         pool.name = "Cars";
         return store->pools().put_pool(pool).ok();
     }},
    {"remove", [](TestStore& store) { return store->pools().remove_pool("autos").ok(); }},
    {"set",
     [](TestStore& store) {
         return store->pools().set_numbers("autos", numbers({1, 7})).ok();
     }},
    {"edit",
     [](TestStore& store) {
         return store->pools().edit_numbers("autos", {numbers({8}), plain({1})}).ok();
     }},
    {"move",  // both have left boats
     [](TestStore& store) {
         return store->pools().edit_numbers("autos", {numbers({20, 21}), {}}).ok();
     }},
};
INSTANTIATE_TEST_SUITE_P(PoolKeeper, CrashAtAnyStep, ::testing::ValuesIn(kChanges),
                         [](const auto& param) { return std::string(param.param.name); });

TEST_P(CrashAtAnyStep, LeavesTheChangeWholeOrUndone) {
    struct Life {
        World before;
        World after;
        bool done = false;
        bool frozen = false;
        PhoneNumber held;
    };
    const auto live = [&](const std::filesystem::path& directory, int steps) {
        Life life;
        TestDisk disk;
        TestStore store(directory, {}, options_, &disk, &clock_);
        store.run([&] {
            auto& pools = store->pools();
            EXPECT_TRUE(pools.put_pool(definition("autos")).ok());
            EXPECT_TRUE(pools.put_pool(definition("boats")).ok());
            EXPECT_TRUE(pools.set_numbers("autos", numbers({0, 1, 2})).ok());
            EXPECT_TRUE(pools.set_numbers("boats", numbers({10, 20, 21})).ok());
            EXPECT_TRUE(pools.set_numbers("boats", numbers({10})).ok());
            life.held = store.allocate_here(0, "v-1").number;
            life.before = world_of(store);
            disk.freeze_after(steps);
            life.done = GetParam().make(store);
            life.frozen = disk.frozen();
            life.after = world_of(store);
            disk.freeze();
        });
        return life;
    };
    const TempDirectory first;
    const World whole = live(first.path(), 1 << 30).after;
    bool frozen = true;
    for (int step = 0; frozen; ++step) {
        SCOPED_TRACE(step);
        const TempDirectory directory;
        const Life life = live(directory.path(), step);
        frozen = life.frozen;
        ASSERT_NE(life.before, whole);
        ASSERT_EQ(life.after, life.done ? whole : life.before);
        TestDisk disk;
        TestStore store(directory.path(), {}, options_, &disk, &clock_);
        ASSERT_FALSE(store.error()) << store.error()->message;
        const World found = world(store);
        ASSERT_TRUE(found == whole || (found == life.before && !life.done));
        if (found.count("autos") == 1) {
            ASSERT_EQ(store.allocate(0, "v-1").number, life.held);
        }
    }
}

// --- callers that give up ------------------------------------------------------------------------

TEST_F(PoolKeeperTest, AChangeIsMadeWholeOrNotAtAllWhenItsCallerIsCancelled) {
    options_.fsync = Fsync::never;
    const unsigned many = 10'000;  // several portions
    bool some_whole = false;
    auto store = open();
    ASSERT_TRUE(put(*store, definition("autos")).ok());
    for (unsigned round = 0; round < 12; ++round) {
        const bool remove_all = round % 3 == 2;
        const unsigned first = round * many;
        const World before = world(*store);
        bool returned = false;
        store->run([&] {
            auto& scheduler = store->reactor().scheduler();
            const runtime::Task task = scheduler.spawn("change", [&] {
                if (remove_all) {
                    (void)(*store)->pools().remove_pool("autos");
                } else {
                    (void)(*store)->pools().put_pool(definition("autos"));
                    (void)(*store)->pools().set_numbers("autos", numbers_up_to(many, first));
                }
                returned = true;
            });
            // The first rounds cancel before it begins, the last ones in the middle of it.
            if (round > 2) store->sleep(std::chrono::milliseconds(round));
            task.cancel("the caller has gone");
            while (task.is_running()) store->sleep(1ms);
        });
        const World after = world(*store);
        const bool whole = remove_all ? !after.contains("autos")
                                      : after.contains("autos") &&
                                            after.at("autos").second.size() == many &&
                                            after.at("autos").second.contains(number(first).e164());
        EXPECT_TRUE(whole || after == before) << round;
        EXPECT_TRUE(whole || !returned);
        some_whole = some_whole || whole;
        store = nullptr;
        store = open();
        EXPECT_EQ(world(*store), after) << round;
    }
    EXPECT_TRUE(some_whole);
}

// --- under load ----------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, RequestsAreServedAllTheWhile) {
    constexpr unsigned kMany = 30'000;
    options_.fsync = Fsync::never;
    const auto store = open();
    ASSERT_TRUE(put(*store, definition("autos")).ok());
    ASSERT_TRUE(set(*store, "autos", numbers_up_to(100)).ok());
    std::map<std::uint64_t, std::string> owners;
    std::map<std::string, std::uint64_t> held;
    std::size_t clients = 4;
    store->run([&] {
        auto& scheduler = store->reactor().scheduler();
        bool stop = false;
        for (std::size_t client = 0; client < 4; ++client) {
            scheduler.spawn("client", [&, client] {
                for (unsigned i = 0; !stop; ++i) {
                    const auto session = std::to_string(client) + "/" + std::to_string(i % 2000);
                    scheduler.yield();  // an overflow number takes no time
                    if (!store->catalog().find("autos")) continue;
                    const auto answer = store->allocate_here(0, session);
                    if (answer.outcome != kAllocated) continue;
                    const auto digits = answer.number.digits();
                    ASSERT_EQ(held.emplace(session, digits).first->second, digits);
                    ASSERT_EQ(owners.emplace(digits, session).first->second, session);
                }
                --clients;
            });
        }
        auto& pools = (*store)->pools();
        const auto put_lifetime = [&](std::chrono::seconds lifetime) {
            auto pool = definition("autos");
            pool.lifetime = lifetime;
            EXPECT_TRUE(pools.put_pool(pool).ok());
        };
        const auto set_numbers = [&](unsigned count, unsigned first) {
            const auto change = pools.set_numbers("autos", numbers_up_to(count, first));
            ASSERT_TRUE(change.ok()) << change.error().message;
            EXPECT_TRUE(change->refused.empty());
        };
        set_numbers(kMany, 0);
        set_numbers(kMany, 1000);
        EXPECT_GE(pools.figures("autos").value().numbers, kMany);
        set_numbers(0, 0);
        set_numbers(2 * kMany, 0);
        put_lifetime(1h);
        put_lifetime(10min);
        // Sessions may get other numbers than before, but nobody gets theirs.
        EXPECT_TRUE(pools.remove_pool("autos").ok());
        held.clear();
        put_lifetime(30min);
        set_numbers(2 * kMany, 0);
        stop = true;
        while (clients > 0) store->sleep(1ms);
    });
    EXPECT_GT(held.size(), 1000u);
    for (const auto& [session, digits] : held) {
        ASSERT_EQ(store->allocate(0, session).number.digits(), digits) << session;
    }
}

}  // namespace
}  // namespace ringmaster::store
