#include "ringmaster/shard/placement.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

constexpr std::size_t kPools = 10'000;

std::string pool(std::size_t i) {
    return "pool-" + std::to_string(i);
}

TEST(Placement, OneShardOwnsAll) {
    const Placement placement(1);
    for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(placement.owner(pool(i)), 0u);
}

// Numbers lie on the disk where this says: it must never change.
TEST(Placement, IsTheSameInEveryVersion) {
    const Placement placement(8);
    std::string owners;
    for (const char* id : {"autos", "boats", "homes", "travel", "network", "a", "", "A.b_c-9"}) {
        owners += std::to_string(placement.owner(id));
    }
    EXPECT_EQ(owners, "54370763");
}

TEST(Placement, SpreadsPoolsEvenly) {
    for (const std::size_t count : {2u, 3u, 8u, 64u}) {
        const Placement placement(count);
        std::vector<std::size_t> pools(count);
        for (std::size_t i = 0; i < kPools; ++i) ++pools[placement.owner(pool(i))];
        const double fair = static_cast<double>(kPools) / static_cast<double>(count);
        for (const std::size_t n : pools) {
            EXPECT_NEAR(static_cast<double>(n), fair, 0.35 * fair) << count << " shards";
        }
    }
}

TEST(Placement, OneMoreShardMovesOnlyWhatItGets) {
    for (std::size_t count = 1; count < 16; ++count) {
        const Placement before(count);
        const Placement after(count + 1);
        std::size_t moved = 0;
        for (std::size_t i = 0; i < kPools; ++i) {
            const ShardIndex owner = after.owner(pool(i));
            if (owner == before.owner(pool(i))) continue;
            EXPECT_EQ(owner, count);
            ++moved;
        }
        const double fair = static_cast<double>(kPools) / static_cast<double>(count + 1);
        EXPECT_NEAR(static_cast<double>(moved), fair, 0.2 * fair);
    }
}

}  // namespace
}  // namespace ringmaster::shard
