#include "ringmaster/ringpool/ring_pool.hpp"

#include "ringmaster/base/clock.hpp"

#include <chrono>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {

static void PrintTo(const RingPool::Decision& decision, std::ostream* out) {
    constexpr const char* kNames[] = {"fresh", "refreshed", "capped", "exhausted"};
    *out << kNames[static_cast<int>(decision.outcome)] << " slot " << decision.slot;
}
static bool operator==(const RingPool::Decision& a, const RingPool::Decision& b) {
    return a.outcome == b.outcome && a.slot == b.slot;
}

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Decision = RingPool::Decision;

constexpr SessionHash kAnn{1, 10};
constexpr SessionHash kBob{2, 10};
constexpr SessionHash kCid{3, 10};
constexpr SessionHash kDan{4, 10};
constexpr HoldRules kRules{.lifetime = 100s, .cooldown = 20s};
constexpr HoldRules kCappedRules{.lifetime = 100s, .cooldown = 20s, .max_hold = 250s};

constexpr Decision fresh(SlotIndex slot) {
    return {RingPool::Outcome::fresh, slot};
}
constexpr Decision refreshed(SlotIndex slot) {
    return {RingPool::Outcome::refreshed, slot};
}
constexpr Decision capped(SlotIndex slot) {
    return {RingPool::Outcome::capped, slot};
}
constexpr Decision kExhausted{RingPool::Outcome::exhausted, RingPool::kNone};

/// A pool whose time is counted from 0.
class TestPool : public RingPool {
  public:
    explicit TestPool(std::size_t size, HoldRules rules = kRules) : RingPool(rules) {
        for (std::size_t i = 0; i < size; ++i) add_next();
    }
    SlotIndex add_next() {
        return add({PhoneNumber::from_digits(18665550100 + this->size()), FormattedNumber("x")});
    }
    static WallTime at(milliseconds time) { return FakeClock().wall_now() + time; }
    Decision allocate(const SessionHash& session, milliseconds time) {
        return RingPool::allocate(session, at(time));
    }
    bool release(const SessionHash& session, SlotIndex slot, milliseconds time) {
        return RingPool::release(session, slot, at(time));
    }
    milliseconds expiry(SlotIndex slot) const { return expires_at(slot) - at(0s); }
    milliseconds eligibility(SlotIndex index) const { return slot(index).eligible_at - at(0s); }
};

TEST(RingPool, HandsOutNewNumbersInTheOrderOfTheirAddition) {
    TestPool pool(3);
    EXPECT_EQ(pool.allocate(kAnn, 0s), fresh(0));
    EXPECT_EQ(pool.allocate(kBob, 0s), fresh(1));
    EXPECT_EQ(pool.allocate(kCid, 0s), fresh(2));
    EXPECT_EQ(pool.number(2).number.e164(), "+18665550102");
}

TEST(RingPool, WithoutNumbersIsExhausted) {
    TestPool pool(0);
    EXPECT_EQ(pool.allocate(kAnn, 0s), kExhausted);
    EXPECT_EQ(pool.find(kAnn), RingPool::kNone);
    EXPECT_FALSE(pool.release(kAnn, RingPool::kNone, 0s));
}

TEST(RingPool, GivesASessionTheSameNumberAgain) {
    TestPool pool(2);
    EXPECT_EQ(pool.allocate(kAnn, 0s), fresh(0));
    EXPECT_EQ(pool.allocate(kAnn, 99999ms), refreshed(0));
    EXPECT_EQ(pool.slot(0).allocated_at, pool.at(0s));
    EXPECT_EQ(pool.slot(0).last_touch, pool.at(99999ms));
    EXPECT_EQ(pool.allocate(kAnn, 199998ms), refreshed(0));
}

TEST(RingPool, ProtectsANumberForLifetimeAndCooldown) {
    TestPool pool(1);
    EXPECT_EQ(pool.allocate(kAnn, 0s), fresh(0));
    EXPECT_EQ(pool.expiry(0), 100s);
    EXPECT_EQ(pool.allocate(kBob, 119999ms), kExhausted);
    EXPECT_EQ(pool.allocate(kBob, 120s), fresh(0));
    EXPECT_EQ(pool.find(kAnn), RingPool::kNone);
    EXPECT_EQ(pool.allocate(kAnn, 120s), kExhausted);
}

TEST(RingPool, StartsTheClockAnewAtEachTouch) {
    TestPool pool(1);
    EXPECT_EQ(pool.allocate(kAnn, 0s), fresh(0));
    EXPECT_EQ(pool.allocate(kAnn, 50s), refreshed(0));
    EXPECT_EQ(pool.expiry(0), 150s);
    EXPECT_EQ(pool.allocate(kBob, 169999ms), kExhausted);
    EXPECT_EQ(pool.allocate(kBob, 170s), fresh(0));
}

TEST(RingPool, HandsOutTheLeastRecentlyUsedNumber) {
    TestPool pool(3);
    pool.allocate(kAnn, 0s);
    pool.allocate(kBob, 1s);
    pool.allocate(kCid, 2s);
    EXPECT_EQ(pool.allocate(kAnn, 3s), refreshed(0));
    EXPECT_EQ(pool.allocate(kDan, 500s), fresh(1));
    EXPECT_EQ(pool.allocate({5, 0}, 500s), fresh(2));
    EXPECT_EQ(pool.allocate({6, 0}, 500s), fresh(0));
}

TEST(RingPool, HandsOutNumbersTouchedAtOneInstantInTheOrderOfTheirTouches) {
    TestPool pool(3);
    pool.allocate(kAnn, 0s);
    pool.allocate(kBob, 0s);
    pool.allocate(kCid, 0s);
    pool.allocate(kAnn, 0s);
    EXPECT_EQ(pool.allocate(kDan, 500s), fresh(1));
    EXPECT_EQ(pool.allocate({5, 0}, 500s), fresh(2));
    EXPECT_EQ(pool.allocate({6, 0}, 500s), fresh(0));
}

TEST(RingPool, PrefersANumberNobodyHasHeld) {
    TestPool pool(1);
    pool.allocate(kAnn, 0s);
    const SlotIndex added = pool.add_next();
    EXPECT_EQ(pool.allocate(kBob, 500s), fresh(added));
    EXPECT_EQ(pool.allocate(kCid, 500s), fresh(0));
}

TEST(RingPool, LetsASessionTakeItsNumberBackUntilItGoesToSomeoneElse) {
    TestPool pool(2);
    pool.allocate(kAnn, 0s);
    EXPECT_EQ(pool.allocate(kAnn, 100s), fresh(0)) << "in the cool-down: a new hold";
    EXPECT_EQ(pool.slot(0).allocated_at, pool.at(100s));
    EXPECT_EQ(pool.allocate(kAnn, 5000s), fresh(0)) << "long after it";
    pool.allocate(kBob, 5000s);
    EXPECT_EQ(pool.allocate(kCid, 9000s), fresh(0));
    EXPECT_EQ(pool.allocate(kAnn, 9000s), fresh(1)) << "as a new session";
}

TEST(RingPool, ReleaseLeavesOnlyTheCooldown) {
    TestPool pool(1);
    pool.allocate(kAnn, 0s);
    EXPECT_TRUE(pool.release(kAnn, 0, 10s));
    EXPECT_EQ(pool.expiry(0), 10s);
    EXPECT_EQ(pool.allocate(kBob, 29999ms), kExhausted);
    EXPECT_EQ(pool.allocate(kBob, 30s), fresh(0));
}

TEST(RingPool, ReleasedAndTouchedNumbersAreHandedOutByAge) {
    TestPool pool(3);
    pool.allocate(kAnn, 0s);   // eligible at 120
    pool.allocate(kBob, 50s);  // eligible at 170
    pool.allocate(kCid, 50s);
    EXPECT_TRUE(pool.release(kCid, 2, 130s));  // eligible at 150
    EXPECT_EQ(pool.allocate(kDan, 500s), fresh(0));
    EXPECT_EQ(pool.allocate({5, 0}, 500s), fresh(2));
    EXPECT_EQ(pool.allocate({6, 0}, 500s), fresh(1));
}

TEST(RingPool, LetsASessionTakeAReleasedNumberBack) {
    TestPool pool(2);
    pool.allocate(kAnn, 0s);
    pool.release(kAnn, 0, 10s);
    EXPECT_EQ(pool.allocate(kAnn, 15s), fresh(0));
    EXPECT_EQ(pool.expiry(0), 115s);
    EXPECT_EQ(pool.allocate(kBob, 15s), fresh(1));
    EXPECT_EQ(pool.allocate(kCid, 134999ms), kExhausted);
}

TEST(RingPool, ReleasesOnlyWhatTheSessionHolds) {
    TestPool pool(2);
    pool.allocate(kAnn, 0s);
    pool.allocate(kBob, 0s);
    EXPECT_FALSE(pool.release(kAnn, 1, 1s)) << "another's";
    EXPECT_FALSE(pool.release(kCid, 0, 1s)) << "never had one";
    EXPECT_FALSE(pool.release(kAnn, RingPool::kNone, 1s));
    EXPECT_FALSE(pool.release(kCid, RingPool::kNone, 1s));
    EXPECT_FALSE(pool.release(kAnn, 0, 100s)) << "its time is over";
    EXPECT_TRUE(pool.release(kBob, 1, 99999ms));
    EXPECT_FALSE(pool.release(kBob, 1, 99999ms)) << "twice";
}

TEST(RingPool, CapsAHold) {
    TestPool pool(1, kCappedRules);
    pool.allocate(kAnn, 0s);
    EXPECT_EQ(pool.allocate(kAnn, 90s), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 180s), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 249999ms), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 250s), capped(0));
    EXPECT_EQ(pool.expiry(0), 349999ms);
    EXPECT_EQ(pool.slot(0).last_touch, pool.at(249999ms));
    EXPECT_EQ(pool.allocate(kAnn, 349998ms), capped(0));
    EXPECT_EQ(pool.allocate(kAnn, 349999ms), kExhausted) << "not even its own in the cool-down";
    EXPECT_EQ(pool.allocate(kAnn, 369999ms), fresh(0)) << "like any other session";
}

TEST(RingPool, GivesASessionAnotherNumberAfterACappedHold) {
    TestPool pool(2, kCappedRules);
    pool.allocate(kAnn, 0s);
    for (int s = 90; s < 250; s += 40) pool.allocate(kAnn, std::chrono::seconds(s));
    EXPECT_EQ(pool.expiry(0), 310s);
    EXPECT_EQ(pool.allocate(kAnn, 310s), fresh(1));
    EXPECT_EQ(pool.find(kAnn), 1u) << "one number at a time";
    EXPECT_EQ(pool.allocate(kBob, 330s), fresh(0));
    EXPECT_EQ(pool.allocate(kAnn, 330s), refreshed(1))
        << "the old number's new holder is no matter";
}

TEST(RingPool, LetsASessionTakeBackAHoldThatEndedBeforeItsCap) {
    TestPool pool(2, kCappedRules);
    pool.allocate(kAnn, 0s);
    pool.allocate(kAnn, 90s);
    EXPECT_EQ(pool.allocate(kAnn, 1000s), fresh(0));
}

TEST(RingPool, DoesNotHandOutADrainingNumber) {
    TestPool pool(3);
    pool.allocate(kAnn, 0s);
    pool.drain(0);
    pool.drain(1);
    pool.drain(1);
    EXPECT_EQ(pool.allocate(kBob, 0s), fresh(2));
    EXPECT_EQ(pool.allocate(kCid, 119s), kExhausted);
    EXPECT_EQ(pool.allocate(kCid, 120s), fresh(2));
    EXPECT_EQ(pool.allocate(kAnn, 500s), fresh(2)) << "not taken back either";
}

TEST(RingPool, LetsTheSessionOfADrainingNumberRefreshForOneLifetime) {
    TestPool pool(1);
    pool.allocate(kAnn, 0s);
    pool.drain(0);
    EXPECT_EQ(pool.allocate(kAnn, 99999ms), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 100s), capped(0));
    EXPECT_EQ(pool.allocate(kAnn, 199999ms), kExhausted);
    EXPECT_EQ(pool.eligibility(0), 219999ms) << "when it has left the pool";
}

TEST(RingPool, LetsTheSessionOfADrainingNumberRefreshUntilMaxHold) {
    TestPool pool(2, kCappedRules);
    pool.allocate(kAnn, 0s);
    pool.drain(0);
    EXPECT_EQ(pool.allocate(kAnn, 99s), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 198s), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 250s), capped(0));
    EXPECT_EQ(pool.allocate(kAnn, 298s), fresh(1));
}

TEST(RingPool, LetsADrainingNumberBeReleased) {
    TestPool pool(1);
    pool.allocate(kAnn, 0s);
    pool.drain(0);
    EXPECT_TRUE(pool.release(kAnn, 0, 10s));
    EXPECT_EQ(pool.eligibility(0), 30s);
    EXPECT_EQ(pool.allocate(kAnn, 11s), kExhausted);
    EXPECT_EQ(pool.allocate(kBob, 500s), kExhausted);
}

TEST(RingPool, KeepsWhatWasPromisedWhenTheRulesGetShorter) {
    TestPool pool(2);
    pool.allocate(kAnn, 0s);
    pool.allocate(kBob, 0s);
    pool.change_rules({.lifetime = 10s, .cooldown = 0s});
    EXPECT_EQ(pool.allocate(kCid, 119999ms), kExhausted);
    EXPECT_EQ(pool.allocate(kAnn, 5s), refreshed(0));
    EXPECT_EQ(pool.expiry(0), 100s) << "a touch takes nothing away";
    EXPECT_EQ(pool.eligibility(0), 120s);
    EXPECT_EQ(pool.allocate(kAnn, 119s), fresh(0));
    EXPECT_EQ(pool.expiry(0), 129s);
    EXPECT_EQ(pool.allocate(kCid, 120s), fresh(1));
    EXPECT_EQ(pool.expiry(1), 130s);
}

TEST(RingPool, AppliesLongerRulesFromTheNextTouchOn) {
    TestPool pool(2);
    pool.allocate(kAnn, 0s);
    pool.allocate(kBob, 0s);
    pool.change_rules({.lifetime = 1000s, .cooldown = 200s});
    EXPECT_EQ(pool.expiry(0), 100s) << "a longer cool-down does not eat into the lifetime";
    EXPECT_EQ(pool.allocate(kAnn, 50s), refreshed(0));
    EXPECT_EQ(pool.expiry(0), 1050s);
    EXPECT_EQ(pool.allocate(kCid, 120s), fresh(1)) << "promised no longer than this";
    EXPECT_EQ(pool.allocate(kDan, 1249999ms), kExhausted);
    EXPECT_EQ(pool.allocate(kDan, 1250s), fresh(0));
}

TEST(RingPool, HandsOutByAgeAcrossAChangeOfRules) {
    TestPool pool(4);
    pool.allocate(kAnn, 0s);  // eligible at 120
    pool.allocate(kBob, 2s);  // eligible at 122
    pool.allocate(kCid, 2s);
    EXPECT_TRUE(pool.release(kCid, 2, 101s));  // eligible at 121
    pool.change_rules({.lifetime = 50s, .cooldown = 20s});
    pool.allocate(kDan, 101s);  // eligible at 171
    EXPECT_EQ(pool.allocate({5, 0}, 500s), fresh(0));
    EXPECT_EQ(pool.allocate({6, 0}, 500s), fresh(2));
    EXPECT_EQ(pool.allocate({7, 0}, 500s), fresh(1));
    EXPECT_EQ(pool.allocate({8, 0}, 500s), fresh(3));
}

TEST(RingPool, AppliesAChangedMaxHoldToHoldsThatGoOn) {
    TestPool pool(1);
    pool.allocate(kAnn, 0s);
    pool.allocate(kAnn, 90s);
    pool.change_rules(kCappedRules);
    EXPECT_EQ(pool.allocate(kAnn, 180s), refreshed(0));
    EXPECT_EQ(pool.allocate(kAnn, 250s), capped(0));
}

TEST(RingPool, RestoresWhatASnapshotSays) {
    TestPool before(3, kCappedRules);
    before.allocate(kAnn, 0s);
    before.allocate(kBob, 1s);
    before.allocate(kAnn, 2s);
    before.release(kBob, 1, 3s);
    before.slot(0).record = 77;
    before.slot(0).context = 88;

    TestPool after(3, kCappedRules);
    for (const SlotIndex i : {1u, 0u}) after.restore(i, before.slot(i));
    after.settle();
    EXPECT_EQ(after.slot(0).record, 77u);
    EXPECT_EQ(after.slot(0).context, 88u);
    EXPECT_EQ(after.slot(0).allocated_at, after.at(0s));
    EXPECT_EQ(after.expiry(0), 102s);
    EXPECT_EQ(after.find(kBob), 1u);
    EXPECT_EQ(after.allocate(kAnn, 50s), refreshed(0));
    EXPECT_EQ(after.allocate(kCid, 50s), fresh(2)) << "nobody has held it";
    EXPECT_EQ(after.allocate(kDan, 50s), fresh(1)) << "released at 3";
    EXPECT_EQ(after.allocate(kBob, 169999ms), kExhausted);
    EXPECT_EQ(after.allocate(kBob, 170s), fresh(0));
}

TEST(RingPool, RestoresASlotAgainAsAJournalGoesOn) {
    TestPool before(1);
    TestPool after(1);
    before.allocate(kAnn, 0s);
    after.restore(0, before.slot(0));
    before.allocate(kBob, 120s);
    after.restore(0, before.slot(0));
    after.restore(0, before.slot(0));
    after.settle();
    EXPECT_EQ(after.find(kAnn), RingPool::kNone);
    EXPECT_EQ(after.allocate(kBob, 130s), refreshed(0));
}

TEST(RingPool, RestoresASessionToTheSlotItTouchedLast) {
    TestPool before(2, kCappedRules);
    before.allocate(kAnn, 0s);
    for (int s = 90; s < 250; s += 40) before.allocate(kAnn, std::chrono::seconds(s));
    ASSERT_EQ(before.allocate(kAnn, 310s), fresh(1));
    for (const auto& order : {std::vector<SlotIndex>{0, 1}, std::vector<SlotIndex>{1, 0}}) {
        TestPool after(2, kCappedRules);
        for (const SlotIndex i : order) after.restore(i, before.slot(i));
        after.settle();
        EXPECT_EQ(after.find(kAnn), 1u);
    }
}

TEST(RingPool, RestoresADrainingNumberAsSuch) {
    TestPool before(1);
    before.allocate(kAnn, 0s);
    TestPool after(1);
    after.drain(0);
    after.restore(0, before.slot(0));
    after.settle();
    EXPECT_TRUE(after.slot(0).draining);
    EXPECT_EQ(after.allocate(kAnn, 10s), refreshed(0));
    EXPECT_EQ(after.allocate(kBob, 500s), kExhausted);
}

TEST(RingPool, PrefetchesWithoutAnyEffect) {
    TestPool pool(2);
    pool.prefetch_session(kAnn);
    pool.prefetch_slot(kAnn);
    EXPECT_EQ(pool.allocate(kAnn, 0s), fresh(0));
    pool.prefetch_session(kAnn);
    pool.prefetch_slot(kAnn);
    pool.prefetch_slot(kBob);
    EXPECT_EQ(pool.allocate(kBob, 0s), fresh(1));
    EXPECT_EQ(pool.allocate(kAnn, 0s), refreshed(0));
}

TEST(RingPool, TellsHowTheHoldBeforeAFreshOneEnded) {
    TestPool pool(1);
    const auto previous = [](const Decision& decision) {
        return std::vector{decision.previous.last_touch, decision.previous.expires_at,
                           decision.previous.eligible_at};
    };
    const auto times = [](milliseconds touch, milliseconds end, milliseconds eligible) {
        return std::vector{TestPool::at(touch), TestPool::at(end), TestPool::at(eligible)};
    };
    const std::vector<WallTime> nothing(3);
    EXPECT_EQ(previous(pool.allocate(kAnn, 0s)), nothing);
    EXPECT_EQ(previous(pool.allocate(kAnn, 10s)), nothing) << "the same hold goes on";
    EXPECT_EQ(previous(pool.allocate(kBob, 20s)), nothing) << "exhausted";
    EXPECT_EQ(previous(pool.allocate(kAnn, 115s)), times(10s, 110s, 130s)) << "taken back";
    EXPECT_TRUE(pool.release(kAnn, 0, 120s));
    EXPECT_EQ(previous(pool.allocate(kBob, 200s)), times(115s, 120s, 140s));
}

TEST(RingPool, TellsHowMuchLongerANumberIsKept) {
    TestPool pool(1, {.lifetime = 100s, .cooldown = 20s, .max_hold = 60s});
    EXPECT_EQ(pool.allocate(kAnn, 0s).longer, 120s);
    EXPECT_EQ(pool.allocate(kAnn, 59s).longer, 59s);
    EXPECT_EQ(pool.allocate(kAnn, 60s).longer, 0s) << "capped";
    EXPECT_EQ(pool.allocate(kBob, 60s).longer, 0s) << "exhausted";
    EXPECT_EQ(pool.allocate(kBob, 1000s).longer, 120s) << "nobody had it meanwhile";
    pool.change_rules({.lifetime = 10s, .cooldown = 20s});
    EXPECT_EQ(pool.allocate(kBob, 1050s).longer, 0s) << "it was promised for longer than that";
    EXPECT_EQ(pool.allocate(kBob, 1100s).longer, 10s) << "taken back, 20 s before its time";
}

}  // namespace
}  // namespace ringmaster::ringpool
