#include "ringmaster/runtime/task_times.hpp"

#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// A task that takes its time, and what it was told of it.
struct TaskTimesTest : ::testing::Test {
    void work(int ms) { manual.clock.advance(milliseconds(ms)); }
    void wait_for(int ms) {
        manual.scheduler.sleep_until(manual.clock.steady_now() + milliseconds(ms));
    }
    void expect(const TaskTimes& told, int running, int idle, int stalled) {
        EXPECT_EQ(told.running, milliseconds(running));
        EXPECT_EQ(told.idle(), milliseconds(idle));
        EXPECT_EQ(told.stalled, milliseconds(stalled));
    }

    ManualScheduler manual;
    TaskTimes times;
};

TEST_F(TaskTimesTest, OutsideOfTasksThereAreNone) {
    expect(manual.scheduler.task_times(), 0, 0, 0);
}

TEST_F(TaskTimesTest, ATaskThatNeverWaitsIsRunning) {
    manual.scheduler.run("test", [&] {
        work(3);
        times = manual.scheduler.task_times();
        work(4);
    });
    expect(times, 3, 0, 0);
}

TEST_F(TaskTimesTest, AWaitIsIdleUntilItsEndIsSeen) {
    manual.spawn([&] {
        work(1);
        wait_for(10);
        work(2);
        times = manual.scheduler.task_times();
    });
    manual.settle();
    manual.advance(milliseconds(12));
    expect(times, 3, 12, 0);
}

TEST_F(TaskTimesTest, WhoIsReadyWhileOthersHaveTheThreadIsStalled) {
    Waker waker;
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker w) { waker = w; });
        times = manual.scheduler.task_times();
    });
    manual.settle();
    manual.spawn([&] { work(5); });
    work(1);
    manual.scheduler.update_time();
    waker.wake();
    manual.settle();
    expect(times, 0, 1, 5);
}

TEST_F(TaskTimesTest, WhatWaitsForItsFirstTurnIsStalled) {
    manual.scheduler.run("test", [&] {
        work(7);  // before there is the other
        manual.spawn([&] { times = manual.scheduler.task_times(); });
        work(2);
    });
    manual.settle();
    expect(times, 0, 0, 2);
}

TEST_F(TaskTimesTest, ReadyIsKnownAsWellAsTheLastSwitch) {
    Waker waker;
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker w) { waker = w; });
        times = manual.scheduler.task_times();
    });
    manual.settle();
    manual.spawn([&] {
        work(5);
        waker.wake();
    });
    manual.settle();
    expect(times, 0, 0, 5);
}

TEST_F(TaskTimesTest, AWaitIsForWhomTheInnermostScopeSays) {
    manual.spawn([&] {
        wait_for(1);
        {
            const Waiting disk(manual.scheduler, WaitsFor::disk);
            wait_for(2);
            {
                const Waiting server(manual.scheduler, WaitsFor::server);
                work(100);
                wait_for(4);
            }
            wait_for(8);
        }
        wait_for(16);
        times = manual.scheduler.task_times();
    });
    manual.settle();
    // In the middle of one: what another task waits for is its own business.
    manual.spawn([&] { wait_for(1); });
    for (int i = 0; i < 200; ++i) manual.advance(milliseconds(1));
    EXPECT_EQ(times.waited_for(WaitsFor::other), milliseconds(17));
    EXPECT_EQ(times.waited_for(WaitsFor::disk), milliseconds(10));
    EXPECT_EQ(times.waited_for(WaitsFor::server), milliseconds(4));
    EXPECT_EQ(times.waited_for(WaitsFor::peer), milliseconds(0));
    expect(times, 100, 31, 0);
    EXPECT_EQ(times.all(), milliseconds(131));
}

TEST_F(TaskTimesTest, TheNextTaskOfAFiberBeginsAnew) {
    const Waiting outside(manual.scheduler, WaitsFor::disk);
    for (int i = 0; i < 2; ++i) {
        manual.spawn([&] {
            wait_for(5);
            times = manual.scheduler.task_times();
            if (i == 1) return;
            const Waiting disk(manual.scheduler, WaitsFor::disk);
            wait_for(5);
        });
        manual.settle();
        for (int ms = 0; ms < 20; ++ms) manual.advance(milliseconds(1));
    }
    EXPECT_EQ(times.waited_for(WaitsFor::other), milliseconds(5));
}

TEST_F(TaskTimesTest, OneThatYieldsIsStalledAndNotIdle) {
    manual.spawn([&] {
        work(1);
        manual.scheduler.yield();
        times = manual.scheduler.task_times();
    });
    manual.spawn([&] { work(10); });
    manual.settle();
    expect(times, 1, 0, 10);
}

TEST_F(TaskTimesTest, ToArmAWaitIsWorkOfTheTask) {
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker waker) {
            work(4);
            waker.wake();
        });
        times = manual.scheduler.task_times();
    });
    manual.settle();
    expect(times, 4, 0, 0);
}

TEST_F(TaskTimesTest, ARunThatReadsTheClockBeforeItYieldsHasStillBeenRunning) {
    manual.spawn([&] {
        work(3);
        manual.scheduler.precise_now();
        manual.scheduler.yield();
        times = manual.scheduler.task_times();
    });
    manual.settle();
    expect(times, 3, 0, 0);
}

/// A callback that wakes somebody, and then has more to do.
struct Slow {
    void run() {
        waker.wake();
        clock.advance(milliseconds(8));
    }
    FakeClock& clock;
    Waker waker;
    Deferred deferred{Callback::of<&Slow::run>(*this)};
    Timer timer{Callback::of<&Slow::run>(*this)};
};

TEST_F(TaskTimesTest, WhoIsReadyDuringATimersCallbackIsStalled) {
    Slow slow{manual.clock, {}};
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker w) { slow.waker = w; });
        times = manual.scheduler.task_times();
    });
    manual.settle();
    manual.scheduler.timers().schedule(slow.timer, manual.scheduler.now());
    manual.settle();
    expect(times, 0, 0, 8);
}

TEST_F(TaskTimesTest, WhoIsReadyDuringDeferredWorkIsStalled) {
    Slow slow{manual.clock, {}};
    manual.spawn([&] {
        manual.scheduler.defer(slow.deferred);
        manual.scheduler.suspend([&](Waker w) { slow.waker = w; });
        times = manual.scheduler.task_times();
    });
    manual.settle();
    expect(times, 0, 0, 8);
}

TEST_F(TaskTimesTest, ATaskDoesNotInheritFromTheOneBeforeOnItsFiber) {
    ManualScheduler single({.max_fibers = 1});
    for (int i = 0; i < 2; ++i) {
        single.scheduler.run("test", [&] {
            single.clock.advance(milliseconds(5));
            times = single.scheduler.task_times();
        });
        single.clock.advance(milliseconds(100));
        single.scheduler.update_time();
    }
    expect(times, 5, 0, 0);
}

/// Whatever happens, no time is lost, counted twice or negative.
TEST_F(TaskTimesTest, TheThreeSumUpToTheAge) {
    unsigned seed = 1;
    const auto random = [&](unsigned most) {
        seed = seed * 1664525u + 1013904223u;
        return static_cast<int>((seed >> 16) % (most + 1));
    };
    int asked = 0;
    std::vector<Waker> wakers(8);
    for (std::size_t i = 0; i < wakers.size(); ++i) {
        work(random(3));
        manual.spawn([&, i, started = manual.clock.steady_now()] {
            for (int step = 0; step < 200; ++step) {
                work(random(2));
                switch (random(3)) {
                    case 0: wait_for(random(4)); break;
                    case 1: manual.scheduler.yield(); break;
                    case 2:
                        manual.scheduler.suspend([&](Waker w) { wakers[i] = w; },
                                                 manual.in(milliseconds(random(9))));
                        break;
                    case 3: wakers[static_cast<std::size_t>(random(7))].wake(); break;
                }
                work(random(2));
                const TaskTimes t = manual.scheduler.task_times();
                EXPECT_EQ(t.running + t.idle() + t.stalled, manual.clock.steady_now() - started);
                EXPECT_GE(t.running, nanoseconds(0));
                EXPECT_GE(t.idle(), nanoseconds(0));
                EXPECT_GE(t.stalled, nanoseconds(0));
                ++asked;
            }
        });
    }
    while (manual.scheduler.fibers_in_use() > 0) manual.advance(milliseconds(1));
    EXPECT_EQ(asked, 8 * 200);
}

}  // namespace
}  // namespace ringmaster::runtime
