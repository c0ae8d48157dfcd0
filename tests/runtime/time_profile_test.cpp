#include "ringmaster/runtime/time_profile.hpp"

#include <chrono>
#include <memory>

#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using namespace std::chrono_literals;

TEST(TimeProfileTest, ABucketsDurationsDifferByLessThanOneStep) {
    using Duration = TimeProfile::Duration;
    EXPECT_EQ(TimeProfile::begin_of(0), Duration::zero());
    for (std::size_t i = 0; i < TimeProfile::kBuckets; ++i) {
        const Duration begin = TimeProfile::begin_of(i);
        const Duration end = TimeProfile::begin_of(i + 1);
        EXPECT_EQ(TimeProfile::bucket_of(begin), i);
        EXPECT_EQ(TimeProfile::bucket_of(end - 1ns), i);
        if (begin < 1us) {
            EXPECT_EQ(end - begin, 64ns);
        } else {
            EXPECT_LE((end - begin) * TimeProfile::kSteps, begin + 64ns * TimeProfile::kSteps);
        }
    }
}

TEST(TimeProfileTest, WhatIsOutsideIsCountedAtTheEnds) {
    EXPECT_EQ(TimeProfile::bucket_of(-1ns), 0u);
    EXPECT_EQ(TimeProfile::bucket_of(138s), TimeProfile::kBuckets - 1);
    EXPECT_EQ(TimeProfile::bucket_of(TimeProfile::Duration::max()), TimeProfile::kBuckets - 1);
    EXPECT_GT(TimeProfile::begin_of(TimeProfile::kBuckets), 137s);
}

TEST(TimeProfileTest, SumsThePartsOfWhatTookAsLong) {
    const auto profile = std::make_unique<TimeProfile>();
    profile->record({.running = 1ms, .stalled = 2ms, .waited = {3ms, 4ms, 5ms, 6ms}}, 7ms);
    profile->record({.running = 6ms, .stalled = 5ms, .waited = {4ms, 3ms, 2ms, 1ms}}, 0ms);
    profile->record({.running = 900ms}, 1ms);
    const auto& slow = profile->buckets()[TimeProfile::bucket_of(21ms)];
    EXPECT_EQ(slow.count, 2u);
    EXPECT_EQ(slow.times, (TaskTimes{7ms, 7ms, {7ms, 7ms, 7ms, 7ms}}));
    EXPECT_EQ(slow.queued, 7ms);
    EXPECT_EQ(profile->buckets()[TimeProfile::bucket_of(900ms)].count, 1u);
    EXPECT_EQ(profile->buckets()[TimeProfile::bucket_of(500ms)].count, 0u);
}

}  // namespace
}  // namespace ringmaster::runtime
