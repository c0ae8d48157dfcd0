#include "ringmaster/flow/ease_in_gate.hpp"

#include <deque>
#include <functional>
#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

namespace ringmaster::flow {

/// For messages of GoogleTest, which looks for it here.
void PrintTo(EaseInGate::State state, std::ostream* out) {
    constexpr const char* kNames[] = {"healthy", "refusing", "probing", "easing in"};
    *out << kNames[static_cast<int>(state)];
}

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;
using State = EaseInGate::State;

constexpr milliseconds kFast = 6ms;   // the baseline in most tests, so that the limit is 18 ms
constexpr milliseconds kSlow = 20ms;  // in time, for the deadline is 50 ms

struct Held {
    Held(EaseInGate& gate, SteadyTime now) : permit(gate.try_enter(now)) {}
    std::optional<EaseInGate::Permit> permit;
};

/// A gate and its time line.
class TimeLine {
  public:
    explicit TimeLine(const EaseInGateOptions& given = {}, std::uint32_t seed = 1)
        : options(given), gate(given, seed) {}

    State state() const { return gate.stats().state; }
    std::uint32_t window() const { return gate.stats().window; }
    bool enters() { return gate.try_enter(now).has_value(); }

    /// Calls one after the other, each answered after `latency`.
    void answer(int calls, milliseconds latency) {
        for (int i = 0; i < calls; ++i) {
            auto permit = gate.try_enter(now);
            now += latency;
            if (permit) permit->succeeded(now);
        }
    }
    void fail(int calls, milliseconds latency) {
        for (int i = 0; i < calls; ++i) {
            auto permit = gate.try_enter(now);
            now += latency;
            if (permit) permit->failed(now);
        }
    }
    /// Just one interval, after which it is healthy and has a baseline.
    void learn() { answer(20, kFast); }
    /// Silence makes it refuse.
    void trip() { fail(1, options.deadline); }
    /// Longer than any cool-down.
    void wait() { now += options.max_cooldown; }
    void trip_and_ease_in() {
        trip();
        wait();
        answer(1, kFast);
    }
    /// An interval in which the window holds somebody back all the time.
    void crowd(milliseconds latency) {
        for (std::uint64_t verdicts = 0; verdicts < 20 || now < crowd_until_;) {
            if (verdicts == 0) crowd_until_ = now + latency + options.interval;
            std::deque<Held> held;
            for (std::uint32_t i = 0; i < window(); ++i) held.emplace_back(gate, now);
            EXPECT_FALSE(enters());
            now += latency;
            const State before = state();
            const std::uint32_t window_before = window();
            for (Held& call : held) {
                call.permit->succeeded(now);
                ++verdicts;
                if (state() != before || window() != window_before) return;
            }
        }
        FAIL() << "nothing has changed";
    }

    EaseInGateOptions options;
    EaseInGate gate;
    SteadyTime now{1h};

  private:
    SteadyTime crowd_until_{};
};

/// How long it goes on refusing.
milliseconds cooldown(TimeLine& line) {
    const SteadyTime begin = line.now;
    while (!line.enters()) line.now += 1ms;
    return std::chrono::duration_cast<milliseconds>(line.now - begin);
}

TEST(EaseInGate, RefusesOptionsThatMakeNoSense) {
    const struct {
        const char* what;
        std::function<void(EaseInGateOptions&)> spoil;
    } cases[] = {
        {"deadline", [](auto& o) { o.deadline = 0ms; }},
        {"latency_floor", [](auto& o) { o.latency_floor = -1ms; }},
        {"latency_factor", [](auto& o) { o.latency_factor = 0.9; }},
        {"max_missed_share", [](auto& o) { o.max_missed_share = -0.1; }},
        {"max_missed_share", [](auto& o) { o.max_missed_share = 1; }},
        {"interval", [](auto& o) { o.interval = 0ms; }},
        {"min_calls", [](auto& o) { o.min_calls = 0; }},
        {"max_in_flight", [](auto& o) { o.max_in_flight = 0; }},
        {"min_cooldown", [](auto& o) { o.min_cooldown = 0ms; }},
        {"max_cooldown", [](auto& o) { o.max_cooldown = o.min_cooldown - 1ms; }},
        {"forgive_after", [](auto& o) { o.forgive_after = -1ms; }},
        {"forget_after", [](auto& o) { o.forget_after = -1ms; }},
    };
    for (const auto& c : cases) {
        EaseInGateOptions options;
        c.spoil(options);
        try {
            EaseInGate(options, 1);
            ADD_FAILURE() << c.what;
        } catch (const std::invalid_argument& refusal) {
            EXPECT_NE(std::string(refusal.what()).find(c.what), std::string::npos);
        }
    }
}

TEST(EaseInGate, AHealthyOneLetsCallsThroughUpToItsBound) {
    TimeLine line({.max_in_flight = 2});
    auto first = line.gate.try_enter(line.now);
    const auto second = line.gate.try_enter(line.now);
    EXPECT_TRUE(first && second);
    EXPECT_FALSE(line.enters());
    EXPECT_EQ(line.gate.stats().in_flight, 2u);
    EXPECT_EQ(line.gate.stats().refused, 1u);
    first->succeeded(line.now);
    EXPECT_EQ(line.gate.stats().in_flight, 1u);
    EXPECT_TRUE(line.enters());
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().entered, 3u);
}

TEST(EaseInGate, WithoutABaselineOnlyTheDeadlineCounts) {
    TimeLine line;
    EXPECT_EQ(line.gate.stats().latency_limit, 50ms);
    line.answer(20, 49ms);
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().baseline, 49ms);
}

TEST(EaseInGate, TheLimitIsThreeTimesTheBaselineWithinFloorAndDeadline) {
    const struct {
        milliseconds latency, limit;
    } cases[] = {{1ms, 10ms}, {3ms, 10ms}, {4ms, 12ms}, {16ms, 48ms}, {17ms, 50ms}, {40ms, 50ms}};
    for (const auto& c : cases) {
        TimeLine line;
        line.answer(200, c.latency);
        EXPECT_EQ(line.gate.stats().baseline, c.latency);
        EXPECT_EQ(line.gate.stats().latency_limit, c.limit) << c.latency.count();
    }
}

TEST(EaseInGate, TheBaselineFollowsQuicklyAtFirstAndSlowlyLater) {
    TimeLine line;
    line.learn();
    line.answer(20, 12ms);
    EXPECT_EQ(line.gate.stats().baseline, 9ms);
    line.answer(20 * 1000, 6ms);
    const auto settled = line.gate.stats().baseline;
    EXPECT_LT(settled, 6100us);
    line.answer(20, 12ms);
    EXPECT_GT(line.gate.stats().baseline, settled);
    EXPECT_LT(line.gate.stats().baseline, settled + 50us);
}

TEST(EaseInGate, IsTrippedBySlowAnswersThatAreMoreThanHalfBeyondChance) {
    const struct {
        int fast, slow;
        bool trips;
    } cases[] = {
        {0, 1, false},   {2, 1, false},  {0, 19, false},  // too few to tell
        {10, 10, false}, {6, 14, false}, {5, 15, true},  {0, 20, true},
    };
    for (const auto& c : cases) {
        TimeLine line;
        line.learn();
        line.answer(c.fast, kFast);
        line.answer(c.slow, kSlow);
        EXPECT_EQ(line.state(), c.trips ? State::refusing : State::healthy)
            << c.fast << " fast, " << c.slow << " slow";
        EXPECT_EQ(line.gate.stats().trips, c.trips ? 1u : 0u);
    }
}

TEST(EaseInGate, IsNotTrippedBySlownessUpToTheLimit) {
    TimeLine line;
    line.learn();
    line.answer(20, 18ms);
    EXPECT_EQ(line.state(), State::healthy);
}

TEST(EaseInGate, IsTrippedByTooManyFailures) {
    const struct {
        int answered, failed;
        bool trips;
    } cases[] = {
        {2, 1, false},  {0, 4, false}, {16, 4, false},
        {14, 4, false}, {15, 5, true}, {0, 5, true},  // whatever the next fifteen would be
    };
    for (const auto& c : cases) {
        TimeLine line;
        line.learn();
        line.answer(c.answered, kFast);
        line.fail(c.failed, 25ms);
        EXPECT_EQ(line.state(), c.trips ? State::refusing : State::healthy)
            << c.answered << " answered, " << c.failed << " failed";
    }
}

TEST(EaseInGate, IsNotTrippedWithinLessThanAnInterval) {
    TimeLine line;
    line.learn();
    line.now += 1h;  // in which nobody calls, and which is no part of an interval
    line.fail(1000, 0ms);
    line.now += 99ms;
    line.fail(1000, 0ms);
    EXPECT_EQ(line.state(), State::healthy);
    line.now += 1ms;
    line.fail(1, 0ms);
    EXPECT_EQ(line.state(), State::refusing);
    EXPECT_EQ(line.gate.stats().missed, 2001u);
}

TEST(EaseInGate, OneCallBeyondTheDeadlineTripsItWhereTheNeighbourIsSilent) {
    for (const bool learnt : {false, true}) {
        TimeLine line;
        if (learnt) line.learn();
        auto hung = line.gate.try_enter(line.now);
        line.now += 49ms;
        EXPECT_TRUE(line.enters());
        line.now += 1ms;
        EXPECT_FALSE(line.enters());
        EXPECT_EQ(line.state(), State::refusing);
        EXPECT_EQ(line.window(), 0u);
        EXPECT_EQ(line.gate.stats().trips, 1u);
        EXPECT_EQ(line.gate.stats().missed, 1u);
        hung->failed(line.now);
        EXPECT_EQ(line.gate.stats().missed, 1u);
    }
}

TEST(EaseInGate, TheCallerWhoGivesUpAtTheDeadlineTripsItToo) {
    TimeLine line;
    line.fail(1, 50ms);
    EXPECT_EQ(line.state(), State::refusing);
    EXPECT_EQ(line.gate.stats().missed, 1u);
}

TEST(EaseInGate, IsNotTrippedByOneMissedCallWhileOthersAreAnswered) {
    TimeLine line;
    auto stuck = line.gate.try_enter(line.now);
    line.answer(10, kFast);
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().missed, 1u);
    EXPECT_EQ(line.gate.stats().in_flight, 1u);
    stuck->failed(line.now);
    EXPECT_EQ(line.gate.stats().missed, 1u);  // it has been counted
    EXPECT_EQ(line.gate.stats().in_flight, 0u);
}

TEST(EaseInGate, IsTrippedBySilenceBehindACallThatIsStuckForLonger) {
    TimeLine line;
    auto stuck = line.gate.try_enter(line.now);
    line.answer(1, kFast);
    line.now += 1ms;
    auto hung = line.gate.try_enter(line.now);
    line.now += 49ms;
    EXPECT_TRUE(line.enters());
    line.now += 1ms;
    EXPECT_FALSE(line.enters());
    EXPECT_EQ(line.state(), State::refusing);
}

TEST(EaseInGate, ALateAnswerIsMissedButASignOfLife) {
    TimeLine line;
    line.learn();
    line.answer(1, 200ms);
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().missed, 1u);
}

TEST(EaseInGate, APermitWithoutAVerdictSaysNothing) {
    TimeLine line;
    line.learn();
    for (int i = 0; i < 100; ++i) {
        const auto dropped = line.gate.try_enter(line.now);
        line.now += 49ms;
    }
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().missed, 0u);
    EXPECT_EQ(line.gate.stats().in_flight, 0u);
}

TEST(EaseInGate, CooldownsDoubleUpToTheLongestAndAreCutByUpToHalf) {
    std::set<milliseconds> first;
    for (std::uint32_t seed = 1; seed <= 20; ++seed) {
        TimeLine line({}, seed);
        line.trip();
        for (const milliseconds full :
             {250ms, 500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 30000ms, 30000ms}) {
            const milliseconds found = cooldown(line);
            EXPECT_GE(found, full / 2);
            EXPECT_LE(found, full);
            if (full == 250ms) first.insert(found);
            line.trip();  // the probe
        }
        EXPECT_EQ(line.gate.stats().trips, 1u);
        EXPECT_EQ(line.gate.stats().failed_probes, 9u);
    }
    EXPECT_GT(first.size(), 10u);
}

TEST(EaseInGate, TheSameSeedGivesTheSameCooldowns) {
    for (const std::uint32_t seed : {1u, 77u}) {
        TimeLine one({}, seed);
        TimeLine other({}, seed);
        for (int i = 0; i < 5; ++i) {
            one.trip();
            other.trip();
            EXPECT_EQ(cooldown(one), cooldown(other));
        }
    }
}

TEST(EaseInGate, CooldownsAreShortAgainAfterAStretchOfHealth) {
    const struct {
        milliseconds health;
        milliseconds full;
    } cases[] = {{9999ms, 500ms}, {10'000ms, 250ms}};
    for (const auto& c : cases) {
        TimeLine line;
        line.trip_and_ease_in();
        line.learn();
        ASSERT_EQ(line.state(), State::healthy);
        line.now += c.health - 50ms;
        line.trip();
        const milliseconds found = cooldown(line);
        EXPECT_GE(found, c.full / 2);
        EXPECT_LE(found, c.full);
        EXPECT_EQ(line.gate.stats().trips, 2u);
    }
}

TEST(EaseInGate, OneProbeDecides) {
    const struct {
        const char* what;
        std::function<void(TimeLine&, EaseInGate::Permit&)> end;
        State then;
    } cases[] = {
        {"answered", [](auto& line, auto& probe) { probe.succeeded(line.now += kFast); },
         State::easing_in},
        {"answered slowly, which proves nothing",
         [](auto& line, auto& probe) { probe.succeeded(line.now += 49ms); }, State::easing_in},
        {"answered too late", [](auto& line, auto& probe) { probe.succeeded(line.now += 50ms); },
         State::refusing},
        {"failed", [](auto& line, auto& probe) { probe.failed(line.now += 1ms); }, State::refusing},
        {"hung",
         [](auto& line, auto&) {
             line.now += 50ms;
             EXPECT_FALSE(line.enters());
         },
         State::refusing},
    };
    for (const auto& c : cases) {
        TimeLine line;
        line.learn();
        line.trip();
        line.wait();
        EXPECT_EQ(line.state(), State::refusing);
        auto probe = line.gate.try_enter(line.now);
        ASSERT_TRUE(probe);
        EXPECT_EQ(line.state(), State::probing);
        EXPECT_EQ(line.window(), 1u);
        EXPECT_FALSE(line.enters());
        c.end(line, *probe);
        EXPECT_EQ(line.state(), c.then) << c.what;
        EXPECT_EQ(line.window(), c.then == State::easing_in ? 1u : 0u);
        EXPECT_EQ(line.gate.stats().failed_probes, c.then == State::refusing ? 1u : 0u);
        EXPECT_EQ(line.gate.stats().trips, 1u);
    }
}

TEST(EaseInGate, AProbeWithoutAVerdictIsLeftToTheNext) {
    TimeLine line;
    line.trip();
    line.wait();
    EXPECT_TRUE(line.enters());
    EXPECT_EQ(line.state(), State::probing);
    line.answer(1, kFast);
    EXPECT_EQ(line.state(), State::easing_in);
}

TEST(EaseInGate, WhatOutlivesATripHasNoSayInTheProbe) {
    TimeLine line;
    auto late_answer = line.gate.try_enter(line.now);
    auto late_failure = line.gate.try_enter(line.now);
    auto stuck = line.gate.try_enter(line.now);
    line.trip();
    line.wait();
    auto probe = line.gate.try_enter(line.now);
    ASSERT_TRUE(probe);
    EXPECT_EQ(line.gate.stats().in_flight, 4u);
    late_answer->succeeded(line.now);
    late_failure->failed(line.now);
    EXPECT_EQ(line.state(), State::probing);
    EXPECT_EQ(line.gate.stats().in_flight, 2u);
    EXPECT_FALSE(line.enters());
    line.now += 50ms;
    EXPECT_FALSE(line.enters());
    EXPECT_EQ(line.state(), State::refusing);
    line.wait();
    EXPECT_TRUE(line.enters());  // although two are stuck
}

TEST(EaseInGate, EasesInByDoublingUntilNobodyIsHeldBack) {
    TimeLine line;
    line.learn();
    line.trip_and_ease_in();
    for (const std::uint32_t window : {1u, 2u, 4u, 8u}) {
        EXPECT_EQ(line.state(), State::easing_in);
        EXPECT_EQ(line.window(), window);
        line.crowd(kFast);
    }
    EXPECT_EQ(line.window(), 16u);
    line.answer(19, kFast);
    EXPECT_EQ(line.state(), State::easing_in);
    line.answer(1, kFast);
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.window(), 1024u);
}

TEST(EaseInGate, EasesInUpToItsBound) {
    TimeLine line({.max_in_flight = 3});
    line.learn();
    line.trip_and_ease_in();
    for (const std::uint32_t window : {1u, 2u, 3u}) {
        EXPECT_EQ(line.state(), State::easing_in);
        EXPECT_EQ(line.window(), window);
        line.crowd(kFast);
    }
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.window(), 3u);
}

TEST(EaseInGate, ARelapseHalvesTheWindowAndBelowOneItRefuses) {
    TimeLine line;
    line.learn();
    line.trip_and_ease_in();
    for (int i = 0; i < 2; ++i) line.crowd(kFast);
    for (const std::uint32_t window : {4u, 2u, 1u}) {
        EXPECT_EQ(line.state(), State::easing_in);
        EXPECT_EQ(line.window(), window);
        line.crowd(kSlow);
    }
    EXPECT_EQ(line.state(), State::refusing);
    EXPECT_EQ(line.gate.stats().trips, 2u);
}

TEST(EaseInGate, AnIntervalThatIsSlowByChanceChangesNothing) {
    TimeLine line;
    line.learn();
    line.answer(9, kFast);
    line.answer(11, kSlow);
    EXPECT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().baseline, kFast);
    line.trip_and_ease_in();
    line.answer(9, kFast);
    line.answer(11, kSlow);
    EXPECT_EQ(line.state(), State::easing_in);
    EXPECT_EQ(line.window(), 1u);
    line.answer(10, kFast);
    line.answer(10, kSlow);
    EXPECT_EQ(line.state(), State::healthy);
}

TEST(EaseInGate, CallsOfBeforeARelapseTakeRoomButDontCount) {
    TimeLine line;
    line.learn();
    line.trip_and_ease_in();
    for (int i = 0; i < 2; ++i) line.crowd(kFast);
    ASSERT_EQ(line.window(), 4u);
    line.fail(4, 30ms);
    Held old[] = {{line.gate, line.now}, {line.gate, line.now}, {line.gate, line.now}};
    line.fail(1, 30ms);
    ASSERT_EQ(line.window(), 2u);
    EXPECT_FALSE(line.enters());
    const auto missed = line.gate.stats().missed;
    line.now += 50ms;
    for (Held& call : old) call.permit->failed(line.now);
    EXPECT_EQ(line.state(), State::easing_in);
    EXPECT_EQ(line.window(), 2u);
    EXPECT_EQ(line.gate.stats().missed, missed);
    EXPECT_TRUE(line.enters());
}

TEST(EaseInGate, SilenceMakesItRefuseWhateverTheWindow) {
    TimeLine line;
    line.learn();
    line.trip_and_ease_in();
    for (int i = 0; i < 3; ++i) line.crowd(kFast);
    ASSERT_EQ(line.window(), 8u);
    line.now += 1ms;
    line.trip();
    EXPECT_EQ(line.state(), State::refusing);
}

TEST(EaseInGate, TheBaselineStandsStillWhileItIsNotHealthy) {
    TimeLine line;
    line.learn();
    line.trip_and_ease_in();
    line.crowd(15ms);
    line.answer(20, 15ms);
    ASSERT_EQ(line.state(), State::healthy);
    EXPECT_EQ(line.gate.stats().baseline, kFast);
    line.answer(20, 15ms);
    EXPECT_GT(line.gate.stats().baseline, kFast);
}

TEST(EaseInGate, SlownessForGoodIsTheNewBaselineAtLast) {
    TimeLine line;
    line.learn();
    line.answer(20, 40ms);
    ASSERT_EQ(line.state(), State::refusing);
    const SteadyTime slow_since = line.now;
    const auto limit = line.gate.stats().latency_limit;
    while (line.state() != State::healthy && line.now < slow_since + 1h) {
        if (line.now < slow_since + 10min) {
            ASSERT_EQ(line.gate.stats().latency_limit, limit);
        }
        if (!line.enters()) line.now += 100ms;
        line.answer(1, 40ms);
    }
    EXPECT_GE(line.now - slow_since, 10min);
    EXPECT_LT(line.now - slow_since, 11min);
    line.answer(20, 40ms);
    EXPECT_EQ(line.gate.stats().baseline, 40ms);
    line.answer(20 * 100, 40ms);
    EXPECT_EQ(line.state(), State::healthy);
}

TEST(EaseInGate, NothingHappensWhileNobodyCalls) {
    TimeLine line;
    line.learn();
    line.now += 24h;
    EXPECT_TRUE(line.enters());
    EXPECT_EQ(line.state(), State::healthy);
    line.trip();
    line.now += 24h;
    EXPECT_EQ(line.state(), State::refusing);
    line.answer(1, kFast);
    EXPECT_EQ(line.state(), State::easing_in);
    line.now += 24h;
    line.answer(20, kFast);
    EXPECT_EQ(line.state(), State::healthy);
}

}  // namespace
}  // namespace ringmaster::flow
