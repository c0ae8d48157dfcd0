#include "ringmaster/runtime/work_queue.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class Call final : public WorkQueue::Job {
  public:
    explicit Call(std::function<void()> call) : call_(std::move(call)) {}
    void run() override { call_(); }

  private:
    std::function<void()> call_;
};

/// Adds its letters to a text; takes over those of newer ones.
class Letters final : public WorkQueue::Job {
  public:
    Letters(Scheduler& scheduler, std::string& out, std::string letters)
        : scheduler_(scheduler), out_(out), letters_(std::move(letters)) {}
    void run() override {
        scheduler_.sleep_until(scheduler_.now() + milliseconds(10));
        out_ += "[" + letters_ + "]";
    }
    bool merge(Job& newer) override {
        letters_ += dynamic_cast<Letters&>(newer).letters_;
        return true;
    }

  private:
    Scheduler& scheduler_;
    std::string& out_;
    std::string letters_;
};

struct WorkQueueTest : ::testing::Test {
    std::unique_ptr<WorkQueue::Job> call(std::function<void()> function) {
        return std::make_unique<Call>(std::move(function));
    }
    std::unique_ptr<WorkQueue::Job> sleeper(int ms, std::string letter) {
        return call([this, ms, letter = std::move(letter)] {
            most = std::max(most, queue.running());
            manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(ms));
            trace += letter;
        });
    }
    ManualScheduler manual;
    WorkQueue queue{manual.scheduler, "test work", 2, 5};
    std::string trace;
    std::size_t most = 0;
};

TEST_F(WorkQueueTest, RunsAtMostSoManyAtATimeInOrder) {
    for (const char* letter : {"a", "b", "c", "d", "e"})
        ASSERT_TRUE(queue.add(sleeper(10, letter)));
    manual.settle();
    EXPECT_EQ(queue.running(), 2u);
    EXPECT_EQ(queue.waiting(), 3u);
    bool idle = false;
    manual.spawn([&] { idle = queue.wait_until_idle(); });
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(idle);
        manual.advance(milliseconds(10));
    }
    EXPECT_EQ(trace, "abcde");
    EXPECT_EQ(most, 2u);
    EXPECT_TRUE(idle);
}

TEST_F(WorkQueueTest, RefusesMoreThanMayWait) {
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(queue.add(sleeper(1, "x")));
    const auto refused = queue.add(sleeper(1, "x"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
    EXPECT_EQ(refused.error().message, "5 jobs are waiting for test work already");
    manual.settle();
    for (int i = 0; i < 4; ++i) manual.advance(milliseconds(1));
    EXPECT_EQ(trace, "xxxxxxx");
}

TEST_F(WorkQueueTest, AJobThatThrowsIsReportedAndTheOthersGoOn) {
    ASSERT_TRUE(queue.add(call([] { throw std::runtime_error("broken"); })));
    ASSERT_TRUE(queue.add(call([] { throw std::runtime_error("too"); })));
    ASSERT_TRUE(queue.add(sleeper(1, "c")));
    manual.settle();
    manual.advance(milliseconds(1));
    EXPECT_EQ(trace, "c");
    ASSERT_EQ(manual.log.lines.size(), 2u);
    EXPECT_THAT(manual.log.lines[0], HasSubstr("test work"));
    EXPECT_THAT(manual.log.lines[0], HasSubstr("broken"));
}

TEST_F(WorkQueueTest, PauseLetsNoneBeginAndResumeLetsThem) {
    ASSERT_TRUE(queue.add(sleeper(10, "a")));
    manual.settle();
    queue.pause();
    ASSERT_TRUE(queue.add(sleeper(10, "b")));
    bool idle = false;
    manual.spawn([&] { idle = queue.wait_until_idle(); });
    manual.advance(milliseconds(100));
    EXPECT_EQ(trace, "a") << "what ran goes on";
    EXPECT_EQ(queue.running(), 0u);
    EXPECT_FALSE(idle);
    queue.resume();
    manual.settle();
    manual.advance(milliseconds(10));
    EXPECT_EQ(trace, "ab");
    EXPECT_TRUE(idle);
}

TEST_F(WorkQueueTest, ANewJobMergesIntoOneThatWaitsNotIntoOneThatRuns) {
    WorkQueue one(manual.scheduler, "letters", 1, 5);
    const auto add = [&](const char* letter) {
        return one.add(std::make_unique<Letters>(manual.scheduler, trace, letter)).value();
    };
    add("a");
    const auto waiting = add("b");
    EXPECT_EQ(add("c"), waiting);
    EXPECT_EQ(add("d"), waiting);
    EXPECT_EQ(one.waiting(), 1u);
    manual.settle();
    manual.advance(milliseconds(10));
    manual.advance(milliseconds(10));
    EXPECT_EQ(trace, "[a][bcd]");
}

TEST_F(WorkQueueTest, CancelDropsWhatWaitsAndEndsWhatRuns) {
    const auto running = queue.add(sleeper(50, "a")).value();
    ASSERT_TRUE(queue.add(sleeper(10, "b")));
    const auto waiting = queue.add(sleeper(10, "c")).value();
    manual.settle();
    EXPECT_TRUE(queue.cancel(waiting, "not needed"));
    EXPECT_TRUE(queue.cancel(running, "not needed"));
    manual.settle();
    EXPECT_EQ(queue.running(), 1u);
    EXPECT_FALSE(queue.cancel(running, "again"));
    manual.advance(milliseconds(50));
    EXPECT_EQ(trace, "b");
    EXPECT_TRUE(manual.log.lines.empty()) << "nothing went wrong";
}

TEST_F(WorkQueueTest, TheCancelledLastJobEndsTheWait) {
    queue.pause();
    const auto last = queue.add(sleeper(10, "a")).value();
    bool idle = false;
    manual.spawn([&] { idle = queue.wait_until_idle(); });
    manual.settle();
    EXPECT_FALSE(idle);
    EXPECT_TRUE(queue.cancel(last, ""));
    manual.settle();
    EXPECT_TRUE(idle);
}

TEST_F(WorkQueueTest, WaitingGivesUpAtTheDeadline) {
    ASSERT_TRUE(queue.add(sleeper(10, "a")));
    bool idle = true;
    manual.spawn([&] { idle = queue.wait_until_idle(manual.in(milliseconds(5))); });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_FALSE(idle);
    manual.advance(milliseconds(5));
    EXPECT_EQ(trace, "a");
}

TEST(WorkQueueWithFewFibers, BeginsAsSoonAsThereIsOne) {
    ManualScheduler manual({.max_fibers = 1});
    WorkQueue queue(manual.scheduler, "test work", 2, 5);
    bool done = false;
    manual.spawn([&] {
        ASSERT_TRUE(queue.add(std::make_unique<Call>([&] { done = true; })));
        manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(25));
    });
    manual.settle();
    for (int i = 0; i < 5; ++i) {
        EXPECT_FALSE(done && i < 2);
        manual.advance(milliseconds(10));
    }
    EXPECT_TRUE(done);
}

}  // namespace
}  // namespace ringmaster::runtime
