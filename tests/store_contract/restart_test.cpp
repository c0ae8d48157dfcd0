/// Processes that end and come back, in good order or not: everything acknowledged is there.

#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

/// How all processes end.
struct End {
    WorldKind kind;
    bool crash;
    friend void PrintTo(const End& end, std::ostream* out) {
        *out << end.kind.name << (end.crash ? "_crash" : "_restart");
    }
};

std::vector<End> ends() {
    std::vector<End> all;
    for (const WorldKind& kind : worlds()) {
        all.push_back({kind, false});
        all.push_back({kind, true});
    }
    return all;
}

class RestartContract : public ::testing::TestWithParam<End>, protected Caller {
  protected:
    RestartContract() : Caller(GetParam().kind.make()), start_(now()) {}

    void end_and_come_back() {
        if (GetParam().crash) {
            world().crash();
        } else {
            world().restart();
        }
    }
    WallTime now() { return world().now(); }
    void leap(std::chrono::milliseconds by) { world().leap(by); }
    void leap_to(WallTime time) { leap(time - now()); }
    Texts history(unsigned number) {
        Texts texts;
        const auto holds = holders(test_number(0, number).number);
        for (const auto& hold : holds.value()) {
            texts.push_back(text_of(hold, start_));
        }
        return texts;
    }

    const WallTime start_;
};
INSTANTIATE_TEST_SUITE_P(, RestartContract, ::testing::ValuesIn(ends()),
                         [](const auto& end) { return ::testing::PrintToString(end.param); });

TEST_P(RestartContract, AWorldWithoutPoolsHasNone) {
    end_and_come_back();
    EXPECT_TRUE(view().empty());
    create("autos", 1);
    EXPECT_EQ(ask("autos", "v-1"), "#0");
}

TEST_P(RestartContract, PoolsAndTheirNumbersAreAsBefore) {
    create("autos", 3);
    create("boats", 2, {}, 10);
    create("cars", 1, {}, 20);
    auto autos = test_definition("autos", {.lifetime = 1h, .cooldown = 1s, .max_hold = 3h});
    autos.key = std::string("another");
    autos.name = "Cars";
    EXPECT_FALSE(put(autos).value());
    ask("boats", "v-1");
    EXPECT_EQ(text_of(set("boats", numbers({12}))), "added #12, removed #11, draining #10");
    EXPECT_TRUE(remove("cars").ok());
    const PoolsView before = view();
    EXPECT_EQ(before.size(), 2u);
    end_and_come_back();
    EXPECT_EQ(view(), before);
    EXPECT_NE(catalog().authorize("autos", "another"), nullptr);
    end_and_come_back();
    EXPECT_EQ(view(), before);
    leap_to(start_ + 35min);
    EXPECT_EQ(view().at("boats").second, std::set<std::string>{"#12"});
}

TEST_P(RestartContract, SessionsKeepTheirNumbersAndOthersDoNotGetThem) {
    create("autos", 3);
    ask({{"autos", "v-0"}, {"autos", "v-1", "context"}, {"autos", {}, "context"}});
    leap(10min);
    EXPECT_EQ(ask("autos", "v-1"), "#1");
    EXPECT_EQ(give_back("autos", 0, "v-0"), "released");
    end_and_come_back();
    EXPECT_EQ(ask("autos", {}, "context"), "#2");
    const WallTime touched = now();
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    EXPECT_EQ(give_back("autos", 0, "v-0"), "not_found");
    leap_to(start_ + 15min - 1ms);
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-3"), "#0");
    end_and_come_back();
    leap_to(start_ + 45min - 1ms);
    EXPECT_EQ(ask("autos", "v-4"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-4"), "#1");
    leap_to(touched + 35min - 1ms);
    EXPECT_EQ(ask("autos", {}, "context"), "#2");
}

TEST_P(RestartContract, TheOneThatHasBeenFreeLongestStillGoesFirst) {
    create("autos", 5);
    for (const char* session : {"v-0", "v-1", "v-2", "v-3"}) {
        ask("autos", session);
        leap(1s);
    }
    ask("autos", "v-0");
    EXPECT_EQ(give_back("autos", 3, "v-3"), "released");
    leap(100h);
    end_and_come_back();
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}, {"autos", "d"}}),
              (Texts{"#4", "#3", "#1", "#2"}));
    EXPECT_EQ(ask("autos", "v-0"), "#0");
}

TEST_P(RestartContract, NothingMoreIsPromisedOrLessWhereRulesHaveChanged) {
    create("autos", 2);
    ask("autos", "v-0");
    EXPECT_FALSE(put(test_definition("autos", {.lifetime = 1min, .cooldown = 1min})).value());
    ask("autos", "v-1");
    end_and_come_back();
    leap_to(start_ + 2min - 1ms);
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    leap_to(start_ + 35min - 1ms);
    EXPECT_EQ(ask({{"autos", "v-2"}, {"autos", "v-3"}}), (Texts{"#1", "overflow: exhausted"}));
    leap(1ms);
    EXPECT_EQ(ask("autos", "v-3"), "#0");
}

TEST_P(RestartContract, AHoldThatReachedMaxHoldIsNotTakenBack) {
    create("autos", 2, {.max_hold = 1h});
    ask("autos", "v-1");
    leap(29min);
    ask("autos", "v-1");
    leap(29min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, start_ + 88min);
    end_and_come_back();
    leap_to(start_ + 60min);
    EXPECT_EQ(allocate("autos", "v-1").expires_at, start_ + 88min);
    end_and_come_back();
    leap_to(start_ + 88min);
    EXPECT_EQ(ask("autos", "v-1"), "#1");
}

TEST_P(RestartContract, WhatARemovedPoolPromisedStands) {
    create("autos", 2);
    create("boats", 0);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    EXPECT_TRUE(remove("autos").ok());
    end_and_come_back();
    EXPECT_EQ(view().size(), 1u);
    EXPECT_EQ(text_of(set("boats", numbers({0}))), "added #0");
    EXPECT_EQ(ask("boats", "v-0"), "overflow: exhausted");
    end_and_come_back();
    EXPECT_EQ(ask("boats", "v-0"), "overflow: exhausted");
    EXPECT_TRUE(put(test_definition("autos")).value());
    EXPECT_EQ(text_of(set("autos", numbers({1}))), "added #1");
    EXPECT_EQ(ask("autos", "v-2"), "overflow: exhausted");
    EXPECT_EQ(ask("autos", "v-1"), "#1");
    leap_to(start_ + 35min - 1ms);
    EXPECT_EQ(ask("boats", "v-2"), "overflow: exhausted");
    leap(1ms);
    EXPECT_EQ(ask("boats", "v-2"), "#0");
}

TEST_P(RestartContract, ADrainingNumberDrainsOnAndMayStillComeBack) {
    create("autos", 2);
    ask({{"autos", "v-0"}, {"autos", "v-1"}});
    EXPECT_EQ(text_of(set("autos", {})), "draining #0 #1");
    end_and_come_back();
    leap_to(start_ + 29min);
    EXPECT_EQ(ask("autos", "v-0"), "#0");
    EXPECT_EQ(text_of(edit("autos", {numbers({1}), {}})), "added #1");
    end_and_come_back();
    leap_to(start_ + 30min);
    EXPECT_EQ(allocate("autos", "v-0").expires_at, start_ + 59min);
    EXPECT_EQ(ask("autos", "v-1"), "#1") << "taken back";
    leap_to(start_ + 64min - 1ms);
    EXPECT_EQ(view().at("autos").second, (std::set<std::string>{"#0 drains", "#1"}));
    leap(1ms);
    EXPECT_EQ(view().at("autos").second, std::set<std::string>{"#1"});
}

TEST_P(RestartContract, TheHistoryIsAsBefore) {
    create("autos", 2);
    create("boats", 1, {}, 10);
    ask({{"autos", "v-0", "a"}, {"autos", "secret", "b"}, {"boats", {}, "c"}});
    leap(1min);
    ask("autos", "v-0", "other");
    EXPECT_EQ(give_back("autos", 0, "v-0"), "released");
    leap(1h);
    ask({{"autos", "v-2"}, {"autos", "secret"}});
    leap(1min);
    EXPECT_GT(erase("secret").value(), 0u);
    EXPECT_TRUE(remove("boats").ok());
    const std::vector<Texts> before = {history(0), history(1), history(10)};
    EXPECT_EQ(before[0].size(), 2u);
    EXPECT_EQ(before[1].size(), 2u);
    EXPECT_EQ(before[2].size(), 1u);
    end_and_come_back();
    EXPECT_EQ((std::vector<Texts>{history(0), history(1), history(10)}), before);
    EXPECT_EQ(erase("secret").value(), 0u);
}

TEST_P(RestartContract, CountersBeginAgain) {
    create("autos", 1);
    ask("autos", "v-0");
    EXPECT_EQ(figures("autos")->counters.allocations, 1u);
    end_and_come_back();
    EXPECT_EQ(figures("autos")->counters.allocations, 0u);
    EXPECT_EQ(figures("autos")->held, 1u);
}

}  // namespace
}  // namespace ringmaster::store_contract
