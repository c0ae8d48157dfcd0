#include "ringmaster/net/connection_pool.hpp"

#include <memory>

#include "bench_scheduler.hpp"
#include <benchmark/benchmark.h>

namespace ringmaster::net {
namespace {

struct FakeConnection {
    static bool usable() noexcept { return true; }
};
using Pool = ConnectionPool<FakeConnection>;

/// So many fibers use a pool of four over and over, each for as long as it takes the others to get
/// their turn: a checkout, and where there are more than four a wait in the queue.
void connection_pool_checkout(benchmark::State& state) {
    runtime::BenchScheduler bench;
    runtime::Scheduler& scheduler = bench.scheduler;
    Pool pool(scheduler, {.name = "bench", .size = 4},
              [](Deadline) -> Result<std::unique_ptr<FakeConnection>> {
                  return std::make_unique<FakeConnection>();
              });
    bool stopping = false;
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        scheduler.spawn("bench", [&] {
            while (!stopping) {
                const auto lease = pool.checkout();
                scheduler.yield();
            }
        });
    }
    for (auto _ : state) {
        const auto before = pool.stats().checkouts;
        while (pool.stats().checkouts < before + 1000) scheduler.turn();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(pool.stats().checkouts));
    if (pool.stats().timeouts > 0) state.SkipWithError("a checkout timed out");
    stopping = true;
    bench.finish();
}
BENCHMARK(connection_pool_checkout)->Arg(1)->Arg(4)->Arg(64);

}  // namespace
}  // namespace ringmaster::net
