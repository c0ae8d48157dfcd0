#include "ringmaster/shard/routed_demand.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using Hours = std::vector<ops::DemandHour>;

class RoutedDemandTest : public ::testing::Test {
  protected:
    std::optional<Result<ops::PoolDemand>> demand(std::chrono::milliseconds wait = 0ms) {
        RoutedDemand routed(
            runtime.scheduler, shards.all(),
            [this](std::string_view id) {
                EXPECT_EQ(id, "autos");
                return counting;
            },
            100ms);
        std::optional<Result<ops::PoolDemand>> answer;
        const auto task = runtime.scheduler.spawn("test", [&] { answer = routed.demand("autos"); });
        runtime.settle();
        if (wait > 0ms) runtime.advance(wait);
        task.cancel("the test is over");
        runtime.settle();
        return answer;
    }

    runtime::ManualScheduler runtime;
    FakeShards shards{3};
    std::vector<ShardIndex> counting{1};
};

TEST_F(RoutedDemandTest, IsWhatThePoolsOwnerCounted) {
    shards[1].on_demand = [](std::string_view id, Deadline) {
        EXPECT_EQ(id, "autos");
        return Hours{{1, 2, 3, 4, 5, 6, 7}};
    };
    const auto answer = demand();
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ((*answer)->hours(), (Hours{{1, 2, 3, 4, 5, 6, 7}}));
}

TEST_F(RoutedDemandTest, IsTheSumWhereAllCount) {
    counting = {0, 1, 2};
    for (const ShardIndex i : counting) {
        shards[i].on_demand = [i](std::string_view, Deadline) {
            return Hours{{1, 10, 1, 1, 1, 1, 1},
                         {2 + static_cast<std::int64_t>(i), 10, 1, 1, 1, 1, 1}};
        };
    }
    const auto answer = demand();
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ((*answer)->hours(), (Hours{{1, 10, 3, 3, 3, 3, 3},
                                         {2, 10, 1, 1, 1, 1, 1},
                                         {3, 10, 1, 1, 1, 1, 1},
                                         {4, 10, 1, 1, 1, 1, 1}}));
}

TEST_F(RoutedDemandTest, IsNotToldInPart) {
    counting = {0, 1};
    shards[0].on_demand = [](std::string_view, Deadline) { return Hours{}; };
    shards[1].on_demand = [this](std::string_view, Deadline deadline) -> Result<Hours> {
        runtime.scheduler.suspend([](runtime::Waker) {}, deadline);
        return Error{ErrorCode::timeout, "no answer"};
    };
    EXPECT_FALSE(demand(99ms));
    const auto answer = demand(100ms);
    ASSERT_TRUE(answer);
    ASSERT_FALSE(*answer);
    EXPECT_EQ(answer->error().code, ErrorCode::unavailable);
    EXPECT_EQ(answer->error().message, "shard 1 does not answer in time");
}

}  // namespace
}  // namespace ringmaster::shard
