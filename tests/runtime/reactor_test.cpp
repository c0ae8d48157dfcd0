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

TEST_F(ReactorTest, AHandlerThatHoldsTheThreadIsSeenAsLag) {
    run([&] {
        const SteadyTime until = clock.steady_now() + milliseconds(50);
        while (clock.steady_now() < until) {
        }
    });
    EXPECT_GE(reactor.lag().max(), milliseconds(50));
    EXPECT_GE(reactor.lag().quantile(1), milliseconds(50));
}

/// With a clock that goes on only where somebody works.
struct LagTest : ::testing::Test {
    void work(int ms) { clock.advance(milliseconds(ms)); }
    void expect(std::uint64_t count, int sum_ms, int max_ms) {
        EXPECT_EQ(reactor.lag().count(), count);
        EXPECT_EQ(reactor.lag().sum(), milliseconds(sum_ms));
        EXPECT_EQ(reactor.lag().max(), milliseconds(max_ms));
    }
    FakeClock clock;
    NullLog log;
    ErrorReporter errors{log};
    Reactor reactor{clock, errors, {.max_fibers = 16, .max_resumes_per_turn = 2}};
};

TEST_F(LagTest, ACallbackThatBringsAboutNoTurnIsCountedByItself) {
    reactor.post([&] { work(10); });
    boost::asio::post(reactor.context(), [&] { work(1000); });  // not ours: it might be the kernel
    reactor.post([&] { work(20); });
    reactor.context().poll();
    expect(2, 30, 20);
}

TEST_F(LagTest, ACallbackIsCountedTogetherWithItsTurn) {
    reactor.post([&] {
        work(10);
        reactor.scheduler().spawn("test", [&] { work(300); });
    });
    reactor.post([&] { work(20); });  // comes before the turn
    reactor.context().poll();
    expect(1, 330, 330);
}

TEST_F(LagTest, ATurnThatIsLeftForLaterIsCountedByItself) {
    reactor.post([&] {
        for (int i = 0; i < 5; ++i) reactor.scheduler().spawn("test", [&] { work(10); });
    });
    reactor.context().poll();
    expect(3, 50, 20);  // two, two, one
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
