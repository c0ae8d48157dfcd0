#include "ringmaster/ops/erlang.hpp"

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <queue>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

// -------------------------------------------------------------------------------------------------
// Tables

struct Row {
    std::size_t numbers;
    double offered;  ///< as tables print it, with three digits
    double blocking;
};
void PrintTo(const Row& row, std::ostream* out) {
    *out << row.numbers << " numbers, " << row.offered << " erlangs";
}

class ErlangTable : public testing::TestWithParam<Row> {};

TEST_P(ErlangTable, HasTheSameLoad) {
    const Row& row = GetParam();
    EXPECT_NEAR(offered_for(row.numbers, row.blocking) / row.offered, 1, 0.005);
}

TEST_P(ErlangTable, HasTheSameBlocking) {
    const Row& row = GetParam();
    EXPECT_NEAR(erlang_b(row.offered, row.numbers) / row.blocking, 1, 0.05);
}

// A load a little below the printed one, which is rounded, needs as many, and one above needs more.
TEST_P(ErlangTable, HasTheSameSize) {
    const Row& row = GetParam();
    EXPECT_EQ(numbers_for(row.offered * 0.995, row.blocking), row.numbers);
    EXPECT_EQ(numbers_for(row.offered * 1.005, row.blocking), row.numbers + 1);
}

INSTANTIATE_TEST_SUITE_P(OnePercent, ErlangTable,
                         testing::Values(Row{1, 0.0101, 0.01}, Row{2, 0.153, 0.01},
                                         Row{5, 1.36, 0.01}, Row{10, 4.46, 0.01},
                                         Row{20, 12.0, 0.01}, Row{50, 37.9, 0.01},
                                         Row{100, 84.1, 0.01}));
INSTANTIATE_TEST_SUITE_P(OneInAThousand, ErlangTable,
                         testing::Values(Row{10, 3.09, 0.001}, Row{20, 9.41, 0.001},
                                         Row{50, 32.5, 0.001}, Row{100, 75.2, 0.001}));

// -------------------------------------------------------------------------------------------------
// What can be reckoned in another way

/// A^N/N! over the sum of A^i/i!, term by term.
double by_definition(double offered, std::size_t numbers) {
    long double term = 1;
    long double sum = 1;
    for (std::size_t i = 1; i <= numbers; ++i) {
        term *= static_cast<long double>(offered) / static_cast<long double>(i);
        sum += term;
    }
    return static_cast<double>(term / sum);
}

TEST(ErlangB, IsWhatTheFormulaSays) {
    for (const double offered : {0.001, 0.5, 1.0, 7.3, 40.0, 300.0, 1000.0}) {
        for (const std::size_t numbers : {0, 1, 2, 3, 10, 35, 100, 290, 300, 310, 700, 1200}) {
            const double expected = by_definition(offered, numbers);
            if (expected < 1e-290) continue;
            EXPECT_NEAR(erlang_b(offered, numbers) / expected, 1, 1e-9)
                << offered << " erlangs, " << numbers << " numbers";
        }
    }
}

TEST(ErlangB, OfNothing) {
    EXPECT_EQ(erlang_b(0, 0), 1);
    EXPECT_EQ(erlang_b(0, 1), 0);
    EXPECT_EQ(erlang_b(-1, 1), 0);
    EXPECT_EQ(erlang_b(5, 0), 1);
    EXPECT_EQ(numbers_for(0, 0.01), 1);  // or else everybody would find none
    EXPECT_EQ(offered_for(0, 0.01), 0);
}

// Of a large load on as many numbers, sqrt(2 / (pi A)) are turned away: an asymptote to within
// 1/sqrt(A).
TEST(ErlangB, OfTheLargestPools) {
    for (const double load : {1e5, 1e6, kMostOffered}) {
        const double asymptote = std::sqrt(2 / (std::acos(-1.0) * load));
        EXPECT_NEAR(erlang_b(load, static_cast<std::size_t>(load)) / asymptote, 1, 0.005) << load;
    }
    EXPECT_EQ(erlang_b(kMostOffered, kMostNumbers), 0);
    EXPECT_EQ(erlang_b(1e-9, kMostNumbers), 0);
    EXPECT_NEAR(erlang_b(kMostOffered, 10), 1, 1e-5);
    const auto needed = numbers_for(kMostOffered, 1e-4);
    ASSERT_TRUE(needed);
    EXPECT_LE(erlang_b(kMostOffered, *needed), 1e-4);
    EXPECT_GT(erlang_b(kMostOffered, *needed - 1), 1e-4);
    EXPECT_EQ(offered_for(kMostNumbers, 0.01), kMostOffered);
}

TEST(ErlangB, GrowsWithTheLoadAndFallsWithTheNumbers) {
    for (std::size_t numbers = 1; numbers < 400; numbers += 7) {
        for (double load = 0.3; load < 500; load *= 1.7) {
            const double blocking = erlang_b(load, numbers);
            EXPECT_LE(erlang_b(load, numbers + 1), blocking);
            EXPECT_GE(erlang_b(load * 1.01, numbers), blocking);
        }
    }
}

TEST(NumbersFor, IsTheInverse) {
    for (const double blocking : {0.5, 0.1, 0.01, 0.001, 0.0001}) {
        for (const double load : {0.01, 0.7, 3.0, 55.5, 1234.0, 250'000.0}) {
            const auto numbers = numbers_for(load, blocking);
            ASSERT_TRUE(numbers);
            EXPECT_LE(erlang_b(load, *numbers), blocking);
            EXPECT_GT(erlang_b(load, *numbers - 1), blocking);
            EXPECT_GE(offered_for(*numbers, blocking), load * (1 - 1e-9));
            EXPECT_LT(offered_for(*numbers - 1, blocking), load);
        }
    }
}

// -------------------------------------------------------------------------------------------------
// The allocator itself

using ringpool::RingPool;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// How those who come behave, besides coming.
struct Behaviour {
    const char* name;
    ringpool::HoldRules rules;
    double mean_visit_s = 0;    ///< until a second and last request, if not 0; exponential
    double mean_release_s = 0;  ///< until the number is given back, if not 0; exponential
    double mean_hold_s() const {
        const auto s = [](milliseconds ms) { return static_cast<double>(ms.count()) / 1000; };
        const double lifetime = s(rules.lifetime);
        if (mean_release_s == 0) return mean_visit_s + lifetime + s(rules.cooldown);
        // A hold ends with its lifetime at the latest.
        return mean_release_s * (1 - std::exp(-lifetime / mean_release_s)) + s(rules.cooldown);
    }
};
void PrintTo(const Behaviour& behaviour, std::ostream* out) {
    *out << behaviour.name;
}

class RingPoolInSimulation : public testing::TestWithParam<Behaviour> {
  protected:
    static constexpr std::size_t kNumbers = 20;
    static constexpr std::size_t kArrivals = 400'000;
    static constexpr std::size_t kParts = 50;

    RingPoolInSimulation() : pool_(GetParam().rules) {
        for (std::size_t i = 0; i < kNumbers; ++i) {
            pool_.add({ringpool::PhoneNumber::from_digits(12015550100 + i),
                       ringpool::FormattedNumber("x")});
        }
    }

    /// What a session does after it has got its number.
    struct Sequel {
        WallTime at;
        ringpool::SessionHash session;
        ringpool::SlotIndex slot;
        bool operator>(const Sequel& other) const { return at > other.at; }
    };

    static WallTime after(WallTime time, double s) {
        return time + std::chrono::round<milliseconds>(std::chrono::duration<double>(s));
    }
    double exponential(double mean) {
        return std::exponential_distribution<double>(1 / mean)(random_);
    }

    void play_until(WallTime time) {
        while (!sequels_.empty() && sequels_.top().at <= time) {
            const Sequel next = sequels_.top();
            sequels_.pop();
            if (GetParam().mean_release_s > 0) {
                pool_.release(next.session, next.slot, next.at);
            } else {
                pool_.allocate(next.session, next.at);
            }
        }
    }

    /// Whether it was turned away.
    bool arrive() {
        const ringpool::SessionHash session{++sessions_, 1};
        const RingPool::Decision decision = pool_.allocate(session, now_);
        if (decision.outcome == RingPool::Outcome::exhausted) return true;
        const double mean = GetParam().mean_release_s + GetParam().mean_visit_s;
        if (mean > 0) sequels_.push({after(now_, exponential(mean)), session, decision.slot});
        return false;
    }

    RingPool pool_;
    std::mt19937_64 random_{1917};
    WallTime now_ = FakeClock().wall_now();
    std::uint64_t sessions_ = 0;
    std::priority_queue<Sequel, std::vector<Sequel>, std::greater<>> sequels_;
};

// Who is turned away comes in clusters, so the error is taken from parts that are long enough to
// know nothing of each other.
TEST_P(RingPoolInSimulation, TurnsAwayTheShareThatTheFormulaSays) {
    for (const double offered : {11.0, 16.0, 25.0}) {
        const double gap_s = GetParam().mean_hold_s() / offered;
        std::array<double, kParts> shares{};
        for (std::size_t part = 0; part < kParts; ++part) {
            std::size_t blocked = 0;
            for (std::size_t i = 0; i < kArrivals / kParts; ++i) {
                now_ = after(now_, exponential(gap_s));
                play_until(now_);
                blocked += arrive() ? 1 : 0;
            }
            shares[part] = static_cast<double>(blocked) / (kArrivals / kParts);
        }
        double mean = 0;
        for (const double share : shares) mean += share / kParts;
        double variance = 0;
        for (const double share : shares)
            variance += (share - mean) * (share - mean) / (kParts - 1);
        const double error = std::sqrt(variance / kParts);
        const double expected = erlang_b(offered, kNumbers);
        EXPECT_NEAR(mean, expected, 4 * error) << offered << " erlangs";
        EXPECT_LT(error, expected / 10) << "the simulation is too short to tell anything";
    }
}

constexpr ringpool::HoldRules kLifetimeOnly{.lifetime = seconds(1800), .cooldown = seconds(0)};
constexpr ringpool::HoldRules kWithCooldown{.lifetime = seconds(1800), .cooldown = seconds(600)};
INSTANTIATE_TEST_SUITE_P(
    Erlang, RingPoolInSimulation,
    testing::Values(Behaviour{"lifetime alone", kLifetimeOnly},
                    Behaviour{"with cool-down", kWithCooldown},
                    Behaviour{
                        .name = "visits that last", .rules = kWithCooldown, .mean_visit_s = 300},
                    Behaviour{.name = "released", .rules = kWithCooldown, .mean_release_s = 900}));

}  // namespace
}  // namespace ringmaster::ops
