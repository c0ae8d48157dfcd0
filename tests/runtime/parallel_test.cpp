#include "ringmaster/runtime/parallel.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Fixture : ::testing::Test {
    void sleep(int ms) { manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(ms)); }
    /// Runs `task` to its end, time going on as it waits.
    template <class Function>
    void run(Function&& task) {
        bool ended = false;
        manual.spawn([&] {
            task();
            ended = true;
        });
        for (int i = 0; i < 1000 && !ended; ++i) manual.advance(milliseconds(1));
        ASSERT_TRUE(ended) << ::testing::PrintToString(manual.log.lines);
        EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u) << "a job is left";
    }
    /// The message of the E that `job` throws.
    template <class E, class Function>
    std::string message_of(Function&& job) {
        std::string message = "nothing was thrown";
        run([&] {
            try {
                job();
            } catch (const E& error) {
                message = error.what();
            }
        });
        return message;
    }
    ManualScheduler manual;
};

using Parallel = Fixture;

TEST_F(Parallel, RunsSideBySideAndGivesWhatEachReturnedInOrder) {
    run([&] {
        const SteadyTime begin = manual.scheduler.now();
        const auto [slow, quick, nothing] = parallel(
            manual.scheduler,
            [&] {
                sleep(30);
                return std::string("slow");
            },
            [&] {
                sleep(10);
                return 7;
            },
            [&] { sleep(20); });
        EXPECT_EQ(slow, "slow");
        EXPECT_EQ(quick, 7);
        (void)nothing;
        EXPECT_EQ(manual.scheduler.now() - begin, milliseconds(30)) << "not 60";
    });
}

TEST_F(Parallel, KeepsTheOrderAndTheBound) {
    int inside = 0;
    int most = 0;
    run([&] {
        const auto squares = parallel_map(manual.scheduler, 20, 3, [&](std::size_t i) {
            most = std::max(most, ++inside);
            sleep(static_cast<int>(20 - i));
            --inside;
            return i * i;
        });
        ASSERT_EQ(squares.size(), 20u);
        for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(squares[i], i * i);
    });
    EXPECT_EQ(most, 3);
}

TEST_F(Parallel, OfNothingIsNothing) {
    run([&] {
        EXPECT_TRUE(parallel_map(manual.scheduler, 0, 5, [](std::size_t i) { return i; }).empty());
        parallel_for(manual.scheduler, 0, 0, [](std::size_t) { FAIL(); });
    });
}

TEST_F(Parallel, AFailureIsRethrownWithItsTypeWhenAllHaveEnded) {
    int ended = 0;
    const std::string message = message_of<std::system_error>([&] {
        parallel_for(manual.scheduler, 5, 5, [&](std::size_t i) {
            sleep(static_cast<int>(10 * (5 - i)));
            if (i == 3) throw std::system_error(std::make_error_code(std::errc::timed_out), "job");
            ++ended;
        });
    });
    EXPECT_EQ(ended, 4);
    EXPECT_THAT(message, HasSubstr("timed out"));
}

TEST_F(Parallel, OfSeveralFailuresTheLowestIndexIsThrownAndTellsTheOthers) {
    const std::string message = message_of<std::out_of_range>([&] {
        parallel_for(manual.scheduler, 4, 4, [&](std::size_t i) {
            sleep(static_cast<int>(10 * (4 - i)));  // the last one fails first
            if (i == 1) throw std::out_of_range("first");
            if (i == 2) throw std::runtime_error("second");
            if (i == 3) throw 3;
        });
    });
    EXPECT_EQ(message, "first; also job 2: second; also job 3: not a std::exception");
}

TEST_F(Parallel, FailuresThatNoMessageHasRoomForAreReported) {
    struct Mute : std::exception {
        const char* what() const noexcept override { return "mute"; }
    };
    const std::string message = message_of<Mute>([&] {
        parallel_for(manual.scheduler, 2, 2, [&](std::size_t i) {
            if (i == 0) throw Mute();
            throw std::runtime_error("the other");
        });
    });
    EXPECT_EQ(message, "mute");
    ASSERT_EQ(manual.log.lines.size(), 1u);
    EXPECT_THAT(manual.log.lines[0], HasSubstr("the other"));
}

TEST_F(Parallel, CancelEndsTheJobsAtWorkAndBeginsNoOther) {
    std::vector<std::size_t> begun;
    std::vector<std::size_t> ended;
    const std::string message = message_of<FanOutCancelled>([&] {
        FanOut fan_out(manual.scheduler);
        fan_out.run(10, 3, [&](std::size_t i) {
            begun.push_back(i);
            if (i == 1) {
                sleep(5);
                fan_out.cancel("one is enough");
                fan_out.cancel("a later reason");
            } else {
                sleep(50);
            }
            ended.push_back(i);
        });
    });
    EXPECT_EQ(message, "cancelled: one is enough");
    EXPECT_THAT(begun, ElementsAre(0, 1, 2));
    EXPECT_THAT(ended, ElementsAre(1));
}

TEST_F(Parallel, CancelledBeforeItRunsDoesNothing) {
    const std::string message = message_of<FanOutCancelled>([&] {
        FanOut fan_out(manual.scheduler);
        fan_out.cancel("no");
        fan_out.run(3, 3, [](std::size_t) { FAIL(); });
    });
    EXPECT_EQ(message, "cancelled: no");
}

TEST_F(Parallel, ACancelledCallerCancelsItsJobsAndWaitsForThem) {
    std::string trace;
    const Task caller = manual.scheduler.spawn("caller", [&] {
        try {
            parallel_for(manual.scheduler, 2, 2, [&](std::size_t i) {
                try {
                    sleep(1000);
                } catch (const Cancelled& cancelled) {
                    trace += "job: " + cancelled.reason + " ";
                    if (i == 0) {  // takes its time to end
                        const CancellationShield shield(manual.scheduler);
                        sleep(5);
                        trace += "tidied ";
                        throw std::runtime_error("while it was tidying");
                    }
                    throw;
                }
            });
        } catch (const Cancelled& cancelled) {
            trace += "caller: " + cancelled.reason;
            throw;
        }
    });
    manual.settle();
    caller.cancel("gone");
    manual.settle();
    EXPECT_EQ(trace, "job: gone job: gone ");
    EXPECT_TRUE(caller.is_running());
    manual.advance(milliseconds(5));
    EXPECT_EQ(trace, "job: gone job: gone tidied caller: gone");
    EXPECT_FALSE(caller.is_running());
    ASSERT_EQ(manual.log.lines.size(), 1u) << "no failure goes unheard";
    EXPECT_THAT(manual.log.lines[0], HasSubstr("tidying"));
}

TEST_F(Parallel, JobsHaveTheCallersDeadline) {
    const Deadline deadline = manual.in(milliseconds(77));
    int same = 0;
    manual.scheduler.spawn(
        "caller",
        [&] {
            parallel_for(manual.scheduler, 3, 3, [&](std::size_t) {
                if (manual.scheduler.deadline().time() == deadline.time()) ++same;
            });
        },
        deadline);
    manual.settle();
    EXPECT_EQ(same, 3);
}

TEST(ParallelWithFewFibers, GetsToItsEndAllTheSame) {
    ManualScheduler manual({.max_fibers = 2});
    std::vector<std::size_t> order;
    manual.spawn([&] {
        parallel_for(manual.scheduler, 5, 5, [&](std::size_t i) {
            manual.scheduler.yield();
            order.push_back(i);
        });
    });
    manual.settle();
    EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4));
}

TEST(ParallelWithFewFibers, FailsWhereThereIsNone) {
    ManualScheduler manual({.max_fibers = 1});
    bool failed = false;
    manual.spawn([&] {
        try {
            parallel_for(manual.scheduler, 5, 5, [](std::size_t) { FAIL(); });
        } catch (const NoFiber&) {
            failed = true;
        }
    });
    manual.settle();
    EXPECT_TRUE(failed);
}

TEST(ParallelNested, DoesNotGrowTheNativeStack) {
    constexpr int kDepth = 500;
    ManualScheduler manual({.max_fibers = kDepth + 2, .stack_bytes = 16 * 1024});
    int deepest = 0;
    const std::function<void(int)> descend = [&](int depth) {
        deepest = std::max(deepest, depth);
        if (depth == kDepth) return;
        parallel_for(manual.scheduler, 1, 1, [&](std::size_t) { descend(depth + 1); });
    };
    manual.spawn([&] { descend(0); });
    manual.settle();
    EXPECT_EQ(deepest, kDepth);
}

TEST(ParallelUnwound, JobsGoBeforeTheirCaller) {
    std::string trace;
    {
        ManualScheduler manual;
        manual.spawn([&] {
            struct Trace {
                ~Trace() { text += name; }
                std::string& text;
                const char* name;
            };
            const Trace caller{trace, "caller "};
            parallel_for(manual.scheduler, 2, 2, [&](std::size_t) {
                const Trace job{trace, "job "};
                manual.scheduler.suspend([](Waker) {});
            });
        });
        manual.settle();
    }
    EXPECT_EQ(trace, "job job caller ");
}

}  // namespace
}  // namespace ringmaster::runtime
