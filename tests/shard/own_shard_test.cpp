#include "ringmaster/shard/own_shard.hpp"

#include <optional>
#include <string>
#include <vector>

#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::PhoneNumber;
using store::NumberKnowledge;

const auto kNumber = PhoneNumber::from_digits(18665550142);

class FakeHistory final : public ringpool::HoldHistory {
  public:
    std::optional<Error> error;

    Result<std::vector<ringpool::Hold>> holders(PhoneNumber, std::optional<WallTime>,
                                                std::size_t max, Deadline) override {
        if (error) return *error;
        return std::vector<ringpool::Hold>(max);
    }
    Result<std::size_t> erase(std::string_view session_id) override { return session_id.size(); }
};

class OwnShardTest : public ::testing::Test {
  protected:
    FakeStore store;
    FakePools pools;
    FakeHistory history;
    FakeEvents events;
    std::vector<NumberKnowledge> known;
    bool has = false;
    OwnShard shard{
        {.store = store,
         .pools = pools,
         .history = history,
         .events = events,
         .look_up =
             [this](std::span<const PhoneNumber> numbers) -> Result<std::vector<NumberKnowledge>> {
             EXPECT_EQ(numbers.size(), 1u);
             EXPECT_EQ(numbers.front(), kNumber);
             return known;
         },
         .sweep_left = [](std::string_view pool) -> Result<void> {
             if (pool == "autos") return {};
             return Error{ErrorCode::not_found, "there is no such pool"};
         },
         .has_number = [this](PhoneNumber number) { return has && number == kNumber; },
         .overflow_counts =
             [](std::string_view pool) {
                 return OverflowCounts{0, pool.size(), 0, 0};
             },
         .demand = [](std::string_view pool) { return std::vector<ops::DemandHour>(pool.size()); },
         .report = [] { return std::string("up 1"); },
         .profile = [] { return std::string("busy"); }}};
};

TEST_F(OwnShardTest, TellsWhoHadANumberAndWhetherItHasIt) {
    EXPECT_EQ(shard.holders(kNumber, {}, 3, {})->holds.size(), 3u);
    EXPECT_FALSE(shard.holders(kNumber, {}, 3, {})->in_pool);
    has = true;
    EXPECT_TRUE(shard.holders(kNumber, {}, 3, {})->in_pool);
    history.error = Error{ErrorCode::damaged, "segment 7 at 4096"};
    EXPECT_EQ(shard.holders(kNumber, {}, 3, {}).error().code, ErrorCode::damaged);
}

TEST_F(OwnShardTest, AsksItsParts) {
    EXPECT_EQ(&shard.store(), &store);
    EXPECT_EQ(&shard.pools(), &pools);
    EXPECT_EQ(shard.erase("v-81", {}).value(), 4u);
    known.emplace_back().pool = "autos";
    EXPECT_EQ(shard.look_up({&kNumber, 1}, {})->front().pool, "autos");
    EXPECT_TRUE(shard.sweep("autos", {}));
    EXPECT_EQ(shard.sweep("boats", {}).error().code, ErrorCode::not_found);
    EXPECT_EQ(shard.overflow_counts("autos", {}).value(), (OverflowCounts{0, 5, 0, 0}));
    EXPECT_EQ(shard.demand("autos", {})->size(), 5u);
    EXPECT_EQ(shard.report({}).value(), "up 1");
}

}  // namespace
}  // namespace ringmaster::shard
