// Writes the journal of a day through the store itself, as fast as that can, with a clock that runs
// ahead: what `ringmaster replay` is measured with.
//
//     day_journal DIR [ALLOCATIONS [POOLS [NUMBERS]]]    10,000,000 of 10 pools of 20,000 each
//
// Visitors come evenly over the day. One that comes asks for a number, and four times out of ten it
// is a new one; else it is one of those that came lately, who ask again.

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/store/embedded_store.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace ringmaster;

constexpr std::size_t kBatch = 250;
constexpr std::size_t kRecent = 20'000;  // visitors that may come again

/// Runs ahead as it is told to. In between time goes by as it does: timers depend on that.
class DayClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override {
        return std::chrono::steady_clock::now() + ahead_;
    }
    WallTime wall_now() const noexcept override {
        return SystemClock().wall_now() - std::chrono::days(1) +
               std::chrono::floor<std::chrono::milliseconds>(ahead_);
    }
    void go_ahead(std::chrono::nanoseconds by) noexcept { ahead_ += by; }

  private:
    std::chrono::nanoseconds ahead_{};
};

class QuietLog final : public Log {
  public:
    void write(LogLevel level, std::string_view message) noexcept override {
        if (level >= LogLevel::warning) std::cerr << message << '\n';
    }
};

struct Day {
    std::filesystem::path directory;
    std::uint64_t allocations;
    unsigned pools;
    unsigned numbers;
};

void lay_out_pools(const Day& day) {
    store::Disk disk;
    std::filesystem::create_directories(day.directory / "pools");
    const store::PoolFiles files(disk, day.directory / "pools");
    for (unsigned p = 0; p < day.pools; ++p) {
        store::StoredPool pool;
        pool.definition.id = "pool-" + std::to_string(p);
        pool.definition.key = std::string("key");
        pool.definition.overflow = {ringpool::PhoneNumber::from_digits(18005550100 + p),
                                    ringpool::FormattedNumber("800-555-0100")};
        for (unsigned n = 0; n < day.numbers; ++n) {
            const auto number =
                ringpool::PhoneNumber::from_digits(12'000'000'000ull + p * 20'000'000ull + n);
            pool.numbers.push_back({{number, ringpool::FormattedNumber(number.e164())}, false});
        }
        if (auto saved = files.save(pool); !saved) throw std::runtime_error(saved.error().message);
    }
}

std::string context_of(std::uint64_t visitor) {
    ringpool::ContextBuilder builder(ringpool::ContextLimits{});
    const std::string click = "Cj0K" + std::to_string(visitor);
    builder.start();
    (void)builder.add("gclid", click);
    (void)builder.add("utm_source", "google");
    std::string bytes;
    builder.finish(bytes);
    return bytes;
}

/// Returns how many of the requests got an overflow number.
std::uint64_t live_through(const Day& day, runtime::Reactor& reactor, DayClock& clock,
                           store::EmbeddedStore& store) {
    std::mt19937_64 random(4711);
    std::vector<std::string> sessions(kBatch);
    std::vector<std::string> contexts(kBatch);
    std::vector<ringpool::AllocationRequest> requests(kBatch);
    std::vector<ringpool::Allocation> answers(kBatch);
    const std::chrono::nanoseconds step = std::chrono::nanoseconds(std::chrono::days(1)) /
                                          static_cast<std::int64_t>(day.allocations) * kBatch;
    std::uint64_t visitors = 0;
    std::uint64_t overflows = 0;
    for (std::uint64_t done = 0; done < day.allocations; done += kBatch) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            const bool comes_again = visitors > kRecent && random() % 10 >= 4;
            const std::uint64_t visitor =
                comes_again ? visitors - 1 - random() % kRecent : visitors++;
            sessions[i] = "v-" + std::to_string(visitor);
            contexts[i] = context_of(visitor);
            requests[i] = {static_cast<ringpool::PoolIndex>(visitor % day.pools),
                           {sessions[i], ringpool::Context(contexts[i])}};
        }
        store.allocate(requests, answers, {});
        for (const ringpool::Allocation& answer : answers) {
            overflows += answer.outcome == ringpool::Allocation::Outcome::allocated ? 0 : 1;
        }
        clock.go_ahead(step);
        reactor.scheduler().update_time();
        reactor.scheduler().yield();
    }
    return overflows;
}

void write_journal(const Day& day) {
    lay_out_pools(day);
    DayClock clock;
    QuietLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {});
    ringpool::Catalog catalog;
    store::EmbeddedStoreOptions options;
    options.directory = day.directory;
    options.fsync = store::Fsync::never;
    auto store = store::EmbeddedStore::open(reactor, catalog, options, log);
    if (!store) throw std::runtime_error(store.error().message);
    std::uint64_t overflows = 0;
    reactor.post([&] {
        reactor.scheduler().run("day", [&] {
            overflows = live_through(day, reactor, clock, **store);
            (*store)->close();
            reactor.stop();
        });
    });
    reactor.run();
    std::cout << day.allocations << " allocations, " << (*store)->counters().new_holds << " holds, "
              << overflows << " overflows\n";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || argc > 5) {
        std::cerr << "usage: day_journal DIR [ALLOCATIONS [POOLS [NUMBERS]]]\n";
        return 2;
    }
    const auto count = [&](int i, std::uint64_t standard) {
        return argc > i ? std::strtoull(argv[i], nullptr, 10) : standard;
    };
    try {
        write_journal({argv[1], count(2, 10'000'000), static_cast<unsigned>(count(3, 10)),
                       static_cast<unsigned>(count(4, 20'000))});
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
