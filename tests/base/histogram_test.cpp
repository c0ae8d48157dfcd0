#include "ringmaster/base/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

TEST(Histogram, HasNothingToTellBeforeTheFirst) {
    const Histogram empty;
    EXPECT_EQ(empty.count(), 0u);
    EXPECT_EQ(empty.sum(), 0ns);
    EXPECT_EQ(empty.max(), 0ns);
    EXPECT_EQ(empty.quantile(0.5), 0ns);
}

TEST(Histogram, CountsSumsAndKeepsTheLongest) {
    Histogram histogram;
    for (const nanoseconds d : {5ns, 1'000'000ns, 70ns}) histogram.record(d);
    EXPECT_EQ(histogram.count(), 3u);
    EXPECT_EQ(histogram.sum(), 1'000'075ns);
    EXPECT_EQ(histogram.max(), 1'000'000ns);
}

TEST(Histogram, ANegativeDurationCountsAsNone) {
    Histogram histogram;
    histogram.record(-7ns);
    EXPECT_EQ(histogram.count(), 1u);
    EXPECT_EQ(histogram.sum(), 0ns);
    EXPECT_EQ(histogram.quantile(1), 0ns);
}

/// What a duration is told as, where a much longer one keeps the maximum out of it.
nanoseconds told(nanoseconds duration) {
    Histogram histogram;
    histogram.record(duration);
    histogram.record(nanoseconds(std::int64_t{1} << 62));
    return histogram.quantile(0.5);
}

TEST(Histogram, TellsShortDurationsExactlyAndLongOnesAsTheEndOfTheirBucket) {
    const struct {
        nanoseconds duration;
        nanoseconds told;
    } cases[] = {
        {0ns, 0ns},       {1ns, 1ns},       {31ns, 31ns},
        {32ns, 32ns},     {63ns, 63ns},                    // the last bucket of width 1
        {64ns, 65ns},     {65ns, 65ns},     {66ns, 67ns},  // width 2
        {127ns, 127ns},   {128ns, 131ns},                  // width 4
        {1024ns, 1055ns}, {1055ns, 1055ns}, {1056ns, 1087ns},
    };
    for (const auto& c : cases) EXPECT_EQ(told(c.duration), c.told) << c.duration.count();
}

TEST(Histogram, NoPowerOfTwoIsToldTooShortOrTooLong) {
    for (int bit = 0; bit < 62; ++bit) {
        for (const std::int64_t off : {-1, 0, 1}) {
            const nanoseconds duration((std::int64_t{1} << bit) + off);
            EXPECT_GE(told(duration), duration);
            EXPECT_LE((told(duration) - duration).count(), duration.count() / Histogram::kSteps);
        }
    }
}

TEST(Histogram, HasABucketForTheLongestDurationThereIs) {
    Histogram histogram;
    histogram.record(nanoseconds::max());
    EXPECT_EQ(histogram.quantile(1), nanoseconds::max());
}

TEST(Histogram, NoQuantileIsLongerThanTheLongest) {
    Histogram histogram;
    histogram.record(1025ns);
    EXPECT_EQ(histogram.quantile(0.5), 1025ns);
    EXPECT_EQ(histogram.quantile(1), 1025ns);
}

TEST(Histogram, AQuantileIsTheOneOfItsRank) {
    Histogram histogram;
    for (int i = 1; i <= 10; ++i) histogram.record(nanoseconds(i));
    const struct {
        double q;
        nanoseconds told;
    } cases[] = {{0, 1ns},    {0.1, 1ns},   {0.11, 2ns}, {0.5, 5ns},
                 {0.51, 6ns}, {0.99, 10ns}, {1, 10ns}};
    for (const auto& c : cases) EXPECT_EQ(histogram.quantile(c.q), c.told) << c.q;
}

/// Of any length up to 13 days, so that their sum can't overflow.
std::vector<nanoseconds> random_durations(std::mt19937_64& random) {
    std::uniform_int_distribution<std::size_t> how_many(1, 2000);
    std::uniform_int_distribution<int> bits(0, 50);
    std::vector<nanoseconds> durations(how_many(random));
    for (nanoseconds& duration : durations) {
        duration = nanoseconds(random() & ((std::uint64_t{1} << bits(random)) - 1));
    }
    return durations;
}

TEST(Histogram, AgreesWithSortedSamples) {
    std::mt19937_64 random(20261121);
    for (int round = 0; round < 200; ++round) {
        auto durations = random_durations(random);
        Histogram histogram;
        for (const nanoseconds d : durations) histogram.record(d);
        std::ranges::sort(durations);
        EXPECT_EQ(histogram.max(), durations.back());
        for (const double q : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
            const double rank = std::ceil(q * static_cast<double>(durations.size()));
            const nanoseconds exact = durations[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
            const nanoseconds told = histogram.quantile(q);
            ASSERT_GE(told, exact) << "round " << round << ", q " << q;
            ASSERT_LE((told - exact).count(), exact.count() / Histogram::kSteps)
                << "round " << round << ", q " << q;
        }
    }
}

TEST(Histogram, TwoMergedAreAsOneThatCountedAll) {
    std::mt19937_64 random(7);
    Histogram all;
    Histogram first;
    Histogram second;
    for (int i = 0; i < 2000; ++i) {
        const nanoseconds duration(random() >> 30);
        all.record(duration);
        (i % 3 == 0 ? first : second).record(duration);
    }
    first.merge(second);
    EXPECT_EQ(first.count(), all.count());
    EXPECT_EQ(first.sum(), all.sum());
    EXPECT_EQ(first.max(), all.max());
    for (double q = 0; q <= 1; q += 0.01) EXPECT_EQ(first.quantile(q), all.quantile(q)) << q;
}

TEST(Histogram, MergingWithAnEmptyOneChangesNothing) {
    Histogram histogram;
    histogram.record(5ns);
    histogram.merge({});
    EXPECT_EQ(histogram.count(), 1u);
    EXPECT_EQ(histogram.quantile(1), 5ns);
}

TEST(Histogram, ClearedItIsLikeANewOne) {
    Histogram histogram;
    for (const nanoseconds d : {5ns, 1'000'000ns}) histogram.record(d);
    histogram.clear();
    EXPECT_EQ(histogram.count(), 0u);
    EXPECT_EQ(histogram.sum(), 0ns);
    EXPECT_EQ(histogram.max(), 0ns);
    histogram.record(70ns);
    EXPECT_EQ(histogram.quantile(0), 70ns);
    EXPECT_EQ(histogram.quantile(1), 70ns);
}

TEST(Histogram, CountsUpToBounds) {
    Histogram histogram;
    for (const nanoseconds d : {0ns, 5ns, 5ns, 63ns, 64ns, 1'000'000ns}) histogram.record(d);
    constexpr nanoseconds kBounds[] = {4ns, 5ns, 63ns, 64ns, 65ns, 2'000'000ns};
    std::uint64_t counts[std::size(kBounds)] = {};
    histogram.count_up_to(kBounds, counts);
    EXPECT_EQ(std::vector(std::begin(counts), std::end(counts)),
              (std::vector<std::uint64_t>{1, 3, 4, 4, 5, 6}));  // 64 may be told as 65
}

TEST(Histogram, CountsEverythingUpToTheLongestBoundThatThereIs) {
    Histogram histogram;
    histogram.record(nanoseconds::max());
    const nanoseconds bounds[] = {nanoseconds::max()};
    std::uint64_t counts[1] = {};
    histogram.count_up_to(bounds, counts);
    EXPECT_EQ(counts[0], 1u);
}

}  // namespace
}  // namespace ringmaster
