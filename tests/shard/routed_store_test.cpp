#include "ringmaster/shard/routed_store.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using ringpool::PoolIndex;
using runtime::Waker;

using Answers = std::vector<Allocation>;

/// Three shards, of which 0 is the own one; pool i is shard i's, pool 3 + i too.
class Routed : public ::testing::Test {
  protected:
    explicit Routed(runtime::SchedulerLimits limits = {.max_fibers = 64}) : runtime(limits) {
        for (const unsigned i : {0u, 1u}) {
            for (ShardIndex owner = 0; owner < 3; ++owner) {
                catalog.put(test_pool(pool_of(placement, owner, i))).value();
            }
        }
        for (ShardIndex i = 0; i < 3; ++i) {
            stores[i].on_allocate = [this, i](auto requests, auto out, Deadline) {
                answer(i, requests, out);
            };
        }
    }

    /// With a number that tells who answered what: shard, pool, and how long the session's id is.
    void answer(ShardIndex shard, FakeStore::Requests requests, FakeStore::Answers out) {
        batches.push_back(shard);
        for (std::size_t i = 0; i < requests.size(); ++i) {
            EXPECT_EQ(placement.owner(catalog.at(requests[i].pool).id), shard);
            out[i] = allocated(shard * 10'000 + requests[i].pool * 100 +
                               requests[i].session.id.value_or("").size());
        }
    }
    void hang(
        ShardIndex shard, std::function<void()> then = [] {}) {
        stores[shard].on_allocate = [this, shard, then](auto requests, auto out, Deadline) {
            ++hanging;
            const struct Guard {
                int& count;
                ~Guard() { --count; }
            } guard{hanging};
            runtime.scheduler.suspend([&](Waker waker) { wakers[shard] = waker; });
            then();
            answer(shard, requests, out);
        };
    }

    std::vector<AllocationRequest> requests_for(const std::vector<PoolIndex>& pools) {
        std::vector<AllocationRequest> requests;
        for (std::size_t i = 0; i < pools.size(); ++i) {
            requests.push_back({pools[i], {std::string_view(kText).substr(0, i + 1), {}}});
        }
        return requests;
    }
    /// In a fiber of its own, begun at once.
    runtime::Task allocate(std::vector<PoolIndex> pools, Deadline deadline = {}) {
        const auto task = runtime.scheduler.spawn("test", [this, pools, deadline] {
            const auto requests = requests_for(pools);
            Answers answered(pools.size());
            try {
                store->allocate(requests, answered, deadline);
            } catch (const runtime::Cancelled& reason) {
                cancelled = reason.reason;
                EXPECT_EQ(hanging, 0) << "its parts have ended before";
                throw;
            }
            answers = answered;
        });
        runtime.settle();
        return task;
    }
    void expect_answers(const std::vector<PoolIndex>& pools) {
        ASSERT_EQ(answers.size(), pools.size());
        for (std::size_t i = 0; i < pools.size(); ++i) {
            EXPECT_EQ(answers[i].number.digits(), pools[i] % 3 * 10'000 + pools[i] * 100 + i + 1);
        }
    }

    static constexpr char kText[] = "abcdefghijklmnopqrstuvwxyz";
    runtime::ManualScheduler runtime;
    const Placement placement{3};
    ringpool::Catalog catalog;
    std::vector<FakeStore> stores{3};
    std::vector<Waker> wakers{3};
    std::vector<ShardIndex> batches;  ///< who answered, in order
    int hanging = 0;
    std::optional<std::string> cancelled;
    Answers answers;
    std::unique_ptr<RoutedStore> store = std::make_unique<RoutedStore>(
        runtime.scheduler, catalog, placement, 0,
        std::vector<ringpool::Store*>{&stores[0], &stores[1], &stores[2]});
};

TEST_F(Routed, ABatchOfOneOwnerGoesToItAsItIs) {
    std::vector<const void*> seen;
    stores[1].on_allocate = [&](auto requests, auto out, Deadline) {
        seen = {requests.data(), out.data()};
    };
    const auto requests = requests_for({1, 4, 1});
    Answers answered(3);
    runtime.scheduler.run("test", [&] { store->allocate(requests, answered, {}); });
    EXPECT_EQ(seen, (std::vector<const void*>{requests.data(), answered.data()}));
}

TEST_F(Routed, AnswersComeInTheOrderAsked) {
    const std::vector<PoolIndex> pools = {2, 0, 1, 5, 0, 4, 3, 2};
    allocate(pools);
    expect_answers(pools);
    EXPECT_EQ(batches, (std::vector<ShardIndex>{0, 1, 2})) << "one batch for each, the own first";
}

TEST_F(Routed, WithoutAnOwnPartToo) {
    const std::vector<PoolIndex> pools = {2, 1, 5};
    allocate(pools);
    expect_answers(pools);
}

TEST_F(Routed, AnEmptyBatchIsNobodys) {
    allocate({});
    EXPECT_TRUE(batches.empty());
}

TEST_F(Routed, PartsAreAnsweredSideBySide) {
    for (ShardIndex i = 0; i < 3; ++i) hang(i);
    allocate({0, 1, 2});
    EXPECT_EQ(hanging, 3);
    for (const ShardIndex i : {2, 0, 1}) {
        EXPECT_TRUE(answers.empty());
        wakers[i].wake();
        runtime.settle();
    }
    expect_answers({0, 1, 2});
    EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
}

TEST_F(Routed, TheDeadlineIsHandedOn) {
    std::vector<Deadline> seen;
    for (FakeStore& each : stores) {
        each.on_allocate = [&](auto, auto, Deadline deadline) { seen.push_back(deadline); };
    }
    const Deadline deadline = runtime.in(70ms);
    allocate({0, 1, 2}, deadline);
    ASSERT_EQ(seen.size(), 3u);
    for (const Deadline each : seen) EXPECT_EQ(each.time(), deadline.time());
}

TEST_F(Routed, PoolsThatComeLaterFindTheirOwners) {
    allocate({0});
    const PoolIndex late = catalog.put(test_pool(pool_of(placement, 2, 7))).value();
    allocate({0, late});
    EXPECT_EQ(answers[1].number.digits(), 20'000u + late * 100 + 2);
}

TEST_F(Routed, WhatAStoreThrowsIsThrownWhenAllPartsHaveEnded) {
    stores[1].on_allocate = [](auto, auto, Deadline) { throw std::runtime_error("one"); };
    hang(2, [] { throw std::logic_error("two"); });
    std::string caught;
    runtime.spawn([&] {
        const auto requests = requests_for({0, 1, 2});
        Answers answered(3);
        try {
            store->allocate(requests, answered, {});
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
    });
    runtime.settle();
    EXPECT_EQ(caught, "");
    wakers[2].wake();
    runtime.settle();
    EXPECT_EQ(caught, "one");
    ASSERT_EQ(runtime.log.lines.size(), 1u);
    EXPECT_NE(runtime.log.lines[0].find("two"), std::string::npos);

    // And nothing of it is left for the next batch.
    for (const ShardIndex i : {1u, 2u}) {
        stores[i].on_allocate = [this, i](auto r, auto a, Deadline) { answer(i, r, a); };
    }
    allocate({0, 1, 2});
    expect_answers({0, 1, 2});
}

TEST_F(Routed, WhoIsCancelledLeavesNothingBehind) {
    for (const bool own_part_waits : {true, false}) {
        for (const ShardIndex i : {1u, 2u}) hang(i);
        if (own_part_waits) hang(0);
        const auto task = allocate({0, 1, 2});
        ASSERT_EQ(hanging, own_part_waits ? 3 : 2);
        task.cancel("the client left");
        runtime.settle();
        EXPECT_EQ(cancelled, "the client left");
        EXPECT_EQ(hanging, 0);
        EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
        cancelled.reset();
        for (ShardIndex i = 0; i < 3; ++i) {
            stores[i].on_allocate = [this, i](auto r, auto a, Deadline) { answer(i, r, a); };
        }
        allocate({0, 1, 2});
        expect_answers({0, 1, 2});
    }
}

TEST_F(Routed, APartThatCanNotBeCancelledIsWaitedFor) {
    hang(0);
    stores[1].on_allocate = [this](auto requests, auto out, Deadline) {
        ++hanging;
        {
            const runtime::CancellationShield shield(runtime.scheduler);
            runtime.scheduler.suspend([&](Waker waker) { wakers[1] = waker; });
        }
        --hanging;
        answer(1, requests, out);
    };
    const auto task = allocate({0, 1});
    ASSERT_EQ(hanging, 2);
    task.cancel("the client left");
    runtime.settle();
    EXPECT_EQ(hanging, 1);
    EXPECT_TRUE(task.is_running());
    wakers[1].wake();
    runtime.settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(cancelled, "the client left");
}

TEST_F(Routed, ASchedulerThatIsDestroyedUnwindsAllParts) {
    auto other = std::make_unique<runtime::ManualScheduler>();
    int inside = 0;
    struct Guard {
        int& count;
        ~Guard() { --count; }
    };
    for (FakeStore& each : stores) {
        each.on_allocate = [&](auto, auto, Deadline) {
            const Guard guard{++inside};
            other->scheduler.suspend([](Waker) {});
        };
    }
    RoutedStore routed(other->scheduler, catalog, placement, 0,
                       {&stores[0], &stores[1], &stores[2]});
    const auto requests = requests_for({0, 1, 2});
    Answers answered(3);
    other->spawn([&] { routed.allocate(requests, answered, {}); });
    other->settle();
    EXPECT_EQ(inside, 3);
    other.reset();
    EXPECT_EQ(inside, 0);
}

TEST_F(Routed, ReleasesGoToTheOwner) {
    std::vector<ShardIndex> asked;
    for (ShardIndex i = 0; i < 3; ++i) {
        stores[i].on_release = [&asked, i](PoolIndex, Deadline) -> Result<void> {
            asked.push_back(i);
            if (i == 2) return Error{ErrorCode::not_found, "not yours"};
            return {};
        };
    }
    EXPECT_TRUE(store->release(4, {}, {}, {}));
    EXPECT_EQ(store->release(2, {}, {}, {}).error().message, "not yours");
    EXPECT_EQ(asked, (std::vector<ShardIndex>{1, 2}));
}

TEST_F(Routed, IsReadyWhereTheOwnStoreIs) {
    stores[1].readiness = Error{ErrorCode::unavailable, "gone"};
    EXPECT_TRUE(store->ready());
    stores[0].readiness = Error{ErrorCode::unavailable, "disk full"};
    EXPECT_EQ(store->ready().error().message, "disk full");
}

/// With a fiber for the caller alone.
class RoutedWithOneFiber : public Routed {
  protected:
    RoutedWithOneFiber() : Routed({.max_fibers = 1}) {}
};

TEST_F(RoutedWithOneFiber, PartsAreAnsweredOneAfterTheOther) {
    for (ShardIndex i = 0; i < 3; ++i) hang(i);
    allocate({2, 0, 1});
    for (ShardIndex i = 0; i < 3; ++i) {
        EXPECT_EQ(hanging, 1);
        EXPECT_TRUE(answers.empty());
        EXPECT_TRUE(wakers[i].wake());
        runtime.settle();
    }
    expect_answers({2, 0, 1});
}

/// And with one more.
class RoutedWithTwoFibers : public Routed {
  protected:
    RoutedWithTwoFibers() : Routed({.max_fibers = 2}) {}
};

TEST_F(RoutedWithTwoFibers, WhoIsDoneFirstTakesTheNextPart) {
    for (ShardIndex i = 0; i < 3; ++i) hang(i);
    allocate({2, 0, 1});
    EXPECT_EQ(hanging, 2);
    wakers[1].wake();
    runtime.settle();
    EXPECT_EQ(hanging, 2);
    wakers[2].wake();
    wakers[0].wake();
    runtime.settle();
    expect_answers({2, 0, 1});
}

TEST_F(RoutedWithTwoFibers, NoPartBeginsOnceTheCallerIsCancelled) {
    hang(0);
    stores[1].on_allocate = [this](auto requests, auto out, Deadline) {
        const runtime::CancellationShield shield(runtime.scheduler);
        runtime.scheduler.suspend([&](Waker waker) { wakers[1] = waker; });
        answer(1, requests, out);
    };
    const auto task = allocate({0, 1, 2});
    task.cancel("the client left");
    runtime.settle();
    wakers[1].wake();
    runtime.settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(batches, std::vector<ShardIndex>{1}) << "and 2 was never asked";
}

/// Random batches of several callers at once, to owners that answer at once or later, give up at
/// the deadline, throw, or are never heard of before the caller is cancelled: whoever is answered
/// is answered as a single store would answer that had all the pools.
class RoutedAtRandom : public ::testing::TestWithParam<std::size_t> {};

TEST_P(RoutedAtRandom, AnswersAsASingleStore) {
    const std::size_t shards = GetParam();
    const Placement placement(shards);
    std::mt19937 random(static_cast<std::uint32_t>(shards));
    const auto below = [&](std::size_t n) { return random() % n; };

    runtime::ManualScheduler runtime({.max_fibers = 24});
    ringpool::Catalog catalog;
    for (int i = 0; i < 20; ++i) catalog.put(test_pool("pool-" + std::to_string(i))).value();

    // What the single store would say: the pool, and whose request it is.
    const auto expected = [](const AllocationRequest& request) {
        return allocated(request.pool * 1'000'000ull +
                         std::stoull(std::string(*request.session.id)));
    };
    std::vector<FakeStore> stores(shards);
    std::vector<ringpool::Store*> pointers;
    int inside = 0;
    for (FakeStore& each : stores) {
        pointers.push_back(&each);
        each.on_allocate = [&](auto requests, auto answers, Deadline deadline) {
            const struct Guard {
                int& count;
                ~Guard() { --count; }
            } guard{++inside};
            const auto fate = below(12);
            if (fate == 0) throw std::runtime_error("a bug");
            for (std::size_t i = 0; i < requests.size(); ++i) {
                const bool late = fate == 1;
                // Row by row, so that another's rows would be seen to have been mixed in.
                if (fate > 6 && below(4) == 0) {
                    runtime.scheduler.sleep_until(runtime.scheduler.now() +
                                                  std::chrono::milliseconds(below(5)));
                }
                answers[i] = late ? overflow_allocation(catalog.at(requests[i].pool),
                                                        OverflowReason::owner_slow)
                                  : expected(requests[i]);
            }
            if (fate == 1) runtime.scheduler.sleep_until(deadline.time());
        };
    }
    RoutedStore routed(runtime.scheduler, catalog, placement, below(shards), pointers);

    int answered = 0;
    int threw = 0;
    std::vector<runtime::Task> callers;
    for (int step = 0; step < 3000; ++step) {
        const auto caller = runtime.scheduler.spawn("caller", [&] {
            const std::size_t rows = 1 + below(12);
            std::vector<std::string> ids;
            std::vector<AllocationRequest> requests;
            for (std::size_t i = 0; i < rows; ++i) ids.push_back(std::to_string(below(100'000)));
            for (std::size_t i = 0; i < rows; ++i) {
                requests.push_back({static_cast<PoolIndex>(below(20)), {ids[i], {}}});
            }
            Answers answers(rows);
            try {
                routed.allocate(requests, answers, runtime.in(50ms));
            } catch (const std::runtime_error&) {
                ++threw;
                return;
            }
            ++answered;
            for (std::size_t i = 0; i < rows; ++i) {
                if (answers[i].outcome == Allocation::Outcome::overflow) {
                    EXPECT_EQ(answers[i].reason, OverflowReason::owner_slow);
                } else {
                    EXPECT_EQ(answers[i].number, expected(requests[i]).number);
                }
            }
        });
        if (caller) callers.push_back(caller);
        if (below(4) == 0) callers[below(callers.size())].cancel("the client left");
        runtime.advance(std::chrono::milliseconds(below(8)));
    }
    runtime.advance(1h);
    EXPECT_EQ(inside, 0);
    EXPECT_EQ(runtime.scheduler.fibers_in_use(), 0u);
    EXPECT_GT(answered, 1000);
    EXPECT_GT(threw, 10);
}

INSTANTIATE_TEST_SUITE_P(Shards, RoutedAtRandom, ::testing::Values(1, 2, 3, 5, 16));

}  // namespace
}  // namespace ringmaster::shard
