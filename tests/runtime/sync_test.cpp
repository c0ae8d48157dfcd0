#include "ringmaster/runtime/sync.hpp"

#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

TEST(Event, EveryWaiterGoesOnWhenItIsSetAndLaterOnesDoNotWait) {
    ManualScheduler manual;
    Event event(manual.scheduler);
    int through = 0;
    for (int i = 0; i < 3; ++i) {
        manual.spawn([&] { through += event.wait() ? 1 : 0; });
    }
    manual.settle();
    EXPECT_EQ(through, 0);
    event.set();
    manual.settle();
    EXPECT_EQ(through, 3);
    manual.scheduler.run("test", [&] { through += event.wait() ? 1 : 0; });
    EXPECT_EQ(through, 4);
}

TEST(Event, AWaitIsGivenUpAtTheDeadline) {
    ManualScheduler manual;
    Event event(manual.scheduler);
    bool result = true;
    manual.spawn([&] { result = event.wait(manual.in(milliseconds(5))); });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_FALSE(result);
}

TEST(Semaphore, NeverMoreHoldersThanPermits) {
    ManualScheduler manual;
    Semaphore semaphore(manual.scheduler, 2);
    int inside = 0;
    int most = 0;
    int done = 0;
    for (int i = 0; i < 10; ++i) {
        manual.spawn([&] {
            ASSERT_TRUE(semaphore.acquire());
            most = std::max(most, ++inside);
            manual.scheduler.yield();
            --inside;
            ++done;
            semaphore.release();
        });
    }
    manual.settle();
    EXPECT_EQ(most, 2);
    EXPECT_EQ(done, 10);
    EXPECT_EQ(semaphore.available(), 2u);
}

TEST(Semaphore, NobodyOvertakesAWaiter) {
    ManualScheduler manual;
    Semaphore semaphore(manual.scheduler, 1);
    std::string order;
    ASSERT_TRUE(semaphore.try_acquire());
    manual.spawn([&] {
        semaphore.acquire();
        order += "waited ";
        semaphore.release();
    });
    manual.settle();
    semaphore.release();  // goes to the waiter, which has not run yet
    EXPECT_FALSE(semaphore.try_acquire());
    manual.settle();
    EXPECT_EQ(order, "waited ");
    EXPECT_TRUE(semaphore.try_acquire());
}

TEST(Semaphore, APermitIsNotLostToAWaiterThatTimesOutInTheSameTurn) {
    ManualScheduler manual;
    Semaphore semaphore(manual.scheduler, 1);
    ASSERT_TRUE(semaphore.try_acquire());
    bool first = true;
    bool second = false;
    manual.spawn([&] { first = semaphore.acquire(manual.in(milliseconds(10))); });
    manual.spawn([&] { second = semaphore.acquire(); });
    manual.settle();
    // Its time is over and it is ready, but has not run: it must be passed over.
    manual.clock.advance(milliseconds(10));
    manual.scheduler.update_time();
    manual.scheduler.timers().advance(manual.scheduler.now());
    semaphore.release();
    manual.settle();
    EXPECT_FALSE(first);
    EXPECT_TRUE(second);
}

TEST(Mutex, HoldsAcrossSuspensionsAndIsReleasedByAnException) {
    ManualScheduler manual;
    Mutex mutex(manual.scheduler);
    std::string trace;
    manual.spawn([&] {
        try {
            const auto lock = mutex.lock();
            trace += "a";
            manual.scheduler.yield();
            trace += "a";
            throw 1;
        } catch (int) {
        }
    });
    manual.spawn([&] {
        const auto lock = mutex.lock();
        trace += "b";
    });
    manual.settle();
    EXPECT_EQ(trace, "aab");
}

TEST(Mutex, LockGivesUpAtTheDeadline) {
    ManualScheduler manual;
    Mutex mutex(manual.scheduler);
    bool got = true;
    manual.spawn([&] {
        const auto lock = mutex.lock();
        manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(20));
    });
    manual.spawn([&] { got = mutex.lock(manual.in(milliseconds(10))).has_value(); });
    manual.settle();
    manual.advance(milliseconds(10));
    EXPECT_FALSE(got);
    manual.advance(milliseconds(10));
}

TEST(Gate, CloseWaitsForThoseInsideAndLetsNobodyElseIn) {
    ManualScheduler manual;
    Gate gate(manual.scheduler);
    std::string trace;
    manual.spawn([&] {
        const auto pass = gate.enter();
        manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(10));
        trace += "left ";
    });
    manual.spawn([&] {
        EXPECT_TRUE(gate.close());
        trace += "closed";
    });
    manual.settle();
    EXPECT_FALSE(gate.enter().has_value());
    EXPECT_EQ(trace, "");
    manual.advance(milliseconds(10));
    EXPECT_EQ(trace, "left closed");
}

TEST(Gate, CloseGivesUpAtTheDeadlineAndCanBeAskedAgain) {
    ManualScheduler manual;
    Gate gate(manual.scheduler);
    std::vector<bool> closed;
    auto pass = gate.enter();
    manual.spawn([&] {
        closed.push_back(gate.close(manual.in(milliseconds(5))));
        closed.push_back(gate.close());
    });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_EQ(closed, std::vector{false});
    pass.reset();
    manual.settle();
    EXPECT_EQ(closed, (std::vector{false, true}));
}

TEST(Gate, AnEmptyGateClosesAtOnce) {
    ManualScheduler manual;
    Gate gate(manual.scheduler);
    bool closed = false;
    manual.scheduler.run("test", [&] { closed = gate.close(); });
    EXPECT_TRUE(closed);
}

TEST(ConditionVariable, LetsTheMutexGoWhileItWaitsAndHasItAgainAfterwards) {
    ManualScheduler manual;
    Mutex mutex(manual.scheduler);
    ConditionVariable changed(manual.scheduler);
    int value = 0;
    std::string trace;
    manual.spawn([&] {
        const auto lock = mutex.lock();
        while (value < 2) EXPECT_TRUE(changed.wait(mutex));
        trace += "saw " + std::to_string(value) + " ";
        manual.scheduler.yield();
        trace += "out ";
    });
    for (int i = 0; i < 2; ++i) {
        manual.spawn([&] {
            const auto lock = mutex.lock();
            ++value;
            changed.notify_all();
        });
    }
    manual.spawn([&] {
        const auto lock = mutex.lock();
        trace += "next ";
    });
    manual.settle();
    EXPECT_EQ(trace, "next saw 2 out ")
        << "who asked for the mutex before it was notified is first";
}

TEST(ConditionVariable, GivesUpAtTheDeadlineWithTheMutexHeld) {
    ManualScheduler manual;
    Mutex mutex(manual.scheduler);
    ConditionVariable changed(manual.scheduler);
    std::string trace;
    manual.spawn([&] {
        const auto lock = mutex.lock();
        EXPECT_FALSE(changed.wait(mutex, manual.in(milliseconds(5))));
        trace += "back ";
    });
    manual.spawn([&] {
        const auto lock = mutex.lock();
        manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(20));
        trace += "let go ";
    });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_EQ(trace, "") << "its time is over, but another has the mutex";
    manual.advance(milliseconds(15));
    EXPECT_EQ(trace, "let go back ");
}

TEST(ConditionVariable, ACancelledWaitEndsWithTheMutexHeld) {
    ManualScheduler manual;
    Mutex mutex(manual.scheduler);
    ConditionVariable changed(manual.scheduler);
    bool cancelled = false;
    const Task waiter = manual.scheduler.spawn("waiter", [&] {
        const auto lock = mutex.lock();
        try {
            changed.wait(mutex);
        } catch (const Cancelled&) {
            cancelled = true;
            throw;
        }
    });
    bool locked = false;
    manual.settle();
    manual.spawn([&] {
        const auto lock = mutex.lock();
        waiter.cancel("enough");
        manual.scheduler.yield();
        locked = !cancelled;
    });
    manual.settle();
    EXPECT_TRUE(locked) << "it must not go on while another has the mutex";
    EXPECT_TRUE(cancelled);
    EXPECT_FALSE(waiter.is_running());
    EXPECT_TRUE(manual.log.lines.empty()) << manual.log.lines.front();
}

}  // namespace
}  // namespace ringmaster::runtime
