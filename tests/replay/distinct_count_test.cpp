#include "ringmaster/replay/distinct_count.hpp"

#include <cstdint>
#include <random>

#include <gtest/gtest.h>

namespace ringmaster::replay {
namespace {

void add(DistinctCount& count, std::uint64_t sessions) {
    std::mt19937_64 random(42);
    for (std::uint64_t i = 0; i < sessions; ++i) count.add({random(), random()});
}

TEST(DistinctCountTest, IsExactUpToItsBound) {
    DistinctCount count;
    EXPECT_EQ(count.count(), 0u);
    add(count, 1000);
    add(count, 1000);
    EXPECT_EQ(count.count(), 1000u);
    add(count, DistinctCount::kExact);
    EXPECT_EQ(count.count(), DistinctCount::kExact);
    EXPECT_TRUE(count.exact());
}

TEST(DistinctCountTest, IsAnEstimateBeyond) {
    DistinctCount count;
    add(count, 1'000'000);
    add(count, 1'000'000);
    EXPECT_FALSE(count.exact());
    EXPECT_NEAR(static_cast<double>(count.count()), 1e6, 2e4);
}

}  // namespace
}  // namespace ringmaster::replay
