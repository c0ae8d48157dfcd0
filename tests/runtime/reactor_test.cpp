#include "ringmaster/runtime/reactor.hpp"

#include "ringmaster/runtime/helper_thread.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

struct ReactorTest : ::testing::Test {
    /// Runs `task` in a fiber until it has ended.
    template <class Task>
    void run(Task task) {
        reactor.post([&] {
            reactor.scheduler().spawn("test", [&] {
                task();
                reactor.stop();
            });
        });
        reactor.run();
    }

    SystemClock clock;
    CollectingLog log;
    ErrorReporter errors{log};
    Reactor reactor{clock, errors, {.max_fibers = 16}};
};

TEST_F(ReactorTest, ASleepingFiberIsResumedByTheTimer) {
    SteadyTime before;
    SteadyTime after;
    run([&] {
        before = clock.steady_now();
        reactor.scheduler().sleep_until(before + milliseconds(5));
        after = clock.steady_now();
    });
    EXPECT_GE(after - before, milliseconds(5));
}

TEST_F(ReactorTest, ATimerThatIsSetEarlierThanTheArmedOneIsNotLate) {
    std::string order;
    run([&] {
        reactor.scheduler().spawn("late", [&] {
            reactor.scheduler().sleep_until(reactor.scheduler().now() + std::chrono::hours(1));
        });
        reactor.scheduler().yield();
        reactor.scheduler().sleep_until(reactor.scheduler().now() + milliseconds(5));
        order = "woken";
    });
    EXPECT_EQ(order, "woken");
}

TEST_F(ReactorTest, APostedCallbackThatThrowsIsReportedAndTheLoopGoesOn) {
    reactor.post([] { throw std::runtime_error("posted"); });
    run([] {});
    ASSERT_EQ(log.lines.size(), 1u);
    EXPECT_EQ(log.lines[0], "error handle 1: reactor callback: posted");
}

TEST_F(ReactorTest, AFiberThatNeverStopsYieldingDoesNotKeepOthersOut) {
    bool posted_ran = false;
    run([&] {
        reactor.post([&] { posted_ran = true; });
        while (!posted_ran) reactor.scheduler().yield();
    });
    EXPECT_TRUE(posted_ran);
}

TEST_F(ReactorTest, TheHelperThreadRunsJobsElsewhereAndBringsResultsBack) {
    HelperThread helper(reactor, "test-helper");
    const auto here = std::this_thread::get_id();
    run([&] {
        EXPECT_NE(helper.run([] { return std::this_thread::get_id(); }), here);
        EXPECT_EQ(std::this_thread::get_id(), here);
        int touched = 0;
        helper.run([&] { touched = 1; });
        EXPECT_EQ(touched, 1);
    });
}

TEST_F(ReactorTest, WhatAJobThrowsIsThrownToTheFiberThatWaits) {
    HelperThread helper(reactor, "test-helper");
    std::string caught;
    run([&] {
        try {
            helper.run([]() -> int { throw std::runtime_error("disk"); });
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
    });
    EXPECT_EQ(caught, "disk");
}

TEST_F(ReactorTest, AJobThatBlocksDoesNotBlockTheReactor) {
    HelperThread helper(reactor, "test-helper");
    std::atomic<bool> let_go = false;
    bool other_ran = false;
    run([&] {
        reactor.scheduler().spawn("other", [&] {
            other_ran = true;
            let_go = true;
        });
        helper.run([&] {
            while (!let_go) std::this_thread::yield();
        });
        EXPECT_TRUE(other_ran);
    });
}

}  // namespace
}  // namespace ringmaster::runtime
