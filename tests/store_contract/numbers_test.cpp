/// Numbers that are added to pools, leave them, and move from one to another.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using State = ringpool::NumberState::State;
using Names = std::set<std::string>;
using Texts = std::vector<std::string>;

class NumbersContract : public StoreContract {
  protected:
    Names names(const std::string& pool) { return view().at(pool).second; }
};
INSTANTIATE_TEST_SUITE_P(, NumbersContract, ::testing::ValuesIn(worlds()), world_name);

// --- edits ---------------------------------------------------------------------------------------

TEST_P(NumbersContract, EditsTellWhatTheyHaveChanged) {
    create("autos", 3);
    EXPECT_EQ(text_of(set("autos", numbers({2, 1, 0, 1}))), "nothing");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({10, 77})})), "nothing") << "it has not got these";
    EXPECT_EQ(text_of(edit("autos", {numbers({1, 3, 3}), plain({2, 2})})), "added #3, removed #2");
    EXPECT_EQ(text_of(edit("autos", {numbers({0, 4}), plain({4, 0})})), "added #4")
        << "whatever is in both lists is added";
    EXPECT_EQ(names("autos"), (Names{"#0", "#1", "#3", "#4"}));
    EXPECT_EQ(text_of(set("autos", numbers({4, 5}))), "added #5, removed #0 #1 #3");
    EXPECT_EQ(names("autos"), (Names{"#4", "#5"}));
    EXPECT_EQ(text_of(set("autos", {})), "removed #4 #5");
    EXPECT_TRUE(names("autos").empty());
}

TEST_P(NumbersContract, AFreeNumberLeavesAtOnceAndAHeldOneDrains) {
    create("autos", 3);
    ask("autos", "v-1");
    EXPECT_EQ(text_of(set("autos", numbers({2, 3}))), "added #3, removed #1, draining #0");
    EXPECT_EQ(names("autos"), (Names{"#0 drains", "#2", "#3"}));
    EXPECT_EQ(text_of(set("autos", numbers({2, 3}))), "nothing") << "it drains already";
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0, 1})})), "nothing");
    EXPECT_EQ(ask("autos", "v-1"), "#0") << "its session keeps it";
    leap(35min - 1ms);
    EXPECT_EQ(names("autos").size(), 3u);
    EXPECT_EQ(figures("autos")->numbers, 3u);
    EXPECT_EQ(figures("autos")->draining, 1u);
    leap(1ms);
    EXPECT_EQ(names("autos"), (Names{"#2", "#3"}));
    EXPECT_EQ(figures("autos")->numbers, 2u);
    EXPECT_EQ(figures("autos")->draining, 0u);
    EXPECT_EQ(ask({{"autos", "v-1"}, {"autos", "v-2"}, {"autos", "v-3"}}),
              (Texts{"#2", "#3", "overflow: exhausted"}));
}

TEST_P(NumbersContract, WhatSomebodyHadAndIsFreeAgainLeavesAtOnce) {
    create("autos", 2);
    ask("autos", "v-1");
    leap(35min - 1ms);
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0})})), "draining #0") << "it cools down";
    EXPECT_EQ(text_of(edit("autos", {numbers({0}), {}})), "added #0");
    leap(1ms);
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0})})), "removed #0");
    EXPECT_EQ(names("autos"), Names{"#1"});
}

TEST_P(NumbersContract, ANumberThatDrainsCanBeKeptUntilALifetimeAfterItWasGot) {
    create("autos", 1);
    ask("autos", "v-1");
    leap(10min);
    EXPECT_EQ(text_of(set("autos", {})), "draining #0");
    leap(20min - 1ms);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 30min);
    leap(1ms);
    const auto last = allocate("autos", "v-1");
    EXPECT_EQ(text_of(last), "#0");
    EXPECT_EQ(last.expires_at, start_ + 60min - 1ms) << "touches extend it no more";
    leap_to(last.expires_at);
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted") << "and it is not taken back";
    EXPECT_EQ(names("autos"), Names{"#0 drains"});
    leap(5min);
    EXPECT_TRUE(names("autos").empty());
}

TEST_P(NumbersContract, OrUntilMaxHoldWhereThereIsOne) {
    create("autos", 1, {.max_hold = 1h});
    ask("autos", "v-1");
    EXPECT_EQ(text_of(set("autos", {})), "draining #0");
    leap(29min);
    ask("autos", "v-1");
    leap(29min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 30min);
    leap(2min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, start_ + 88min);
}

TEST_P(NumbersContract, ANumberThatDrainsGoesToNobodyElse) {
    create("autos", 2);
    ask({{"autos", "v-1"}, {"autos", "v-2"}});
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0})})), "draining #0");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "released");
    leap(1min);
    EXPECT_EQ(ask("autos", "v-1"), "overflow: exhausted");
    EXPECT_EQ(names("autos"), (Names{"#0 drains", "#1"})) << "it cools down";
    leap(4min);
    EXPECT_EQ(names("autos"), Names{"#1"});
    leap(30min);
    EXPECT_EQ(ask({{"autos", "v-3"}, {"autos", "v-1"}}), (Texts{"#1", "overflow: exhausted"}));
}

TEST_P(NumbersContract, ANumberThatDrainsMayComeBack) {
    create("autos", 3);
    ask("autos", "v-1");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0, 0, 1})})), "removed #1, draining #0");
    EXPECT_EQ(text_of(edit("autos", {numbers({0, 1}), plain({1, 0})})), "added #0 #1");
    EXPECT_EQ(names("autos"), (Names{"#0", "#1", "#2"}));
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    leap(34min);
    EXPECT_EQ(ask("autos", "v-1"), "#0") << "taken back, as it no longer drains";
    EXPECT_EQ(ask("autos", "v-2"), "#2") << "the other one was added later";
    EXPECT_EQ(ask("autos", "v-3"), "#1");
    EXPECT_EQ(ask("autos", "v-4"), "overflow: exhausted");
    leap(35min);
    EXPECT_EQ(ask("autos", "v-4"), "#0");
}

TEST_P(NumbersContract, ANumberThatHasLeftAndComesBackIsNotForgotten) {
    create("autos", 3);
    ask("autos", "v-0");
    leap(1min);
    ask("autos", "v-1");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0, 1})})), "draining #0 #1");
    leap(100h);
    EXPECT_EQ(names("autos"), Names{"#2"});
    EXPECT_EQ(text_of(edit("autos", {numbers({1, 0}), {}})), "added #0 #1");
    EXPECT_EQ(ask("autos", "v-1"), "#1") << "its last session takes it back";
    EXPECT_EQ(ask("autos", "v-2"), "#2") << "the only one that nobody has had";
    EXPECT_EQ(ask("autos", "v-3"), "#0");
}

TEST_P(NumbersContract, ManyNumbersComeAndGo) {
    create("autos", 3000);
    ask("autos", "v-0");
    EXPECT_EQ(figures("autos")->numbers, 3000u);
    const auto change = set("autos", numbers_from(2000, 3000));
    EXPECT_EQ(change->added.size(), 2000u);
    EXPECT_EQ(change->removed.size(), 1999u);
    EXPECT_EQ(change->draining.size(), 1u);
    EXPECT_EQ(states("autos").size(), 3001u);
    EXPECT_EQ(text_of(edit("autos", {numbers({0, 6000}), {}})), "added #0 #6000");
    EXPECT_EQ(figures("autos")->numbers, 3002u);
}

// --- what is refused -----------------------------------------------------------------------------

TEST_P(NumbersContract, TellsEachNumberThatItRefusesAndThenAppliesNothing) {
    create("autos", 3);
    create("boats", 2, {}, 10);
    ask("boats", "v-1");
    EXPECT_EQ(text_of(edit("boats", {{}, plain({10})})), "draining #10");
    const PoolsView before = view();
    auto wanted = numbers({0, 5, 10, 11});
    wanted.push_back(test_overflow());
    std::map<std::string, std::string> reasons;
    for (const auto& change : {set("autos", wanted), edit("autos", {wanted, plain({1})})}) {
        EXPECT_EQ(text_of(change), "refused +18005550100 #10 #11");
        for (const auto& refusal : change->refused) {
            reasons[name_of(refusal.number)] = refusal.reason;
        }
        EXPECT_EQ(view(), before);
    }
    EXPECT_EQ(reasons["#10"], "it is still held in pool 'boats', which it is to leave");
    EXPECT_EQ(reasons["#11"], "it is in pool 'boats'");
    // Whichever of the two it names.
    EXPECT_EQ(reasons["+18005550100"].find("it is the overflow number of pool '"), 0u);
}

// --- from pool to pool ---------------------------------------------------------------------------

TEST_P(NumbersContract, ANumberMovesToAnotherPoolWhenItsTimeIsOver) {
    create("autos", 3);
    create("boats", 1, {}, 10);
    ask("autos", "v-1");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({0, 1})})), "removed #1, draining #0");
    EXPECT_EQ(text_of(edit("boats", {numbers({1}), {}})), "added #1") << "nobody has had it";
    leap(35min - 1ms);
    EXPECT_EQ(text_of(edit("boats", {numbers({0}), {}})), "refused #0");
    leap(1ms);
    EXPECT_EQ(text_of(edit("boats", {numbers({0}), {}})), "added #0");
    EXPECT_EQ(names("autos"), Names{"#2"});
    EXPECT_EQ(names("boats"), (Names{"#0", "#1", "#10"}));
    EXPECT_EQ(text_of(edit("autos", {numbers({0}), {}})), "refused #0");
    EXPECT_EQ(ask({{"boats", "a"}, {"boats", "b"}, {"boats", "v-1"}, {"autos", "v-1"}}),
              (Texts{"#10", "#1", "#0", "#2"}));
}

TEST_P(NumbersContract, OfAPoolThatIsRemovedItMovesWithItsPromise) {
    create("autos", 2);
    create("boats", 1, {}, 10);
    ask("autos", "v-1");
    EXPECT_TRUE(remove("autos").ok());
    EXPECT_EQ(text_of(edit("boats", {numbers({0, 1}), {}})), "added #0 #1");
    const auto moved = states("boats");
    const auto held = std::ranges::find(moved, test_number(0, 0).number,
                                        [](const auto& state) { return state.number.number; });
    ASSERT_NE(held, moved.end());
    EXPECT_EQ(held->state, State::held);
    EXPECT_EQ(held->free_at, start_ + 35min);
    EXPECT_EQ(figures("boats")->held, 1u);
    EXPECT_EQ(text_of(edit("boats", {{}, plain({0})})), "draining #0");
    create("cars", 0);
    EXPECT_EQ(text_of(edit("cars", {numbers({0}), {}})), "refused #0");
    leap(35min);
    EXPECT_EQ(text_of(edit("cars", {numbers({0}), {}})), "added #0");
    EXPECT_EQ(ask("cars", "v-2"), "#0");
}

TEST_P(NumbersContract, TheOrderInWhichNumbersComeFreeMovesWithThem) {
    create("autos", 2);
    create("boats", 2, {}, 10);
    ask("autos", "v-0");
    leap(1min);
    ask("boats", "v-1");
    leap(1min);
    ask("autos", "v-2");
    leap(1min);
    ask("boats", "v-3");
    leap(100h);
    EXPECT_EQ(text_of(set("autos", {})), "removed #0 #1");
    EXPECT_EQ(text_of(edit("boats", {numbers({1, 0}), {}})), "added #0 #1");
    EXPECT_EQ(ask({{"boats", "a"}, {"boats", "b"}, {"boats", "c"}, {"boats", "d"}}),
              (Texts{"#0", "#10", "#1", "#11"}));
}

// --- what is told --------------------------------------------------------------------------------

TEST_P(NumbersContract, TellsHowEachNumberStands) {
    create("autos", 4);
    ask("autos", "v-0");
    leap(10min);
    ask({{"autos", "v-1"}, {"autos", "v-2"}});
    EXPECT_EQ(give_back("autos", 2, "v-2"), "released");
    EXPECT_EQ(text_of(edit("autos", {{}, plain({1})})), "draining #1");
    const auto texts = [&] {
        Texts result;
        for (const auto& n : states("autos")) {
            EXPECT_EQ(n.number.formatted.view(), n.number.number.e164());
            std::string text = name_of(n.number.number);
            text += n.state == State::held ? " held" : n.state == State::free ? " free" : " cools";
            if (n.draining) text += " drains";
            if (n.state != State::free) {
                text += " until " + std::to_string((n.free_at - start_) / 1min);
            }
            result.push_back(text);
        }
        std::ranges::sort(result);
        return result;
    };
    EXPECT_EQ(texts(), (Texts{"#0 held until 35", "#1 held drains until 45", "#2 cools until 15",
                              "#3 free"}));
    const auto seen = figures("autos").value();
    EXPECT_EQ(seen.numbers, 4u);
    EXPECT_EQ(seen.held, 2u);
    EXPECT_EQ(seen.cooling, 1u);
    EXPECT_EQ(seen.free, 1u);
    EXPECT_EQ(seen.draining, 1u);
    leap_to(start_ + 30min);
    EXPECT_EQ(texts(),
              (Texts{"#0 cools until 35", "#1 held drains until 45", "#2 free", "#3 free"}));
    leap_to(start_ + 40min);
    EXPECT_EQ(texts(), (Texts{"#0 free", "#1 cools drains until 45", "#2 free", "#3 free"}));
    leap_to(start_ + 45min);
    EXPECT_EQ(texts(), (Texts{"#0 free", "#2 free", "#3 free"}));
}

TEST_P(NumbersContract, PagesOfAnySizeTellEachNumberOnce) {
    create("autos", 50);
    create("boats", 3, {}, 100);
    ask("autos", "v-0");
    EXPECT_TRUE(edit("autos", {{}, plain({0, 7, 8, 49})}).ok());
    for (const std::size_t size : {1u, 2u, 7u, 46u, 47u, 48u, 1000u}) {
        Names seen;
        std::size_t from = 0;
        do {
            const auto got = page("autos", from, size).value();
            EXPECT_LE(got.numbers.size(), size);
            for (const auto& n : got.numbers) {
                EXPECT_TRUE(seen.insert(name_of(n.number.number)).second);
            }
            from = got.next;
        } while (from != 0 && seen.size() < 100);
        EXPECT_EQ(seen.size(), 47u) << size;
    }
    EXPECT_EQ(page("boats", 0, 3)->next, 0u);
    EXPECT_TRUE(set("boats", {}).ok());
    EXPECT_TRUE(page("boats", 0, 3)->numbers.empty());
}

TEST_P(NumbersContract, CountsWhatHappens) {
    create("autos", 3);
    create("boats", 1, {}, 10);
    ask("autos", "a");
    ask("autos", "b");
    ask("autos", "a");
    EXPECT_EQ(give_back("autos", 1, "b"), "released");
    ask("autos", "c");
    auto seen = figures("autos").value();
    EXPECT_EQ(seen.numbers, 3u);
    EXPECT_EQ(seen.held, 2u);
    EXPECT_EQ(seen.cooling, 1u);
    EXPECT_EQ(seen.free, 0u);
    EXPECT_EQ(seen.counters.allocations, 4u);
    EXPECT_EQ(seen.counters.new_holds, 3u);
    EXPECT_EQ(seen.counters.releases, 1u);
    EXPECT_EQ(seen.counters.early_reissues, 0u);
    ask({{"autos", "d"}, {"autos", "e"}});
    auto strict = test_definition("autos");
    strict.allow_overflow = false;
    EXPECT_TRUE(put(strict).ok());
    ask("autos", "d");
    seen = figures("autos").value();
    EXPECT_EQ(seen.counters.overflows, (std::array<std::uint64_t, 4>{3, 0, 0, 0}))
        << "what is refused counts too";
    EXPECT_EQ(seen.counters.allocations, 4u);
    EXPECT_EQ(figures("boats")->counters.allocations, 0u);
    EXPECT_EQ(figures("boats")->counters.overflows[0], 0u);
}

TEST_P(NumbersContract, CountsNumbersThatGoToSomebodyElseLessThanALifetimeAfterTheirTime) {
    create("autos", 3);
    const auto early = [&] { return figures("autos")->counters.early_reissues; };
    ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}});
    leap(34min);
    ask("autos", "a");
    EXPECT_EQ(early(), 0u) << "its own";
    leap_to(start_ + 65min - 1ms);
    EXPECT_EQ(ask("autos", "d"), "#1");
    EXPECT_EQ(early(), 1u);
    leap(1ms);
    EXPECT_EQ(ask("autos", "e"), "#2");
    EXPECT_EQ(early(), 1u) << "a whole lifetime later";
    leap_to(start_ + 34min + 35min);
    EXPECT_EQ(ask("autos", "f"), "#0");
    EXPECT_EQ(early(), 2u);
    EXPECT_EQ(give_back("autos", 0, "f"), "released");
    leap(5min);
    EXPECT_EQ(ask("autos", "g"), "#0");
    EXPECT_EQ(early(), 3u);
    EXPECT_EQ(figures("autos")->counters.new_holds, 8u);
}

}  // namespace
}  // namespace ringmaster::store_contract
