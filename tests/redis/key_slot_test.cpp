#include "ringmaster/redis/key_slot.hpp"

#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

// The vectors are those of the Redis Cluster specification and of the documentation of
// CLUSTER KEYSLOT; cluster_client_test.cpp compares with what a server says.

TEST(Crc16, IsXmodem) {
    EXPECT_EQ(crc16(""), 0);
    EXPECT_EQ(crc16("123456789"), 0x31c3);
}

TEST(KeySlot, IsThatOfTheWholeKeyWithoutATag) {
    EXPECT_EQ(key_slot("somekey"), 11'058);
    EXPECT_EQ(key_slot("foo"), 12'182);
    EXPECT_EQ(key_slot("bar"), 5'061);
    EXPECT_EQ(key_slot(""), 0);
}

TEST(KeySlot, IsThatOfTheTag) {
    EXPECT_EQ(key_slot("foo{hash_tag}"), 2'515);
    EXPECT_EQ(key_slot("{user1000}.following"), key_slot("{user1000}.followers"));
    EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
}

TEST(KeySlot, TakesTheFirstBracesOnly) {
    EXPECT_EQ(key_slot("foo{{bar}}zap"), key_slot("{bar"));
    EXPECT_EQ(key_slot("foo{bar}{zap}"), key_slot("bar"));
}

TEST(KeySlot, IgnoresWhatIsNoTag) {
    EXPECT_EQ(key_slot("foo{}{bar}"), crc16("foo{}{bar}") % kSlots);
    EXPECT_EQ(key_slot("foo{bar"), crc16("foo{bar") % kSlots);
    EXPECT_EQ(key_slot("foo}bar{"), crc16("foo}bar{") % kSlots);
}

}  // namespace
}  // namespace ringmaster::redis
