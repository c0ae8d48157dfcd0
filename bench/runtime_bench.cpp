#include "ringmaster/base/histogram.hpp"
#include "ringmaster/runtime/parallel.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

#include "bench_scheduler.hpp"
#include <benchmark/benchmark.h>

namespace ringmaster::runtime {
namespace {

void clock_reading(benchmark::State& state) {
    const SystemClock system;
    const Clock& clock = system;
    for (auto _ : state) benchmark::DoNotOptimize(clock.steady_now());
}
BENCHMARK(clock_reading);

void fiber_start_and_end(benchmark::State& state) {
    BenchScheduler bench;
    int ran = 0;
    for (auto _ : state) bench.scheduler.run("bench", [&] { ++ran; });
    benchmark::DoNotOptimize(ran);
}
BENCHMARK(fiber_start_and_end);

/// With the page faults, and the mapping and unmapping of the slab, that 256 stacks cost.
void fiber_first_use_of_a_stack(benchmark::State& state) {
    for (auto _ : state) {
        BenchScheduler bench;
        for (int i = 0; i < 256; ++i) {
            bench.scheduler.run("bench", [&] { bench.scheduler.suspend([](Waker) {}); });
        }
    }
    state.SetItemsProcessed(state.iterations() * 256);
}
BENCHMARK(fiber_first_use_of_a_stack);

void suspend_wake_resume(benchmark::State& state) {
    BenchScheduler bench;
    Waker waker;
    bench.scheduler.run("bench", [&] {
        while (true) bench.scheduler.suspend([&](Waker w) { waker = w; });
    });
    for (auto _ : state) {
        waker.wake();
        bench.scheduler.turn();
    }
}
BENCHMARK(suspend_wake_resume);

void waker_alone(benchmark::State& state) {
    BenchScheduler bench;
    Waker waker;
    bench.scheduler.run("bench", [&] { bench.scheduler.suspend([&](Waker w) { waker = w; }); });
    waker.wake();
    for (auto _ : state) benchmark::DoNotOptimize(waker.wake());  // stale: the check alone
}
BENCHMARK(waker_alone);

/// What so many fibers that sleep cost: each on a stack that was never used before.
void fibers_asleep(benchmark::State& state) {
    const auto resident_bytes = [] {
        std::int64_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages >> pages;  // the second
        return pages * ::sysconf(_SC_PAGESIZE);
    };
    const auto count = static_cast<std::size_t>(state.range(0));
    using Seconds = std::chrono::duration<double>;
    Seconds starting{0};
    Seconds ending{0};
    std::int64_t bytes = 0;  // the most: later rounds find some memory in the heap
    for (auto _ : state) {
        BenchScheduler bench({.max_fibers = count});
        const std::int64_t before = resident_bytes();
        const SteadyTime begin = bench.clock.steady_now();
        const SteadyTime until = begin + std::chrono::seconds(1);
        for (std::size_t i = 0; i < count; ++i) {
            bench.scheduler.run("asleep", [&] { bench.scheduler.sleep_until(until); });
        }
        starting += bench.clock.steady_now() - begin;
        bytes = std::max(bytes, resident_bytes() - before);
        std::this_thread::sleep_until(until + TimerWheel::Tick(1));
        const SteadyTime woken = bench.clock.steady_now();
        bench.finish();
        ending += bench.clock.steady_now() - woken;
        state.SetIterationTime(Seconds(bench.clock.steady_now() - begin).count());
    }
    const double fibers = static_cast<double>(count) * static_cast<double>(state.iterations());
    state.counters["bytes_each"] = static_cast<double>(bytes) / static_cast<double>(count);
    state.counters["start_us_each"] = starting.count() * 1e6 / fibers;
    state.counters["end_us_each"] = ending.count() * 1e6 / fibers;
}
BENCHMARK(fibers_asleep)
    ->Arg(10'000)
    ->Iterations(3)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// Jobs that do nothing: what it costs to begin them, to wait for all and to collect their results.
void fan_out(benchmark::State& state) {
    BenchScheduler bench;
    const auto jobs = static_cast<std::size_t>(state.range(0));
    for (auto _ : state) {
        bench.scheduler.run("bench", [&] {
            benchmark::DoNotOptimize(
                parallel_map(bench.scheduler, jobs, jobs, [](std::size_t i) { return i; }));
        });
        bench.finish();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(fan_out)->Arg(2)->Arg(40);

void histogram_record(benchmark::State& state) {
    Histogram histogram;
    std::uint32_t ns = 1;
    for (auto _ : state) {
        histogram.record(std::chrono::nanoseconds(ns));
        ns = ns * 1664525u + 1013904223u;
    }
    benchmark::DoNotOptimize(histogram.max());
}
BENCHMARK(histogram_record);

struct Nothing {
    void fire() {}
    Timer timer{Callback::of<&Nothing::fire>(*this)};
};

void timer_schedule_and_cancel(benchmark::State& state) {
    TimerWheel wheel{SteadyTime{}};
    Nothing nothing;
    unsigned ms = 1;
    for (auto _ : state) {
        wheel.schedule(nothing.timer, SteadyTime{} + std::chrono::milliseconds(ms));
        nothing.timer.cancel();
        ms = ms * 1664525u + 1013904223u;
    }
}
BENCHMARK(timer_schedule_and_cancel);

/// A ping every 15 s on each of so many connections: the cost of one expiry and rescheduling.
void timer_period(benchmark::State& state) {
    TimerWheel wheel{SteadyTime{}};
    SteadyTime now{};
    struct Periodic {
        void fire() { wheel.schedule(timer, now + std::chrono::seconds(15)); }
        TimerWheel& wheel;
        SteadyTime& now;
        Timer timer{Callback::of<&Periodic::fire>(*this)};
    };
    const auto count = static_cast<std::size_t>(state.range(0));
    std::vector<std::unique_ptr<Periodic>> timers;
    for (std::size_t i = 0; i < count; ++i) {
        timers.emplace_back(new Periodic{wheel, now});
        wheel.schedule(timers.back()->timer, now + std::chrono::milliseconds(i * 15'000 / count));
    }
    for (auto _ : state) {
        now += std::chrono::milliseconds(1500);
        wheel.advance(now);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count / 10));
}
BENCHMARK(timer_period)->Arg(10'000)->Arg(1'000'000);

}  // namespace
}  // namespace ringmaster::runtime
