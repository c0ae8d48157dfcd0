#include "ringmaster/ringpool/session_table.hpp"

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

class SessionTableTest : public testing::Test {
  protected:
    void insert(const SessionHash& session, SlotIndex slot) {
        slots[slot].session = session;
        table.insert(session, slot);
    }
    SlotIndex find(const SessionHash& session) const { return table.find(session, slots); }

    std::vector<Slot> slots = std::vector<Slot>(1000);
    SessionTable table;
};

TEST_F(SessionTableTest, BeginsEmpty) {
    EXPECT_EQ(find({1, 1}), kNoSlot);
}

TEST_F(SessionTableTest, FindsWhatWasInserted) {
    table.reserve(2);
    insert({1, 1}, 7);
    insert({2, 1}, 3);
    EXPECT_EQ(find({1, 1}), 7u);
    EXPECT_EQ(find({2, 1}), 3u);
    EXPECT_EQ(find({3, 1}), kNoSlot);
}

TEST_F(SessionTableTest, TellsApartSessionsThatDifferInAnyBit) {
    table.reserve(3);
    insert({5, 1}, 0);
    insert({5, 2}, 1);
    insert({5 | std::uint64_t{1} << 63, 1}, 2);
    EXPECT_EQ(find({5, 1}), 0u);
    EXPECT_EQ(find({5, 2}), 1u);
    EXPECT_EQ(find({5 | std::uint64_t{1} << 63, 1}), 2u);
    EXPECT_EQ(find({5, 3}), kNoSlot);
}

TEST_F(SessionTableTest, ErasesOnlyTheEntryThatNamesTheSlot) {
    table.reserve(1);
    insert({1, 1}, 7);
    table.erase({1, 1}, 6);
    EXPECT_EQ(find({1, 1}), 7u);
    table.erase({2, 2}, 7);
    EXPECT_EQ(find({1, 1}), 7u);
    table.erase({1, 1}, 7);
    EXPECT_EQ(find({1, 1}), kNoSlot);
}

TEST_F(SessionTableTest, KeepsItsEntriesWhenItGrows) {
    for (SlotIndex i = 0; i < 1000; ++i) {
        table.reserve(i + 1);
        insert({i * 0x9E3779B97F4A7C15u, i}, i);
    }
    for (SlotIndex i = 0; i < 1000; ++i) EXPECT_EQ(find({i * 0x9E3779B97F4A7C15u, i}), i);
}

TEST_F(SessionTableTest, GuessesTheSlotWithoutLookingAtIt) {
    table.reserve(2);
    insert({5, 1}, 0);
    EXPECT_EQ(table.guess({5, 1}), 0u);
    EXPECT_EQ(table.guess({6, 1}), kNoSlot);
    EXPECT_EQ(table.guess({5, 2}), 0u) << "a guess may be wrong";
}

// Few homes, so that runs are long, cross each other and wrap around the end of the table.
TEST_F(SessionTableTest, AgreesWithAMapWhateverIsErased) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        std::mt19937_64 random(seed);
        const std::uint64_t homes = 1 + seed % 40;
        constexpr SlotIndex kSlots = 16;
        table = SessionTable();
        table.reserve(kSlots);
        std::map<std::uint64_t, SlotIndex> expected;
        std::vector<SlotIndex> free;
        for (SlotIndex i = 0; i < kSlots; ++i) free.push_back(i);
        const auto session = [&](std::uint64_t id) { return SessionHash{31 - id % homes, id}; };
        for (int step = 0; step < 500; ++step) {
            const std::uint64_t id = random() % 40;
            if (const auto found = expected.find(id); found != expected.end()) {
                table.erase(session(id), found->second);
                free.push_back(found->second);
                expected.erase(found);
            } else if (!free.empty()) {
                insert(session(id), free.back());
                expected.emplace(id, free.back());
                free.pop_back();
            }
            for (std::uint64_t i = 0; i < 40; ++i) {
                const auto found = expected.find(i);
                ASSERT_EQ(find(session(i)), found == expected.end() ? kNoSlot : found->second)
                    << "seed " << seed << ", step " << step;
            }
        }
    }
}

}  // namespace
}  // namespace ringmaster::ringpool
