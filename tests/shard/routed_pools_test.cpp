#include "ringmaster/shard/routed_pools.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::OverflowReason;
using Calls = std::vector<std::string>;

const auto kNumber = ringpool::PhoneNumber::from_digits(18665550142);

class RoutedPoolsTest : public ::testing::Test {
  protected:
    RoutedPoolsTest() {
        for (ShardIndex i = 0; i < 3; ++i) {
            shards[i].on_overflow_counts = [this, i](std::string_view pool_id, Deadline) {
                EXPECT_EQ(pool_id, id);
                EXPECT_NE(i, 1u) << "the owner's are in its figures";
                return OverflowCounts{0, 10 * (i + 1), i + 1, 0};
            };
        }
    }

    /// In a fiber, until it ends or waits for time to pass.
    void run(std::function<void()> job) {
        runtime.spawn(std::move(job));
        runtime.settle();
    }

    runtime::ManualScheduler runtime;
    const Placement placement{3};
    const std::string id = pool_of(placement, 1);
    FakeShards shards{3};
    int caught_up = 0;
    RoutedPools pools{runtime.scheduler, placement, shards.all(), [this] {
                          ++caught_up;
                          return Result<void>();
                      }};
};

TEST_F(RoutedPoolsTest, EachCallGoesToThePoolsOwner) {
    run([&] {
        EXPECT_TRUE(*pools.put_pool(test_pool(id)));
        EXPECT_EQ(caught_up, 1) << "who is asked next here must know the pool";
        EXPECT_TRUE(pools.remove_pool(id));
        EXPECT_EQ(caught_up, 2);
        EXPECT_EQ(pools.edit_numbers(id, {{}, {kNumber}})->removed.at(0), kNumber);
        EXPECT_EQ(pools.set_numbers(id, {{kNumber, {}}})->added.at(0), kNumber);
        EXPECT_EQ(pools.numbers(id, 30, 12)->next, 42u);
        EXPECT_TRUE(pools.figures(id));
    });
    EXPECT_EQ(shards[1].own_pools.calls, (Calls{"put " + id, "remove " + id, "edit " + id,
                                                "set " + id, "numbers " + id, "figures " + id}));
    EXPECT_EQ(shards[0].own_pools.calls, Calls());
    EXPECT_EQ(shards[2].own_pools.calls, Calls());
}

TEST_F(RoutedPoolsTest, AnOwnerThatDoesNotAnswerIsNamed) {
    run([&] {
        shards[1].own_pools.error = Error{ErrorCode::timeout, "no answer"};
        const auto put = pools.put_pool(test_pool(id));
        EXPECT_EQ(put.error().code, ErrorCode::unavailable);
        EXPECT_EQ(put.error().message,
                  "shard 1 does not answer in time; the change may have been made");
        EXPECT_EQ(pools.remove_pool(id).error().message, put.error().message);
        EXPECT_EQ(pools.edit_numbers(id, {}).error().message, put.error().message);
        EXPECT_EQ(pools.set_numbers(id, {{kNumber, {}}}).error().message, put.error().message);
        EXPECT_EQ(pools.numbers(id, 0, 1).error().message, "shard 1 does not answer in time");

        shards[1].own_pools.error = Error{ErrorCode::closed, "gone"};
        EXPECT_EQ(pools.figures(id).error().code, ErrorCode::unavailable);
        EXPECT_EQ(pools.figures(id).error().message, "shard 1 is gone at the moment");
    });
}

TEST_F(RoutedPoolsTest, WhatTheOwnerRefusesIsPassedOn) {
    shards[1].own_pools.error = Error{ErrorCode::not_found, "there is no pool 'x'"};
    run([&] {
        EXPECT_EQ(pools.figures(id).error().code, ErrorCode::not_found);
        EXPECT_EQ(pools.remove_pool(id).error().message, "there is no pool 'x'");
    });
}

TEST_F(RoutedPoolsTest, FiguresCountWhatOthersAnsweredWithoutTheOwner) {
    shards[1].own_pools.known.numbers = 7;
    shards[1].own_pools.known.counters.overflows = {5, 0, 0, 1};
    run([&] {
        const auto figures = pools.figures(id).value();
        EXPECT_EQ(figures.numbers, 7u);
        EXPECT_EQ(figures.counters.overflows, (OverflowCounts{5, 10 + 30, 1 + 3, 1}));
    });
}

TEST_F(RoutedPoolsTest, CountsThatAreLateAreLeftOut) {
    const auto late = [&](std::string_view, Deadline deadline) -> Result<OverflowCounts> {
        EXPECT_EQ(deadline.time(), runtime.in(200ms).time());
        runtime.scheduler.sleep_until(deadline.time());
        return Error{ErrorCode::timeout, "no answer"};
    };
    shards[2].on_overflow_counts = late;
    Result<ringpool::PoolFigures> figures = Error{ErrorCode::timeout, "not yet"};
    run([&] { figures = pools.figures(id); });
    EXPECT_FALSE(figures);
    runtime.advance(200ms);
    ASSERT_TRUE(figures);
    EXPECT_EQ(figures->counters.overflows, (OverflowCounts{0, 10, 1, 0}));
}

TEST_F(RoutedPoolsTest, WithoutAFiberTheOthersAreAskedOneAfterTheOther) {
    runtime::ManualScheduler poor({.max_fibers = 1});
    RoutedPools routed(poor.scheduler, placement, shards.all(), [] { return Result<void>(); });
    poor.spawn([&] {
        EXPECT_EQ(routed.figures(id)->counters.overflows, (OverflowCounts{0, 40, 4, 0}));
    });
    poor.settle();
    EXPECT_EQ(poor.log.lines, Calls());
}

}  // namespace
}  // namespace ringmaster::shard
