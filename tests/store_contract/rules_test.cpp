/// Pools whose rules change while their numbers are held: what was promised stands.

#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

class RulesContract : public StoreContract {
  protected:
    void change(const Rules& rules) {
        EXPECT_FALSE(put(test_definition("autos", rules)).value()) << "not created, but changed";
    }
};
INSTANTIATE_TEST_SUITE_P(, RulesContract, ::testing::ValuesIn(worlds()), world_name);

TEST_P(RulesContract, NewRulesApplyFromTheNextTouchOn) {
    create("autos", 3);
    ask("autos", "v-0");
    change({.lifetime = 1min, .cooldown = 0s});
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 1min);
    ask("autos", "v-2");
    leap(1min);
    EXPECT_EQ(ask("autos", "v-3"), "#1");
    EXPECT_EQ(ask("autos", "v-4"), "#2");
    EXPECT_EQ(ask("autos", "v-5"), "overflow: exhausted");
    leap_to(start_ + 35min - 1ms);
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}}),
              (Texts{"#1", "#2", "overflow: exhausted"}));
    leap(1ms);
    EXPECT_EQ(ask("autos", "c"), "#0");
}

TEST_P(RulesContract, ATouchUnderShorterRulesDoesNotShortenThePromise) {
    create("autos", 2);
    ask("autos", "v-0");
    leap(10min);
    change({.lifetime = 1min, .cooldown = 0s});
    EXPECT_EQ(allocate("autos", "v-0").expires_at, start_ + 30min);
    leap_to(start_ + 30min - 1ms);
    EXPECT_EQ(allocate("autos", "v-0").expires_at, now() + 1min) << "the later end counts";
    leap_to(start_ + 35min - 1ms);
    EXPECT_EQ(ask({{"autos", "v-1"}, {"autos", "v-2"}}), (Texts{"#1", "overflow: exhausted"}));
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

TEST_P(RulesContract, ALongerLifetimeIsPromisedWithTheNextTouchOnly) {
    create("autos", 2);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    leap(1min);
    change({.lifetime = 10h, .cooldown = 10h});
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 10h);
    leap_to(start_ + 35min);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
    leap_to(start_ + 1min + 20h - 1ms);
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-3"), "#1");
}

TEST_P(RulesContract, NumbersComeFreeInTheOrderOfWhatWasPromisedUnderWhicheverRules) {
    create("autos", 4);
    ask("autos", "v-0");  // until 35 min
    leap(1min);
    change({.lifetime = 1min, .cooldown = 1min});
    ask("autos", "v-1");  // until 3 min
    leap(1min);
    change({.lifetime = 50min, .cooldown = 1min});
    ask("autos", "v-2");  // until 53 min
    change({.lifetime = 20min, .cooldown = 1min});
    ask("autos", "v-3");  // until 23 min
    leap(100h);
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}, {"autos", "d"}}),
              (Texts{"#1", "#3", "#0", "#2"}));
}

TEST_P(RulesContract, WhatIsGivenBackCoolsDownAsTheRulesAreThen) {
    create("autos", 2);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    leap(1min);
    EXPECT_EQ(give_back("autos", 0, "v-0"), "released");
    change({.cooldown = 1min});
    EXPECT_EQ(give_back("autos", 1, "v-1"), "released");
    leap(1min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    leap(4min - 1ms);
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-3"), "#0");
}

TEST_P(RulesContract, MaxHoldAppliesToHoldsThatBeganBefore) {
    create("autos", 1);
    ask("autos", "v-0");
    leap(20min);
    change({.max_hold = 20min});
    EXPECT_EQ(allocate("autos", "v-0").expires_at, start_ + 30min);
    change({.max_hold = 21min});
    EXPECT_EQ(allocate("autos", "v-0").expires_at, now() + 30min);
    leap(30min);
    EXPECT_EQ(ask("autos", "v-0"), "overflow: exhausted") << "not taken back";
    change({});
    EXPECT_EQ(ask("autos", "v-0"), "#0");
}

TEST_P(RulesContract, WhatIsNotARuleChangesNothingForSessions) {
    create("autos", 2);
    ask("autos", "v-0");
    auto pool = test_definition("autos");
    pool.key = std::string("another");
    pool.name = "Cars & more";
    pool.overflow = test_number(1, 0);
    EXPECT_FALSE(put(pool).value());
    EXPECT_EQ(ask("autos", "v-1"), "#1");
    EXPECT_EQ(ask("autos", "v-0"), "#0");
    EXPECT_EQ(allocate("autos", "v-2").number, test_number(1, 0).number);
    pool.allow_overflow = false;
    EXPECT_FALSE(put(pool).value());
    EXPECT_EQ(ask("autos", "v-2"), "refused: exhausted");
}

}  // namespace
}  // namespace ringmaster::store_contract
