#include "ringmaster/store/slot_map.hpp"

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using ringpool::PhoneNumber;

TEST(SlotMap, FindsWhatWasPutInAndNothingElse) {
    SlotMap map;
    EXPECT_EQ(map.find(PhoneNumber::from_digits(1)), nullptr);
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        map.at(PhoneNumber::from_digits(18'660'000'000 + 2 * i)).record = i;
    }
    EXPECT_EQ(map.size(), 10'000u);
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        ringpool::Slot* const slot = map.find(PhoneNumber::from_digits(18'660'000'000 + 2 * i));
        ASSERT_NE(slot, nullptr);
        EXPECT_EQ(slot->record, i);
        EXPECT_EQ(map.find(PhoneNumber::from_digits(18'660'000'001 + 2 * i)), nullptr);
    }
}

TEST(SlotMap, GivesTheSameSlotForTheSameNumber) {
    SlotMap map;
    map.at(PhoneNumber::from_digits(7)).context = 5;
    EXPECT_EQ(map.at(PhoneNumber::from_digits(7)).context, 5u);
    EXPECT_EQ(map.size(), 1u);
}

}  // namespace
}  // namespace ringmaster::store
