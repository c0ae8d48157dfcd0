#include "ringmaster/store/hold_clock.hpp"

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{100h};
const WallTime kWall{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
const BootTime kBoot{5h, {1, 2, 3}};
const BootTime kNextBoot{1min, {4, 5, 6}};

TEST(HoldClock, StartsAtTheWallClockWhereNothingIsKnown) {
    const HoldClock clock(kNow, kWall, kBoot, {}, {});
    EXPECT_EQ(clock.at(kNow), kWall);
    EXPECT_EQ(clock.at(kNow + 1500ms), kWall + 1500ms);
}

TEST(HoldClock, FollowsTimeSinceBootAndNotTheWallClock) {
    const TimeAnchor last{kWall, kBoot.since_boot - 10min, kBoot.boot_id};
    for (const auto jump : {-1000h, 0h, 1000h}) {
        const HoldClock clock(kNow, kWall + jump, kBoot, last, kWall + 1min);
        EXPECT_EQ(clock.at(kNow), kWall + 10min) << jump.count();
    }
}

TEST(HoldClock, AfterABootTakesTheWallClockButNeverGoesBack) {
    const TimeAnchor last{kWall, kBoot.since_boot, kBoot.boot_id};
    EXPECT_EQ(HoldClock(kNow, kWall + 1h, kNextBoot, last, kWall + 5min).at(kNow), kWall + 1h);
    EXPECT_EQ(HoldClock(kNow, kWall - 1h, kNextBoot, last, kWall + 5min).at(kNow), kWall + 5min);
    EXPECT_EQ(HoldClock(kNow, kWall - 1h, kNextBoot, last, kWall - 5min).at(kNow), kWall);
}

TEST(HoldClock, NeverGoesBackBehindTheLatestRecord) {
    const TimeAnchor last{kWall, kBoot.since_boot - 1min, kBoot.boot_id};
    EXPECT_EQ(HoldClock(kNow, kWall, kBoot, last, kWall + 2min).at(kNow), kWall + 2min);
}

TEST(HoldClock, AnUnknownBootIsNotTheSameAsAnother) {
    const BootTime unknown{5h, {}};
    const TimeAnchor last{kWall, 1h, {}};
    EXPECT_EQ(HoldClock(kNow, kWall + 1min, unknown, last, {}).at(kNow), kWall + 1min);
}

TEST(HoldClock, AnchorsLeadTheNextClockToTheSameTime) {
    const HoldClock first(kNow, kWall, kBoot, {}, {});
    const TimeAnchor anchor = first.anchor(kNow + 20min);
    const BootTime later{kBoot.since_boot + 30min, kBoot.boot_id};
    const HoldClock second(kNow + 30min, kWall - 500h, later, anchor, {});
    EXPECT_EQ(second.at(kNow + 30min), first.at(kNow + 30min));
}

TEST(HoldClock, ThisMachineTellsItsBoot) {
    const BootTime boot = BootTime::read();
    EXPECT_GT(boot.since_boot, 0ms);
    EXPECT_EQ(boot.boot_id, BootTime::read().boot_id);
    EXPECT_NE(boot.boot_id, (std::array<std::uint8_t, 16>{}));
}

}  // namespace
}  // namespace ringmaster::store
