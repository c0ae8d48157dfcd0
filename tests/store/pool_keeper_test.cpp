#include "ringmaster/store/pool_keeper.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "store/support.hpp"
#include "store_contract/caller.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::NumbersChange;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;
using store_contract::numbers;
using store_contract::numbers_from;
using store_contract::plain;
using store_contract::PoolsView;
using store_contract::test_definition;
using store_contract::view_pools;

constexpr auto kAllocated = Allocation::Outcome::allocated;

PhoneNumber number(unsigned i) {
    return test_number(0, i).number;
}

PoolsView view_pools(TestStore& store) {
    return view_pools(store.catalog(), store->pools());
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
        EXPECT_TRUE(put(*store, test_definition("autos")).value());
        EXPECT_TRUE(put(*store, test_definition("boats")).value());
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
    static PoolsView view(TestStore& store) {
        return in_fiber(store, [&] { return view_pools(store); });
    }

    TempDirectory directory_;
    TestDisk disk_;
    LeapingClock clock_;
    EmbeddedStoreOptions options_;
};

TEST_F(PoolKeeperTest, WhatChangesNothingWritesNothing) {
    const auto store = open_with_two_pools();
    disk_.fail(TestDisk::renaming, std::errc::io_error);
    EXPECT_FALSE(put(*store, test_definition("autos")).value());
    const auto same = set(*store, "autos", numbers({2, 1, 0, 1}));
    EXPECT_TRUE(same.value().added.empty());
    EXPECT_TRUE(edit(*store, "autos", {{}, plain({10, 77})}).value().removed.empty());
    disk_.heal();
}

TEST_F(PoolKeeperTest, RefusesMoreThanItIsAllowedToHave) {
    options_.max_pools = 2;
    options_.max_numbers = 3;
    const auto store = open_with_two_pools();
    const PoolsView before = view(*store);
    const auto code = [](const auto& result) { return result.error().code; };
    EXPECT_EQ(code(put(*store, test_definition("third"))), ErrorCode::invalid);
    EXPECT_EQ(code(set(*store, "autos", numbers({0, 1, 2, 3}))), ErrorCode::invalid);
    EXPECT_EQ(code(edit(*store, "autos", {numbers({3}), {}})), ErrorCode::invalid);
    EXPECT_EQ(view(*store), before);
}

TEST_F(PoolKeeperTest, NothingIsAskedAfterClose) {
    const auto store = open_with_two_pools();
    store->close();
    EXPECT_EQ(put(*store, test_definition("cars")).error().code, ErrorCode::unavailable);
}

// --- trouble -------------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, ADiskThatFailsChangesNothing) {
    auto store = open_with_two_pools();
    store->allocate(0, "v-1");
    const PoolsView before = view(*store);
    for (const unsigned step : {TestDisk::creating, TestDisk::writing, TestDisk::syncing,
                                TestDisk::renaming, TestDisk::syncing_directory}) {
        SCOPED_TRACE(step);
        disk_.fail(step, std::errc::no_space_on_device);
        EXPECT_EQ(set(*store, "autos", numbers({7})).error().code, ErrorCode::unavailable);
        EXPECT_EQ(put(*store, test_definition("cars")).error().code, ErrorCode::unavailable);
        EXPECT_EQ(view(*store), before);
        disk_.heal();
    }
    disk_.fail(TestDisk::removing | TestDisk::creating, std::errc::io_error);
    EXPECT_EQ(remove(*store, "boats").error().code, ErrorCode::unavailable);
    EXPECT_EQ(view(*store), before);
    disk_.heal();
    // What was half written must not forbid the number to another pool.
    EXPECT_EQ(edit(*store, "boats", {numbers({7}), {}}).value().added, plain({7}));
    const PoolsView after = view(*store);
    store.reset();
    EXPECT_EQ(view(*open()), after);
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
    ASSERT_TRUE(files.save({test_definition("boats"), {{test_number(0, 2), true}}}).ok());
    expect_damaged("boats", "is in pool 'autos' already");
    auto overflow = test_definition("boats");
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
    {"create",
     [](TestStore& store) { return store->pools().put_pool(test_definition("cars")).ok(); }},
    {"change",
     [](TestStore& store) {
         auto pool = test_definition("autos");
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
        PoolsView before;
        PoolsView after;
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
            EXPECT_TRUE(pools.put_pool(test_definition("autos")).ok());
            EXPECT_TRUE(pools.put_pool(test_definition("boats")).ok());
            EXPECT_TRUE(pools.set_numbers("autos", numbers({0, 1, 2})).ok());
            EXPECT_TRUE(pools.set_numbers("boats", numbers({10, 20, 21})).ok());
            EXPECT_TRUE(pools.set_numbers("boats", numbers({10})).ok());
            life.held = store.allocate_here(0, "v-1").number;
            life.before = view_pools(store);
            disk.freeze_after(steps);
            life.done = GetParam().make(store);
            life.frozen = disk.frozen();
            life.after = view_pools(store);
            disk.freeze();
        });
        return life;
    };
    const TempDirectory first;
    const PoolsView whole = live(first.path(), 1 << 30).after;
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
        const PoolsView found = view(store);
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
    ASSERT_TRUE(put(*store, test_definition("autos")).ok());
    for (unsigned round = 0; round < 12; ++round) {
        const bool remove_all = round % 3 == 2;
        const unsigned first = round * many;
        const PoolsView before = view(*store);
        bool returned = false;
        store->run([&] {
            auto& scheduler = store->reactor().scheduler();
            const runtime::Task task = scheduler.spawn("change", [&] {
                if (remove_all) {
                    (void)(*store)->pools().remove_pool("autos");
                } else {
                    (void)(*store)->pools().put_pool(test_definition("autos"));
                    (void)(*store)->pools().set_numbers("autos", numbers_from(first, many));
                }
                returned = true;
            });
            // The first rounds cancel before it begins, the last ones in the middle of it.
            if (round > 2) store->sleep(std::chrono::milliseconds(round));
            task.cancel("the caller has gone");
            while (task.is_running()) store->sleep(1ms);
        });
        const PoolsView after = view(*store);
        const bool whole =
            remove_all
                ? !after.contains("autos")
                : after.contains("autos") && after.at("autos").second.size() == many &&
                      after.at("autos").second.contains(store_contract::name_of(number(first)));
        EXPECT_TRUE(whole || after == before) << round;
        EXPECT_TRUE(whole || !returned);
        some_whole = some_whole || whole;
        store = nullptr;
        store = open();
        EXPECT_EQ(view(*store), after) << round;
    }
    EXPECT_TRUE(some_whole);
}

// --- under load ----------------------------------------------------------------------------------

TEST_F(PoolKeeperTest, RequestsAreServedAllTheWhile) {
    constexpr unsigned kMany = 30'000;
    options_.fsync = Fsync::never;
    const auto store = open();
    ASSERT_TRUE(put(*store, test_definition("autos")).ok());
    ASSERT_TRUE(set(*store, "autos", numbers_from(0, 100)).ok());
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
            auto pool = test_definition("autos");
            pool.lifetime = lifetime;
            EXPECT_TRUE(pools.put_pool(pool).ok());
        };
        const auto set_numbers = [&](unsigned count, unsigned first) {
            const auto change = pools.set_numbers("autos", numbers_from(first, count));
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
