#include "ringmaster/runtime/scheduler.hpp"

#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

namespace ringmaster::runtime {
namespace {

struct Bench {
    FakeClock clock;
    NullLog log;
    ErrorReporter errors{log};
    Scheduler scheduler{clock, errors, {.max_fibers = 1024}};
};

void fiber_start_and_end(benchmark::State& state) {
    Bench bench;
    int ran = 0;
    for (auto _ : state) bench.scheduler.run("bench", [&] { ++ran; });
    benchmark::DoNotOptimize(ran);
}
BENCHMARK(fiber_start_and_end);

/// With the page faults, and the mapping and unmapping of the slab, that 256 stacks cost.
void fiber_first_use_of_a_stack(benchmark::State& state) {
    for (auto _ : state) {
        Bench bench;
        for (int i = 0; i < 256; ++i) {
            bench.scheduler.run("bench", [&] { bench.scheduler.suspend([](Waker) {}); });
        }
    }
    state.SetItemsProcessed(state.iterations() * 256);
}
BENCHMARK(fiber_first_use_of_a_stack);

void suspend_wake_resume(benchmark::State& state) {
    Bench bench;
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
    Bench bench;
    Waker waker;
    bench.scheduler.run("bench", [&] { bench.scheduler.suspend([&](Waker w) { waker = w; }); });
    waker.wake();
    for (auto _ : state) benchmark::DoNotOptimize(waker.wake());  // stale: the check alone
}
BENCHMARK(waker_alone);

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
