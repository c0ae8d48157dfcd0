#include "ringmaster/replay/held_count.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace ringmaster::replay {
namespace {

using namespace std::chrono_literals;

WallTime at(std::chrono::milliseconds time) {
    return WallTime(time);
}

TEST(HeldCountTest, CountsHoldsThatAreNotOver) {
    HeldCount count;
    count.hold(0, at(0s), at(10s));
    count.hold(7, at(5s), at(15s));
    EXPECT_EQ(count.most(), 2u);
    EXPECT_EQ(count.most_at(), at(5s));
    count.hold(8, at(10s), at(20s));  // the first one's is over
    EXPECT_EQ(count.most(), 2u);
    count.hold(0, at(12s), at(22s));
    EXPECT_EQ(count.most(), 3u);
    EXPECT_EQ(count.most_at(), at(12s));
}

TEST(HeldCountTest, AHoldThatGoesOnIsOneHold) {
    HeldCount count;
    for (int i = 0; i < 100; ++i) count.hold(1, at(i * 1s), at(i * 1s + 10s));
    EXPECT_EQ(count.most(), 1u);
    count.hold(2, at(108s), at(118s));
    EXPECT_EQ(count.most(), 2u);
    count.start(at(109s));
    EXPECT_EQ(count.most(), 1u);
    EXPECT_EQ(count.most_at(), at(109s));
}

// With ends in any order, as where rules become shorter.
TEST(HeldCountTest, ComesToWhatAWalkThroughAllNumbersDoes) {
    std::mt19937 random(1);
    HeldCount count;
    std::map<std::uint32_t, WallTime> until;
    std::size_t most = 0;
    WallTime most_at{};
    WallTime now{};
    for (int i = 0; i < 20'000; ++i) {
        now += std::chrono::milliseconds(random() % 50);
        const auto number = static_cast<std::uint32_t>(random() % 40);
        if (random() % 4 == 0) {
            count.release(number, now);
            until[number] = now;
        } else {
            const WallTime end = now + std::chrono::milliseconds(1 + random() % 2000);
            count.hold(number, now, end);
            until[number] = end;
        }
        const auto held = static_cast<std::size_t>(
            std::ranges::count_if(until, [&](const auto& entry) { return entry.second > now; }));
        if (held > most) {
            most = held;
            most_at = now;
        }
        ASSERT_EQ(count.most(), most) << i;
        ASSERT_EQ(count.most_at(), most_at) << i;
        if (i % 1000 != 0) continue;
        count.start(now);
        most = held;
        most_at = now;
        ASSERT_EQ(count.most(), most) << i;
    }
}

}  // namespace
}  // namespace ringmaster::replay
