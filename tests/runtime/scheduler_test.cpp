#include "ringmaster/runtime/scheduler.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

TEST(Scheduler, RunReturnsWhenTheTaskHasEndedOrWaits) {
    ManualScheduler manual;
    std::string trace;
    Waker waker;
    manual.scheduler.run("test", [&] {
        trace += "a";
        manual.scheduler.suspend([&](Waker w) { waker = w; });
        trace += "c";
    });
    trace += "b";
    EXPECT_TRUE(waker.wake());
    EXPECT_EQ(trace, "ab");  // a waker only enqueues
    manual.settle();
    EXPECT_EQ(trace, "abc");
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u);
}

TEST(Scheduler, ResumesInTheOrderInWhichFibersBecameReady) {
    ManualScheduler manual;
    std::string trace;
    for (const char name : {'a', 'b', 'c'}) {
        manual.spawn([&trace, &manual, name] {
            trace += name;
            manual.scheduler.yield();
            trace += name;
        });
    }
    manual.settle();
    EXPECT_EQ(trace, "abcabc");
}

TEST(Scheduler, AWakerWorksOnceAndOnlyForItsOwnWait) {
    ManualScheduler manual;
    Waker first;
    Waker second;
    int waits_over = 0;
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker w) { first = w; });
        ++waits_over;
        manual.scheduler.suspend([&](Waker w) { second = w; });
        ++waits_over;
    });
    manual.settle();
    EXPECT_TRUE(first.wake());
    EXPECT_FALSE(first.wake());
    manual.settle();
    EXPECT_EQ(waits_over, 1);
    EXPECT_FALSE(first.wake());  // stale: the fiber waits for something else now
    manual.settle();
    EXPECT_EQ(waits_over, 1);
    EXPECT_TRUE(second.wake());
    manual.settle();
    EXPECT_EQ(waits_over, 2);
    EXPECT_FALSE(second.wake());
    EXPECT_FALSE(Waker().wake());
}

TEST(Scheduler, AStaleWakerDoesNotReachTheNextTaskOnTheSameFiber) {
    ManualScheduler manual;
    Waker old;
    manual.spawn(
        [&] { manual.scheduler.suspend([&](Waker w) { old = w; }, manual.in(milliseconds(1))); });
    manual.settle();
    manual.advance(milliseconds(1));
    bool woken = false;
    manual.spawn([&] {
        manual.scheduler.suspend([](Waker) {});
        woken = true;
    });
    manual.settle();
    EXPECT_FALSE(old.wake());
    manual.settle();
    EXPECT_FALSE(woken);
}

TEST(Scheduler, AWakeUpFromWithinArmIsNotLost) {
    ManualScheduler manual;
    bool done = false;
    manual.spawn([&] {
        EXPECT_EQ(manual.scheduler.suspend([](Waker w) { w.wake(); }), WakeReason::notified);
        done = true;
    });
    manual.settle();
    EXPECT_TRUE(done);
}

TEST(Scheduler, WhatArmThrowsIsThrownInTheFiber) {
    ManualScheduler manual;
    std::string caught;
    manual.spawn([&] {
        try {
            manual.scheduler.suspend([](Waker) { throw std::runtime_error("no arm"); });
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
    });
    manual.settle();
    EXPECT_EQ(caught, "no arm");
}

TEST(Scheduler, AWaitEndsAtItsDeadline) {
    ManualScheduler manual;
    std::vector<WakeReason> reasons;
    Waker waker;
    manual.spawn([&] {
        reasons.push_back(
            manual.scheduler.suspend([&](Waker w) { waker = w; }, manual.in(milliseconds(50))));
    });
    manual.settle();
    manual.advance(milliseconds(49));
    EXPECT_TRUE(reasons.empty());
    manual.advance(milliseconds(1));
    EXPECT_EQ(reasons, std::vector{WakeReason::timeout});
    EXPECT_FALSE(waker.wake());
}

TEST(Scheduler, ANotificationBeforeTheDeadlineCancelsIt) {
    ManualScheduler manual;
    int resumed = 0;
    Waker waker;
    manual.spawn([&] {
        EXPECT_EQ(
            manual.scheduler.suspend([&](Waker w) { waker = w; }, manual.in(milliseconds(50))),
            WakeReason::notified);
        ++resumed;
        manual.scheduler.suspend([](Waker) {});
        ++resumed;
    });
    manual.settle();
    waker.wake();
    manual.settle();
    manual.advance(milliseconds(100));
    EXPECT_EQ(resumed, 1);
}

TEST(Scheduler, SleepersWakeInOrderOfTime) {
    ManualScheduler manual;
    std::vector<int> order;
    for (const int ms : {30, 10, 20}) {
        manual.spawn([&order, &manual, ms] {
            manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(ms));
            order.push_back(ms);
        });
    }
    manual.settle();
    for (int i = 0; i < 40; ++i) manual.advance(milliseconds(1));
    EXPECT_EQ(order, (std::vector{10, 20, 30}));
}

TEST(Scheduler, RefusesMoreTasksThanItHasFibers) {
    ManualScheduler manual({.max_fibers = 2});
    const auto wait = [&] { manual.scheduler.suspend([](Waker) {}); };
    EXPECT_TRUE(manual.scheduler.spawn("a", wait));
    EXPECT_TRUE(manual.scheduler.spawn("b", wait));
    EXPECT_FALSE(manual.scheduler.spawn("c", wait));
    manual.settle();
    EXPECT_FALSE(manual.scheduler.spawn("c", wait));
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 2u);
}

TEST(Scheduler, AFiberIsReusedForTheNextTask) {
    ManualScheduler manual({.max_fibers = 1});
    int ran = 0;
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(manual.scheduler.run("test", [&] { ++ran; }));
    EXPECT_EQ(ran, 1000);
}

TEST(Scheduler, WhatATaskThrowsIsReportedAndTheFiberLivesOn) {
    ManualScheduler manual({.max_fibers = 1});
    manual.scheduler.run("GET /boom", [] { throw std::runtime_error("broken"); });
    manual.scheduler.run("GET /int", [] { throw 7; });
    ASSERT_EQ(manual.log.lines.size(), 2u);
    EXPECT_EQ(manual.log.lines[0], "error handle 1: GET /boom: broken");
    EXPECT_EQ(manual.log.lines[1],
              "error handle 2: GET /int: an exception that is not a std::exception");
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u);
}

// Boost.Context before 1.88 leaves the C++ runtime's list of caught exceptions to the thread: then
// two fibers that suspend inside `catch` rethrow each other's.
TEST(Scheduler, FibersThatSuspendInsideCatchKeepTheirOwnExceptions) {
    ManualScheduler manual;
    std::vector<std::string> rethrown(3);
    for (std::size_t i = 0; i < rethrown.size(); ++i) {
        manual.spawn([&rethrown, &manual, i] {
            try {
                try {
                    throw std::runtime_error(std::to_string(i));
                } catch (...) {
                    for (std::size_t k = 0; k <= i; ++k) manual.scheduler.yield();
                    throw;
                }
            } catch (const std::exception& e) {
                rethrown[i] = e.what();
            }
        });
    }
    manual.settle();
    EXPECT_EQ(rethrown, (std::vector<std::string>{"0", "1", "2"}));
    EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(Scheduler, UncaughtExceptionsAreCountedPerFiber) {
    ManualScheduler manual;
    int seen_by_other = -1;
    struct SuspendsWhileUnwinding {
        Scheduler& scheduler;
        ~SuspendsWhileUnwinding() { scheduler.yield(); }
    };
    manual.spawn([&] {
        try {
            const SuspendsWhileUnwinding guard{manual.scheduler};
            throw 1;
        } catch (int) {
        }
    });
    manual.spawn([&] { seen_by_other = std::uncaught_exceptions(); });
    manual.settle();
    EXPECT_EQ(seen_by_other, 0);
}

TEST(Scheduler, DestructionUnwindsFibersThatWait) {
    int destroyed = 0;
    struct Counts {
        explicit Counts(int& into) : count(into) {}
        int& count;
        ~Counts() { ++count; }
    };
    {
        ManualScheduler manual;
        manual.spawn([&] {
            const Counts guard(destroyed);
            manual.scheduler.suspend([](Waker) {});
        });
        manual.settle();
        manual.spawn([owned = std::make_unique<Counts>(destroyed)] {});  // never started
        EXPECT_EQ(destroyed, 0);
    }
    EXPECT_EQ(destroyed, 2);
}

TEST(Scheduler, DestructionGoesOnWhereATaskSwallowsIt) {
    int waits = 0;
    {
        ManualScheduler manual;
        manual.spawn([&] {
            for (int i = 0; i < 2; ++i) {
                try {
                    ++waits;
                    manual.scheduler.suspend([](Waker) {});
                } catch (...) {
                }
            }
        });
        manual.settle();
    }
    EXPECT_EQ(waits, 2);
}

TEST(Scheduler, DeferredWorkRunsOnceAfterTheReadyFibers) {
    ManualScheduler manual;
    std::string trace;
    struct Flush {
        void run() { trace += "|"; }
        std::string& trace;
        Deferred deferred{Callback::of<&Flush::run>(*this)};
    } flush{trace};
    for (const char name : {'a', 'b'}) {
        manual.spawn([&, name] {
            trace += name;
            manual.scheduler.defer(flush.deferred);
        });
    }
    manual.settle();
    EXPECT_EQ(trace, "ab|");
}

TEST(Scheduler, WhatDeferredWorkMakesReadyRunsInTheSameTurn) {
    ManualScheduler manual;
    std::string trace;
    struct Commit {
        void run() {
            trace += "commit ";
            waker.wake();
        }
        std::string& trace;
        Waker waker;
        Deferred deferred{Callback::of<&Commit::run>(*this)};
    } commit{trace, {}};
    manual.spawn([&] {
        manual.scheduler.suspend([&](Waker w) {
            commit.waker = w;
            manual.scheduler.defer(commit.deferred);
        });
        trace += "answer";
    });
    EXPECT_FALSE(manual.scheduler.turn());
    EXPECT_EQ(trace, "commit answer");
}

TEST(Scheduler, ATurnEndsWhenItsBudgetIsUsedUp) {
    ManualScheduler manual({.max_fibers = 4, .max_resumes_per_turn = 10});
    int resumed = 0;
    manual.spawn([&] {
        while (resumed < 25) {
            ++resumed;
            manual.scheduler.yield();
        }
    });
    EXPECT_TRUE(manual.scheduler.turn());
    EXPECT_EQ(resumed, 10);
    EXPECT_TRUE(manual.scheduler.turn());
    EXPECT_FALSE(manual.scheduler.turn());
    EXPECT_EQ(resumed, 25);
}

TEST(Scheduler, WorkForTheNextTurnWaitsForIt) {
    ManualScheduler manual;
    struct Portion {
        void run() {
            if (++runs < 3) scheduler.defer_to_next_turn(deferred);
        }
        Scheduler& scheduler;
        int runs = 0;
        Deferred deferred{Callback::of<&Portion::run>(*this)};
    } portion{manual.scheduler};
    manual.scheduler.defer(portion.deferred);
    EXPECT_TRUE(manual.scheduler.turn());
    EXPECT_EQ(portion.runs, 1);
    EXPECT_TRUE(manual.scheduler.turn());
    EXPECT_FALSE(manual.scheduler.turn());
    EXPECT_EQ(portion.runs, 3);
}

TEST(Scheduler, TimeStandsStillWithinATurn) {
    ManualScheduler manual;
    SteadyTime before;
    SteadyTime after;
    manual.spawn([&] {
        before = manual.scheduler.now();
        manual.clock.advance(milliseconds(5));
        manual.scheduler.yield();
        after = manual.scheduler.now();
    });
    manual.settle();
    EXPECT_EQ(before, after);
}

TEST(Scheduler, AFiberCarriesItsDeadline) {
    ManualScheduler manual;
    const Deadline given = manual.in(milliseconds(7));
    Deadline seen;
    manual.scheduler.run(
        "test", [&] { seen = manual.scheduler.deadline(); }, given);
    EXPECT_EQ(seen.time(), given.time());
    EXPECT_TRUE(manual.scheduler.deadline().is_never());
}

TEST(Scheduler, StacksAreDeepEnoughToUseAsConfigured) {
    ManualScheduler manual({.max_fibers = 1, .stack_bytes = 256 * 1024});
    int sum = 0;
    manual.scheduler.run("test", [&] {
        volatile char room[200 * 1024];
        for (std::size_t i = 0; i < sizeof room; i += 1024) room[i] = 1;
        for (std::size_t i = 0; i < sizeof room; i += 1024) sum += room[i];
    });
    EXPECT_EQ(sum, 200);
}

}  // namespace
}  // namespace ringmaster::runtime
