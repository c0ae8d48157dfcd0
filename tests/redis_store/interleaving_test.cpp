#include "ringmaster/redis_store/redis_pools.hpp"

#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "redis_store/world.hpp"
#include <gtest/gtest.h>

/// Two daemons that change the same at the same time, and daemons that die in the middle of it.
namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;

PoolDefinition with_overflow(const std::string& id, unsigned i) {
    auto pool = definition(id);
    pool.overflow.number = number(i);
    return pool;
}

constexpr const char* kPools[] = {"autos", "boats", "cars"};

/// A change that an administrator may make.
struct Change {
    const char* name;
    std::function<void(RedisPools&)> make;
    friend void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }
};

// Number 0 is in "autos"; 1 and 7 are in none, and were in "boats", which knows of a hold of 7; 2
// is in "boats" and has drained.
const std::vector<Change> kChanges = {
    {"autos_take",
     [](RedisPools& pools) {
         (void)pools.edit_numbers("autos", {numbers({1, 2, 7}), {}});
     }},
    {"boats_take",
     [](RedisPools& pools) {
         (void)pools.edit_numbers("boats", {numbers({1, 2, 7}), {}});
     }},
    {"cars_take",
     [](RedisPools& pools) {
         (void)pools.edit_numbers("cars", {numbers({7, 2, 1}), {}});
     }},
    {"boats_set",
     [](RedisPools& pools) {
         (void)pools.set_numbers("boats", numbers({1, 5}));
     }},
    {"autos_give",
     [](RedisPools& pools) {
         (void)pools.edit_numbers("autos", {{}, plain({0, 1})});
     }},
    {"boats_take_0",
     [](RedisPools& pools) {
         (void)pools.edit_numbers("boats", {numbers({0}), {}});
     }},
    {"overflow_1", [](RedisPools& pools) { (void)pools.put_pool(with_overflow("cars", 1)); }},
    {"overflow_7", [](RedisPools& pools) { (void)pools.put_pool(with_overflow("boats", 7)); }},
    {"overflow_back",
     [](RedisPools& pools) {
         auto changed = definition("cars");
         changed.name = "changed";
         (void)pools.put_pool(changed);
     }},
    {"boats_go", [](RedisPools& pools) { (void)pools.remove_pool("boats"); }},
    {"overflow_2", [](RedisPools& pools) { (void)pools.put_pool(with_overflow("boats", 2)); }},
};

class InterleavingTest : public ::testing::Test {
  protected:
    /// Calls `job()` in a fiber with two daemons that hear of each other by what they ask only.
    void run(const std::function<void()>& job) {
        world_.run([&] {
            first_ = &world_.start_daemon({.deaf = true});
            second_ = &world_.start_daemon({.deaf = true});
            job();
        });
    }
    /// Makes everything as it was at the beginning of the first one.
    void begin_trial() {
        if (trials_++ == 0) {
            make_pools();
            copy_keys("", "first:");
        } else {
            copy_keys("first:", "");
        }
        for (Daemon* const daemon : {first_, second_}) {
            for (const char* pool : kPools) {
                EXPECT_TRUE(daemon->follower.catch_up(pool, Deadline::never()).ok());
            }
        }
    }
    void make_pools() {
        RedisPools& pools = first_->pools;
        for (const char* pool : kPools) EXPECT_TRUE(pools.put_pool(definition(pool)).ok());
        EXPECT_TRUE(pools.set_numbers("boats", numbers({7, 2, 1})).ok());
        for (const unsigned i : {7u, 2u}) {
            EXPECT_EQ(world_.allocate("boats", "v-" + std::to_string(i)).value(), number(i));
        }
        // Number 2 drains, and its time is over; 7 is protected, though its pool has gone.
        EXPECT_TRUE(pools.set_numbers("boats", numbers({7, 1})).ok());
        world_.leap(34min);
        EXPECT_EQ(world_.allocate("boats", "v-7").value(), number(7));
        EXPECT_TRUE(pools.remove_pool("boats").ok());
        EXPECT_TRUE(pools.put_pool(definition("boats")).value());
        EXPECT_TRUE(pools.set_numbers("boats", numbers({2, 3})).ok());
        EXPECT_TRUE(pools.set_numbers("boats", numbers({3})).ok());
        world_.leap(1min);
        EXPECT_TRUE(pools.set_numbers("autos", numbers({0})).ok());
        began_at_ = world_.now();
    }
    void copy_keys(const std::string& from, const std::string& to) {
        redis::Words words{"EVAL",
                           "for _, key in ipairs(KEYS) do redis.call('DEL', ARGV[2] .. key) "
                           "redis.call('COPY', ARGV[1] .. key, ARGV[2] .. key) end",
                           ""};
        const RegistryKeys registry("ringmaster");
        for (const std::string_view key : registry.all()) words.emplace_back(key);
        for (const char* pool : {"autos", "boats", "cars", "planes"}) {
            const PoolKeys keys("ringmaster", pool);
            for (const std::string_view key : keys.all()) words.emplace_back(key);
        }
        words[2] = std::to_string(words.size() - 3);
        words.push_back(from);
        words.push_back(to);
        EXPECT_EQ(world_.server().command(words), "(nil)");
        world_.leap(began_at_ - world_.now());
    }
    /// What must hold at any time.
    void expect_order(const std::string& when) {
        std::map<std::string, std::string> homes;
        std::set<PhoneNumber> overflows;
        for (const char* pool : kPools) {
            EXPECT_TRUE(second_->follower.catch_up(pool, Deadline::never()).ok());
            const auto index = second_->catalog.find(pool);
            if (index) overflows.insert(second_->catalog.at(*index).overflow.number);
        }
        for (const PhoneNumber overflow : overflows) {
            if (!second_->catalog.find("cars")) break;
            const auto change = second_->pools.edit_numbers("cars", {{{overflow, {}}}, {}});
            const bool refused = change && change->refused.size() == 1;
            ASSERT_TRUE(refused) << when << ": " << overflow.e164() << " is an overflow number";
            EXPECT_TRUE(change->refused[0].reason.starts_with("it is the overflow number of "))
                << when << ": " << overflow.e164() << " " << change->refused[0].reason;
        }
        for (const char* pool : kPools) {
            const auto page = second_->pools.numbers(pool, 0, 100);
            if (!page) continue;
            for (const ringpool::NumberState& member : page->numbers) {
                const PhoneNumber digits = member.number.number;
                const std::string which = when + ": " + digits.e164();
                EXPECT_FALSE(overflows.contains(digits)) << which << " is an overflow number";
                const auto [home, only] = homes.emplace(digits.e164(), pool);
                EXPECT_TRUE(only) << which << " is in " << pool << " and " << home->second;
                if (digits == number(7)) {  // v-7 was promised that nobody gets it
                    EXPECT_NE(member.state, ringpool::NumberState::State::free) << which;
                }
            }
        }
    }
    /// Whatever came about, it is in nobody's way: the daemon that is left gets its will.
    void expect_no_obstacle(const std::string& when) {
        RedisPools& pools = second_->pools;
        world_.leap(36min);
        for (const char* pool : kPools) {
            EXPECT_TRUE(pools.put_pool(definition(pool)).ok()) << when;
            EXPECT_TRUE(pools.set_numbers(pool, {}).ok()) << when;
        }
        const auto change = pools.set_numbers("cars", numbers({0, 1, 2, 3, 5, 7}));
        ASSERT_TRUE(change.ok()) << when << ": " << change.error().message;
        EXPECT_TRUE(change->refused.empty()) << when << ": " << change->refused[0].reason;
        EXPECT_EQ(names_in(*second_, "cars").size(), 6u) << when;
    }

    World world_;
    int trials_ = 0;
    WallTime began_at_{};
    Daemon* first_ = nullptr;
    Daemon* second_ = nullptr;
};

/// Two changes, one in each daemon.
class Pairs : public InterleavingTest,
              public ::testing::WithParamInterface<std::tuple<Change, Change>> {};
INSTANTIATE_TEST_SUITE_P(
    Redis, Pairs, ::testing::Combine(::testing::ValuesIn(kChanges), ::testing::ValuesIn(kChanges)),
    [](const auto& param) {
        return std::string(std::get<0>(param.param).name) + "_and_" + std::get<1>(param.param).name;
    });

// Before each step of one, the other one begins, goes so far, waits until the first is done, and
// goes on.
TEST_P(Pairs, LeaveEachNumberInOnePoolWhoeverIsInterrupted) {
    const auto& one = std::get<0>(GetParam());
    const auto& other = std::get<1>(GetParam());
    // Whether the first one was interrupted, and whether the second one had to wait.
    const auto make_both = [&](std::size_t step, std::size_t until) {
        runtime::Scheduler& scheduler = world_.reactor().scheduler();
        runtime::Event first_done(scheduler);
        runtime::Event second_waits(scheduler);
        runtime::Event second_done(scheduler);
        second_->client.before_call(until, [&] {
            second_waits.set();
            first_done.wait();
        });
        first_->client.before_call(step, [&] {
            scheduler.spawn("other", [&] {
                other.make(second_->pools);
                second_waits.set();
                second_done.set();
            });
            second_waits.wait();
        });
        one.make(first_->pools);
        first_done.set();
        const bool interrupted = first_->client.hook_ran();
        if (interrupted) second_done.wait();
        const bool waited = second_->client.hook_ran();
        for (Daemon* const daemon : {first_, second_}) daemon->client.revive();
        return std::pair(interrupted, waited);
    };
    run([&] {
        std::size_t step = 0;
        for (bool interrupted = true; interrupted; ++step) {
            for (std::size_t until = 1; interrupted; ++until) {
                begin_trial();
                const auto [began, waited] = make_both(step, until);
                expect_order("interrupted before step " + std::to_string(step) +
                             " by one that waits at step " + std::to_string(until));
                if (HasFailure()) return;
                interrupted = began;
                if (!waited) break;
            }
        }
        EXPECT_GT(step, 2u);
    });
}

// A daemon dies before each step of a change; then the other one makes its own.
TEST_P(Pairs, AreNotInEachOthersWayWhereOneDies) {
    run([&] {
        const auto& [one, other] = GetParam();
        bool died = true;
        for (std::size_t step = 0; died; ++step) {
            const std::string when = "died before step " + std::to_string(step);
            begin_trial();
            first_->client.crash_before_call(step);
            one.make(first_->pools);
            died = first_->client.hook_ran();
            first_->client.revive();
            other.make(second_->pools);
            expect_order(when);
            expect_no_obstacle(when);
            if (HasFailure()) return;
        }
    });
}

// A change that was left half done is whole or undone.
TEST_F(InterleavingTest, AnEditIsMadeWholeOrNotAtAll) {
    run([&] {
        bool died = true;
        std::set<std::size_t> sizes;
        for (std::size_t step = 0; died; ++step) {
            begin_trial();
            first_->client.crash_before_call(step);
            const auto change =
                first_->pools.edit_numbers("autos", {numbers({1, 2, 4}), plain({0})});
            died = first_->client.hook_ran();
            first_->client.revive();
            const auto names = names_in(*second_, "autos");
            sizes.insert(names.size());
            EXPECT_TRUE(change.ok() || names == std::set{number(0).e164()});
            EXPECT_TRUE(!change.ok() || names.size() == 3);
        }
        EXPECT_EQ(sizes, (std::set<std::size_t>{1, 3}));
    });
}

TEST_F(InterleavingTest, WhatWasLeftHalfDoneIsDoneBySayingItAgain) {
    run([&] {
        bool died = true;
        for (std::size_t step = 0; died; ++step) {
            begin_trial();
            const auto planes = definition("planes");
            first_->client.crash_before_call(step);
            const auto put = first_->pools.put_pool(planes);
            died = first_->client.hook_ran();
            first_->client.revive();
            EXPECT_EQ(second_->pools.put_pool(planes).value(), !put.ok()) << step;
            EXPECT_TRUE(second_->catalog.find(planes.id)) << step;

            first_->client.crash_before_call(step);
            (void)first_->pools.remove_pool("autos");
            first_->client.revive();
            EXPECT_TRUE(second_->follower.catch_up("autos", Deadline::never()).ok());
            const auto again = second_->pools.remove_pool("autos");
            EXPECT_TRUE(again.ok() || again.error().code == ErrorCode::not_found);
            EXPECT_FALSE(second_->catalog.find("autos")) << step;
            Daemon& fresh = world_.start_daemon();
            EXPECT_FALSE(fresh.catalog.find("autos")) << step;
            EXPECT_TRUE(fresh.catalog.find(planes.id)) << step;
        }
    });
}

// Both want the same numbers, again and again, and both get on.
TEST_F(InterleavingTest, NoneKeepsTheOtherFromGettingOn) {
    run([&] {
        begin_trial();
        runtime::Scheduler& scheduler = world_.reactor().scheduler();
        runtime::Event done(scheduler);
        std::size_t running = 2;
        std::map<std::string, int> got;
        const auto work = [&](Daemon* daemon, const std::string& pool) {
            for (int i = 0; i < 40; ++i) {
                const auto change = daemon->pools.edit_numbers(pool, {numbers_up_to(20, 1000), {}});
                if (!change) {
                    ADD_FAILURE() << change.error().message;
                } else if (change->refused.empty()) {
                    ++got[pool];
                    EXPECT_EQ(change->added.size(), 20u);
                    std::vector<PhoneNumber> all;
                    for (const PoolNumber& each : numbers_up_to(20, 1000)) {
                        all.push_back(each.number);
                    }
                    EXPECT_EQ(daemon->pools.edit_numbers(pool, {{}, all}).value().removed.size(),
                              20u);
                }
            }
            if (--running == 0) done.set();
        };
        scheduler.spawn("first", [&] { work(first_, "autos"); });
        scheduler.spawn("second", [&] { work(second_, "cars"); });
        done.wait();
        EXPECT_GT(got["autos"], 0);
        EXPECT_GT(got["cars"], 0);
        expect_order("afterwards");
    });
}

// A caller that has gone leaves nothing half done.
TEST_F(InterleavingTest, AChangeIsMadeToItsEndWhenItsCallerIsCancelled) {
    run([&] {
        begin_trial();
        runtime::Scheduler& scheduler = world_.reactor().scheduler();
        runtime::Task task;
        bool returned = false;
        first_->client.before_call(2, [&] { task.cancel("the caller has gone"); });
        task = scheduler.spawn("change", [&] {
            EXPECT_TRUE(first_->pools.edit_numbers("autos", {numbers({4}), {}}).ok());
            returned = true;
        });
        world_.wait_until([&] { return !task.is_running(); });
        EXPECT_TRUE(returned);
        EXPECT_EQ(names_in(*second_, "autos").size(), 2u);
    });
}

}  // namespace
}  // namespace ringmaster::redis_store
