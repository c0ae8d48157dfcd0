// Once a few batches have been split, one more costs no heap allocation: counted in this whole
// program. (Not under AddressSanitizer, which has operators of its own.)
#ifndef __SANITIZE_ADDRESS__

#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/routed_store.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "counted_heap.hpp"
#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

/// Four shards, of which the others are guarded; each answers in the next turn.
class RoutedSteadyState : public ::testing::Test {
  protected:
    static constexpr std::size_t kShards = 4;

    RoutedSteadyState() {
        std::vector<ringpool::Store*> routes;
        for (ShardIndex i = 0; i < kShards; ++i) {
            catalog.put(test_pool(pool_of(placement, i))).value();
            stores[i].on_allocate = [this](auto, auto answers, Deadline) {
                runtime.scheduler.yield();
                for (ringpool::Allocation& answer : answers) answer = allocated(18665550142);
            };
            guards.push_back(std::make_unique<GuardedStore>(stores[i], catalog, runtime.scheduler,
                                                            flow::EaseInGateOptions(), 1));
            routes.push_back(i == 0 ? static_cast<ringpool::Store*>(&stores[i]) : guards[i].get());
        }
        routed = std::make_unique<RoutedStore>(runtime.scheduler, catalog, placement, 0, routes);
    }

    /// Of the third of three equal batches, each to all shards in turn, for `callers` at once.
    std::size_t allocations_of(std::size_t rows, std::size_t callers) {
        std::vector<ringpool::AllocationRequest> requests(rows);
        for (std::size_t i = 0; i < rows; ++i) {
            requests[i].pool = static_cast<ringpool::PoolIndex>(i % kShards);
        }
        std::vector<std::vector<ringpool::Allocation>> answers(callers);
        for (auto& each : answers) each.resize(rows);
        std::size_t count = 0;
        for (int i = 0; i < 3; ++i) {
            count = heap_allocations();
            for (auto& each : answers) {
                runtime.spawn([&] { routed->allocate(requests, each, {}); });
            }
            runtime.settle();
            count = heap_allocations() - count;
        }
        EXPECT_EQ(answers.back().back().outcome, ringpool::Allocation::Outcome::allocated);
        return count;
    }

    runtime::ManualScheduler runtime;
    const Placement placement{kShards};
    ringpool::Catalog catalog;
    std::vector<FakeStore> stores{kShards};
    std::vector<std::unique_ptr<GuardedStore>> guards;
    std::unique_ptr<RoutedStore> routed;
};

TEST_F(RoutedSteadyState, ABatchOfAllShardsAllocatesNothing) {
    EXPECT_EQ(allocations_of(40, 1), 0u);
}

TEST_F(RoutedSteadyState, NorDoSeveralAtOnce) {
    EXPECT_EQ(allocations_of(40, 10), 0u);
}

TEST_F(RoutedSteadyState, NorDoesABatchOfOneShard) {
    EXPECT_EQ(allocations_of(1, 1), 0u);
}

TEST_F(RoutedSteadyState, TheMemoryOfAnUnusuallyLargeBatchIsNotKept) {
    EXPECT_GT(allocations_of(2000, 1), 0u);
    EXPECT_LT(allocations_of(2000, 1), 20u) << "but for no row either";
}

}  // namespace
}  // namespace ringmaster::shard

#endif
