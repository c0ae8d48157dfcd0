#include "ringmaster/runtime/parallel.hpp"
#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/routed_store.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bench_scheduler.hpp"
#include <benchmark/benchmark.h>

namespace ringmaster::shard {
namespace {

constexpr std::size_t kRows = 40;

/// Answers in the next turn, as one does that waits for a socket or a journal.
class LaterStore final : public ringpool::Store {
  public:
    explicit LaterStore(runtime::Scheduler& scheduler) : scheduler_(scheduler) {}
    void allocate(std::span<const ringpool::AllocationRequest>,
                  std::span<ringpool::Allocation> answers, Deadline) override {
        scheduler_.yield();
        for (ringpool::Allocation& answer : answers) {
            answer.outcome = ringpool::Allocation::Outcome::allocated;
        }
    }
    Result<void> release(ringpool::PoolIndex, ringpool::PhoneNumber, const ringpool::Session&,
                         Deadline) override {
        return {};
    }
    Result<void> ready() const override { return {}; }

  private:
    runtime::Scheduler& scheduler_;
};

/// So many shards, with 64 pools.
struct Shards {
    explicit Shards(std::size_t count) : placement(count), stores(count, LaterStore(scheduler)) {
        for (int i = 0; i < 64; ++i) {
            ringpool::PoolDefinition pool;
            pool.id = "pool-" + std::to_string(i);
            pool.key = std::string("secret");
            pool.allow_overflow = false;
            (void)catalog.put(std::move(pool));
        }
        for (LaterStore& store : stores) pointers.push_back(&store);
        for (std::size_t i = 0; i < kRows; ++i) {
            requests.push_back({static_cast<ringpool::PoolIndex>(i), {}});
        }
    }

    runtime::BenchScheduler bench;
    runtime::Scheduler& scheduler = bench.scheduler;
    const Placement placement;
    ringpool::Catalog catalog;
    std::vector<LaterStore> stores;
    std::vector<ringpool::Store*> pointers;
    std::vector<ringpool::AllocationRequest> requests;
    std::vector<ringpool::Allocation> answers = std::vector<ringpool::Allocation>(kRows);
};

/// A batch of 40 pools over so many shards: what it costs beyond the stores' own work to divide it,
/// to have the parts answered side by side, and to put the answers back. One shard: what a batch
/// costs that is not divided.
void routed_batch(benchmark::State& state) {
    Shards shards(static_cast<std::size_t>(state.range(0)));
    RoutedStore routed(shards.scheduler, shards.catalog, shards.placement, 0, shards.pointers);
    for (auto _ : state) {
        shards.scheduler.run("bench",
                             [&] { routed.allocate(shards.requests, shards.answers, {}); });
        shards.bench.finish();
    }
}
BENCHMARK(routed_batch)->Arg(1)->Arg(2)->Arg(4)->Arg(16);

/// The same stores, asked side by side by a FanOut, without anything to divide: what RoutedStore's
/// own join is measured against.
void fan_out_to_stores(benchmark::State& state) {
    Shards shards(static_cast<std::size_t>(state.range(0)));
    const std::size_t count = shards.stores.size();
    const std::size_t rows = kRows / count;
    for (auto _ : state) {
        shards.scheduler.run("bench", [&] {
            runtime::parallel_for(shards.scheduler, count, count, [&](std::size_t i) {
                shards.stores[i].allocate(std::span(shards.requests).subspan(i * rows, rows),
                                          std::span(shards.answers).subspan(i * rows, rows), {});
            });
        });
        shards.bench.finish();
    }
}
BENCHMARK(fan_out_to_stores)->Arg(2)->Arg(4)->Arg(16);

/// What gate and deadline add to a call.
void guarded_call(benchmark::State& state) {
    Shards shards(1);
    GuardedStore guarded(shards.stores[0], shards.catalog, shards.scheduler, {}, 1);
    for (auto _ : state) {
        shards.scheduler.run("bench",
                             [&] { guarded.allocate(shards.requests, shards.answers, {}); });
        shards.bench.finish();
    }
}
BENCHMARK(guarded_call);

}  // namespace
}  // namespace ringmaster::shard
