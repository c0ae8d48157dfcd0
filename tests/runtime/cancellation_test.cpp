#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <optional>
#include <string>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

TEST(Cancellation, EndsTheWaitInWhichTheTaskIsAndRunsItsDestructors) {
    ManualScheduler manual;
    Event never(manual.scheduler);
    std::string trace;
    struct Trace {
        ~Trace() { text += "released "; }
        std::string& text;
    };
    const Task task = manual.scheduler.spawn("task", [&] {
        const Trace held{trace};
        try {
            never.wait();
            trace += "went on ";
        } catch (const Cancelled& cancelled) {
            trace += cancelled.reason + " ";
            throw;
        }
    });
    ASSERT_TRUE(task);
    manual.settle();
    EXPECT_TRUE(task.is_running());
    task.cancel("the client left");
    EXPECT_EQ(trace, "") << "nobody is resumed inside the call";
    task.cancel("too late");
    manual.settle();
    EXPECT_EQ(trace, "the client left released ");
    EXPECT_FALSE(task.is_running());
    EXPECT_TRUE(manual.log.lines.empty()) << "nothing went wrong";
}

TEST(Cancellation, OfATaskThatHasNotBegunEndsItAtItsFirstWait) {
    ManualScheduler manual;
    std::string trace;
    const Task task = manual.scheduler.spawn("task", [&] {
        trace += "begun ";
        manual.scheduler.yield();
        trace += "went on ";
    });
    task.cancel("");
    manual.settle();
    EXPECT_EQ(trace, "begun ");
    EXPECT_FALSE(task.is_running());
}

TEST(Cancellation, EveryLaterWaitThrowsToo) {
    ManualScheduler manual;
    int thrown = 0;
    const Task task = manual.scheduler.spawn("task", [&] {
        for (int i = 0; i < 3; ++i) {
            try {
                manual.scheduler.yield();
            } catch (const Cancelled&) {
                ++thrown;
            }
        }
    });
    task.cancel("");
    manual.settle();
    EXPECT_EQ(thrown, 3);
}

TEST(Cancellation, WhoWasWokenBeforeItGetsWhatHeWaitedFor) {
    ManualScheduler manual;
    Semaphore semaphore(manual.scheduler, 0);
    std::string trace;
    const Task task = manual.scheduler.spawn("task", [&] {
        ASSERT_TRUE(semaphore.acquire());
        trace += "acquired ";
        semaphore.release();
        manual.scheduler.yield();
        trace += "went on ";
    });
    manual.settle();
    semaphore.release();
    task.cancel("");
    manual.settle();
    EXPECT_EQ(trace, "acquired ");
    EXPECT_EQ(semaphore.available(), 1u) << "the permit is not lost";
}

TEST(Cancellation, APermitPassesOverACancelledWaiter) {
    ManualScheduler manual;
    Semaphore semaphore(manual.scheduler, 0);
    bool second = false;
    const Task task = manual.scheduler.spawn("first", [&] { semaphore.acquire(); });
    manual.spawn([&] { second = semaphore.acquire(); });
    manual.settle();
    task.cancel("");
    semaphore.release();
    manual.settle();
    EXPECT_TRUE(second);
}

TEST(Cancellation, WaitsForTheEndOfAShield) {
    ManualScheduler manual;
    std::string trace;
    const Task task = manual.scheduler.spawn("task", [&] {
        {
            const CancellationShield outer(manual.scheduler);
            {
                const CancellationShield inner(manual.scheduler);
                manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(5));
            }
            manual.scheduler.yield();
            trace += "whole ";
        }
        manual.scheduler.yield();
        trace += "went on ";
    });
    manual.settle();
    task.cancel("");
    manual.settle();
    EXPECT_EQ(trace, "");
    manual.advance(milliseconds(5));
    EXPECT_EQ(trace, "whole ");
    EXPECT_FALSE(task.is_running());
}

TEST(Cancellation, ReachesNoLaterTaskOfTheSameFiber) {
    ManualScheduler manual({.max_fibers = 1});
    const Task first = manual.scheduler.spawn("first", [] {});
    manual.settle();
    bool went_on = false;
    const Task second = manual.scheduler.spawn("second", [&] {
        manual.scheduler.yield();
        went_on = true;
    });
    ASSERT_TRUE(second);
    first.cancel("stale");
    manual.settle();
    EXPECT_TRUE(went_on);
    EXPECT_FALSE(Task().is_running());
    Task().cancel("of no task");
}

TEST(Cancellation, OfOneselfTakesEffectAtTheNextWait) {
    ManualScheduler manual;
    std::string trace;
    manual.spawn([&] {
        manual.scheduler.current_task().cancel("");
        trace += "still here ";
        manual.scheduler.yield();
        trace += "went on ";
    });
    manual.settle();
    EXPECT_EQ(trace, "still here ");
    EXPECT_FALSE(manual.scheduler.current_task());
}

TEST(Scheduler, UnwindsTheYoungestTaskFirst) {
    std::string trace;
    {
        ManualScheduler manual;
        struct Trace {
            ~Trace() { text += name; }
            std::string& text;
            const char* name;
        };
        manual.spawn([&] {  // its fiber will be used again, by the youngest
            manual.scheduler.yield();
        });
        manual.spawn([&] {
            const Trace held{trace, "parent "};
            manual.scheduler.yield();
            manual.spawn([&] {
                const Trace child{trace, "child "};
                manual.scheduler.suspend([](Waker) {});
            });
            manual.scheduler.suspend([](Waker) {});
        });
        manual.settle();
    }
    EXPECT_EQ(trace, "child parent ");
}

}  // namespace
}  // namespace ringmaster::runtime
