#include "ringmaster/shard/door_rule.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{100h};

/// Heartbeats from a picture: L lives, o beat exactly takeover_after ago, H longer ago, - never,
/// + is a little ahead, as one may be that was written after the time was read.
std::vector<std::int64_t> heartbeats(std::string_view picture) {
    const std::int64_t now = std::chrono::nanoseconds(kNow.time_since_epoch()).count();
    std::vector<std::int64_t> beats;
    for (const char c : picture) {
        switch (c) {
            case 'L': beats.push_back(now - 20'000'000); break;
            case 'o': beats.push_back(now - 500'000'000); break;
            case 'H': beats.push_back(now - 500'000'001); break;
            case '+': beats.push_back(now + 1'000); break;
            default: beats.push_back(0);
        }
    }
    return beats;
}

/// Of each shard, who holds its door besides itself: its index, '.' for nobody; '*' for several.
std::string holders(std::string_view picture) {
    const auto beats = heartbeats(picture);
    std::string result(picture.size(), '.');
    for (ShardIndex self = 0; self < beats.size(); ++self) {
        const bool lives = picture[self] == 'L' || picture[self] == 'o' || picture[self] == '+';
        if (!lives) continue;  // nobody is there to apply the rule
        const DoorRule rule(self, beats.size(), 500ms);
        for (ShardIndex i = 0; i < beats.size(); ++i) {
            if (i == self || !rule.holds(i, beats, kNow)) continue;
            result[i] = result[i] == '.' ? static_cast<char>('0' + self) : '*';
        }
    }
    return result;
}

TEST(DoorRule, TheNextLivingShardHoldsTheDoorOfOneThatHangs) {
    const struct {
        std::string_view shards;
        std::string_view doors;
    } kCases[] = {
        {"L", "."},           // alone
        {"LL", ".."},         // all is well
        {"Lo", ".."},         // not yet
        {"LH", ".0"},         // the last one's next is the first
        {"HL", "1."},         //
        {"L-", ".0"},         // never started: likewise
        {"L+", ".."},         //
        {"LHL", ".2."},       //
        {"LHHL", ".33."},     // two in a row: the same holds both
        {"HLLH", "1..1"},     // across the end
        {"LHLH", ".2.0"},     //
        {"HHLHH", "22.22"},   // only one is left
        {"H-+oH", "22..2"},   //
        {"LLLLLL", "......"}  //
    };
    for (const auto& each : kCases) EXPECT_EQ(holders(each.shards), each.doors) << each.shards;
}

TEST(DoorRule, EveryDoorIsHeldByOneWhereverAnybodyLives) {
    for (std::size_t count = 1; count <= 8; ++count) {
        for (unsigned living = 1; living < 1u << count; ++living) {
            std::string picture(count, 'H');
            for (std::size_t i = 0; i < count; ++i) {
                if ((living >> i & 1) != 0) picture[i] = 'L';
            }
            const std::string doors = holders(picture);
            for (std::size_t i = 0; i < count; ++i) {
                EXPECT_EQ(doors[i] == '.', picture[i] == 'L') << picture << " " << doors;
                EXPECT_NE(doors[i], '*') << picture << " " << doors;
            }
        }
    }
}

TEST(DoorRule, AShardThatAsksLivesWhateverItsHeartbeatSays) {
    const auto beats = heartbeats("HHH");
    EXPECT_TRUE(DoorRule(1, 3, 500ms).holds(0, beats, kNow));
    EXPECT_TRUE(DoorRule(1, 3, 500ms).holds(2, beats, kNow));
}

}  // namespace
}  // namespace ringmaster::shard
