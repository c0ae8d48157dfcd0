// What one allocation costs inside the allocator: in batches of 40, over 64 pools of 10,000 numbers
// (more memory than the caches hold), for sessions drawn from 1,000,000 ids; with the latency of
// memory hidden by prefetching, and without. And what the hash of a session and the import of a
// number cost.

#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/number_import.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

namespace ringmaster::ringpool {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBatch = 40;
constexpr std::size_t kPools = 64;
constexpr std::size_t kNumbersPerPool = 10'000;
constexpr std::size_t kSessions = 1'000'000;
constexpr std::size_t kBatches = 25'000;  ///< drawn before the run, then used in turn
constexpr SessionHasher::Key kKey{1, 2, 3};

/// Who asks whom.
enum Draw : std::int64_t {
    any_pool,  ///< any session asks any pool: nearly every answer is a fresh number
    own_pool,  ///< each session has one pool: most sessions come back for their number
};

struct Row {
    SessionHash session;
    std::uint32_t pool;
};

std::vector<Row> draw_rows(Draw draw) {
    std::mt19937_64 random(7);
    std::vector<Row> rows(kBatches * kBatch);
    SessionHasher hasher(kKey);
    for (Row& row : rows) {
        const std::uint64_t session = random() % kSessions;
        row.pool = static_cast<std::uint32_t>((draw == any_pool ? random() : session) % kPools);
        const std::string id = "v-" + std::to_string(session);
        row.session = hasher.hash("pool-" + std::to_string(row.pool), {.id = id, .context = {}});
    }
    return rows;
}

std::vector<RingPool> make_pools(std::chrono::milliseconds lifetime) {
    std::vector<RingPool> pools;
    std::uint64_t number = 12'000'000'000;
    for (std::size_t i = 0; i < kPools; ++i) {
        RingPool& pool = pools.emplace_back(HoldRules{.lifetime = lifetime, .cooldown = 0ms});
        for (std::size_t j = 0; j < kNumbersPerPool; ++j) {
            pool.add({PhoneNumber::from_digits(number++), FormattedNumber("200-555-0100")});
        }
    }
    return pools;
}

/// The loop of a store: all rows of a batch are fetched before the first is decided.
void allocate(benchmark::State& state, bool prefetch) {
    const std::vector<Row> rows = draw_rows(static_cast<Draw>(state.range(0)));
    // Time goes on by 1 ms for each batch, so that the oldest number is always eligible.
    std::vector<RingPool> pools = make_pools(100ms);
    WallTime now{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
    std::size_t fresh = 0;
    const auto allocate_batch = [&](const Row* batch) {
        now += 1ms;
        if (prefetch) {
            for (std::size_t i = 0; i < kBatch; ++i) {
                pools[batch[i].pool].prefetch_session(batch[i].session);
            }
            for (std::size_t i = 0; i < kBatch; ++i) {
                pools[batch[i].pool].prefetch_slot(batch[i].session);
            }
        }
        for (std::size_t i = 0; i < kBatch; ++i) {
            RingPool& pool = pools[batch[i].pool];
            const auto decision = pool.allocate(batch[i].session, now);
            if (decision.outcome == RingPool::Outcome::exhausted) std::abort();
            benchmark::DoNotOptimize(pool.number(decision.slot).number);
            fresh += decision.outcome == RingPool::Outcome::fresh;
        }
    };
    for (std::size_t i = 0; i < kBatches; ++i) allocate_batch(&rows[i * kBatch]);

    fresh = 0;
    std::size_t next = 0;
    for (auto _ : state) {
        allocate_batch(&rows[next * kBatch]);
        next = (next + 1) % kBatches;
    }
    const auto calls = static_cast<double>(state.iterations() * kBatch);
    state.counters["per_call"] =
        benchmark::Counter(calls, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["fresh"] = static_cast<double>(fresh) / calls;
}

void allocate_plain(benchmark::State& state) {
    allocate(state, false);
}
void allocate_prefetched(benchmark::State& state) {
    allocate(state, true);
}
BENCHMARK(allocate_plain)->ArgName("own_pool")->Arg(any_pool)->Arg(own_pool);
BENCHMARK(allocate_prefetched)->ArgName("own_pool")->Arg(any_pool)->Arg(own_pool);

void hash_visitor(benchmark::State& state) {
    SessionHasher hasher(kKey);
    for (auto _ : state) {
        benchmark::DoNotOptimize(hasher.hash("autos", {.id = "v-812345", .context = {}}));
    }
}
BENCHMARK(hash_visitor);

void hash_context(benchmark::State& state) {
    SessionHasher hasher(kKey);
    ContextBuilder builder({});
    std::string bytes;
    (void)builder.add("utm_source", "google");
    (void)builder.add("utm_medium", "cpc");
    (void)builder.add("gclid", "Cj0KCQiA");
    builder.finish(bytes);
    for (auto _ : state) {
        benchmark::DoNotOptimize(hasher.hash("autos", {.id = {}, .context = Context(bytes)}));
    }
}
BENCHMARK(hash_context);

/// Area codes of the United States, toll-free, and of Canada.
void import_lines(benchmark::State& state) {
    std::string text;
    constexpr int kLines = 30'000;
    for (int i = 0; i < kLines; ++i) {
        constexpr std::array<std::string_view, 3> kAreas = {"(212) ", "866-", "+1 416 "};
        text.append(kAreas[static_cast<std::size_t>(i) % kAreas.size()]).append("555-");
        text.append(std::to_string(10'000 + i / 3).substr(1)).append("\n");
    }
    for (auto _ : state) {
        const auto result = import_numbers(text, "US");
        if (!result || result->numbers.size() != kLines) std::abort();
    }
    state.counters["per_line"] =
        benchmark::Counter(static_cast<double>(state.iterations() * kLines),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(import_lines)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ringmaster::ringpool
