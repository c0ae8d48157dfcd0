#include "ringmaster/ops/pool_advice.hpp"

#include "ringmaster/ops/erlang.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kFirst = 498'000;
constexpr std::uint64_t kWholeHour = 3'600'000;

/// So many whole hours, each with the new holds that `holds(i)` says, one request each.
PoolDemand hours(std::size_t count, const std::function<std::uint64_t(std::size_t)>& holds) {
    std::vector<DemandHour> hours;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t n = holds(i);
        hours.push_back({.hour = kFirst + static_cast<std::int64_t>(i),
                         .observed_ms = kWholeHour,
                         .allocations = n,
                         .new_holds = n});
    }
    return PoolDemand(hours);
}

/// Half an hour, so that n arrivals in an hour are n / 2 erlangs.
constexpr AdviceBasis kBasis{.numbers = 100, .lifetime = 1500s, .cooldown = 300s};

TEST(PoolAdvice, IsErlangsFormulaForTheBusiestHour) {
    const PoolAdvice advice =
        advise(hours(100, [](auto i) { return i == 60 ? 168 : 40 + i % 3; }), kBasis);
    EXPECT_EQ(advice.mean_hold_seconds, 1800);
    EXPECT_EQ(advice.observed_hours, 100);
    EXPECT_EQ(advice.turned_away, 0);
    ASSERT_TRUE(advice.sizing);
    const PoolSizing& sizing = *advice.sizing;
    EXPECT_EQ(sizing.busiest.hour, WallTime(std::chrono::hours(kFirst + 60)));
    EXPECT_NEAR(sizing.busiest.arrivals_per_hour, 168, 1e-9);
    EXPECT_NEAR(sizing.busiest.offered_erlangs, 84, 1e-9);
    EXPECT_NEAR(sizing.busiest.blocking, erlang_b(84, 100), 1e-12);
    EXPECT_NEAR(sizing.utilisation, 0.84 * (1 - erlang_b(84, 100)), 1e-12);
    EXPECT_EQ(sizing.numbers[0], 100u);
    EXPECT_EQ(sizing.numbers[1], numbers_for(84, 0.001));
    EXPECT_EQ(sizing.numbers[2], numbers_for(84, 0.0001));
    EXPECT_EQ(sizing.usual_peak.arrivals_per_hour, 42);
    EXPECT_EQ(sizing.missing, 0u);
    EXPECT_EQ(sizing.spare, 0u);
    EXPECT_FALSE(sizing.growth) << "there are only four days, and a bit";
}

TEST(PoolAdvice, TellsWhatIsMissingAndWhatCanGo) {
    const PoolDemand demand = hours(30, [](auto) { return 40; });  // 20 erlangs
    const auto sizing = [&](std::size_t numbers) {
        AdviceBasis basis = kBasis;
        basis.numbers = numbers;
        return *advise(demand, basis).sizing;
    };
    EXPECT_EQ(sizing(100).numbers, (std::array<std::size_t, 3>{30, 35, 39}));
    EXPECT_EQ(sizing(25).missing, 5u);
    EXPECT_EQ(sizing(0).missing, 30u);
    EXPECT_EQ(sizing(0).utilisation, 0);
    EXPECT_EQ(sizing(0).busiest.blocking, 1);
    EXPECT_EQ(sizing(30).missing, 0u);
    EXPECT_EQ(sizing(39).spare, 0u);
    EXPECT_EQ(sizing(100).spare, 61u);
    EXPECT_EQ(sizing(100).missing, 0u);
}

// 10 sessions of 3 requests each got a number, and 4 more asked in vain as often.
TEST(PoolAdvice, CountsWhoWasTurnedAwayOnce) {
    std::vector<DemandHour> seen;
    for (std::int64_t i = 0; i < 24; ++i) {
        seen.push_back({.hour = kFirst + i,
                        .observed_ms = kWholeHour,
                        .allocations = 30,
                        .new_holds = 10,
                        .exhausted = 12});
    }
    const PoolAdvice advice = advise(PoolDemand(seen), kBasis);
    EXPECT_EQ(advice.requests_per_session, 3);
    EXPECT_NEAR(advice.arrivals, 24 * 14, 1e-9);
    EXPECT_NEAR(advice.turned_away, 4.0 / 14, 1e-9);
    ASSERT_TRUE(advice.sizing);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 7, 1e-9);
}

TEST(PoolAdvice, OfAPoolWithoutNumbersGoesByWhoAsked) {
    std::vector<DemandHour> seen;
    for (std::int64_t i = 0; i < 24; ++i) {
        seen.push_back({.hour = kFirst + i, .observed_ms = kWholeHour, .exhausted = 10});
    }
    AdviceBasis basis = kBasis;
    basis.numbers = 0;
    const PoolAdvice advice = advise(PoolDemand(seen), basis);
    EXPECT_EQ(advice.turned_away, 1);
    ASSERT_TRUE(advice.sizing);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 5, 1e-9);
    EXPECT_EQ(advice.sizing->missing, numbers_for(5, 0.01));
}

TEST(PoolAdvice, AddsToALifetimeHowLongVisitsLast) {
    std::vector<DemandHour> seen;
    for (std::int64_t i = 0; i < 24; ++i) {
        seen.push_back({.hour = kFirst + i,
                        .observed_ms = kWholeHour,
                        .allocations = 10,
                        .new_holds = 10,
                        .extended_ms = 10 * 900'000});
    }
    PoolAdvice advice = advise(PoolDemand(seen), kBasis);
    EXPECT_EQ(advice.mean_hold_seconds, 2700);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 7.5, 1e-9);
    for (DemandHour& hour : seen) hour.extended_ms = -10 * 1'200'000;  // numbers are given back
    advice = advise(PoolDemand(seen), kBasis);
    EXPECT_EQ(advice.mean_hold_seconds, 600);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 10.0 / 6, 1e-9);
}

TEST(PoolAdvice, GoesByTheTimeThatWasObserved) {
    std::vector<DemandHour> seen;
    for (std::int64_t i = 0; i < 30; ++i) {
        seen.push_back(
            {.hour = kFirst + i, .observed_ms = kWholeHour, .allocations = 40, .new_holds = 40});
    }
    seen[10].observed_ms = kWholeHour * 3 / 4;  // as busy as if there had been 80
    seen[10].new_holds = 60;
    seen[20].observed_ms = 1000;  // too little to say anything
    const PoolAdvice advice = advise(PoolDemand(seen), kBasis);
    ASSERT_TRUE(advice.sizing);
    EXPECT_EQ(advice.sizing->busiest.hour, WallTime(std::chrono::hours(kFirst + 10)));
    EXPECT_NEAR(advice.sizing->busiest.arrivals_per_hour, 80, 1e-9);
}

// With holds of ten hours those of one busy hour are few among those who have a number.
TEST(PoolAdvice, OfLongHoldsGoesByAllWhoStillHaveANumber) {
    AdviceBasis basis{.numbers = 100, .lifetime = 10h, .cooldown = 0s};
    const PoolDemand demand = hours(48, [](auto i) { return i == 24 ? 100 : 5; });
    PoolAdvice advice = advise(demand, basis);
    ASSERT_TRUE(advice.sizing);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 145, 1e-9);
    basis.lifetime = 10h + 30min;  // of the eleventh hour the last half
    advice = advise(demand, basis);
    EXPECT_NEAR(advice.sizing->busiest.offered_erlangs, 147.5, 1e-9);
}

TEST(PoolAdvice, SaysThatThereIsTooLittle) {
    EXPECT_FALSE(advise(PoolDemand(), kBasis).sizing);
    EXPECT_EQ(advise(PoolDemand(), kBasis).observed_hours, 0);
    EXPECT_EQ(advise(PoolDemand(), kBasis).needed_hours, 24);
    EXPECT_FALSE(advise(hours(23, [](auto) { return 9; }), kBasis).sizing);
    EXPECT_TRUE(advise(hours(24, [](auto) { return 9; }), kBasis).sizing);
    AdviceBasis basis{.numbers = 100, .lifetime = 48h, .cooldown = 0s};
    const PoolAdvice too_little = advise(hours(47, [](auto) { return 9; }), basis);
    EXPECT_FALSE(too_little.sizing);
    EXPECT_EQ(too_little.needed_hours, 48);
    EXPECT_TRUE(too_little.kept_suffices);
    EXPECT_TRUE(advise(hours(48, [](auto) { return 9; }), basis).sizing);
    basis.lifetime = 169h;
    const PoolAdvice never = advise(hours(168, [](auto) { return 9; }), basis);
    EXPECT_FALSE(never.sizing);
    EXPECT_FALSE(never.kept_suffices);
}

TEST(PoolAdvice, OfAPoolThatNobodyAsksIsThatItCanGo) {
    const PoolAdvice advice = advise(hours(30, [](auto) { return 0; }), kBasis);
    ASSERT_TRUE(advice.sizing);
    EXPECT_EQ(advice.sizing->busiest.offered_erlangs, 0);
    EXPECT_EQ(advice.sizing->spare, 99u);
}

// -------------------------------------------------------------------------------------------------
// Growth

/// By day; each has one busiest hour.
PoolDemand days(const std::vector<std::uint64_t>& busiest) {
    return hours(24 * busiest.size(),
                 [&](std::size_t i) { return i % 24 == 15 ? busiest[i / 24] : 3; });
}

TEST(PoolAdvice, TellsHowTheLoadGrowsAndWhenItIsTooMuch) {
    const PoolAdvice advice = advise(days({100, 104, 108, 112, 116, 120, 124}), kBasis);
    ASSERT_TRUE(advice.sizing && advice.sizing->growth);
    const LoadGrowth& growth = *advice.sizing->growth;
    EXPECT_NEAR(growth.erlangs_per_day, 2, 1e-9);
    ASSERT_TRUE(growth.hours_until_overflow);
    EXPECT_NEAR(*growth.hours_until_overflow, (offered_for(100, 0.01) - 62) / 2 * 24, 1e-6);
}

TEST(PoolAdvice, TellsNoTimeWhereTheLoadFallsOrStaysOrHardlyGrows) {
    for (const auto& busiest : std::vector<std::vector<std::uint64_t>>{
             {124, 120, 116, 112, 108}, {100, 100, 100, 100, 100}, {100, 100, 100, 101, 101}}) {
        const PoolAdvice advice = advise(days(busiest), kBasis);
        ASSERT_TRUE(advice.sizing->growth);
        EXPECT_FALSE(advice.sizing->growth->hours_until_overflow);
    }
}

TEST(PoolAdvice, DoesNotTakeChanceForGrowth) {
    const PoolAdvice advice = advise(days({100, 140, 95, 150, 110, 145, 120}), kBasis);
    ASSERT_TRUE(advice.sizing->growth);
    EXPECT_GT(advice.sizing->growth->erlangs_per_day, 1);
    EXPECT_FALSE(advice.sizing->growth->hours_until_overflow);
}

TEST(PoolAdvice, TellsNoGrowthOfFewDays) {
    EXPECT_FALSE(advise(days({100, 110, 120, 130}), kBasis).sizing->growth);
    EXPECT_TRUE(advise(days({100, 110, 120, 130, 140}), kBasis).sizing->growth);
    // A day of which most was not observed is none.
    const PoolDemand whole = days({100, 110, 120, 130, 140});
    std::vector<DemandHour> seen = whole.hours();
    std::erase_if(seen, [](const DemandHour& h) {
        return h.hour >= kFirst + 24 && h.hour < kFirst + 24 + 5;
    });
    EXPECT_FALSE(advise(PoolDemand(seen), kBasis).sizing->growth);
}

TEST(PoolAdvice, OfAPoolThatIsTooSmallTodayIsThatThereIsNoTime) {
    AdviceBasis basis = kBasis;
    basis.numbers = 50;
    const PoolAdvice advice = advise(days({100, 104, 108, 112, 116}), basis);
    ASSERT_TRUE(advice.sizing->growth);
    EXPECT_EQ(advice.sizing->growth->hours_until_overflow, 0);
}

}  // namespace
}  // namespace ringmaster::ops
