/// Who held which number, and when.

#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using ringpool::Hold;
using Texts = std::vector<std::string>;

class HistoryContract : public StoreContract {
  protected:
    /// Of test_number(0, number), newest first.
    Texts ask_history(unsigned number = 0, std::optional<WallTime> at = {}, std::size_t max = 100) {
        const auto holds = holders(test_number(0, number).number, at, max);
        EXPECT_TRUE(holds.ok()) << holds.error().message;
        if (!holds) return {};
        Texts texts;
        for (const Hold& hold : *holds) texts.push_back(text_of(hold, start_));
        return texts;
    }
    /// As text_of(Hold), in minutes since the start.
    static std::string hold(const std::string& pool, const std::string& session, int from,
                            int touched, int until, int free) {
        const auto ms = [](int minutes) { return std::to_string(minutes * 60'000); };
        return pool + " " + session + " from " + ms(from) + " touched " + ms(touched) + " until " +
               ms(until) + " free " + ms(free);
    }
};
INSTANTIATE_TEST_SUITE_P(, HistoryContract, ::testing::ValuesIn(worlds()), world_name);

TEST_P(HistoryContract, NobodyHadANumberThatNobodyAskedFor) {
    create("autos", 1);
    EXPECT_TRUE(ask_history(0).empty());
    EXPECT_TRUE(ask_history(77).empty()) << "it is in no pool";
}

TEST_P(HistoryContract, TellsTheHolderAtEachBoundaryOfAHold) {
    create("autos", 1);
    leap(1min);
    ask("autos", "v-1", "first");
    leap(3h);
    ask("autos", "v-2");
    const auto first = hold("autos", "v-1 [first]", 1, 1, 31, 36);
    const auto second = hold("autos", "v-2 []", 181, 181, 211, 216);
    EXPECT_TRUE(ask_history(0, start_ + 1min - 1ms).empty());
    for (const WallTime at : {start_ + 1min, start_ + 31min - 1ms, start_ + 31min, start_ + 36min,
                              start_ + 181min - 1ms}) {
        EXPECT_EQ(ask_history(0, at), Texts{first});
    }
    EXPECT_EQ(ask_history(0, start_ + 181min), (Texts{second, first}));
    EXPECT_EQ(ask_history(0, now() + 100h), (Texts{second, first}));
    EXPECT_EQ(ask_history(0), (Texts{second, first}));
    EXPECT_EQ(ask_history(0, {}, 1), Texts{second});
    EXPECT_TRUE(ask_history(0, {}, 0).empty());
}

TEST_P(HistoryContract, AHoldWasHeldThenCoolingThenPast) {
    create("autos", 1);
    ask("autos", "v-1");
    const Hold seen = holders(test_number(0, 0).number).value().at(0);
    EXPECT_EQ(seen.detail, Hold::Detail::known);
    EXPECT_EQ(seen.state_at(start_), Hold::State::held);
    EXPECT_EQ(seen.state_at(start_ + 30min - 1ms), Hold::State::held);
    EXPECT_EQ(seen.state_at(start_ + 30min), Hold::State::cooling);
    EXPECT_EQ(seen.state_at(start_ + 35min - 1ms), Hold::State::cooling);
    EXPECT_EQ(seen.state_at(start_ + 35min), Hold::State::past);
}

TEST_P(HistoryContract, TouchesAndReleasesOfAPastHoldAreNotForgotten) {
    create("autos", 1);
    ask("autos", "v-1");
    leap(20min);
    ask("autos", "v-1");
    leap(3h);
    ask("autos", "v-2");
    leap(1min);
    EXPECT_EQ(give_back("autos", 0, "v-2"), "released");
    leap(1min);
    ask("autos", "v-2");
    EXPECT_EQ(ask_history(), (Texts{hold("autos", "v-2 []", 202, 202, 232, 237),
                                    hold("autos", "v-2 []", 200, 200, 201, 206),
                                    hold("autos", "v-1 []", 0, 20, 50, 55)}));
}

TEST_P(HistoryContract, ANumberThatIsTakenBackIsAHoldOfItsOwn) {
    create("autos", 1);
    for (int i = 0; i < 3; ++i) {
        ask("autos", "v-1");
        leap(32min);
    }
    EXPECT_EQ(ask_history(0, {}, 2), (Texts{hold("autos", "v-1 []", 64, 64, 94, 99),
                                            hold("autos", "v-1 []", 32, 32, 62, 67)}));
}

TEST_P(HistoryContract, TellsTheContextThatWasInForce) {
    create("autos", 1);
    for (const char* context : {"a", "a", "b", "c"}) {
        ask("autos", "v-1", context);
        leap(1min);
    }
    const auto with = [](const std::string& context) {
        return Texts{hold("autos", "v-1 [" + context + "]", 0, 3, 33, 38)};
    };
    EXPECT_EQ(ask_history(0, start_), with("a"));
    EXPECT_EQ(ask_history(0, start_ + 2min - 1ms), with("a"));
    EXPECT_EQ(ask_history(0, start_ + 2min), with("b"));
    EXPECT_EQ(ask_history(0, start_ + 3min), with("c"));
    EXPECT_EQ(ask_history(0, start_ + 24h), with("c"));
    EXPECT_EQ(ask_history(0, start_ + 2min, 1), with("b"));
    EXPECT_EQ(ask_history(0, {}, 1), with("c"));
}

TEST_P(HistoryContract, OfAHoldThatIsPastTooAndTheOneBeforeIsToldWithItsLast) {
    create("autos", 1);
    for (const char* session : {"v-1", "v-2", "v-3"}) {
        ask("autos", session, "early");
        leap(1min);
        ask("autos", session, "late");
        leap(59min);
    }
    const auto first = hold("autos", "v-1 [late]", 0, 1, 31, 36);
    EXPECT_EQ(ask_history(0, start_ + 60min),
              (Texts{hold("autos", "v-2 [early]", 60, 61, 91, 96), first}));
    EXPECT_EQ(ask_history(0, start_ + 61min),
              (Texts{hold("autos", "v-2 [late]", 60, 61, 91, 96), first}));
    EXPECT_EQ(ask_history(0, start_ + 61min - 1ms, 1),
              Texts{hold("autos", "v-2 [early]", 60, 61, 91, 96)});
}

TEST_P(HistoryContract, AContextThatComesAfterTheLastExtensionIsInForceFromThenOn) {
    create("autos", 1, {.max_hold = 1min});
    ask("autos", "v-1", "a");
    leap(2min);
    ask("autos", "v-1", "b");
    EXPECT_EQ(ask_history(0, start_ + 2min - 1ms), Texts{hold("autos", "v-1 [a]", 0, 0, 30, 35)});
    EXPECT_EQ(ask_history(0, start_ + 2min), Texts{hold("autos", "v-1 [b]", 0, 0, 30, 35)});
}

TEST_P(HistoryContract, OfTwoContextsInOneBatchTheLaterIsInForce) {
    create("autos", 1);
    ask({{"autos", "v-1", "a"}, {"autos", "v-1", "b"}});
    EXPECT_EQ(ask_history(), Texts{hold("autos", "v-1 [b]", 0, 0, 30, 35)});
}

TEST_P(HistoryContract, WhoKeepsItsContextChangesNone) {
    create("autos", 2, {.max_hold = 50min});
    const auto keep = [&](const char* context) { return ask({{"autos", "v-1", context, true}}); };
    EXPECT_EQ(keep("a"), Texts{"#0"}) << "it has nothing yet";
    leap(1min);
    ask("autos", "v-1", "b");
    leap(1min);
    EXPECT_EQ(keep("a"), Texts{"#0"});
    EXPECT_EQ(ask_history(), Texts{hold("autos", "v-1 [b]", 0, 2, 32, 37)});
    leap(20min);
    EXPECT_EQ(keep("a"), Texts{"#0"});
    leap(28min);
    EXPECT_EQ(keep("a"), Texts{"#0"}) << "for as long as it may be held";
    EXPECT_EQ(ask_history(), Texts{hold("autos", "v-1 [b]", 0, 22, 52, 57)});
    leap(3min);
    EXPECT_EQ(keep("a"), Texts{"#1"});
    EXPECT_EQ(ask_history(1), Texts{hold("autos", "v-1 [a]", 53, 53, 83, 88)});
}

TEST_P(HistoryContract, WithoutAnIdThereIsNone) {
    create("autos", 2);
    ask("autos", {}, "c");
    ask("autos", "");
    EXPECT_EQ(ask_history(0), Texts{hold("autos", "(none) [c]", 0, 0, 30, 35)});
    EXPECT_EQ(ask_history(1), Texts{hold("autos", " []", 0, 0, 30, 35)});
}

TEST_P(HistoryContract, LongIdsAndContextsAreToldWhole) {
    std::string id(65'535, 'i');
    std::string context(67'000, 'c');
    for (std::size_t i = 0; i < 256; ++i) id[i] = context[i] = static_cast<char>(i);
    create("autos", 1);
    ask("autos", id, context);
    leap(1h);
    ask("autos", "v-2");
    const auto holds = holders(test_number(0, 0).number).value();
    ASSERT_EQ(holds.size(), 2u);
    EXPECT_TRUE(holds[1].session_id == id);
    EXPECT_TRUE(holds[1].context == context);
}

TEST_P(HistoryContract, AReleaseShortensTheHoldThatIsTold) {
    create("autos", 1);
    ask("autos", "v-1");
    leap(10min);
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    EXPECT_EQ(ask_history(), Texts{hold("autos", "v-1 []", 0, 0, 10, 15)});
}

// --- where numbers go ----------------------------------------------------------------------------

TEST_P(HistoryContract, FollowsANumberThroughPoolsAndOutOfThem) {
    create("autos", 2);
    create("boats", 0);
    ask("autos", "v-1", "a");
    const auto first = hold("autos", "v-1 [a]", 0, 0, 30, 35);
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0})})), "draining #0");
    EXPECT_EQ(ask_history(), Texts{first});
    leap(60min);
    EXPECT_EQ(ask_history(), Texts{first}) << "it is in no pool";
    EXPECT_EQ(text_of(set("boats", numbers({0}))), "added #0");
    EXPECT_EQ(ask_history(), Texts{first});
    ask("boats", "v-2", "b");
    const auto second = hold("boats", "v-2 [b]", 60, 60, 90, 95);
    EXPECT_EQ(ask_history(), (Texts{second, first}));
    EXPECT_TRUE(remove("boats").ok());
    EXPECT_EQ(ask_history(), (Texts{second, first})) << "though its pool is gone";
    leap(60min);
    EXPECT_EQ(text_of(set("autos", numbers({0}))), "added #0, removed #1");
    ask("autos", "v-1", "c");
    const auto third = hold("autos", "v-1 [c]", 120, 120, 150, 155);
    EXPECT_EQ(ask_history(), (Texts{third, second, first}));
    EXPECT_EQ(ask_history(0, start_ + 120min - 1ms), (Texts{second, first}));
    EXPECT_EQ(ask_history(0, start_ + 59min), Texts{first});
    EXPECT_EQ(ask_history(0, {}, 2), (Texts{third, second}));
}

TEST_P(HistoryContract, OfAPoolThatIsRemovedWhileItsNumberIsHeld) {
    create("autos", 1);
    create("boats", 0);
    ask("autos", "v-1", "a");
    leap(1min);
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(text_of(set("boats", numbers({0}))), "added #0");
    EXPECT_EQ(ask_history(), Texts{hold("autos", "v-1 [a]", 0, 0, 30, 35)});
    leap(34min);
    ask("boats", "v-1", "b");
    EXPECT_EQ(ask_history(), (Texts{hold("boats", "v-1 [b]", 35, 35, 65, 70),
                                    hold("autos", "v-1 [a]", 0, 0, 30, 35)}));
}

TEST_P(HistoryContract, ManyHoldsOfOneNumberAreAllTold) {
    create("autos", 1, {.lifetime = 10s, .cooldown = 0s});
    constexpr int kMany = 150;
    for (int i = 0; i < kMany; ++i) {
        ask("autos", "v-" + std::to_string(i), "c" + std::to_string(i));
        leap(10s);
    }
    const auto all = holders(test_number(0, 0).number, {}, 1000).value();
    ASSERT_EQ(all.size(), std::size_t{kMany});
    for (int i = 0; i < kMany; ++i) {
        const Hold& hold = all[static_cast<std::size_t>(kMany - 1 - i)];
        EXPECT_EQ(hold.session_id, "v-" + std::to_string(i));
        EXPECT_EQ(hold.allocated_at, start_ + i * 10s);
    }
    const auto some = holders(test_number(0, 0).number, start_ + 1000s, 3).value();
    ASSERT_EQ(some.size(), 3u);
    EXPECT_EQ(some[0].session_id, "v-100");
    EXPECT_EQ(some[2].context, "c98");
}

// --- erasure -------------------------------------------------------------------------------------

TEST_P(HistoryContract, WhoIsErasedIsToldNoMore) {
    create("autos", 1);
    ask("autos", "secret", "a");
    leap(1min);
    ask("autos", "secret", "b");
    leap(59min);
    ask("autos", "other", "c");
    leap(60min);
    ask("autos", "secret", "d");
    leap(1min);
    EXPECT_GT(erase("secret").value(), 0u);
    const Texts expected = {hold("erased autos", "(none) []", 120, 120, 121, 126),
                            hold("autos", "other [c]", 60, 60, 90, 95),
                            hold("erased autos", "(none) []", 0, 1, 31, 36)};
    EXPECT_EQ(ask_history(), expected);
    EXPECT_EQ(ask_history(0, start_), Texts{expected[2]}) << "at the time of its first context";
    EXPECT_EQ(erase("secret").value(), 0u);
    EXPECT_EQ(erase("never seen").value(), 0u);
    EXPECT_EQ(ask_history(), expected);
}

TEST_P(HistoryContract, WhatIsErasedIsReleasedInAllPools) {
    create("autos", 2);
    create("boats", 1, {}, 10);
    create("cars", 1, {}, 20);
    ask({{"autos", "secret"}, {"autos", "other"}, {"boats", "secret"}, {"cars", "other"}});
    leap(1min);
    EXPECT_EQ(text_of(set("boats", {})), "draining #10");
    EXPECT_GT(erase("secret").value(), 0u);
    EXPECT_EQ(figures("autos")->counters.releases, 1u);
    EXPECT_EQ(figures("boats")->counters.releases, 1u);
    EXPECT_EQ(figures("cars")->counters.releases, 0u);
    EXPECT_EQ(give_back("autos", 0, "secret"), "not_found");
    leap(5min - 1ms);
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted") << "the cool-down";
    EXPECT_EQ(figures("boats")->numbers, 1u);
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(figures("boats")->numbers, 0u);
    EXPECT_EQ(ask("cars", "other"), "#20");
    EXPECT_EQ(ask("autos", "other"), "#1");
}

TEST_P(HistoryContract, WhoComesBackAfterwardsIsKnownAgain) {
    create("autos", 1);
    ask("autos", "secret", "a");
    leap(1min);
    EXPECT_GT(erase("secret").value(), 0u);
    leap(1min);
    EXPECT_EQ(ask("autos", "secret", "a"), "#0") << "during the cool-down only its own session can";
    EXPECT_EQ(ask_history(), (Texts{hold("autos", "secret [a]", 2, 2, 32, 37),
                                    hold("erased autos", "(none) []", 0, 0, 1, 6)}));
    leap(1min);
    EXPECT_GT(erase("secret").value(), 0u);
    EXPECT_EQ(ask_history(), (Texts{hold("erased autos", "(none) []", 2, 2, 3, 8),
                                    hold("erased autos", "(none) []", 0, 0, 1, 6)}));
}

TEST_P(HistoryContract, ErasesWhatIsInNoPoolOrMovedToAnother) {
    create("autos", 2);
    create("boats", 0);
    ask({{"autos", "secret", "a"}, {"autos", "secret too", "b"}});
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(text_of(set("boats", numbers({0}))), "added #0");
    EXPECT_GT(erase("secret").value(), 0u);
    EXPECT_GT(erase("secret too").value(), 0u);
    for (const unsigned number : {0u, 1u}) {
        ASSERT_EQ(ask_history(number).size(), 1u);
        EXPECT_EQ(ask_history(number)[0].find("erased autos (none) [] from 0 "), 0u);
    }
}

TEST_P(HistoryContract, ErasesIdsAndNotContextsOfThatName) {
    create("autos", 4);
    ask({{"autos", {}, "secret"}, {"autos", "secret"}, {"autos", ""}, {"autos", "secret "}});
    EXPECT_GT(erase("secret").value(), 0u);
    EXPECT_EQ(ask_history(0), Texts{hold("autos", "(none) [secret]", 0, 0, 30, 35)});
    EXPECT_EQ(ask_history(2), Texts{hold("autos", " []", 0, 0, 30, 35)});
    EXPECT_EQ(ask_history(3), Texts{hold("autos", "secret  []", 0, 0, 30, 35)});
    EXPECT_GT(erase("").value(), 0u);
    EXPECT_EQ(ask_history(0), Texts{hold("autos", "(none) [secret]", 0, 0, 30, 35)})
        << "it has no id, not an empty one";
    EXPECT_EQ(ask_history(2), Texts{hold("erased autos", "(none) []", 0, 0, 0, 5)});
}

}  // namespace
}  // namespace ringmaster::store_contract
