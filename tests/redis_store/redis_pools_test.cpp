#include "ringmaster/redis_store/redis_pools.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "redis_store/world.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;
using ringpool::NumbersChange;
using State = ringpool::NumberState::State;

std::vector<std::string> reasons(const Result<NumbersChange>& change) {
    std::vector<std::string> result;
    for (const auto& refusal : change.value().refused) {
        result.push_back(refusal.number.e164() + " " + refusal.reason);
    }
    return result;
}

std::string name(unsigned i) {
    return number(i).e164();
}

class RedisPoolsTest : public ::testing::Test {
  protected:
    /// With pools "autos" (numbers 0, 1, 2) and "boats" (10, 11).
    Daemon& start_with_two_pools(Daemon::Options options = {}) {
        Daemon& daemon = world_.start_daemon(options);
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_TRUE(daemon.pools.put_pool(definition("boats")).value());
        EXPECT_EQ(daemon.pools.set_numbers("autos", numbers({0, 1, 2})).value().added,
                  plain({0, 1, 2}));
        EXPECT_EQ(daemon.pools.set_numbers("boats", numbers({10, 11})).value().added,
                  plain({10, 11}));
        return daemon;
    }
    /// Each pool's definition and numbers.
    using View = std::map<std::string, std::pair<PoolDefinition, std::set<std::string>>>;
    static View view_of(Daemon& daemon) {
        View view;
        daemon.catalog.for_each(
            [&](ringpool::PoolIndex, const PoolDefinition& pool) { view[pool.id].first = pool; });
        for (auto& [id, pool] : view) pool.second = names_in(daemon, id);
        return view;
    }

    World world_;
};

// --- pools ---------------------------------------------------------------------------------------

TEST_F(RedisPoolsTest, AnotherDaemonFindsWhatOneHasMade) {
    world_.run([&] {
        Daemon& first = start_with_two_pools();
        auto autos = definition("autos");
        autos.key = std::string("another");
        autos.max_hold = 90min;
        autos.name = "Cars";
        autos.tracking_url = "https://example.com/{number}";
        autos.default_region = "DE";
        EXPECT_FALSE(first.pools.put_pool(autos).value()) << "not created, but changed";
        Daemon& second = world_.start_daemon();
        const View view = view_of(second);
        EXPECT_EQ(view.at("autos").first, autos);
        EXPECT_EQ(view.at("boats").second.size(), 2u);
        EXPECT_EQ(view, view_of(first));
    });
}

TEST_F(RedisPoolsTest, WhatChangesNothingWritesNothing) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        const auto changes = [&] { return world_.server().info("rdb_changes_since_last_save"); };
        const std::string before = changes();
        EXPECT_FALSE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_TRUE(daemon.pools.set_numbers("autos", numbers({2, 1, 0, 1})).value().added.empty());
        EXPECT_TRUE(
            daemon.pools.edit_numbers("autos", {{}, plain({10, 77})}).value().removed.empty());
        EXPECT_EQ(changes(), before);
    });
}

TEST_F(RedisPoolsTest, RefusesWhatNoPoolMayBe) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools({.limits = {.max_pools = 2, .max_numbers = 3}});
        const View before = view_of(daemon);
        const auto text = [](const auto& result) {
            EXPECT_EQ(result.error().code, ErrorCode::invalid);
            return result.error().message;
        };
        auto& pools = daemon.pools;
        auto wrong = definition("autos");
        wrong.overflow.number = number(10);
        EXPECT_EQ(text(pools.put_pool(wrong)),
                  "overflow number is +18660000010; expected one that no pool hands out, but it is "
                  "in pool 'boats'");
        wrong.overflow.number = number(1);
        EXPECT_EQ(text(pools.put_pool(wrong)),
                  "overflow number is +18660000001; expected one that no pool hands out, but it is "
                  "in pool 'autos'");
        text(pools.put_pool(definition("a b")));
        EXPECT_EQ(text(pools.put_pool(definition("third"))),
                  "there are 2 pools, and no more are allowed");
        EXPECT_EQ(text(pools.set_numbers("autos", numbers({0, 1, 2, 3}))),
                  "pool 'autos' would have 4 numbers; expected at most 3");
        text(pools.edit_numbers("autos", {numbers({3}), {}}));
        EXPECT_EQ(pools.edit_numbers("cars", {numbers({3}), {}}).error().code,
                  ErrorCode::not_found);
        EXPECT_EQ(pools.set_numbers("cars", {}).error().message, "there is no pool 'cars'");
        EXPECT_EQ(pools.remove_pool("cars").error().code, ErrorCode::not_found);
        EXPECT_EQ(pools.numbers("cars", 0, 10).error().code, ErrorCode::not_found);
        EXPECT_EQ(pools.figures("cars").error().code, ErrorCode::not_found);
        EXPECT_EQ(view_of(daemon), before);
    });
}

TEST_F(RedisPoolsTest, NothingIsAskedAfterClose) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        daemon.pools.close();
        EXPECT_EQ(daemon.pools.put_pool(definition("cars")).error().message, "the store is closed");
        EXPECT_EQ(daemon.pools.figures("autos").error().code, ErrorCode::unavailable);
    });
}

TEST_F(RedisPoolsTest, ARemovedPoolKeepsItsPromises) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        const auto held = world_.allocate("autos", "v-1").value();
        EXPECT_TRUE(daemon.pools.remove_pool("autos").ok());
        EXPECT_EQ(daemon.catalog.size(), 1u);
        EXPECT_EQ(daemon.pools.remove_pool("autos").error().code, ErrorCode::not_found);
        EXPECT_EQ(world_.allocate("autos", "v-1").error().code, ErrorCode::not_found);
        // In another pool, nobody gets it before the time is over.
        EXPECT_EQ(daemon.pools.set_numbers("boats", numbers({0})).value().added, plain({0}));
        EXPECT_EQ(world_.allocate("boats", "v-2").value(), PhoneNumber());
        world_.leap(35min - 1ms);
        EXPECT_EQ(world_.allocate("boats", "v-2").value(), PhoneNumber());
        world_.leap(1ms);
        EXPECT_EQ(world_.allocate("boats", "v-2").value(), held);
    });
}

TEST_F(RedisPoolsTest, APromiseIsKeptThroughPoolsThatNeverHandedTheNumberOut) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(0));
        EXPECT_TRUE(daemon.pools.remove_pool("autos").ok());
        EXPECT_TRUE(daemon.pools.put_pool(definition("cars")).ok());
        for (int i = 0; i < 3; ++i) {
            for (const char* pool : {"boats", "cars"}) {
                EXPECT_EQ(daemon.pools.set_numbers(pool, numbers({0})).value().added, plain({0}));
                EXPECT_EQ(world_.allocate(pool, "v-2").value(), PhoneNumber());
                EXPECT_TRUE(daemon.pools.remove_pool(pool).ok());
                EXPECT_TRUE(daemon.pools.put_pool(definition(pool)).ok());
            }
        }
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_EQ(daemon.pools.set_numbers("autos", numbers({0})).value().added, plain({0}));
        EXPECT_EQ(world_.allocate("autos", "v-2").value(), PhoneNumber());
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(0)) << "it is at home again";
    });
}

TEST_F(RedisPoolsTest, APoolThatIsRemovedAndComesBackKnowsItsSessions) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        world_.allocate("autos", "v-0").value();
        const auto held = world_.allocate("autos", "v-1").value();
        EXPECT_TRUE(daemon.pools.remove_pool("autos").ok());
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_TRUE(names_in(daemon, "autos").empty());
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), PhoneNumber()) << "it has no numbers";
        EXPECT_FALSE(world_.release("autos", held, "v-1"));
        EXPECT_EQ(world_.allocate("autos", "v-3").value(), PhoneNumber());
        EXPECT_TRUE(daemon.pools.set_numbers("autos", numbers({2, 1, 0})).ok());
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), held);
        EXPECT_EQ(world_.allocate("autos", "v-2").value(), number(2))
            << "the only one that is free";
        EXPECT_EQ(world_.allocate("autos", "v-3").value(), PhoneNumber());
    });
}

TEST_F(RedisPoolsTest, ASessionThatHasGotAnotherNumberMeanwhileKeepsThat) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(0));
        EXPECT_TRUE(daemon.pools.remove_pool("autos").ok());
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_TRUE(daemon.pools.set_numbers("autos", numbers({5})).ok());
        world_.leap(1min);
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(5));
        EXPECT_TRUE(daemon.pools.set_numbers("autos", numbers({5, 0})).ok());
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(5));
        world_.leap(34min);
        EXPECT_EQ(world_.allocate("autos", "v-2").value(), number(0));
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(5));
    });
}

TEST_F(RedisPoolsTest, NewRulesApplyFromTheNextTouchOn) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        world_.allocate("autos", "v-0").value();
        auto shorter = definition("autos");
        shorter.lifetime = 1min;
        shorter.cooldown = 0s;
        EXPECT_FALSE(daemon.pools.put_pool(shorter).value());
        world_.allocate("autos", "v-1").value();
        world_.allocate("autos", "v-2").value();
        world_.leap(1min);
        EXPECT_EQ(world_.allocate("autos", "v-3").value(), number(1));
        EXPECT_EQ(world_.allocate("autos", "v-4").value(), number(2));
        EXPECT_EQ(world_.allocate("autos", "v-5").value(), PhoneNumber());
    });
}

TEST_F(RedisPoolsTest, AnOverflowNumberIsFreeAgainWhenNoPoolHasIt) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        const std::vector<PoolNumber> old = {definition("autos").overflow};
        auto autos = definition("autos");
        autos.overflow.number = number(99);
        EXPECT_FALSE(daemon.pools.put_pool(autos).value());
        EXPECT_EQ(
            reasons(daemon.pools.edit_numbers("autos", {old, {}})),
            std::vector<std::string>{"+18005550100 it is the overflow number of pool 'boats'"});
        EXPECT_EQ(
            reasons(daemon.pools.edit_numbers("boats", {numbers({99}), {}})),
            std::vector<std::string>{name(99) + " it is the overflow number of pool 'autos'"});
        EXPECT_TRUE(daemon.pools.remove_pool("boats").ok());
        EXPECT_EQ(daemon.pools.edit_numbers("autos", {old, {}}).value().added.size(), 1u);
        EXPECT_EQ(daemon.pools.put_pool(definition("boats")).error().code, ErrorCode::invalid);
        EXPECT_EQ(daemon.pools.edit_numbers("autos", {{}, {old[0].number}}).value().removed.size(),
                  1u);
        EXPECT_TRUE(daemon.pools.put_pool(definition("boats")).value());
    });
}

TEST_F(RedisPoolsTest, WhatIsPublishedLateChangesNothing) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        const auto publish = [&](const std::string& version, const char* live) {
            const auto answer = daemon.functions.call(
                {"publish", {}, {"autos", version, live, daemon.functions.channel()}});
            return answer.value().integer;
        };
        EXPECT_TRUE(daemon.pools.remove_pool("autos").ok());
        EXPECT_EQ(publish("1", "1"), 0);
        EXPECT_EQ(world_.start_daemon().catalog.size(), 1u);
        EXPECT_TRUE(daemon.pools.put_pool(definition("autos")).value());
        EXPECT_EQ(publish("2", "0"), 0);
        EXPECT_EQ(world_.start_daemon().catalog.size(), 2u);
    });
}

// --- numbers -------------------------------------------------------------------------------------

TEST_F(RedisPoolsTest, AFreeNumberLeavesAtOnceAndAHeldOneDrains) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        const auto held = world_.allocate("autos", "v-1").value();
        ASSERT_EQ(held, number(0));
        const auto change = daemon.pools.set_numbers("autos", numbers({2, 3}));
        EXPECT_EQ(change.value().added, plain({3}));
        EXPECT_EQ(change.value().removed, plain({1}));
        EXPECT_EQ(change.value().draining, plain({0}));
        EXPECT_EQ(names_in(daemon, "autos"),
                  (std::set<std::string>{name(0) + " drains", name(2), name(3)}));
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), held) << "its session keeps it";
        EXPECT_EQ(daemon.pools.figures("autos").value().draining, 1u);
        world_.leap(35min);
        EXPECT_EQ(daemon.pools.figures("autos").value().numbers, 2u);
        EXPECT_EQ(names_in(daemon, "autos").size(), 2u);
        for (const char* session : {"v-1", "v-2"}) {
            EXPECT_NE(world_.allocate("autos", session).value(), held);
        }
        EXPECT_EQ(world_.allocate("autos", "v-3").value(), PhoneNumber());
    });
}

TEST_F(RedisPoolsTest, ANumberThatDrainsMayComeBack) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        auto& pools = daemon.pools;
        world_.allocate("autos", "v-1").value();
        EXPECT_EQ(pools.edit_numbers("autos", {{}, plain({0, 0, 1})}).value().draining, plain({0}));
        // Whatever is in both lists is added.
        const auto back = pools.edit_numbers("autos", {numbers({0, 1, 0}), plain({1, 0})});
        EXPECT_EQ(back.value().added, plain({0, 1}));
        EXPECT_EQ(names_in(daemon, "autos").size(), 3u);
        EXPECT_EQ(world_.allocate("autos", "v-1").value(), number(0));
        world_.allocate("autos", "v-2").value();
        world_.allocate("autos", "v-3").value();
        EXPECT_EQ(world_.allocate("autos", "v-4").value(), PhoneNumber());
        world_.leap(35min);
        EXPECT_EQ(world_.allocate("autos", "v-4").value(), number(0));
    });
}

TEST_F(RedisPoolsTest, ANumberThatHasDrainedMayComeBack) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        world_.allocate("autos", "v-1").value();
        EXPECT_TRUE(daemon.pools.set_numbers("autos", {}).ok());
        world_.leap(35min);
        EXPECT_EQ(daemon.pools.set_numbers("autos", numbers({0})).value().added, plain({0}));
        EXPECT_EQ(world_.allocate("autos", "v-2").value(), number(0));
    });
}

TEST_F(RedisPoolsTest, WhatHasDrainedTakesNoRoom) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools({.limits = {.max_numbers = 3}});
        for (int i = 0; i < 3; ++i) world_.allocate("autos", "v-" + std::to_string(i)).value();
        EXPECT_EQ(daemon.pools.set_numbers("autos", {}).value().draining.size(), 3u);
        EXPECT_EQ(daemon.pools.set_numbers("autos", numbers({5})).error().code, ErrorCode::invalid);
        world_.leap(35min);
        EXPECT_EQ(daemon.pools.set_numbers("autos", numbers({5, 6, 7})).value().added,
                  plain({5, 6, 7}));
    });
}

TEST_F(RedisPoolsTest, TellsEachNumberThatItRefusesAndThenAppliesNothing) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        world_.allocate("boats", "v-1").value();
        EXPECT_TRUE(daemon.pools.edit_numbers("boats", {{}, plain({10})}).ok());
        const View before = view_of(daemon);
        auto wanted = numbers({0, 5, 10, 11});
        wanted.push_back({PhoneNumber::from_digits(18005550100), {}});
        const std::vector<std::string> expected = {
            "+18005550100 it is the overflow number of pool 'boats'",
            name(10) + " it is still held in pool 'boats', which it is to leave",
            name(11) + " it is in pool 'boats'"};
        const auto change = daemon.pools.set_numbers("autos", wanted);
        EXPECT_EQ(reasons(change), expected);
        EXPECT_TRUE(change.value().added.empty());
        EXPECT_EQ(view_of(daemon), before);
    });
}

TEST_F(RedisPoolsTest, ANumberMovesToAnotherPoolWhenItsTimeIsOver) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        auto& pools = daemon.pools;
        world_.allocate("autos", "v-1").value();
        EXPECT_TRUE(pools.edit_numbers("autos", {{}, plain({0, 1})}).ok());
        EXPECT_EQ(pools.edit_numbers("boats", {numbers({1}), {}}).value().added, plain({1}))
            << "nobody has had it";
        EXPECT_EQ(pools.edit_numbers("boats", {numbers({0}), {}}).value().refused.size(), 1u);
        world_.leap(35min);
        EXPECT_EQ(pools.edit_numbers("boats", {numbers({0}), {}}).value().added, plain({0}));
        EXPECT_EQ(names_in(daemon, "autos"), std::set<std::string>{name(2)});
        EXPECT_EQ(names_in(daemon, "boats").size(), 4u);
    });
}

TEST_F(RedisPoolsTest, LargeEditsAreMadeInPortions) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools({.limits = {.max_numbers = 3000, .max_edit = 100}});
        auto& pools = daemon.pools;
        EXPECT_EQ(pools.set_numbers("autos", numbers_up_to(2500, 100)).value().added.size(), 2500u);
        EXPECT_EQ(names_in(daemon, "autos").size(), 2500u);
        auto some = numbers_up_to(2500, 1100);
        some.push_back(pool_number(10));
        EXPECT_EQ(pools.set_numbers("autos", some).value().refused.size(), 1u);
        EXPECT_TRUE(names_in(daemon, "autos").contains(name(100)));
        some.pop_back();
        const auto change = pools.set_numbers("autos", some).value();
        EXPECT_EQ(change.added.size(), 1000u);
        EXPECT_EQ(change.removed.size(), 1000u);
        EXPECT_FALSE(names_in(daemon, "autos").contains(name(100)));
        EXPECT_EQ(pools.edit_numbers("autos", {numbers_up_to(2501, 3000), {}}).error().message,
                  "pool 'autos' would have 4401 numbers; expected at most 3000");
        EXPECT_EQ(pools.figures("autos").value().numbers, 2500u);
    });
}

TEST_F(RedisPoolsTest, CountsStatesAndAddsWhatTheStoreHasCounted) {
    world_.run([&] {
        Daemon& daemon = start_with_two_pools();
        daemon.counters[*daemon.catalog.find("autos")].allocations = 7;
        world_.allocate("autos", "v-1").value();
        world_.allocate("autos", "v-2").value();
        EXPECT_TRUE(world_.release("autos", number(1), "v-2"));
        const auto figures = daemon.pools.figures("autos").value();
        EXPECT_EQ(figures.numbers, 3u);
        EXPECT_EQ(figures.held, 1u);
        EXPECT_EQ(figures.cooling, 1u);
        EXPECT_EQ(figures.free, 1u);
        EXPECT_EQ(figures.counters.allocations, 7u);
        const auto page = daemon.pools.numbers("autos", 0, 2).value();
        ASSERT_EQ(page.numbers.size(), 2u);
        EXPECT_EQ(page.numbers[0].number, pool_number(0));
        EXPECT_EQ(page.numbers[0].state, State::held);
        EXPECT_EQ(page.numbers[0].free_at, world_.now() + 35min);
        EXPECT_EQ(page.numbers[1].state, State::cooling);
        EXPECT_EQ(page.numbers[1].free_at, world_.now() + 5min);
        const auto rest = daemon.pools.numbers("autos", page.next, 2).value();
        ASSERT_EQ(rest.numbers.size(), 1u);
        EXPECT_EQ(rest.numbers[0].state, State::free);
        EXPECT_EQ(rest.next, 0u);
    });
}

}  // namespace
}  // namespace ringmaster::redis_store
