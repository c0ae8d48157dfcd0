#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/embedded_store.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

namespace ringmaster::store {
namespace {

constexpr unsigned kPools = 64;
constexpr unsigned kNumbersPerPool = 10'000;
constexpr std::size_t kSessions = 1'000'000;
constexpr std::size_t kBatch = 40;

void crc(benchmark::State& state) {
    const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
    for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc)->Arg(32)->Arg(160)->Arg(4096)->Arg(1 << 20);

void encode_hold_record(benchmark::State& state) {
    const std::string context(70, 'c');
    HoldRecord record;
    record.number = ringpool::PhoneNumber::from_digits(18665550142);
    record.pool_id = "autos";
    record.session_id = "v-123456";
    record.context = context;
    std::vector<std::byte> out(4096);
    for (auto _ : state) {
        benchmark::DoNotOptimize(encode_hold({out.data(), 64, 1}, record));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_hold_record);

void encode_touch_record(benchmark::State& state) {
    TimesRecord record;
    record.number = ringpool::PhoneNumber::from_digits(18665550142);
    std::vector<std::byte> out(4096);
    for (auto _ : state) {
        benchmark::DoNotOptimize(encode_times({out.data(), 64, 1}, RecordType::touch, record));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_touch_record);

/// Takes everything and writes only what has to be read again: headers.
class NullDisk final : public Disk {
  public:
    std::error_code write_at(int file, std::span<const std::byte> bytes,
                             std::uint64_t offset) noexcept override {
        return offset < 64 ? Disk::write_at(file, bytes, offset) : std::error_code();
    }
    std::error_code sync(int) noexcept override { return {}; }
};

/// Batches as a busy ad network sends them: forty rows, each of another pool, sessions drawn from a
/// million visitors, three context parameters each.
class Load {
  public:
    explicit Load(std::size_t batches) : random_(7) {
        contexts_.reserve(kSessions / 16);
        ringpool::ContextBuilder builder(ringpool::ContextLimits{});
        for (std::size_t i = 0; i < kSessions / 16; ++i) {
            std::string& bytes = contexts_.emplace_back();
            const std::string click = "Cj0KCQiA" + std::to_string(i * 7919);
            builder.start();
            (void)builder.add("utm_source", "google");
            (void)builder.add("utm_medium", "cpc");
            (void)builder.add("gclid", click);
            builder.finish(bytes);
        }
        ids_.reserve(kSessions);
        for (std::size_t i = 0; i < kSessions; ++i) ids_.push_back("visitor-" + std::to_string(i));
        requests_.resize(batches * kBatch);
        for (auto& request : requests_) {
            const std::size_t session = random_() % kSessions;
            // A visitor comes back to the same pool.
            request.pool = static_cast<ringpool::PoolIndex>((session * 31 + 7) % kPools);
            request.session.id = ids_[session];
            request.session.context = ringpool::Context(contexts_[session / 16]);
        }
    }
    /// The texts of a batch are fresh in the cache, as they are when a request has just been
    /// parsed.
    std::span<const ringpool::AllocationRequest> batch(std::size_t i) {
        const auto rows = std::span(requests_).subspan(i % (requests_.size() / kBatch) * kBatch);
        hot_.clear();
        for (std::size_t row = 0; row < kBatch; ++row) {
            hot_ += *rows[row].session.id;
            hot_ += rows[row].session.context.bytes();
        }
        std::string_view rest = hot_;
        const auto take = [&](std::size_t bytes) {
            const std::string_view text = rest.substr(0, bytes);
            rest.remove_prefix(bytes);
            return text;
        };
        for (std::size_t row = 0; row < kBatch; ++row) {
            batch_[row].pool = rows[row].pool;
            batch_[row].session.id = take(rows[row].session.id->size());
            batch_[row].session.context =
                ringpool::Context(take(rows[row].session.context.bytes().size()));
        }
        return batch_;
    }

  private:
    std::mt19937_64 random_;
    std::vector<std::string> contexts_;
    std::vector<std::string> ids_;
    std::vector<ringpool::AllocationRequest> requests_;
    std::string hot_;
    std::array<ringpool::AllocationRequest, kBatch> batch_;
};

std::vector<ringpool::PoolNumber> some_numbers(std::uint64_t first, std::size_t count) {
    std::vector<ringpool::PoolNumber> numbers;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto number = ringpool::PhoneNumber::from_digits(first + i);
        numbers.push_back({number, ringpool::FormattedNumber(number.e164())});
    }
    return numbers;
}

ringpool::PoolDefinition some_pool(unsigned index) {
    ringpool::PoolDefinition pool;
    pool.id = "pool-" + std::to_string(index);
    pool.key = std::string("key");
    pool.allow_overflow = false;
    return pool;
}

void write_pools(const std::filesystem::path& directory) {
    Disk disk;
    std::filesystem::create_directories(directory / "pools");
    const PoolFiles files(disk, directory / "pools");
    for (unsigned p = 0; p < kPools; ++p) {
        StoredPool pool{some_pool(p), {}};
        for (auto& number : some_numbers(18'660'000'000 + p * 100'000ull, kNumbersPerPool)) {
            pool.numbers.push_back({number, false});
        }
        if (!files.save(pool)) std::abort();
    }
}

/// A batch of forty, all in: hash, allocate, encode, write, and the switch to the reactor and back.
void allocate_forty(benchmark::State& state, Disk& disk, Fsync fsync) {
    char name[] = "/tmp/store-bench-XXXXXX";
    const std::filesystem::path directory = ::mkdtemp(name);
    {
        NullLog log;
        ErrorReporter errors(log);
        SystemClock clock;
        runtime::Reactor reactor(clock, errors, {});
        ringpool::Catalog catalog;
        write_pools(directory);
        EmbeddedStoreOptions options;
        options.directory = directory;
        options.fsync = fsync;
        options.history = std::chrono::hours(0);
        auto store = EmbeddedStore::open(reactor, catalog, options, log, disk, BootTime::read());
        if (!store) throw std::runtime_error(store.error().message);
        Load load(100'000);
        std::uint64_t allocated = 0;
        reactor.post([&] {
            reactor.scheduler().run("bench", [&] {
                std::vector<ringpool::Allocation> answers(kBatch);
                std::size_t i = 0;
                for (auto _ : state) {
                    state.PauseTiming();
                    const auto batch = load.batch(i++);
                    state.ResumeTiming();
                    (*store)->allocate(batch, answers, {});
                    for (const auto& answer : answers) {
                        allocated += answer.outcome == ringpool::Allocation::Outcome::allocated;
                    }
                }
                (*store)->close();
                reactor.stop();
            });
        });
        reactor.run();
        state.counters["allocated"] =
            static_cast<double>(allocated) / static_cast<double>(state.iterations());
    }
    std::filesystem::remove_all(directory);
}

void allocate_forty_without_disk(benchmark::State& state) {
    NullDisk disk;
    allocate_forty(state, disk, Fsync::never);
}
BENCHMARK(allocate_forty_without_disk)->MinWarmUpTime(1);

void allocate_forty_everysec(benchmark::State& state) {
    Disk disk;
    allocate_forty(state, disk, Fsync::everysec);
}
BENCHMARK(allocate_forty_everysec)->MinWarmUpTime(1);

void allocate_forty_always(benchmark::State& state) {
    Disk disk;
    allocate_forty(state, disk, Fsync::always);
}
BENCHMARK(allocate_forty_always);

/// How long opening takes.
void open_pools(benchmark::State& state) {
    char name[] = "/tmp/store-bench-XXXXXX";
    const std::filesystem::path directory = ::mkdtemp(name);
    write_pools(directory);
    NullLog log;
    ErrorReporter errors(log);
    SystemClock clock;
    EmbeddedStoreOptions options;
    options.directory = directory;
    for (auto _ : state) {
        runtime::Reactor reactor(clock, errors, {});
        ringpool::Catalog catalog;
        if (!EmbeddedStore::open(reactor, catalog, options, log)) std::abort();
    }
    std::filesystem::remove_all(directory);
}
BENCHMARK(open_pools)->Unit(benchmark::kMillisecond);

std::chrono::nanoseconds thread_time() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// What an administrator may ask of a pool of a million numbers, and for how long others wait at
/// most: the most that the reactor's thread reckoned without looking for events.
void change_a_million(benchmark::State& state) {
    constexpr std::size_t kMillion = 1'000'000;
    constexpr std::size_t kMore = 100'000;
    constexpr std::uint64_t kFirst = 18'660'000'000;
    char name[] = "/tmp/store-bench-XXXXXX";
    const std::filesystem::path directory = ::mkdtemp(name);
    {
        NullDisk disk;
        NullLog log;
        ErrorReporter errors(log);
        SystemClock clock;
        runtime::Reactor reactor(clock, errors, {});
        ringpool::Catalog catalog;
        EmbeddedStoreOptions options;
        options.directory = directory;
        options.fsync = Fsync::never;
        auto store = EmbeddedStore::open(reactor, catalog, options, log, disk, BootTime::read());
        if (!store) throw std::runtime_error(store.error().message);
        auto& scheduler = reactor.scheduler();
        auto& pools = (*store)->pools();
        const auto measure = [&](const std::string& what, const auto& change) {
            runtime::Event stop(scheduler);
            runtime::Event stopped(scheduler);
            std::chrono::nanoseconds last = thread_time();
            std::chrono::nanoseconds longest{};
            scheduler.spawn("watch", [&] {
                while (!stop.is_set()) {
                    scheduler.sleep_until(scheduler.now());
                    longest = std::max(longest, thread_time() - last);
                    last = thread_time();
                }
                stopped.set();
            });
            const SteadyTime begin = clock.steady_now();
            if (!change()) std::abort();
            const auto taken = clock.steady_now() - begin;
            stop.set();
            stopped.wait();
            using Milliseconds = std::chrono::duration<double, std::milli>;
            state.counters[what + "_ms"] = Milliseconds(taken).count();
            state.counters[what + "_stall_ms"] = Milliseconds(longest).count();
        };
        const auto hold_all = [&] {
            std::vector<ringpool::AllocationRequest> requests(kBatch);
            std::vector<ringpool::Allocation> answers(kBatch);
            std::array<std::string, kBatch> ids;
            for (std::size_t i = 0; i < kMillion; i += kBatch) {
                for (std::size_t row = 0; row < kBatch; ++row) {
                    ids[row] = std::to_string((i + row) * 7919);
                    requests[row].session.id = ids[row];
                }
                (*store)->allocate(requests, answers, {});
            }
        };
        const auto run = [&] {
            auto pool = some_pool(0);
            if (!pools.put_pool(pool)) std::abort();
            auto million = some_numbers(kFirst, kMillion);
            const auto more = some_numbers(kFirst + kMillion, kMore);
            measure("set", [&] { return pools.set_numbers(pool.id, million).ok(); });
            measure("add", [&] { return pools.edit_numbers(pool.id, {more, {}}).ok(); });
            hold_all();
            pool.lifetime -= std::chrono::seconds(1);
            measure("shorten", [&] { return pools.put_pool(pool).ok(); });
            hold_all();
            measure("figures", [&] { return pools.figures(pool.id).ok(); });
            measure("drain", [&] { return pools.set_numbers(pool.id, more).ok(); });
            measure("undrain", [&] { return pools.set_numbers(pool.id, million).ok(); });
            measure("remove", [&] { return pools.remove_pool(pool.id).ok(); });
            if (!pools.put_pool(pool)) std::abort();
            measure("set_again", [&] { return pools.set_numbers(pool.id, million).ok(); });
            (*store)->close();
            reactor.stop();
        };
        reactor.post([&] { scheduler.run("bench", run); });
        for (auto _ : state) reactor.run();
    }
    std::filesystem::remove_all(directory);
}
BENCHMARK(change_a_million)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ringmaster::store
