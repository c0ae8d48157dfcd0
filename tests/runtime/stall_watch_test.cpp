#include "ringmaster/runtime/stall_watch.hpp"

#include "ringmaster/runtime/reactor.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <dlfcn.h>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

/// Stands still until it is told to move, may be read by any thread, and knows how often another
/// one has read it: that is how often a watch has looked.
class WatchedClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override {
        const SteadyTime now{SteadyTime::duration(time_.load())};
        if (std::this_thread::get_id() != owner_) ++looks_;
        return now;
    }
    WallTime wall_now() const noexcept override { return {}; }

    void advance(SteadyTime::duration step) { time_ += step.count(); }
    /// Returns when a look that began after this call has ended.
    void wait_for_look() const {
        const int before = looks_;
        while (looks_ < before + 3) std::this_thread::yield();
    }

  private:
    const std::thread::id owner_ = std::this_thread::get_id();
    std::atomic<SteadyTime::rep> time_{SteadyTime::duration(std::chrono::hours(1)).count()};
    mutable std::atomic<int> looks_{0};
};

/// Its lines come through a pipe too, so that who blocks in reading it goes on when there is one.
class PipeLog final : public Log {
  public:
    PipeLog() {
        if (::pipe(ends_) != 0) throw std::runtime_error("no pipe");
    }
    ~PipeLog() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void write(LogLevel, std::string_view message) noexcept override {
        const std::lock_guard lock(mutex_);
        lines_.emplace_back(message);
        EXPECT_EQ(::write(ends_[1], "", 1), 1);
    }
    std::vector<std::string> lines() const {
        const std::lock_guard lock(mutex_);
        return lines_;
    }
    /// Blocks until there is a line more.
    void wait() {
        char byte = 0;
        EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
    int ends_[2];
};

/// A reactor that is watched, with what holds it.
struct Watched {
    /// Calls `callback()` from the reactor's loop and returns when all is done.
    template <class Function>
    void run(Function&& callback) {
        reactor.post(callback);
        reactor.context().restart();
        reactor.context().poll();
    }
    /// Holds the thread for `ms` of its clock, and until that has been told.
    void hold(int ms) {
        clock.advance(milliseconds(ms));
        log.wait();
    }
    /// Holds it for `ms` of its clock, and until the watch has looked.
    void hold_unnoticed(int ms) {
        clock.advance(milliseconds(ms));
        clock.wait_for_look();
    }

    WatchedClock clock;
    PipeLog log;
    ErrorReporter errors{log};
    Reactor reactor{clock, errors, {.max_fibers = 4}};
    StallWatch watch{reactor.scheduler(), clock, log, milliseconds(25)};
};

const void* hold_returns_to = nullptr;

/// Is found in its caller's backtrace by where it returns to.
[[gnu::noinline]] void hold_and_remember(Watched& watched, int ms) {
    hold_returns_to = __builtin_return_address(0);
    watched.hold(ms);
    asm volatile("");  // no jump in place of the call before
}

std::string as_told(const void* address) {
    Dl_info module{};
    EXPECT_NE(::dladdr(address, &module), 0);
    char text[64];
    std::snprintf(text, sizeof text, "runtime_tests+%#zx",
                  static_cast<std::size_t>(static_cast<const char*>(address) -
                                           static_cast<const char*>(module.dli_fbase)));
    return text;
}

TEST(StallWatch, TellsWhichFiberHoldsTheReactorAndWhere) {
    Watched watched;
    watched.run([&] {
        watched.reactor.scheduler().run("slow request", [&] { hold_and_remember(watched, 30); });
    });
    ASSERT_EQ(watched.log.lines().size(), 1u);
    const std::string line = watched.log.lines()[0];
    EXPECT_THAT(line,
                HasSubstr("the fiber 'slow request' has held the reactor for 30 ms; it is at "));
    EXPECT_THAT(line, HasSubstr(" < " + as_told(static_cast<const char*>(hold_returns_to) - 1)));
    // Names are told of functions that their library exports.
    EXPECT_THAT(line, MatchesRegex(".* libc.so.6\\+0x[0-9a-f]+ [_a-z]*read < .*"));
    EXPECT_EQ(watched.reactor.lag().max(), milliseconds(30));
}

TEST(StallWatch, TellsOfCallbacksToo) {
    Watched watched;
    watched.run([&] { watched.hold(31); });
    ASSERT_EQ(watched.log.lines().size(), 1u);
    EXPECT_THAT(watched.log.lines()[0], HasSubstr("a callback has held the reactor for 31 ms; "));
}

TEST(StallWatch, ACallbackThatGoesOnAfterAFiberIsNotTakenForIt) {
    Watched watched;
    watched.run([&] {
        watched.reactor.scheduler().run("request",
                                        [&] { watched.clock.advance(milliseconds(24)); });
        watched.hold(25);
    });
    ASSERT_EQ(watched.log.lines().size(), 1u);
    EXPECT_THAT(watched.log.lines()[0], HasSubstr("a callback has held the reactor for 25 ms; "));
}

TEST(StallWatch, TellsOfAStallOnce) {
    Watched watched;
    watched.run([&] {
        watched.hold(30);
        watched.hold_unnoticed(1000);
    });
    EXPECT_EQ(watched.log.lines().size(), 1u);
}

TEST(StallWatch, WhoLetsGoInTimeIsNotTold) {
    Watched watched;
    watched.run([&] {
        for (int i = 0; i < 3; ++i) {
            watched.reactor.scheduler().spawn("quick", [&] { watched.hold_unnoticed(24); });
        }
    });
    EXPECT_TRUE(watched.log.lines().empty());
    EXPECT_EQ(watched.reactor.lag().max(), milliseconds(72));
}

TEST(StallWatch, WaitingForTheKernelIsNoStall) {
    Watched watched;
    watched.run([] {});
    boost::asio::post(watched.reactor.context(), [&] { watched.hold_unnoticed(1000); });
    watched.run([] {});
    EXPECT_TRUE(watched.log.lines().empty());
}

TEST(StallWatch, TellsOfAtMostFiveInAMinuteAndThenHowManyMore) {
    Watched watched;
    for (int i = 0; i < 5; ++i) {
        watched.run([&] { watched.hold(30); });
    }
    for (int i = 0; i < 3; ++i) {
        watched.run([&] { watched.hold_unnoticed(30); });
    }
    EXPECT_EQ(watched.log.lines().size(), 5u);
    watched.clock.advance(std::chrono::minutes(1));
    watched.log.wait();
    ASSERT_EQ(watched.log.lines().size(), 6u);
    EXPECT_EQ(watched.log.lines()[5],
              "the reactor was held too long 3 more times in the last minute");
    watched.run([&] { watched.hold(30); });
    EXPECT_EQ(watched.log.lines().size(), 7u);
}

TEST(StallWatch, AThreadThatTakesNoSignalsIsToldToo) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    Watched watched;
    watched.run([&] {
        pthread_sigmask(SIG_BLOCK, &all, &before);
        watched.hold(30);
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    });
    ASSERT_EQ(watched.log.lines().size(), 1u);
    EXPECT_EQ(watched.log.lines()[0],
              "a callback has held the reactor for 30 ms; where it is can't be seen: it does not "
              "take signals");
    // The late signal did no harm, and the next stall is seen.
    watched.run([&] { watched.hold(30); });
    EXPECT_THAT(watched.log.lines()[1], HasSubstr("; it is at "));
}

TEST(StallWatch, EachReactorOfAProcessHasItsOwn) {
    const auto stall = [](const char* name, std::string& line) {
        Watched watched;
        watched.run([&] { watched.reactor.scheduler().run(name, [&] { watched.hold(30); }); });
        line = watched.log.lines().at(0);
    };
    std::string first;
    std::string second;
    std::thread other([&] { stall("second", second); });
    stall("first", first);
    other.join();
    EXPECT_THAT(first, HasSubstr("the fiber 'first' has held the reactor for 30 ms; it is at "));
    EXPECT_THAT(second, HasSubstr("the fiber 'second' has held the reactor for 30 ms; it is at "));
}

TEST(StallWatch, AnotherProcessesSignalIsIgnored) {
    Watched watched;
    watched.run([&] {
        ::raise(SIGURG);
        sigval bad;
        bad.sival_ptr = reinterpret_cast<void*>(1);
        const pid_t self = ::getpid();
        if (const pid_t child = ::fork(); child == 0) {
            ::_exit(::sigqueue(self, SIGURG, bad));
        } else {
            ::waitpid(child, nullptr, 0);
        }
    });
    EXPECT_TRUE(watched.log.lines().empty());
}

/// Nothing of it is left behind, wherever it stands in telling of a stall.
TEST(StallWatch, MayBeDestroyedAtAnyTime) {
    SystemClock clock;
    NullLog log;
    ErrorReporter errors{log};
    Scheduler scheduler(clock, errors, {.max_fibers = 1});
    for (int i = 0; i < 200; ++i) {
        scheduler.heartbeat().busy(clock.steady_now() - std::chrono::seconds(1), "stuck");
        const StallWatch watch(scheduler, clock, log, milliseconds(1));
        const SteadyTime until = clock.steady_now() + std::chrono::microseconds(i * 5);
        while (clock.steady_now() < until) {
        }
    }
}

TEST(StallWatch, WithoutALimitThereIsNoThread) {
    const auto threads = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
    };
    SystemClock clock;
    NullLog log;
    ErrorReporter errors{log};
    Scheduler scheduler(clock, errors, {.max_fibers = 1});
    const auto before = threads();
    const StallWatch none(scheduler, clock, log, milliseconds(0));
    EXPECT_EQ(threads(), before);
    const StallWatch one(scheduler, clock, log, milliseconds(25));
    EXPECT_EQ(threads(), before + 1);
}

}  // namespace
}  // namespace ringmaster::runtime
