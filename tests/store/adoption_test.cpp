/// What a store does with numbers that come from another one, with what was promised of them.

#include <map>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::PhoneNumber;
using ringpool::Slot;

class AdoptionTest : public ::testing::Test {
  protected:
    TestStore& open(std::vector<TestPool> pools = {}) {
        store_.reset();
        disk_.freeze_after(1 << 30);
        EmbeddedStoreOptions options;
        options.segment_bytes = 4096;
        store_ = std::make_unique<TestStore>(directory_.path(), std::move(pools), options, &disk_);
        if (store_->error()) throw std::runtime_error(store_->error()->message);
        return *store_;
    }
    /// As kill -9.
    void kill() {
        disk_.freeze();
        store_.reset();
    }
    Result<void> adopt(const std::vector<NumberKnowledge>& known) {
        Result<void> done;
        store_->run([&] { done = (*store_)->adopt(known); });
        return done;
    }
    /// Held by session `session` since `ago`, for an hour and then another one.
    NumberKnowledge knowledge(PhoneNumber number, std::uint64_t session,
                              std::chrono::milliseconds ago) {
        NumberKnowledge known;
        known.number = number;
        known.slot.session = {session, 1};
        known.slot.allocated_at = known.slot.last_touch = (*store_)->hold_now() - ago;
        known.slot.expires_at = known.slot.last_touch + 1h;
        known.slot.eligible_at = known.slot.expires_at + 1h;
        known.slot.record = position_at(first_segment(7), 64);
        known.slot.draining = true;
        return known;
    }
    const Slot& slot(ringpool::SlotIndex i) { return (*store_)->pool(0).slot(i); }
    bool is_handed_out(const char* session) {
        return store_->allocate(0, session).outcome == Allocation::Outcome::allocated;
    }

    TempDirectory directory_;
    TestDisk disk_;
    std::unique_ptr<TestStore> store_;
};

TEST_F(AdoptionTest, WhatWasPromisedElsewhereIsKeptHere) {
    open({{"autos", 1}});
    ASSERT_TRUE(adopt({knowledge(test_number(0, 0).number, 5, 1min)}).ok());
    EXPECT_EQ(slot(0).session.low, 5u);
    EXPECT_FALSE(slot(0).draining);
    EXPECT_FALSE(is_handed_out("v-1"));
    const auto before = state_of(**store_, 1);
    kill();
    open();
    EXPECT_EQ(state_of(**store_, 1), before);
    EXPECT_FALSE(is_handed_out("v-1"));
}

TEST_F(AdoptionTest, ANumberInNoPoolIsKeptForTheOneThatItComesTo) {
    open({{"autos", 1}});
    ASSERT_TRUE(adopt({knowledge(test_number(0, 1).number, 5, 1min)}).ok());
    kill();
    open({{"autos", 2}});
    EXPECT_EQ(slot(1).session.low, 5u);
    EXPECT_TRUE(is_handed_out("v-1"));
    EXPECT_FALSE(is_handed_out("v-2"));
}

TEST_F(AdoptionTest, OnlyWhatIsNewerIsTakenOver) {
    open({{"autos", 1}});
    const auto number = test_number(0, 0).number;
    const auto latest = knowledge(number, 5, 1min);
    auto released = latest;
    released.slot.session.low = 6;
    released.slot.eligible_at -= 1s;
    NumberKnowledge nobody;
    nobody.number = number;
    ASSERT_TRUE(adopt({knowledge(number, 3, 3min), latest, knowledge(number, 4, 2min)}).ok());
    EXPECT_EQ(slot(0).session.low, 5u);
    ASSERT_TRUE(adopt({knowledge(number, 7, 90s), released, nobody}).ok());
    EXPECT_EQ(slot(0).session.low, 5u);
    ASSERT_TRUE(adopt({knowledge(number, 8, 30s)}).ok());
    EXPECT_EQ(slot(0).session.low, 8u);
    const auto before = state_of(**store_, 1);
    kill();
    open();
    EXPECT_EQ(state_of(**store_, 1), before);
}

TEST_F(AdoptionTest, ManyComeOverManySegments) {
    open({{"autos", 5000}});
    std::vector<NumberKnowledge> known;
    for (unsigned i = 0; i < 5000; ++i) {
        known.push_back(knowledge(test_number(0, i).number, i + 1, 1min));
    }
    ASSERT_TRUE(adopt(known).ok());
    EXPECT_FALSE(is_handed_out("v-1"));
    const auto before = state_of(**store_, 1);
    EXPECT_EQ(before.size(), 5000u);
    kill();
    open();
    EXPECT_EQ(state_of(**store_, 1), before);
}

TEST_F(AdoptionTest, ADiskThatFailsIsTold) {
    open({{"autos", 1}});
    disk_.fail(TestDisk::writing, std::errc::io_error);
    const auto done = adopt({knowledge(test_number(0, 0).number, 5, 1min)});
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::unavailable);
    disk_.heal();
}

// Its record may be on no disk, and is nobody's business here: the next touch is recorded in full.
TEST_F(AdoptionTest, AHoldThatIsRecordedElsewhereIsRecordedAnew) {
    open({{"autos", 1, 1h}});
    const auto first = store_->allocate(0, "v-1", "gclid=1");
    NumberKnowledge known;
    known.number = first.number;
    known.slot = slot(0);
    known.slot.last_touch += 1ms;
    known.slot.record = position_at(first_segment(7), 64);
    ASSERT_TRUE(adopt({known}).ok());
    EXPECT_EQ(slot(0).record, known.slot.record | kDoubtful);
    EXPECT_EQ(store_->allocate(0, "v-1", "gclid=1").number, first.number);
    EXPECT_EQ(stream_of(slot(0).record), 0u);
    EXPECT_TRUE(is_good(slot(0).record));
}

}  // namespace
}  // namespace ringmaster::store
