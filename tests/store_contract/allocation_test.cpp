/// Which session gets which number, and for how long.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using ringpool::Allocation;
using Texts = std::vector<std::string>;

class AllocationContract : public StoreContract {};
INSTANTIATE_TEST_SUITE_P(, AllocationContract, ::testing::ValuesIn(worlds()), world_name);

// --- sessions keep their numbers -----------------------------------------------------------------

TEST_P(AllocationContract, ASessionGetsTheSameNumberAgain) {
    create("autos", 3);
    const Allocation first = allocate("autos", "v-1");
    EXPECT_EQ(text_of(first), "#0");
    EXPECT_EQ(first.formatted, test_number(0, 0).formatted);
    EXPECT_EQ(first.expires_at, now() + 30min);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    leap(29min);
    const Allocation again = allocate("autos", "v-1");
    EXPECT_EQ(text_of(again), "#0");
    EXPECT_EQ(again.formatted, test_number(0, 0).formatted);
    EXPECT_EQ(again.expires_at, now() + 30min);
}

TEST_P(AllocationContract, NobodyElseGetsANumberBeforeItsTimeIsOver) {
    create("autos", 1);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(35min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted");
}

TEST_P(AllocationContract, EachTouchStartsTheClockAnew) {
    create("autos", 1);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(30min - 1ms);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(35min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

TEST_P(AllocationContract, AnOldSessionGetsItsNumberBackWhileThatCoolsDown) {
    create("autos", 2);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(35min - 1ms);
    EXPECT_EQ(ask("autos", "v-1"), "#0") << "although the other one has never been held";
    EXPECT_EQ(figures("autos")->counters.new_holds, 2u);
    leap(35min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
}

TEST_P(AllocationContract, AndAsLongAsNobodyElseHasHadIt) {
    create("autos", 2);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    leap(100h);
    EXPECT_EQ(ask("autos", "v-2"), "#1") << "although the other one has been free longer";
    EXPECT_EQ(ask("autos", "v-3"), "#0");
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted");
    leap(100h);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    EXPECT_EQ(ask("autos", "v-1"), "#0") << "as to anybody: it is the only one that is free";
}

TEST_P(AllocationContract, WithoutACoolDownANumberIsFreeWhenItsLifetimeIsOver) {
    create("autos", 1, {.lifetime = 1s, .cooldown = 0s});
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(999ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

TEST_P(AllocationContract, PromisesOfTheLongestKindAreKept) {
    create("autos", 1, {.lifetime = 720h, .cooldown = 720h, .max_hold = 365 * 24h});
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 720h);
    leap(1440h - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

// --- which number a new session gets -------------------------------------------------------------

TEST_P(AllocationContract, NumbersThatNobodyHasHadGoFirstInTheOrderOfAddition) {
    ASSERT_TRUE(put(test_definition("autos")).ok());
    ASSERT_TRUE(edit("autos", {numbers({5, 1, 9}), {}}).ok());
    EXPECT_EQ(ask("autos", "v-1"), "#5");
    leap(100h);
    ASSERT_TRUE(edit("autos", {numbers({0}), {}}).ok());
    EXPECT_EQ(ask({{"autos", "v-2"}, {"autos", "v-3"}, {"autos", "v-4"}, {"autos", "v-5"}}),
              (Texts{"#1", "#9", "#0", "#5"}));
}

TEST_P(AllocationContract, ThenTheOneThatHasBeenFreeLongest) {
    create("autos", 4);
    for (const char* session : {"v-0", "v-1", "v-2", "v-3"}) {
        ask("autos", session);
        leap(1s);
    }
    ask("autos", "v-0");
    leap(1s);
    ask("autos", "v-2");
    leap(100h);
    for (const char* number : {"#1", "#3", "#0", "#2"}) {
        EXPECT_EQ(ask("autos", std::string("new ") + number), number);
    }
}

TEST_P(AllocationContract, WhatWasGivenBackIsFreeSinceItsCoolDownWasOver) {
    create("autos", 3);
    for (const char* session : {"v-0", "v-1", "v-2"}) {
        ask("autos", session);
        leap(1min);
    }
    EXPECT_EQ(give_back("autos", 2, "v-2"), "released");
    leap(1min);
    EXPECT_EQ(give_back("autos", 1, "v-1"), "released");
    leap(31min);  // number 0 is the last one to come free, and has just done so
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}}), (Texts{"#2", "#1", "#0"}));
}

// --- overflow ------------------------------------------------------------------------------------

TEST_P(AllocationContract, AnExhaustedPoolGivesItsOverflowNumber) {
    create("autos", 1);
    ask("autos", "v-1");
    const Allocation answer = allocate("autos", "v-2");
    EXPECT_EQ(text_of(answer), "overflow: exhausted");
    EXPECT_EQ(answer.number, test_overflow().number);
    EXPECT_EQ(answer.formatted, test_overflow().formatted);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
}

TEST_P(AllocationContract, APoolWithoutNumbersIsExhausted) {
    create("autos", 0);
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted");
}

TEST_P(AllocationContract, APoolThatAllowsNoOverflowRefuses) {
    create("autos", 1);
    auto strict = test_definition("autos");
    strict.allow_overflow = false;
    ASSERT_TRUE(put(strict).ok());
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(ask("autos", "v-2"), "refused: exhausted");
}

// --- batches -------------------------------------------------------------------------------------

TEST_P(AllocationContract, ABatchIsAnsweredRowByRow) {
    create("autos", 2);
    create("boats", 1, {}, 10);
    create("cars", 0);
    EXPECT_EQ(ask({{"autos", "a"},
                   {"boats", "a"},
                   {"autos", "b"},
                   {"cars", "a"},
                   {"autos", "c"},
                   {"autos", "a"},
                   {"boats", "b"},
                   {"boats", "a"}}),
              (Texts{"#0", "#10", "#1", "overflow: exhausted", "overflow: exhausted", "#0",
                     "overflow: exhausted", "#10"}));
    EXPECT_TRUE(allocate(std::vector<Row>()).empty());
}

TEST_P(AllocationContract, ASessionThatIsTwiceInABatchHasOneNumber) {
    create("autos", 3);
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "a", "other context"}, {"autos", "b"}}),
              (Texts{"#0", "#0", "#1"}));
    EXPECT_EQ(figures("autos")->counters.new_holds, 2u);
    leap(100h);
    EXPECT_EQ(ask({{"autos", "b"},
                   {"autos", "b"},
                   {"autos", "c"},
                   {"autos", "d"},
                   {"autos", "a"},
                   {"autos", "c"}}),
              (Texts{"#1", "#1", "#2", "#0", "overflow: exhausted", "#2"}));
}

TEST_P(AllocationContract, ARowMayTakeWhatALaterRowWouldHaveTakenBack) {
    create("autos", 2);
    ask("autos", "old");
    leap(1ms);
    ask("autos", "older");
    leap(100h);
    EXPECT_EQ(ask({{"autos", "new"}, {"autos", "old"}, {"autos", "older"}}),
              (Texts{"#0", "#1", "overflow: exhausted"}));
}

TEST_P(AllocationContract, ManyRowsGetAsManyNumbers) {
    create("autos", 300);
    std::vector<std::string> ids;
    for (int i = 0; i < 310; ++i) ids.push_back("v-" + std::to_string(i));
    std::vector<Row> rows;
    for (const auto& id : ids) rows.push_back({"autos", id});
    const Texts first = ask(rows);
    EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 301u);
    EXPECT_EQ(std::ranges::count(first, "overflow: exhausted"), 10);
    leap(1min);
    EXPECT_EQ(ask(rows), first);
}

// --- what a session is ---------------------------------------------------------------------------

TEST_P(AllocationContract, WithoutAnIdTheContextIsTheSession) {
    create("autos", 3);
    const std::string google = one_parameter("utm_source", "google");
    const std::string bing = one_parameter("utm_source", "bing");
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(ask("autos", {}, google), "#0");
        EXPECT_EQ(ask("autos", {}, bing), "#1");
        EXPECT_EQ(ask("autos", {}), "#2") << "no parameters at all are a context too";
    }
}

TEST_P(AllocationContract, WithAnIdTheContextMakesNoDifference) {
    create("autos", 2);
    const std::string google = one_parameter("utm_source", "google");
    EXPECT_EQ(ask("autos", "v-1", google), "#0");
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(ask("autos", "v-2", google), "#1");
}

TEST_P(AllocationContract, AnEmptyIdIsAnIdAndAnIdIsNoContext) {
    create("autos", 4);
    const std::string context = one_parameter("a", "1");
    EXPECT_EQ(ask("autos", ""), "#0");
    EXPECT_EQ(ask("autos", {}), "#1");
    EXPECT_EQ(ask("autos", context), "#2");
    EXPECT_EQ(ask("autos", {}, context), "#3");
    EXPECT_EQ(ask("autos", "", context), "#0");
    EXPECT_EQ(give_back("autos", 0, {}), "not_found");
    EXPECT_EQ(give_back("autos", 0, ""), "released");
}

TEST_P(AllocationContract, ASessionIsAnotherOneInAnotherPool) {
    create("autos", 1);
    create("boats", 1, {}, 10);
    EXPECT_EQ(ask("boats", "v-1"), "#10");
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(give_back("autos", 10, "v-1"), "not_found");
    EXPECT_EQ(give_back("boats", 10, "v-1"), "released");
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
}

TEST_P(AllocationContract, IdsAndContextsMayHaveAnyBytesAndManyOfThem) {
    std::string id(65'535, 'x');
    for (std::size_t i = 0; i < 256; ++i) id[i] = static_cast<char>(i);
    std::string other_id = id;
    other_id.back() = 'y';
    ringpool::ContextBuilder builder({});
    builder.start();
    std::vector<std::string> names;
    for (char i = 0; i < 32; ++i) names.emplace_back(64, static_cast<char>(' ' + i));
    const std::string value(2048, '\0');
    for (const auto& name : names) ASSERT_TRUE(builder.add(name, value).ok());
    std::string context;
    builder.finish(context);
    std::string other_context = context;
    other_context.back() = '\n';

    create("autos", 4);
    create("boats", 2, {}, 10);
    const std::vector<Row> rows = {{"autos", id, context}, {"autos", other_id, context},
                                   {"autos", {}, context}, {"autos", {}, other_context},
                                   {"boats", id, {}},      {"boats", other_id, other_context}};
    const Texts expected = {"#0", "#1", "#2", "#3", "#10", "#11"};
    EXPECT_EQ(ask(rows), expected);
    EXPECT_EQ(ask(rows), expected);
    EXPECT_EQ(ask("autos", std::string_view(id).substr(1)), "overflow: exhausted");
}

// --- max_hold ------------------------------------------------------------------------------------

TEST_P(AllocationContract, AfterMaxHoldTouchesExtendAHoldNoMore) {
    create("autos", 2, {.max_hold = 1h});
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(29min);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(29min);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(2min - 1ms);
    const Allocation last = allocate("autos", "v-1");
    EXPECT_EQ(text_of(last), "#0");
    EXPECT_EQ(last.expires_at, now() + 30min) << "one millisecond before max_hold";
    leap(1ms);
    const Allocation capped = allocate("autos", "v-1");
    EXPECT_EQ(text_of(capped), "#0");
    EXPECT_EQ(capped.expires_at, last.expires_at);
    leap(30min - 2ms);
    EXPECT_EQ(ask("autos", "v-1"), "#0") << "up to the end";
    EXPECT_EQ(figures("autos")->counters.new_holds, 1u);
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-1"), "#1") << "like a new session";
    leap(5min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

TEST_P(AllocationContract, AHoldThatEndedBeforeMaxHoldIsTakenBackAndBeginsAnew) {
    create("autos", 2, {.max_hold = 1h});
    ask("autos", "v-1");
    leap(20min);
    ask("autos", "v-1");
    leap(34min);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(29min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 30min);
    leap(29min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 30min);
    EXPECT_EQ(figures("autos")->counters.new_holds, 2u);
}

TEST_P(AllocationContract, WhoReachedMaxHoldHasToWaitForItsNumberAsAllOthersDo) {
    create("autos", 1, {.lifetime = 60s, .cooldown = 60s, .max_hold = 60s});
    const Allocation held = allocate("autos", "v-1");
    leap(60s);
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted");
    EXPECT_EQ(held.expires_at, now());
    leap(60s);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(figures("autos")->counters.new_holds, 2u);
    EXPECT_EQ(figures("autos")->counters.early_reissues, 0u) << "it was its own";
}

TEST_P(AllocationContract, MaxHoldDoesNotShortenALifetime) {
    create("autos", 1, {.lifetime = 60s, .cooldown = 0s, .max_hold = 10s});
    const Allocation held = allocate("autos", "v-1");
    EXPECT_EQ(held.expires_at, now() + 60s);
    leap(10s);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, held.expires_at);
    leap(50s - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#0");
}

}  // namespace
}  // namespace ringmaster::store_contract
