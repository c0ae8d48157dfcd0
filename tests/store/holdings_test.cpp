#include "ringmaster/store/holdings.hpp"

#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using ringpool::PhoneNumber;
using ringpool::RingPool;
using Outcome = RingPool::Outcome;

const WallTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
constexpr ringpool::SessionHash kSession{1, 2};
constexpr ringpool::SessionHash kOther{3, 4};

PhoneNumber number(unsigned i) {
    return PhoneNumber::from_digits(18665550100 + i);
}

class HoldingsTest : public ::testing::Test {
  protected:
    HoldingsTest() {
        for (const ringpool::PoolIndex pool : {0u, 1u}) holdings_.put_pool(pool, {30min, 5min});
        auto& slot = held_.at(number(1));
        slot.session = kSession;
        slot.allocated_at = slot.last_touch = kNow - 1min;
        slot.expires_at = kNow + 10min;
        slot.eligible_at = kNow + 15min;
        slot.record = 800;
    }
    void add(ringpool::PoolIndex pool, std::initializer_list<unsigned> list) {
        for (const unsigned i : list) holdings_.add(pool, {number(i), {}});
        holdings_.pool(pool).settle();
    }
    /// By number: until when others don't get it.
    std::map<PhoneNumber, WallTime> visited() const {
        std::map<PhoneNumber, WallTime> result;
        holdings_.for_each([&](PhoneNumber n, const ringpool::Slot& slot) {
            EXPECT_TRUE(result.emplace(n, slot.eligible_at).second);
        });
        return result;
    }
    Holdings holdings_;
    SlotMap held_;
};

TEST_F(HoldingsTest, GivesAHeldNumberBackToItsSession) {
    add(0, {0, 1, 2});
    holdings_.restore(held_);
    RingPool& pool = holdings_.pool(0);
    const auto decision = pool.allocate(kSession, kNow);
    EXPECT_EQ(decision.outcome, Outcome::refreshed);
    EXPECT_EQ(pool.number(decision.slot).number, number(1));
}

TEST_F(HoldingsTest, ProtectsANumberThatComesFromAnotherProcess) {
    holdings_.put_stray(number(1), *std::as_const(held_).find(number(1)));
    EXPECT_EQ(visited(), (std::map<PhoneNumber, WallTime>{{number(1), kNow + 15min}}));
    add(1, {1});
    RingPool& pool = holdings_.pool(1);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min - 1ms).outcome, Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min).outcome, Outcome::fresh);
}

TEST_F(HoldingsTest, ProtectsANumberThatMovedToAnotherPool) {
    add(1, {1});
    holdings_.restore(held_);
    RingPool& pool = holdings_.pool(1);
    EXPECT_EQ(pool.allocate(kOther, kNow).outcome, Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min - 1ms).outcome, Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min).outcome, Outcome::fresh);
}

TEST_F(HoldingsTest, ANumberTakesItsStateAlongOutOfAPoolAndIntoAnother) {
    add(0, {0, 1});
    holdings_.restore(held_);
    holdings_.take_out(*holdings_.place(number(1)));
    EXPECT_EQ(holdings_.place(number(1)), nullptr);
    EXPECT_EQ(holdings_.pool(0).find(kSession), ringpool::kNoSlot);
    ASSERT_NE(holdings_.find(number(1)), nullptr);
    EXPECT_EQ(holdings_.find(number(1))->record, 800u);

    add(1, {1});
    EXPECT_EQ(visited(), (std::map<PhoneNumber, WallTime>{{number(1), kNow + 15min}}));
    EXPECT_EQ(holdings_.find(number(1))->record, 800u);
    RingPool& pool = holdings_.pool(1);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min - 1ms).outcome, Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min).outcome, Outcome::fresh);
}

TEST_F(HoldingsTest, ANumberThatNobodyHadIsForgottenWhenItIsTakenOut) {
    add(0, {0});
    holdings_.take_out(*holdings_.place(number(0)));
    EXPECT_EQ(holdings_.find(number(0)), nullptr);
    EXPECT_TRUE(visited().empty());
}

TEST_F(HoldingsTest, KeepsANumberThatIsInNoPoolUntilItIsToldNotTo) {
    add(0, {2});
    holdings_.restore(held_);
    EXPECT_EQ(visited(), (std::map<PhoneNumber, WallTime>{{number(1), kNow + 15min}}));
    const auto forget_those_over_at = [&](WallTime now) {
        holdings_.forget_strays_if(
            [&](const ringpool::Slot& slot) { return slot.eligible_at <= now; });
    };
    forget_those_over_at(kNow + 15min - 1ms);
    EXPECT_EQ(visited().size(), 1u);
    forget_those_over_at(kNow + 15min);
    EXPECT_TRUE(visited().empty());
    EXPECT_EQ(holdings_.find(number(1)), nullptr);
}

TEST_F(HoldingsTest, VisitsEveryNumberThatAnyoneEverHad) {
    add(0, {0, 1});
    add(1, {2, 3});
    holdings_.restore(held_);
    holdings_.pool(1).allocate(kOther, kNow);
    EXPECT_EQ(visited().size(), 2u);
    unsigned changed = 0;
    holdings_.change_each([&](ringpool::Slot& slot) { changed += slot.session ? 1 : 100; });
    EXPECT_EQ(changed, 2u);
}

TEST_F(HoldingsTest, FindsTheSlotOfANumber) {
    add(1, {5, 3, 4});
    add(0, {9});
    EXPECT_EQ(holdings_.find(number(3)), &holdings_.pool(1).slot(1));
    EXPECT_EQ(holdings_.find(number(9)), &holdings_.pool(0).slot(0));
    EXPECT_EQ(holdings_.find(number(6)), nullptr);
}

TEST_F(HoldingsTest, APoolThatIsClearedBeginsAnew) {
    add(1, {5});
    holdings_.counters(1).releases = 3;
    holdings_.take_out(*holdings_.place(number(5)));
    holdings_.clear_pool(1);
    EXPECT_EQ(holdings_.pool(1).end_slot(), 0u);
    EXPECT_EQ(holdings_.counters(1).releases, 0u);
    EXPECT_EQ(holdings_.pool(1).allocate(kOther, kNow).outcome, Outcome::exhausted);
}

TEST_F(HoldingsTest, KnowsWhichPoolsAreHere) {
    EXPECT_FALSE(holdings_.has_pool(2));
    holdings_.put_pool(4, {30min, 5min});
    EXPECT_TRUE(holdings_.has_pool(4));
    EXPECT_FALSE(holdings_.has_pool(3)) << "which is another process's";
    add(4, {5});
    EXPECT_EQ(holdings_.place(number(5))->pool, 4u);
    holdings_.take_out(*holdings_.place(number(5)));
    holdings_.clear_pool(4);
    EXPECT_TRUE(holdings_.has_pool(4)) << "for the requests that are under way";
}

TEST_F(HoldingsTest, ANumberHasLeftWhenItDrainsAndItsTimeIsOver) {
    ringpool::Slot slot;
    EXPECT_FALSE(has_left(slot, kNow));
    slot.draining = true;
    EXPECT_TRUE(has_left(slot, kNow));
    slot.eligible_at = kNow + 1ms;
    EXPECT_FALSE(has_left(slot, kNow));
    EXPECT_TRUE(has_left(slot, kNow + 1ms));
}

TEST_F(HoldingsTest, ChangesTheRulesOfAPoolThatIsThere) {
    add(1, {5});
    holdings_.put_pool(1, {1min, 0min});
    holdings_.pool(1).allocate(kOther, kNow);
    EXPECT_EQ(holdings_.pool(1).allocate(kSession, kNow + 1min).outcome, Outcome::fresh);
}

}  // namespace
}  // namespace ringmaster::store
