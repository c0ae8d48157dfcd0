// rm1_allocate and rm1_release where the random test, allocate_model_test.cpp, does not go.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "redis_store/function_pool.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis_store::testing {
namespace {

using namespace std::chrono_literals;
using ringpool::PhoneNumber;

constexpr ringpool::HoldRules kRules{.lifetime = 100s, .cooldown = 20s};

PhoneNumber number(std::uint64_t i) {
    return PhoneNumber::from_digits(18665550000 + i);
}
std::string session(std::uint64_t i) {
    return bytes_of({i + 1, 10});
}
std::pair<std::string, std::string> row(std::uint64_t i) {
    return {session(i), std::string(4, '\0') + "context " + std::to_string(i)};
}

class AllocateFunctionTest : public ::testing::Test {
  protected:
    AllocateFunctionTest() {
        set_time(0ms);
        pool_.put_rules(kRules);
    }
    void set_time(std::chrono::milliseconds time) {
        server_.set_time((start_ + time).time_since_epoch().count());
    }
    void add(std::size_t count) {
        std::vector<FunctionPool::Addition> all;
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back({{number(i), ringpool::FormattedNumber("866")}});
        }
        pool_.edit(all, {});
    }
    /// Of sessions `first` and on, in one call.
    std::vector<std::uint64_t> allocate(std::uint64_t first, std::uint64_t count) {
        std::vector<std::pair<std::string, std::string>> rows;
        for (std::uint64_t i = first; i < first + count; ++i) rows.push_back(row(i));
        std::vector<std::uint64_t> given;
        for (const Row& answer : pool_.allocate(rows)) {
            given.push_back(answer.outcome == 'x' ? 0 : answer.number - number(0).digits());
        }
        return given;
    }

    const WallTime start_ = FakeClock().wall_now();
    redis::RedisServer server_{{.settable_clock = true}};
    FunctionPool pool_{server_};
};

TEST_F(AllocateFunctionTest, SaysThatThereIsNoSuchPool) {
    FunctionPool other(server_, "other");
    EXPECT_TRUE(other.call("allocate", {"0", session(0), "holder"}).starts_with("-NOPOOL"));
    EXPECT_FALSE(other.release(number(0), session(0)));
    EXPECT_EQ(other.command({"KEYS", "test:{other}*"}), "");
}

TEST_F(AllocateFunctionTest, GivesNothingOfARemovedPool) {
    add(1);
    EXPECT_EQ(allocate(0, 1), (std::vector<std::uint64_t>{0}));
    EXPECT_EQ(pool_.call("remove_pool", {"50"}), "1");
    EXPECT_TRUE(pool_.call("allocate", {"0", session(0), "holder"}).starts_with("-REMOVED"));
    EXPECT_FALSE(pool_.release(number(0), session(0)));
    // The pool comes back without the number, which is not to be handed out by it.
    while (pool_.version() < 50) pool_.skip_version();
    pool_.put_rules(kRules);
    EXPECT_FALSE(pool_.release(number(0), session(0)));
    set_time(1000s);
    EXPECT_EQ(pool_.allocate({row(1)})[0].outcome, 'x');
}

TEST_F(AllocateFunctionTest, AnswersAThousandRowsAndBringsThemBackInOrder) {
    add(1000);
    std::vector<std::uint64_t> in_order;
    for (std::uint64_t i = 0; i < 1000; ++i) in_order.push_back(i);
    EXPECT_EQ(allocate(0, 1000), in_order);
    EXPECT_EQ(allocate(1000, 1), (std::vector<std::uint64_t>{0})) << "exhausted: no number";
    set_time(120s);
    EXPECT_EQ(allocate(2000, 1000), in_order);
    EXPECT_EQ(pool_.command({"HLEN", pool_.keys().past}), "1000");
    EXPECT_EQ(pool_.command({"HLEN", pool_.keys().sessions}), "1000");
}

TEST_F(AllocateFunctionTest, KeepsItsTimeWhereAServersClockIsBehind) {
    add(2);
    set_time(50s);
    EXPECT_EQ(allocate(0, 1), (std::vector<std::uint64_t>{0}));
    set_time(10s);  // another server has taken over
    EXPECT_EQ(allocate(0, 1), (std::vector<std::uint64_t>{0}));
    EXPECT_EQ(pool_.answered_now(), start_ + 50s);
    EXPECT_TRUE(pool_.release(number(0), session(0)));
    EXPECT_EQ(pool_.state(number(0)).eligible_at, start_ + 70s);
    set_time(51s);
    allocate(0, 1);
    EXPECT_EQ(pool_.answered_now(), start_ + 51s);
}

TEST_F(AllocateFunctionTest, ChangesNothingWhereThePoolIsExhausted) {
    add(1);
    allocate(0, 1);
    const auto all = [&] {
        std::string text;
        for (const std::string_view key : pool_.keys().all()) {
            text += pool_.command({"DUMP", std::string(key)});
        }
        return text;
    };
    const std::string before = all();
    set_time(1s);
    const auto rows = pool_.allocate({row(1), row(2), row(1)});
    for (const Row& each : rows) EXPECT_EQ(each.outcome, 'x');
    EXPECT_EQ(all(), before);
}

TEST_F(AllocateFunctionTest, SeesInEachRowWhatEarlierRowsHaveDone) {
    add(2);
    allocate(0, 2);
    set_time(300s);
    // 2 takes the number of 0, who takes that of 1; nothing is left for 1.
    const auto rows = pool_.allocate({row(2), row(0), row(1), row(2), row(0)});
    EXPECT_EQ(rows[0].outcome, 'n');
    EXPECT_EQ(rows[0].number, number(0).digits());
    EXPECT_EQ(rows[1].outcome, 'n');
    EXPECT_EQ(rows[1].number, number(1).digits());
    EXPECT_EQ(rows[2].outcome, 'x');
    EXPECT_EQ(rows[3].outcome, 'r');
    EXPECT_EQ(rows[3].number, number(0).digits());
    EXPECT_EQ(rows[4].outcome, 'r');
    EXPECT_EQ(rows[4].number, number(1).digits());
    EXPECT_EQ(pool_.command({"HGET", pool_.keys().sessions, session(0)}), digits_of(number(1)));
    EXPECT_EQ(pool_.command({"HGET", pool_.keys().sessions, session(1)}), "(nil)");
}

TEST_F(AllocateFunctionTest, CapsAHoldToTheMillisecond) {
    pool_.put_rules({.lifetime = 100s, .cooldown = 20s, .max_hold = 150s});
    add(1);
    const auto outcome_at = [&](std::chrono::milliseconds time) {
        set_time(time);
        return pool_.allocate({row(0)})[0].outcome;
    };
    EXPECT_EQ(outcome_at(0s), 'n');
    EXPECT_EQ(outcome_at(90s), 'r');
    EXPECT_EQ(outcome_at(150s - 1ms), 'r');
    EXPECT_EQ(outcome_at(150s), 'c');
    EXPECT_EQ(outcome_at(250s - 2ms), 'c');
    EXPECT_EQ(outcome_at(250s - 1ms), 'x') << "it is over, and cools down for others and itself";
    EXPECT_EQ(outcome_at(270s - 1ms), 'n');
    EXPECT_FALSE(pool_.release(number(0), session(1)));
    set_time(370s - 1ms);
    EXPECT_FALSE(pool_.release(number(0), session(0))) << "over";
}

TEST_F(AllocateFunctionTest, ReleasesWhereMemoryIsFull) {
    add(1);
    allocate(0, 1);
    EXPECT_EQ(pool_.command({"CONFIG", "SET", "maxmemory", "1"}), "OK");
    EXPECT_TRUE(pool_.call("allocate", {"0", session(1), "holder"}).starts_with("-OOM"));
    EXPECT_TRUE(pool_.release(number(0), session(0)));
    EXPECT_EQ(pool_.command({"CONFIG", "SET", "maxmemory", "0"}), "OK");
    set_time(20s);
    EXPECT_EQ(allocate(1, 1), (std::vector<std::uint64_t>{0}));
}

}  // namespace
}  // namespace ringmaster::redis_store::testing
