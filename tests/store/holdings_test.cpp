#include "ringmaster/store/holdings.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using ringpool::PhoneNumber;
using ringpool::RingPool;

const WallTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
constexpr ringpool::SessionHash kSession{1, 2};
constexpr ringpool::SessionHash kOther{3, 4};

PhoneNumber number(unsigned i) {
    return PhoneNumber::from_digits(18665550100 + i);
}

PoolNumbers numbers(ringpool::PoolIndex pool, std::initializer_list<unsigned> list) {
    PoolNumbers result{pool, {}};
    for (const unsigned i : list) result.numbers.push_back({number(i), {}});
    return result;
}

class HoldingsTest : public ::testing::Test {
  protected:
    HoldingsTest() {
        for (const char* id : {"autos", "boats"}) {
            ringpool::PoolDefinition pool;
            pool.id = id;
            pool.key = std::string("k");
            pool.allow_overflow = false;
            EXPECT_TRUE(catalog_.add(pool).ok());
        }
        auto& slot = held_.at(number(1));
        slot.session = kSession;
        slot.allocated_at = slot.last_touch = kNow - 1min;
        slot.expires_at = kNow + 10min;
        slot.eligible_at = kNow + 15min;
    }
    ringpool::Catalog catalog_;
    SlotMap held_;
};

TEST_F(HoldingsTest, RefusesANumberInTwoPoolsAndNamesThem) {
    const auto made = Holdings::make(catalog_, {numbers(0, {1, 2}), numbers(1, {3, 2})});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().code, ErrorCode::invalid);
    EXPECT_EQ(made.error().message, "+18665550102 is in two pools: autos and boats");
}

TEST_F(HoldingsTest, RefusesANumberTwiceInOnePool) {
    const auto made = Holdings::make(catalog_, {numbers(1, {3, 3})});
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.error().message, "+18665550103 stands twice in pool boats");
}

TEST_F(HoldingsTest, GivesAHeldNumberBackToItsSession) {
    auto holdings = *Holdings::make(catalog_, {numbers(0, {0, 1, 2})});
    holdings.restore(held_);
    RingPool& pool = holdings.pool(0);
    const auto decision = pool.allocate(kSession, kNow);
    EXPECT_EQ(decision.outcome, RingPool::Outcome::refreshed);
    EXPECT_EQ(pool.number(decision.slot).number, number(1));
}

TEST_F(HoldingsTest, ProtectsANumberThatMovedToAnotherPool) {
    auto holdings = *Holdings::make(catalog_, {numbers(1, {1})});
    holdings.restore(held_);
    RingPool& pool = holdings.pool(1);
    EXPECT_EQ(pool.allocate(kOther, kNow).outcome, RingPool::Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min - 1ms).outcome, RingPool::Outcome::exhausted);
    EXPECT_EQ(pool.allocate(kOther, kNow + 15min).outcome, RingPool::Outcome::fresh);
}

TEST_F(HoldingsTest, KeepsANumberThatIsInNoPoolUntilItsTimeIsOver) {
    auto holdings = *Holdings::make(catalog_, {numbers(0, {2})});
    holdings.restore(held_);
    const auto visited = [&](WallTime now) {
        std::map<PhoneNumber, WallTime> result;
        holdings.for_each(
            now, [&](PhoneNumber n, const ringpool::Slot& slot) { result[n] = slot.eligible_at; });
        return result;
    };
    EXPECT_EQ(visited(kNow), (std::map<PhoneNumber, WallTime>{{number(1), kNow + 15min}}));
    EXPECT_TRUE(visited(kNow + 15min).empty());
    EXPECT_EQ(holdings.find(number(1)), nullptr);
}

TEST_F(HoldingsTest, VisitsEveryNumberThatAnyoneEverHad) {
    auto holdings = *Holdings::make(catalog_, {numbers(0, {0, 1}), numbers(1, {2, 3})});
    holdings.restore(held_);
    holdings.pool(1).allocate(kOther, kNow);
    unsigned visits = 0;
    holdings.for_each(kNow + 1000h, [&](PhoneNumber, const ringpool::Slot&) { ++visits; });
    EXPECT_EQ(visits, 2u);
}

TEST_F(HoldingsTest, FindsTheSlotOfANumber) {
    auto holdings = *Holdings::make(catalog_, {numbers(1, {5, 3, 4}), numbers(0, {9})});
    EXPECT_EQ(holdings.find(number(3)), &holdings.pool(1).slot(1));
    EXPECT_EQ(holdings.find(number(9)), &holdings.pool(0).slot(0));
    EXPECT_EQ(holdings.find(number(6)), nullptr);
}

}  // namespace
}  // namespace ringmaster::store
