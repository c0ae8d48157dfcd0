/// Sessions that give their numbers back.

#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;

class ReleaseContract : public StoreContract {};
INSTANTIATE_TEST_SUITE_P(, ReleaseContract, ::testing::ValuesIn(worlds()), world_name);

TEST_P(ReleaseContract, ANumberThatWasGivenBackGoesToOthersAfterItsCoolDown) {
    create("autos", 1);
    ask("autos", "v-1");
    leap(1min);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    leap(5min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
    EXPECT_EQ(figures("autos")->counters.releases, 1u);
}

TEST_P(ReleaseContract, WithoutACoolDownItGoesToOthersAtOnce) {
    create("autos", 1, {.cooldown = 0s});
    ask("autos", "v-1");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

TEST_P(ReleaseContract, ItsOldSessionCanHaveItBackUntilThen) {
    create("autos", 2);
    ask("autos", "v-1");
    leap(1min);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    leap(1min);
    const auto again = allocate("autos", "v-1");
    EXPECT_EQ(text_of(again), "#0");
    EXPECT_EQ(again.expires_at, now() + 30min);
    EXPECT_EQ(figures("autos")->counters.new_holds, 2u);
    leap(34min);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
}

TEST_P(ReleaseContract, OnlyTheHolderCanGiveBackAndOnlyOnce) {
    create("autos", 2);
    create("boats", 1, {}, 10);
    ask("autos", "v-1");
    ask("boats", "v-2");
    EXPECT_EQ(give_back("autos", 0, "v-2"), "not_found");
    EXPECT_EQ(give_back("autos", 1, "v-1"), "not_found") << "nobody has that";
    EXPECT_EQ(give_back("autos", 10, "v-2"), "not_found") << "it is in another pool";
    EXPECT_EQ(give_back("boats", 0, "v-1"), "not_found");
    EXPECT_EQ(give_back("autos", 77, "v-1"), "not_found") << "it is in no pool";
    EXPECT_EQ(figures("autos")->counters.releases, 0u);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "not_found");
    EXPECT_EQ(figures("autos")->counters.releases, 1u);
}

TEST_P(ReleaseContract, WhatIsOverCanNotBeGivenBack) {
    create("autos", 1);
    ask("autos", "v-1");
    leap(30min);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "not_found") << "it is cooling down";
    leap(5min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted") << "as long as it would have without";
    leap(1ms);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "not_found");
    EXPECT_EQ(ask("autos", "v-2"), "#0");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "not_found");
    EXPECT_EQ(give_back("autos", 0, "v-2"), "released");
}

TEST_P(ReleaseContract, WithoutAnIdTheContextTellsWhoGivesBack) {
    create("autos", 1);
    const std::string google = one_parameter("utm_source", "google");
    ask("autos", {}, google);
    EXPECT_EQ(give_back("autos", 0, {}), "not_found");
    EXPECT_EQ(give_back("autos", 0, google), "not_found") << "that is an id";
    EXPECT_EQ(give_back("autos", 0, {}, google), "released");
}

TEST_P(ReleaseContract, WithAnIdTheContextDoesNotMatter) {
    create("autos", 1);
    ask("autos", "v-1", one_parameter("utm_source", "google"));
    EXPECT_EQ(give_back("autos", 0, "v-1", one_parameter("utm_source", "bing")), "released");
}

TEST_P(ReleaseContract, ANumberThatReachedMaxHoldCanBeGivenBack) {
    create("autos", 1, {.max_hold = 10min});
    ask("autos", "v-1");
    leap(15min);
    ask("autos", "v-1");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted") << "and is not taken back";
    leap(5min);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

}  // namespace
}  // namespace ringmaster::store_contract
