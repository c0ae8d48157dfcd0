/// Requests and changes at the same time, in one process or in several that share their data.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store_contract/caller.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using ringpool::Allocation;
using ringpool::NumbersChange;
using ringpool::PhoneNumber;
using Jobs = std::vector<std::function<void()>>;
using Texts = std::vector<std::string>;

// --- at the same time ----------------------------------------------------------------------------

class ConcurrencyContract : public StoreContract {
  protected:
    /// In a fiber, by any of the processes.
    Allocation ask_here(unsigned turn, const std::string& session) {
        const Process process = world().process(turn % GetParam().processes);
        const ringpool::AllocationRequest request{process.catalog->find("autos").value(),
                                                  {session, {}}};
        Allocation answer;
        process.store->allocate({&request, 1}, {&answer, 1}, {});
        return answer;
    }
    ringpool::PoolAdministration& pools_of(unsigned turn) {
        return *world().process(turn % GetParam().processes).pools;
    }
};
INSTANTIATE_TEST_SUITE_P(, ConcurrencyContract, ::testing::ValuesIn(worlds()), world_name);

TEST_P(ConcurrencyContract, NoTwoSessionsGetOneNumberAndNoSessionGetsTwo) {
    create("autos", 30);
    world().catch_up();
    std::map<std::string, std::set<std::string>> told;
    std::size_t exhausted = 0;
    Jobs jobs;
    for (unsigned i = 0; i < 120; ++i) {
        jobs.push_back([&, i] {
            const std::string session = "v-" + std::to_string(i * 7 % 40);
            const std::string answer = text_of(ask_here(i, session));
            if (answer == "overflow: exhausted") {
                ++exhausted;
            } else {
                told[answer].insert(session);
            }
        });
    }
    run_together(world().reactor(), jobs);
    EXPECT_EQ(told.size(), 30u);
    std::set<std::string> sessions;
    for (const auto& [number, holders] : told) {
        EXPECT_EQ(holders.size(), 1u) << number;
        EXPECT_TRUE(sessions.insert(*holders.begin()).second) << *holders.begin();
    }
    EXPECT_EQ(exhausted, 30u) << "ten sessions that asked three times";
}

TEST_P(ConcurrencyContract, ANumberThatManyPoolsWantGoesToOneOfThem) {
    constexpr unsigned kPools = 5;
    for (unsigned i = 0; i < kPools; ++i) create("p" + std::to_string(i), 0);
    create("former", 4, {}, 0);
    ask("former", "v-1");
    ASSERT_TRUE(remove("former").ok());
    world().catch_up();
    std::vector<Texts> changes(kPools);
    Jobs jobs;
    for (unsigned i = 0; i < kPools; ++i) {
        jobs.push_back([&, i] {
            changes[i].push_back(text_of(
                pools_of(i).edit_numbers("p" + std::to_string(i), {numbers({0, 1, 2, 3}), {}})));
        });
    }
    run_together(world().reactor(), jobs);
    unsigned winners = 0;
    for (const Texts& change : changes) {
        if (change == Texts{"added #0 #1 #2 #3"}) {
            ++winners;
        } else {
            EXPECT_EQ(change, Texts{"refused #0 #1 #2 #3"});
        }
    }
    EXPECT_EQ(winners, 1u);
    std::size_t all = 0;
    for (const auto& [id, seen] : view()) all += seen.second.size();
    EXPECT_EQ(all, 4u);
}

TEST_P(ConcurrencyContract, AnOverflowNumberIsNotAddedAtTheSameTime) {
    create("autos", 0);
    create("boats", 0);
    world().catch_up();
    auto boats = test_definition("boats");
    boats.overflow = test_number(0, 1);
    for (int round = 0; round < 5; ++round) {
        bool put = false;
        bool added = false;
        Jobs jobs = {[&] { put = pools_of(0).put_pool(boats).ok(); },
                     [&] {
                         const auto change = pools_of(1).edit_numbers("autos", {numbers({1}), {}});
                         added = change.ok() && !change->added.empty();
                     }};
        if (round % 2 != 0) std::swap(jobs[0], jobs[1]);
        run_together(world().reactor(), jobs);
        EXPECT_NE(put, added);
        world().catch_up();
        EXPECT_TRUE(this->put(test_definition("boats")).ok());
        EXPECT_TRUE(set("autos", {}).ok());
        world().catch_up();
    }
}

TEST_P(ConcurrencyContract, SessionsAreServedWhileNumbersComeAndGo) {
    create("autos", 20);
    world().catch_up();
    std::map<std::string, std::string> told;
    std::map<std::string, std::string> holders;
    unsigned running = 4;
    Jobs jobs;
    for (unsigned client = 0; client < 4; ++client) {
        jobs.push_back([&, client] {
            for (unsigned i = 0; i < 40; ++i) {
                const std::string session = std::to_string(client) + "/" + std::to_string(i % 10);
                const Allocation answer = ask_here(client + i, session);
                if (answer.outcome != Allocation::Outcome::allocated) continue;
                const std::string number = text_of(answer);
                EXPECT_EQ(told.emplace(session, number).first->second, number) << session;
                EXPECT_EQ(holders.emplace(number, session).first->second, session) << number;
                world().reactor().scheduler().yield();
            }
            --running;
        });
    }
    jobs.push_back([&] {
        unsigned i = 0;
        while (running > 0) {
            const auto change = pools_of(i).set_numbers("autos", numbers_from(i * 3 % 11, 20));
            EXPECT_TRUE(change.ok() && change->refused.empty());
            ++i;
        }
    });
    run_together(world().reactor(), jobs);
    EXPECT_GE(told.size(), 20u);
    for (const auto& [session, number] : told) EXPECT_EQ(ask("autos", session), number);
}

// --- in another process --------------------------------------------------------------------------

std::vector<WorldKind> shared_worlds() {
    std::vector<WorldKind> shared;
    for (const WorldKind& kind : worlds()) {
        if (kind.processes > 1) shared.push_back(kind);
    }
    return shared;
}

class SharedDataContract : public StoreContract {
  protected:
    Caller other_{shared_world(), 1};
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedDataContract);
INSTANTIATE_TEST_SUITE_P(, SharedDataContract, ::testing::ValuesIn(shared_worlds()), world_name);

TEST_P(SharedDataContract, ASessionGetsItsNumberWhicheverProcessItAsks) {
    create("autos", 2);
    world().catch_up();
    EXPECT_EQ(ask("autos", "v-1"), "#0");
    EXPECT_EQ(other_.ask("autos", "v-2"), "#1");
    EXPECT_EQ(other_.ask("autos", "v-1"), "#0");
    EXPECT_EQ(ask("autos", "v-2"), "#1");
    EXPECT_EQ(ask("autos", "v-3"), "overflow: exhausted");
    EXPECT_EQ(other_.ask("autos", {}, "context"), "overflow: exhausted");
    leap(1min);
    EXPECT_EQ(other_.give_back("autos", 0, "v-1"), "released");
    EXPECT_EQ(give_back("autos", 0, "v-1"), "not_found");
    leap(5min);
    EXPECT_EQ(ask("autos", {}, "context"), "#0");
    EXPECT_EQ(other_.ask("autos", {}, "context"), "#0");
}

TEST_P(SharedDataContract, EachKnowsWhatTheOtherDoesWithPools) {
    create("autos", 3);
    world().catch_up();
    EXPECT_EQ(other_.view(), view());
    auto autos = test_definition("autos");
    autos.key = std::string("another");
    autos.overflow = test_number(1, 1);
    EXPECT_FALSE(other_.put(autos).value());
    EXPECT_EQ(text_of(other_.set("autos", numbers({1, 2, 3}))), "added #3, removed #0");
    EXPECT_TRUE(other_.put(test_definition("boats")).value());
    world().catch_up();
    EXPECT_EQ(other_.view(), view());
    EXPECT_EQ(view().size(), 2u);
    EXPECT_NE(catalog().authorize("autos", "another"), nullptr);
    EXPECT_EQ(ask({{"autos", "a"}, {"autos", "b"}, {"autos", "c"}}), (Texts{"#1", "#2", "#3"}));
    EXPECT_EQ(allocate("autos", "d").number, test_number(1, 1).number);
    EXPECT_TRUE(other_.remove("autos").ok());
    world().catch_up();
    EXPECT_FALSE(catalog().find("autos"));
    EXPECT_EQ(view().size(), 1u);
}

TEST_P(SharedDataContract, RulesThatOneChangesHoldForTheNextTouchByTheOther) {
    create("autos", 1);
    world().catch_up();
    EXPECT_FALSE(other_.put(test_definition("autos", {.lifetime = 1h, .cooldown = 0s})).value());
    EXPECT_EQ(allocate("autos", "v-1").expires_at, now() + 1h) << "even before it has heard of it";
}

TEST_P(SharedDataContract, TheHistoryIsThatOfAll) {
    create("autos", 1);
    world().catch_up();
    ask("autos", "v-1", "a");
    leap(1min);
    other_.ask("autos", "v-1", "b");
    leap(1h);
    other_.ask("autos", "v-2", "c");
    const auto first = holders(test_number(0, 0).number).value();
    const auto second = other_.holders(test_number(0, 0).number).value();
    ASSERT_EQ(first.size(), 2u);
    ASSERT_EQ(second.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(text_of(first[i], start_), text_of(second[i], start_));
    }
    EXPECT_GT(erase("v-2").value(), 0u);
    EXPECT_EQ(other_.holders(test_number(0, 0).number).value()[0].detail,
              ringpool::Hold::Detail::erased);
    EXPECT_EQ(other_.erase("v-2").value(), 0u);
}

}  // namespace
}  // namespace ringmaster::store_contract
