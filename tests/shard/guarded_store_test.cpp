#include "ringmaster/shard/guarded_store.hpp"

#include <chrono>
#include <list>
#include <optional>
#include <stdexcept>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using flow::EaseInGate;
using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using Answers = std::vector<Allocation>;

constexpr auto kSlow = OverflowReason::owner_slow;
constexpr auto kDown = OverflowReason::owner_down;
constexpr OverflowCounts kNone{};

class Guarded : public ::testing::Test {
  protected:
    Guarded() {
        catalog.put(test_pool("autos")).value();
        catalog.put(test_pool("strict", false)).value();
        answer_with({});
    }

    /// From now on each row is answered so: with a number, where there is no reason.
    void answer_with(std::optional<OverflowReason> reason) {
        behind.on_allocate = [this, reason](auto requests, auto answers, Deadline) {
            ++calls;
            for (std::size_t i = 0; i < requests.size(); ++i) {
                answers[i] = reason ? overflow_allocation(catalog.at(requests[i].pool), *reason)
                                    : allocated(18665550142);
            }
        };
    }
    /// From now on it hangs: calls end at their deadline.
    void hang() {
        behind.on_allocate = [this](auto requests, auto answers, Deadline deadline) {
            ++calls;
            runtime.scheduler.suspend([](runtime::Waker) {}, deadline);
            for (std::size_t i = 0; i < requests.size(); ++i) {
                answers[i] = overflow_allocation(catalog.at(requests[i].pool), kSlow);
            }
        };
    }

    Answers allocate_here(std::vector<ringpool::PoolIndex> pools, Deadline deadline = {}) {
        std::vector<AllocationRequest> requests;
        for (const auto pool : pools) requests.push_back({pool, {}});
        Answers answers(pools.size());
        store.allocate(requests, answers, deadline);
        return answers;
    }
    /// In a fiber of its own, begun at once; empty until it has ended.
    Answers& allocate(std::vector<ringpool::PoolIndex> pools, Deadline deadline = {}) {
        Answers& answers = results.emplace_back();
        runtime.scheduler.run("test", [this, &answers, pools, deadline] {
            answers = allocate_here(pools, deadline);
        });
        return answers;
    }
    /// Has a call fail that the gate then does not forgive: it refuses.
    void trip(OverflowReason reason) {
        answer_with(reason);
        runtime.scheduler.run("test", [this] {
            while (store.gate().state == EaseInGate::State::healthy) {
                allocate_here({0});
                runtime.clock.advance(20ms);
                runtime.scheduler.update_time();
            }
        });
        calls = 0;
    }

    runtime::ManualScheduler runtime;
    ringpool::Catalog catalog;
    FakeStore behind;
    int calls = 0;
    std::list<Answers> results;
    GuardedStore store{behind, catalog, runtime.scheduler, {.min_calls = 3}, 1};
};

TEST_F(Guarded, AnswersOfTheStoreArePassedOnAndCountAsSuccess) {
    const Answers& answers = allocate({0, 1});
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[1].outcome, Allocation::Outcome::allocated);
    EXPECT_EQ(store.gate().entered, 1u) << "a batch is one call";
    EXPECT_EQ(store.gate().missed, 0u);
    EXPECT_EQ(store.overflows(), kNone);
}

TEST_F(Guarded, ThatAPoolIsExhaustedIsAnAnswer) {
    answer_with(OverflowReason::exhausted);
    allocate({0});
    answer_with(OverflowReason::store_unavailable);
    allocate({0});
    EXPECT_EQ(store.gate().missed, 0u);
    EXPECT_EQ(store.overflows(), kNone) << "the owner counts these";
}

TEST_F(Guarded, NobodyWaitsLongerThanTheGatesDeadlineOrHisOwn) {
    hang();
    const Answers& patient = allocate({0}, runtime.in(10s));
    const Answers& hasty = allocate({0}, runtime.in(20ms));
    runtime.advance(20ms);
    ASSERT_FALSE(hasty.empty());
    EXPECT_EQ(hasty[0].reason, kSlow);
    EXPECT_TRUE(patient.empty());
    runtime.advance(30ms);
    ASSERT_FALSE(patient.empty());
    EXPECT_EQ(patient[0].reason, kSlow);
}

TEST_F(Guarded, WhoGivesUpByHimselfSaysNothingAboutTheStore) {
    hang();
    allocate({0}, runtime.in(20ms));
    runtime.advance(49ms);
    EXPECT_EQ(store.gate().missed, 0u);
    EXPECT_EQ(store.gate().in_flight, 0u);
    EXPECT_EQ(store.overflows()[static_cast<std::size_t>(kSlow)], 1u);
}

TEST_F(Guarded, AHungStoreIsSoonNotAskedAnyMore) {
    hang();
    allocate({0}, runtime.in(10s));
    runtime.advance(50ms);
    EXPECT_EQ(store.gate().state, EaseInGate::State::refusing);
    const Answers& refused = allocate({0, 1}, runtime.in(10s));
    ASSERT_EQ(refused.size(), 2u) << "at once";
    EXPECT_EQ(refused[0].outcome, Allocation::Outcome::overflow);
    EXPECT_EQ(refused[0].number, catalog.at(0).overflow.number);
    EXPECT_EQ(refused[1].outcome, Allocation::Outcome::refused);
    EXPECT_EQ(refused[0].reason, kSlow);
    EXPECT_EQ(calls, 1);
}

TEST_F(Guarded, WhoIsRefusedIsToldWhetherTheStoreIsGone) {
    for (const auto reason : {kSlow, kDown}) {
        trip(reason);
        const Answers& refused = allocate({0});
        ASSERT_EQ(refused.size(), 1u);
        EXPECT_EQ(refused[0].reason, reason);
        EXPECT_EQ(calls, 0);
        answer_with({});
        while (store.gate().state != EaseInGate::State::healthy) {
            allocate({0});
            runtime.advance(100ms);
        }
    }
}

TEST_F(Guarded, AStoreThatWasGoneAndHasAnsweredIsOnlySlow) {
    trip(kDown);
    runtime.advance(250ms);
    answer_with({});
    allocate({0});
    ASSERT_EQ(store.gate().state, EaseInGate::State::easing_in);
    hang();
    allocate({0});  // takes the only permit
    const Answers& refused = allocate({0});
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].reason, kSlow);
    runtime.advance(1s);  // until it has ended
}

TEST_F(Guarded, ABatchHasFailedWhereOneRowHas) {
    behind.on_allocate = [&](auto, auto answers, Deadline) {
        answers[0] = allocated(18665550142);
        answers[1] = overflow_allocation(catalog.at(0), kDown);
        answers[2] = overflow_allocation(catalog.at(0), kSlow);
    };
    allocate({0, 0, 0});
    EXPECT_EQ(store.gate().missed, 1u);
    EXPECT_EQ(store.overflows()[static_cast<std::size_t>(kDown)], 1u);
    EXPECT_EQ(store.overflows()[static_cast<std::size_t>(kSlow)], 1u);
}

TEST_F(Guarded, AnEmptyBatchIsNoCall) {
    allocate({});
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(store.gate().entered, 0u);
}

TEST_F(Guarded, CountsByPoolWhatTheStoreAndTheGateDidNotAnswer) {
    answer_with(kDown);
    allocate({1});
    trip(kSlow);
    const OverflowCounts before = store.overflows(0);
    allocate({0, 0});
    const auto slow = static_cast<std::size_t>(kSlow);
    EXPECT_EQ(store.overflows(0)[slow], before[slow] + 2);
    EXPECT_EQ(store.overflows(1)[static_cast<std::size_t>(kDown)], 1u);
    EXPECT_EQ(store.overflows(1)[slow], 0u);
    EXPECT_EQ(store.overflows()[slow], store.overflows(0)[slow]);
    EXPECT_EQ(store.overflows(7), kNone) << "of a pool that nothing was counted for";
}

TEST_F(Guarded, APoolThatCameLaterIsCounted) {
    answer_with(kDown);
    allocate({0});
    const auto boats = catalog.put(test_pool("boats")).value();
    allocate({boats});
    EXPECT_EQ(store.overflows(boats)[static_cast<std::size_t>(kDown)], 1u);
    EXPECT_EQ(store.overflows(0)[static_cast<std::size_t>(kDown)], 1u);
}

TEST_F(Guarded, AnExceptionAndACancelledCallerSayNothingAboutTheStore) {
    behind.on_allocate = [](auto, auto, Deadline) { throw std::runtime_error("a bug"); };
    allocate({0});
    EXPECT_EQ(runtime.log.lines.size(), 1u) << "it was thrown to the caller";
    EXPECT_EQ(store.gate().in_flight, 0u);
    EXPECT_EQ(store.gate().missed, 0u);

    hang();
    const auto task = runtime.scheduler.spawn("test", [&] { allocate_here({0}); });
    runtime.settle();
    EXPECT_EQ(store.gate().in_flight, 1u);
    task.cancel("the client left");
    runtime.settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(store.gate().in_flight, 0u);
    EXPECT_EQ(store.gate().missed, 0u);
}

TEST_F(Guarded, WhatOthersDidEarlierInTheTurnIsNotTheStoresSlowness) {
    // Each turn is long: 40 ms before the call is made, the answer is there with the next turn, and
    // 40 ms pass before its fiber is resumed.
    behind.on_allocate = [&](auto, auto answers, Deadline) {
        runtime.scheduler.suspend([](runtime::Waker waker) { waker.wake(); });
        answers[0] = allocated(18665550142);
    };
    for (int i = 0; i < 10; ++i) {
        const SteadyTime before = runtime.scheduler.now();
        runtime.clock.advance(40ms);
        allocate({0});
        EXPECT_EQ(runtime.scheduler.now(), before) << "still the same turn";
        runtime.scheduler.update_time();
        runtime.clock.advance(40ms);
        runtime.scheduler.turn();
        runtime.advance(20ms);
    }
    EXPECT_EQ(store.gate().missed, 0u);
    EXPECT_EQ(store.gate().trips, 0u);
    EXPECT_EQ(store.gate().baseline, 0ms) << "the answers took no time";
}

TEST_F(Guarded, ReleasesPassTheSameGate) {
    Deadline told;
    std::optional<Error> error;
    behind.on_release = [&](ringpool::PoolIndex, Deadline deadline) {
        ++calls;
        told = deadline;
        return error ? Result<void>(*error) : Result<void>();
    };
    const auto release = [&] {
        std::optional<Result<void>> result;
        runtime.scheduler.run("test", [&] {
            result = store.release(0, catalog.at(0).overflow.number, {}, runtime.in(10s));
        });
        return *result;
    };
    EXPECT_TRUE(release());
    EXPECT_EQ(told.time(), runtime.in(50ms).time());
    error = Error{ErrorCode::not_found, "not its number"};
    EXPECT_EQ(release().error().code, ErrorCode::not_found);
    error = Error{ErrorCode::unavailable, "the disk is full"};
    EXPECT_EQ(release().error().message, "the disk is full");
    EXPECT_EQ(store.gate().missed, 0u);
    EXPECT_EQ(store.gate().in_flight, 0u);

    error = Error{ErrorCode::timeout, ""};
    EXPECT_EQ(release().error().code, ErrorCode::unavailable);
    error = Error{ErrorCode::closed, ""};
    EXPECT_EQ(release().error().code, ErrorCode::unavailable);
    EXPECT_EQ(store.gate().missed, 2u);

    trip(kDown);
    EXPECT_EQ(release().error().message, "the pool's owner is gone at the moment");
    EXPECT_EQ(calls, 0);
}

TEST_F(Guarded, IsReadyWhereTheStoreIs) {
    EXPECT_TRUE(store.ready());
    behind.readiness = Error{ErrorCode::unavailable, "recovering"};
    EXPECT_EQ(store.ready().error().message, "recovering");
}

}  // namespace
}  // namespace ringmaster::shard
