#include "ringmaster/shard/routed_history.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::Hold;
using Holds = std::vector<Hold>;

constexpr WallTime kDay{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};

/// A hold of this session that began so long after midnight.
Hold hold(std::string session, std::chrono::minutes begin) {
    Hold result;
    result.session_id = std::move(session);
    result.allocated_at = kDay + begin;
    return result;
}

class RoutedHistoryTest : public ::testing::Test {
  protected:
    RoutedHistoryTest() {
        for (ShardIndex i = 0; i < 3; ++i) know(i, {}, false);
    }
    void know(ShardIndex shard, Holds holds, bool in_pool) {
        shards[shard].on_holders = [=](Deadline) { return HoldersFound{holds, in_pool}; };
    }
    void fail(ShardIndex shard, ErrorCode with) {
        shards[shard].on_holders = [=](Deadline) -> Result<HoldersFound> {
            return Error{with, "segment 7 at 4096"};
        };
    }
    void hang(ShardIndex shard) {
        shards[shard].on_holders = [this](Deadline deadline) -> Result<HoldersFound> {
            runtime.scheduler.suspend([](runtime::Waker) {}, deadline);
            return Error{ErrorCode::timeout, "no answer"};
        };
    }
    /// Whose hold is the first: "" where there is none; or the error. Empty where there is no
    /// answer before the deadline, in 100 ms.
    std::optional<std::string> first_holder(runtime::ManualScheduler& in,
                                            std::chrono::milliseconds wait = 0ms) {
        RoutedHistory history(in.scheduler, shards.all(), 1min);
        std::optional<std::string> first;
        const auto task = in.scheduler.spawn("test", [&] {
            const auto holds = history.holders({}, {}, 10, in.in(100ms));
            if (!holds) {
                code = holds.error().code;
                first = holds.error().message;
            } else {
                first = holds->empty() ? "" : holds->front().session_id.value();
            }
        });
        in.settle();
        in.advance(wait);
        task.cancel("the test is over");
        in.settle();
        EXPECT_EQ(in.scheduler.fibers_in_use(), 0u);
        return first;
    }
    std::optional<std::string> first_holder(std::chrono::milliseconds wait = 0ms) {
        return first_holder(runtime, wait);
    }

    runtime::ManualScheduler runtime;
    FakeShards shards{3};
    ErrorCode code{};
};

TEST_F(RoutedHistoryTest, WhoHasTheNumberInAPoolKnowsBest) {
    know(0, {hold("moved away", 9h)}, false);
    know(1, {hold("here", 8h), hold("before", 7h)}, true);
    EXPECT_EQ(first_holder(), "here");
    know(1, {}, true);
    EXPECT_EQ(first_holder(), "") << "nobody, in the pool where it is";
}

TEST_F(RoutedHistoryTest, OfThoseThatHaveItNoLongerTheLatestKnowsBest) {
    know(0, {hold("first", 7h)}, false);
    know(1, {hold("last", 9h)}, false);
    know(2, {hold("second", 8h)}, false);
    EXPECT_EQ(first_holder(), "last");
    know(1, {}, false);
    EXPECT_EQ(first_holder(), "second");
}

TEST_F(RoutedHistoryTest, OfOneHoldWhoKnowsMoreOfItKnowsBest) {
    Hold longer = hold("longer", 9h);
    longer.last_touch = kDay + 10h;
    know(0, {hold("as it was", 9h)}, false);
    know(1, {longer}, false);
    know(2, {hold("as it was", 9h)}, false);
    EXPECT_EQ(first_holder(), "longer");
}

TEST_F(RoutedHistoryTest, NobodyHadIt) {
    EXPECT_EQ(first_holder(), "");
}

TEST_F(RoutedHistoryTest, ASilentShardIsNotWaitedForWhereAnotherHasTheNumber) {
    hang(0);
    hang(2);
    know(1, {hold("here", 8h)}, true);
    EXPECT_EQ(first_holder(), "here");
}

TEST_F(RoutedHistoryTest, ASilentShardMattersWhereNobodyHasTheNumber) {
    know(0, {hold("moved away", 9h)}, false);
    hang(1);
    EXPECT_EQ(first_holder(99ms), std::nullopt);
    EXPECT_EQ(first_holder(100ms), "shard 1 does not answer in time");
    EXPECT_EQ(code, ErrorCode::unavailable);
}

TEST_F(RoutedHistoryTest, AFailureNamesItsShard) {
    fail(2, ErrorCode::damaged);
    EXPECT_EQ(first_holder(), "shard 2: segment 7 at 4096");
    EXPECT_EQ(code, ErrorCode::damaged);
    know(0, {hold("here", 8h)}, true);
    EXPECT_EQ(first_holder(), "here");
}

TEST_F(RoutedHistoryTest, WithoutAFiberTheShardsAreAskedOneAfterTheOther) {
    runtime::ManualScheduler poor({.max_fibers = 1});
    know(0, {hold("first", 7h)}, false);
    know(2, {hold("second", 8h)}, false);
    EXPECT_EQ(first_holder(poor), "second");
    know(1, {hold("here", 6h)}, true);
    EXPECT_EQ(first_holder(poor), "here");
}

TEST_F(RoutedHistoryTest, AllErase) {
    RoutedHistory history(runtime.scheduler, shards.all(), 1min);
    for (ShardIndex i = 0; i < 3; ++i) {
        shards[i].on_erase = [this, i](std::string_view session, Deadline deadline) {
            EXPECT_EQ(session, "v-81");
            EXPECT_EQ(deadline.time(), runtime.in(1min).time());
            return i + 2;
        };
    }
    runtime.spawn([&] {
        EXPECT_EQ(history.erase("v-81").value(), 2u + 3u + 4u);
        shards[1].on_erase = [](std::string_view, Deadline) -> Result<std::size_t> {
            return Error{ErrorCode::closed, "gone"};
        };
        EXPECT_EQ(history.erase("v-81").error().code, ErrorCode::unavailable);
        EXPECT_EQ(history.erase("v-81").error().message, "shard 1 is gone at the moment");
    });
    runtime.settle();
    EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
}

}  // namespace
}  // namespace ringmaster::shard
