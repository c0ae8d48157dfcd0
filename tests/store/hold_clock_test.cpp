#include "ringmaster/store/hold_clock.hpp"

#include <atomic>
#include <optional>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{100h};
const WallTime kWall{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
const BootTime kBoot{5h, {1, 2, 3}};
const BootTime kNextBoot{1min, {4, 5, 6}};

class HoldClockTest : public ::testing::Test {
  protected:
    /// What a clock says that begins now.
    static WallTime begin(WallTime wall, const BootTime& boot,
                          const std::optional<TimeAnchor>& last) {
        std::atomic<std::int64_t> ahead_ms{0};
        return HoldClock(HoldClock::begin(kNow, wall, boot, last), ahead_ms).at(kNow);
    }
    std::atomic<std::int64_t> ahead_ms_{0};
};

TEST_F(HoldClockTest, StartsAtTheWallClockWhereNothingIsKnown) {
    const HoldClock clock(HoldClock::begin(kNow, kWall, kBoot, {}), ahead_ms_);
    EXPECT_EQ(clock.at(kNow), kWall);
    EXPECT_EQ(clock.at(kNow + 1500ms), kWall + 1500ms);
}

TEST_F(HoldClockTest, FollowsTimeSinceBootAndNotTheWallClock) {
    const TimeAnchor last{kWall, kBoot.since_boot - 10min, kBoot.boot_id};
    for (const auto jump : {-1000h, 0h, 1000h}) {
        EXPECT_EQ(begin(kWall + jump, kBoot, last), kWall + 10min) << jump.count();
    }
}

TEST_F(HoldClockTest, AfterABootTakesTheWallClockButNeverGoesBack) {
    const TimeAnchor last{kWall, kBoot.since_boot, kBoot.boot_id};
    EXPECT_EQ(begin(kWall + 1h, kNextBoot, last), kWall + 1h);
    EXPECT_EQ(begin(kWall - 1h, kNextBoot, last), kWall);
}

TEST_F(HoldClockTest, AnUnknownBootIsNotTheSameAsAnother) {
    const BootTime unknown{5h, {}};
    const TimeAnchor last{kWall, 1h, {}};
    EXPECT_EQ(begin(kWall + 1min, unknown, last), kWall + 1min);
}

TEST_F(HoldClockTest, NeverGoesBackBehindTheLatestRecord) {
    HoldClock clock(HoldClock::begin(kNow, kWall, kBoot, {}), ahead_ms_);
    clock.catch_up(kNow + 1min, kWall + 3min);
    EXPECT_EQ(clock.at(kNow + 1min), kWall + 3min);
    clock.catch_up(kNow + 1min, kWall + 2min);
    EXPECT_EQ(clock.at(kNow + 2min), kWall + 4min) << "where it is further, it just goes on";
}

TEST_F(HoldClockTest, IsTheSameForAllWhoShareIt) {
    const HoldClock::Base base = HoldClock::begin(kNow, kWall, kBoot, {});
    HoldClock first(base, ahead_ms_);
    HoldClock second(base, ahead_ms_);
    first.catch_up(kNow, kWall + 1h);
    second.catch_up(kNow, kWall + 30min);
    EXPECT_EQ(first.at(kNow + 5s), kWall + 1h + 5s);
    EXPECT_EQ(second.at(kNow + 5s), first.at(kNow + 5s));
    EXPECT_EQ(second.anchor(kNow + 5s), first.anchor(kNow + 5s));
}

TEST_F(HoldClockTest, AnchorsLeadTheNextClockToTheSameTime) {
    HoldClock first(HoldClock::begin(kNow, kWall, kBoot, {}), ahead_ms_);
    first.catch_up(kNow, kWall + 7min);
    const TimeAnchor anchor = first.anchor(kNow + 20min);
    EXPECT_EQ(anchor, (TimeAnchor{kWall + 27min, kBoot.since_boot + 20min, kBoot.boot_id}));
    const BootTime later{kBoot.since_boot + 30min, kBoot.boot_id};
    EXPECT_EQ(begin(kWall - 500h, later, anchor), first.at(kNow + 30min));
}

TEST(HoldClock, ThisMachineTellsItsBoot) {
    const BootTime boot = BootTime::read();
    EXPECT_GT(boot.since_boot, 0ms);
    EXPECT_EQ(boot.boot_id, BootTime::read().boot_id);
    EXPECT_NE(boot.boot_id, (std::array<std::uint8_t, 16>{}));
}

}  // namespace
}  // namespace ringmaster::store
