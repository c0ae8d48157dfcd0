#include "ringmaster/runtime/timer_wheel.hpp"

#include <map>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const SteadyTime kStart{std::chrono::hours(5)};

struct Counted {
    void fire() { ++fired; }
    int fired = 0;
    Timer timer{Callback::of<&Counted::fire>(*this)};
};

TEST(TimerWheel, FiresAtItsTimeAndNotBefore) {
    TimerWheel wheel(kStart);
    Counted timer;
    wheel.schedule(timer.timer, kStart + milliseconds(100));
    wheel.advance(kStart + milliseconds(99));
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + milliseconds(100));
    EXPECT_EQ(timer.fired, 1);
    EXPECT_FALSE(timer.timer.scheduled());
    wheel.advance(kStart + std::chrono::hours(1));
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, RoundsUpToTheNextMillisecond) {
    TimerWheel wheel(kStart);
    Counted timer;
    wheel.schedule(timer.timer, kStart + microseconds(1001));
    wheel.advance(kStart + microseconds(1999));
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + milliseconds(2));
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, AnOverdueTimerFiresWithTheNextAdvanceEvenIfTimeStandsStill) {
    TimerWheel wheel(kStart);
    wheel.advance(kStart + milliseconds(10));
    Counted timer;
    wheel.schedule(timer.timer, kStart);
    EXPECT_EQ(wheel.next_expiry(), kStart + milliseconds(10));
    wheel.advance(kStart + milliseconds(10));
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, ReschedulingMovesATimer) {
    TimerWheel wheel(kStart);
    Counted timer;
    wheel.schedule(timer.timer, kStart + milliseconds(5));
    wheel.schedule(timer.timer, kStart + milliseconds(500));
    wheel.advance(kStart + milliseconds(499));
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(kStart + milliseconds(500));
    EXPECT_EQ(timer.fired, 1);
}

TEST(TimerWheel, CancelledAndDestroyedTimersDoNotFire) {
    TimerWheel wheel(kStart);
    Counted cancelled;
    auto destroyed = std::make_unique<Counted>();
    wheel.schedule(cancelled.timer, kStart + milliseconds(5));
    wheel.schedule(destroyed->timer, kStart + milliseconds(5));
    cancelled.timer.cancel();
    destroyed.reset();
    wheel.advance(kStart + milliseconds(10));
    EXPECT_EQ(cancelled.fired, 0);
    EXPECT_EQ(wheel.next_expiry(), std::nullopt);
}

TEST(TimerWheel, ACallbackMayCancelATimerOfTheSameMillisecond) {
    struct Pair {
        void first() { second_timer.cancel(); }
        void second() { ++second_fired; }
        int second_fired = 0;
        Timer first_timer{Callback::of<&Pair::first>(*this)};
        Timer second_timer{Callback::of<&Pair::second>(*this)};
    } pair;
    TimerWheel wheel(kStart);
    wheel.schedule(pair.first_timer, kStart + milliseconds(5));
    wheel.schedule(pair.second_timer, kStart + milliseconds(5));
    wheel.advance(kStart + milliseconds(5));
    EXPECT_EQ(pair.second_fired, 0);
}

TEST(TimerWheel, ACallbackThatSchedulesForNowDoesNotLoop) {
    struct Again {
        void fire() {
            ++fired;
            wheel.schedule(timer, kStart);
        }
        TimerWheel wheel{kStart};
        int fired = 0;
        Timer timer{Callback::of<&Again::fire>(*this)};
    } again;
    again.wheel.schedule(again.timer, kStart);
    again.wheel.advance(kStart);
    EXPECT_EQ(again.fired, 1);
    again.wheel.advance(kStart);
    EXPECT_EQ(again.fired, 2);
}

TEST(TimerWheel, AThrowingCallbackDoesNotLoseTheOthers) {
    struct Thrower {
        void fire() { throw 1; }
        Timer timer{Callback::of<&Thrower::fire>(*this)};
    } thrower;
    Counted other;
    TimerWheel wheel(kStart);
    wheel.schedule(thrower.timer, kStart + milliseconds(5));
    wheel.schedule(other.timer, kStart + milliseconds(5));
    EXPECT_THROW(wheel.advance(kStart + milliseconds(5)), int);
    wheel.advance(kStart + milliseconds(5));
    EXPECT_EQ(other.fired, 1);
}

TEST(TimerWheel, ReachesBeyondItsLastLevel) {
    TimerWheel wheel(kStart);
    Counted timer;
    const auto when = kStart + std::chrono::hours(24 * 365 * 7);
    wheel.schedule(timer.timer, when);
    wheel.advance(when - milliseconds(1));
    EXPECT_EQ(timer.fired, 0);
    wheel.advance(when);
    EXPECT_EQ(timer.fired, 1);
}

// Against the obvious model, a sorted map: every timer fires exactly at the advance() that passes
// its time, whatever steps time takes, and next_expiry() never promises too late.
TEST(TimerWheel, AgreesWithASortedMap) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        TimerWheel wheel(kStart);
        std::vector<std::unique_ptr<Counted>> timers;
        for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<Counted>());
        std::multimap<SteadyTime, int> model;
        std::vector<int> expected(timers.size(), 0);
        SteadyTime now = kStart;
        for (int step = 0; step < 3000; ++step) {
            const int i = static_cast<int>(random() % timers.size());
            const auto in_model = std::find_if(
                model.begin(), model.end(), [&](const auto& entry) { return entry.second == i; });
            if (in_model != model.end()) model.erase(in_model);
            if (random() % 4 == 0) {
                timers[static_cast<std::size_t>(i)]->timer.cancel();
            } else {
                const auto magnitude = random() % 32;
                const auto when = now + milliseconds(random() % (1u << magnitude));
                wheel.schedule(timers[static_cast<std::size_t>(i)]->timer, when);
                model.emplace(when, i);
            }
            if (random() % 3 == 0) {
                if (!model.empty()) {
                    const auto next = wheel.next_expiry();
                    ASSERT_TRUE(next.has_value());
                    ASSERT_LE(*next, std::max(now, model.begin()->first));
                }
                now += milliseconds(random() % (1u << random() % 28));
                wheel.advance(now);
                while (!model.empty() && model.begin()->first <= now) {
                    ++expected[static_cast<std::size_t>(model.begin()->second)];
                    model.erase(model.begin());
                }
            }
        }
        wheel.advance(now);  // what was scheduled for the past since
        while (!model.empty() && model.begin()->first <= now) {
            ++expected[static_cast<std::size_t>(model.begin()->second)];
            model.erase(model.begin());
        }
        for (std::size_t i = 0; i < timers.size(); ++i) ASSERT_EQ(timers[i]->fired, expected[i]);
    }
}

}  // namespace
}  // namespace ringmaster::runtime
