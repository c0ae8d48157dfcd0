#include "ringmaster/redis_store/redis_history.hpp"

#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "redis_store/world.hpp"
#include <gtest/gtest.h>

namespace ringmaster::ringpool {

std::ostream& operator<<(std::ostream& out, const Hold& hold) {
    const auto ms = [](WallTime t) { return t.time_since_epoch().count() % 10'000'000'000; };
    return out << "\n  {" << static_cast<int>(hold.detail) << " " << hold.pool_id << " "
               << hold.session_id.value_or("(none)") << " " << hold.context << " from "
               << ms(hold.allocated_at) << " touched " << ms(hold.last_touch) << " until "
               << ms(hold.expires_at) << " free " << ms(hold.free_at) << "}";
}
bool operator==(const Hold& a, const Hold& b) {
    return a.detail == b.detail && a.pool_id == b.pool_id && a.session_id == b.session_id &&
           a.context == b.context && a.allocated_at == b.allocated_at &&
           a.last_touch == b.last_touch && a.expires_at == b.expires_at && a.free_at == b.free_at;
}

}  // namespace ringmaster::ringpool

namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;
using ringpool::Hold;
using Detail = Hold::Detail;
using Holds = std::vector<Hold>;

constexpr std::chrono::milliseconds kHistory = 24h * 30;

class RedisHistoryTest : public ::testing::Test {
  protected:
    RedisHistoryTest() { world_.set_history(kHistory); }

    /// With pools "autos" and "boats", whose lifetime is 30 minutes and cool-down 5; number 0 is in
    /// "autos". All times of tests are those of the server's clock.
    void start(std::vector<PoolNumber> autos = numbers({0}), std::chrono::seconds max_hold = 0s) {
        daemon_ = &world_.start_daemon();
        history_.emplace(
            RedisHistory::Parts{world_.reactor(), daemon_->functions, world_.hasher(), kHistory,
                                [this](std::string_view pool) { ++released_[std::string(pool)]; }});
        auto pool = definition("autos");
        pool.max_hold = max_hold;
        EXPECT_TRUE(daemon_->pools.put_pool(pool).value());
        EXPECT_TRUE(daemon_->pools.put_pool(definition("boats")).value());
        EXPECT_TRUE(daemon_->pools.set_numbers("autos", std::move(autos)).ok());
    }
    Result<Holds> try_ask(PhoneNumber number, std::optional<WallTime> at, std::size_t max = 100) {
        return history_->holders(number, at, max, Deadline::never());
    }
    Holds ask(std::optional<WallTime> at = {}, std::size_t max = 100) {
        auto answer = try_ask(number(0), at, max);
        EXPECT_TRUE(answer.ok()) << answer.error().message;
        return answer ? *std::move(answer) : Holds();
    }
    /// A hold that begins now.
    Hold fresh(std::string session, std::string context = {}, std::string pool = "autos") {
        return {Detail::known, std::move(pool), std::move(session),   std::move(context),
                world_.now(),  world_.now(),    world_.now() + 30min, world_.now() + 35min};
    }
    std::size_t erase(std::string_view session) { return history_->erase(session).value(); }
    /// In how many values of all keys these bytes stand.
    std::size_t values_with(const std::string& bytes) {
        std::size_t count = 0;
        for (const char* pool : {"autos", "boats"}) {
            for (const auto& key :
                 {PoolKeys("ringmaster", pool).numbers, PoolKeys("ringmaster", pool).past}) {
                const std::string all = world_.server().command({"HVALS", key});
                for (auto at = all.find(bytes); at != all.npos; at = all.find(bytes, at + 1)) {
                    ++count;
                }
            }
        }
        return count;
    }

    World world_;
    Daemon* daemon_ = nullptr;
    std::optional<RedisHistory> history_;
    std::map<std::string, int> released_;
};

TEST_F(RedisHistoryTest, NobodyHadANumberThatNobodyAskedFor) {
    world_.run([&] {
        start();
        EXPECT_TRUE(ask().empty());
        EXPECT_TRUE(try_ask(number(77), {}).value().empty());
    });
}

TEST_F(RedisHistoryTest, TellsTheHolderAtEachBoundaryOfAHold) {
    world_.run([&] {
        start();
        const Hold first = fresh("v-1", "first");
        EXPECT_EQ(world_.allocate("autos", "v-1", "first").value(), number(0));
        world_.leap(3h);
        const Hold second = fresh("v-2");
        EXPECT_EQ(world_.allocate("autos", "v-2").value(), number(0));
        EXPECT_TRUE(ask(first.allocated_at - 1ms).empty());
        for (const WallTime at : {first.allocated_at, first.expires_at - 1ms, first.expires_at,
                                  first.free_at, second.allocated_at - 1ms}) {
            EXPECT_EQ(ask(at), Holds{first});
        }
        EXPECT_EQ(ask(second.allocated_at), (Holds{second, first}));
        EXPECT_EQ(ask(), (Holds{second, first}));
        EXPECT_EQ(ask({}, 1), Holds{second});
        EXPECT_TRUE(ask({}, 0).empty());
    });
}

TEST_F(RedisHistoryTest, TouchesAndReleasesOfAPastHoldAreNotForgotten) {
    world_.run([&] {
        start();
        Hold touched = fresh("v-1");
        world_.allocate("autos", "v-1").value();
        world_.leap(20min);
        world_.allocate("autos", "v-1").value();
        for (auto* time : {&touched.last_touch, &touched.expires_at, &touched.free_at}) {
            *time += 20min;
        }
        world_.leap(3h);
        Hold released = fresh("v-2");
        world_.allocate("autos", "v-2").value();
        world_.leap(1min);
        EXPECT_TRUE(world_.release("autos", number(0), "v-2"));
        released.expires_at = world_.now();
        released.free_at = world_.now() + 5min;
        EXPECT_EQ(ask(), (Holds{released, touched}));
        world_.leap(10min);
        const Hold back = fresh("v-2");
        world_.allocate("autos", "v-2").value();
        EXPECT_EQ(ask(), (Holds{back, released, touched}));
    });
}

TEST_F(RedisHistoryTest, TellsTheContextThatWasInForce) {
    world_.run([&] {
        start();
        Hold hold = fresh("v-1", "a");
        const WallTime first = world_.now();
        world_.allocate("autos", "v-1", "a").value();
        world_.leap(1min);
        world_.allocate("autos", "v-1", "b").value();
        world_.leap(1min);
        world_.allocate("autos", "v-1", "c").value();
        for (auto* time : {&hold.last_touch, &hold.expires_at, &hold.free_at}) *time += 2min;
        const auto with = [&](const char* context) {
            hold.context = context;
            return Holds{hold};
        };
        for (const bool superseded : {false, true}) {
            EXPECT_EQ(ask(first), with("a"));
            EXPECT_EQ(ask(first + 1min - 1ms), with("a"));
            EXPECT_EQ(ask(first + 1min), with("b"));
            EXPECT_EQ(ask(first + 1min, 1), with("b"));
            EXPECT_EQ(ask(first + 2min), with("c"));
            EXPECT_EQ(ask(first + 2min + 59min), with("c"));
            if (superseded) break;
            world_.leap(1h);
            world_.allocate("autos", "v-2", "d").value();
        }
    });
}

TEST_F(RedisHistoryTest, AContextThatComesAfterTheLastExtensionIsInForceFromThenOn) {
    world_.run([&] {
        start(numbers({0}), 60s);
        Hold hold = fresh("v-1", "a");
        world_.allocate("autos", "v-1", "a").value();
        world_.leap(2min);  // max_hold has been reached
        world_.allocate("autos", "v-1", "b").value();
        EXPECT_EQ(ask(world_.now() - 1ms), Holds{hold});
        hold.context = "b";
        EXPECT_EQ(ask(world_.now()), Holds{hold});
    });
}

TEST_F(RedisHistoryTest, WithoutAnIdThereIsNone) {
    world_.run([&] {
        start();
        world_.allocate("autos", {}, "c").value();
        ASSERT_EQ(ask().size(), 1u);
        EXPECT_FALSE(ask()[0].session_id);
        EXPECT_EQ(ask()[0].context, "c");
        world_.leap(3h);
        world_.allocate("autos", "", "d").value();
        EXPECT_EQ(ask()[0].session_id, "") << "an empty one is one";
    });
}

TEST_F(RedisHistoryTest, FollowsANumberFromPoolToPoolAndThroughNone) {
    world_.run([&] {
        start();
        auto& pools = daemon_->pools;
        const Hold first = fresh("v-1", "a");
        world_.allocate("autos", "v-1", "a").value();
        EXPECT_TRUE(pools.set_numbers("autos", {}).ok());
        EXPECT_EQ(ask(), Holds{first}) << "it drains";
        world_.leap(3h);
        EXPECT_TRUE(pools.set_numbers("boats", numbers({0})).ok());
        EXPECT_EQ(ask(), Holds{first}) << "it has moved";
        const Hold second = fresh("v-2", "b", "boats");
        EXPECT_EQ(world_.allocate("boats", "v-2", "b").value(), number(0));
        EXPECT_EQ(ask(), (Holds{second, first}));
        EXPECT_TRUE(pools.remove_pool("boats").ok());
        EXPECT_EQ(ask(), (Holds{second, first})) << "its pool has gone";
        EXPECT_TRUE(pools.set_numbers("autos", numbers({0})).ok());
        EXPECT_EQ(ask(), (Holds{second, first}));
        world_.leap(35min);
        const Hold third = fresh("v-1", "c");
        EXPECT_EQ(world_.allocate("autos", "v-1", "c").value(), number(0));
        EXPECT_EQ(ask(), (Holds{third, second, first}));
        EXPECT_EQ(ask({}, 2), (Holds{third, second}));
        EXPECT_EQ(ask(second.allocated_at), (Holds{second, first}));
    });
}

TEST_F(RedisHistoryTest, ReadsLongHistoriesInSteps) {
    world_.run([&] {
        start();
        Holds expected;
        for (int i = 0; i < 300; ++i) {
            const std::string session = "v-" + std::to_string(i);
            expected.insert(expected.begin(), fresh(session));
            ASSERT_EQ(world_.allocate("autos", session).value(), number(0));
            world_.leap(35min);
        }
        EXPECT_EQ(ask({}, 1000), expected);
        expected.resize(130);
        EXPECT_EQ(ask({}, 130), expected);
    });
}

TEST_F(RedisHistoryTest, GivesUpAtTheDeadline) {
    world_.run([&] {
        start();
        world_.allocate("autos", "v-1").value();
        const auto past = Deadline::at(world_.reactor().scheduler().now());
        const auto answer = history_->holders(number(0), {}, 100, past);
        ASSERT_FALSE(answer.ok());
        EXPECT_EQ(answer.error().code, ErrorCode::timeout);
        history_->close();
        EXPECT_EQ(try_ask(number(0), {}).error().code, ErrorCode::closed);
    });
}

TEST_F(RedisHistoryTest, TellsOfNothingOlderThanTheHistory) {
    world_.run([&] {
        start();
        world_.allocate("autos", "v-1", "kept").value();
        world_.leap(kHistory);
        EXPECT_EQ(ask().size(), 1u);
        world_.leap(36min);
        EXPECT_TRUE(ask().empty());
        for (int i = 0; i < 3; ++i) {
            world_.allocate("autos", "v-2").value();
            world_.leap(kHistory / 2 + 1h);
        }
        EXPECT_EQ(ask().size(), 2u);
        EXPECT_EQ(values_with("kept"), 0u) << "nor is it kept";
    });
}

// Against a model that is nothing but a list of what should have come about.
struct ModelHold {
    Hold hold;
    std::vector<std::pair<WallTime, std::string>> contexts;
};
Holds expected(const std::vector<ModelHold>& model, WallTime at, std::size_t max) {
    Holds answer;
    for (auto it = model.rbegin(); it != model.rend() && answer.size() < max; ++it) {
        if (it->hold.allocated_at > at) continue;
        Hold hold = it->hold;
        for (const auto& [since, context] : it->contexts) {
            if (since <= at || &context == &it->contexts.front().second) hold.context = context;
        }
        answer.push_back(hold);
    }
    return answer;
}

TEST_F(RedisHistoryTest, AgreesWithASimpleListWhateverHappens) {
    world_.run([&] {
        start(numbers({0, 1, 2}));
        std::mt19937 random(7);
        const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        std::map<PhoneNumber, std::vector<ModelHold>> model;
        const auto note = [&](PhoneNumber held, const std::string& pool, const std::string& session,
                              const std::string& context) {
            auto& holds = model[held];
            const bool goes_on = !holds.empty() && holds.back().hold.session_id == session &&
                                 holds.back().hold.pool_id == pool &&
                                 holds.back().hold.expires_at > world_.now();
            if (!goes_on) holds.push_back({fresh(session, {}, pool), {}});
            Hold& hold = holds.back().hold;
            const Hold touched = fresh(session, {}, pool);
            hold.last_touch = touched.last_touch;
            hold.expires_at = touched.expires_at;
            hold.free_at = touched.free_at;
            auto& contexts = holds.back().contexts;
            if (contexts.empty() || contexts.back().second != context) {
                contexts.emplace_back(world_.now(), context);
            }
        };
        for (int step = 0; step < 1500; ++step) {
            const std::string session = "v-" + std::to_string(below(6));
            const std::string context = std::string(below(3) * 40 + 1, 'c');
            const std::string pool = below(2) == 0 ? "autos" : "boats";
            const unsigned dice = below(100);
            world_.leap(1ms);  // by their begins holds are told from each other
            if (dice < 60) {
                const auto held = world_.allocate(pool, session, context);
                if (held && *held) note(*held, pool, session, context);
            } else if (dice < 70) {
                const auto held = number(below(3));
                if (!world_.release(pool, held, session)) continue;
                Hold& hold = model[held].back().hold;
                ASSERT_EQ(hold.session_id, session);
                hold.expires_at = world_.now();
                hold.free_at = world_.now() + 5min;
            } else if (dice < 80) {
                world_.leap(std::chrono::seconds(below(1800)));
            } else if (dice < 83) {
                (void)daemon_->pools.set_numbers(pool, numbers_up_to(below(4)));
                if (below(4) > 0) continue;
                EXPECT_TRUE(daemon_->pools.remove_pool(pool).ok());
                EXPECT_TRUE(daemon_->pools.put_pool(definition(pool)).value());
            } else {
                const auto held = number(below(3));
                const auto& holds = model[held];
                WallTime at = world_.now();
                if (!holds.empty()) {
                    const auto begin = holds[below(static_cast<unsigned>(holds.size()))].hold;
                    at = begin.allocated_at + std::chrono::milliseconds(below(1'800'000));
                    if (below(3) == 0)
                        at = begin.allocated_at - std::chrono::milliseconds(below(2));
                }
                const std::size_t max = 1 + below(5);
                ASSERT_EQ(try_ask(held, at, max).value(), expected(holds, at, max)) << step;
            }
        }
        std::set<std::string> pools;
        for (const auto& [held, holds] : model) {
            EXPECT_EQ(try_ask(held, {}, 10'000).value(), expected(holds, WallTime::max(), 10'000));
            EXPECT_GT(holds.size(), 15u);
            for (const ModelHold& hold : holds) pools.insert(hold.hold.pool_id);
        }
        EXPECT_EQ(pools.size(), 2u);
    });
}

// --- erasing -------------------------------------------------------------------------------------

constexpr const char* kSecret = "visitor-to-be-forgotten";
constexpr const char* kSecretContext = "gclid-to-be-forgotten";

TEST_F(RedisHistoryTest, ErasesEveryTraceOfASessionAndNothingElse) {
    world_.run([&] {
        start(numbers({0, 1, 2}));
        EXPECT_TRUE(daemon_->pools.set_numbers("boats", numbers({10, 11, 12})).ok());
        for (int round = 0; round < 40; ++round) {
            const std::string context = kSecretContext + std::to_string(round);
            world_.allocate("autos", kSecret, context).value();
            world_.allocate("boats", kSecret, context).value();
            world_.allocate("autos", "other", "other-context" + std::to_string(round)).value();
            if (round % 10 == 9) world_.leap(2h);
        }
        world_.allocate("boats", kSecret, kSecretContext).value();
        ASSERT_EQ(values_with(kSecretContext), 81u);
        const auto others = values_with("other-context");
        EXPECT_EQ(erase(kSecret), 81u);
        EXPECT_EQ(values_with(kSecret), 0u);
        EXPECT_EQ(values_with(kSecretContext), 0u);
        EXPECT_EQ(values_with("other-context"), others);
        EXPECT_EQ(released_, (std::map<std::string, int>{{"boats", 1}}));
        EXPECT_EQ(erase(kSecret), 0u);
        EXPECT_EQ(erase("never-seen"), 0u);
        const Holds holds = try_ask(number(10), {}).value();
        ASSERT_EQ(holds.size(), 5u);
        for (const Hold& hold : holds) {
            EXPECT_EQ(hold.detail, Detail::erased);
            EXPECT_EQ(hold.pool_id, "boats");
            EXPECT_EQ(hold.session_id, std::nullopt);
            EXPECT_EQ(hold.context, "");
        }
        EXPECT_NE(holds[0].state_at(world_.now()), Hold::State::held);
    });
}

TEST_F(RedisHistoryTest, ErasesInPoolsThatWereRemoved) {
    world_.run([&] {
        start();
        world_.allocate("autos", kSecret, kSecretContext).value();
        EXPECT_TRUE(daemon_->pools.remove_pool("autos").ok());
        EXPECT_EQ(erase(kSecret), 1u);
        EXPECT_EQ(values_with(kSecret), 0u);
        ASSERT_EQ(ask().size(), 1u);
        EXPECT_EQ(ask()[0].detail, Detail::erased);
    });
}

TEST_F(RedisHistoryTest, WhoComesBackAfterwardsIsKnownAgain) {
    world_.run([&] {
        start();
        world_.allocate("autos", kSecret, kSecretContext).value();
        world_.leap(1s);
        EXPECT_EQ(erase(kSecret), 1u);
        world_.leap(1s);
        const Hold again = fresh(kSecret, kSecretContext);
        EXPECT_EQ(world_.allocate("autos", kSecret, kSecretContext).value(), number(0));
        const Holds holds = ask();
        ASSERT_EQ(holds.size(), 2u);
        EXPECT_EQ(holds[0], again);
        EXPECT_EQ(holds[1].detail, Detail::erased);
        EXPECT_EQ(erase(kSecret), 1u);
        EXPECT_EQ(values_with(kSecret), 0u);
    });
}

TEST_F(RedisHistoryTest, WhatBeginsWhileASessionIsErasedStays) {
    world_.run([&] {
        start(numbers_up_to(1000));
        for (int i = 0; i < 1000; ++i) {
            world_.allocate("autos", "v-" + std::to_string(i), "c").value();
        }
        world_.leap(2h);
        EXPECT_EQ(world_.allocate("autos", kSecret, kSecretContext).value(), number(0));
        bool back = false;
        daemon_->client.before_call(3, [&] {  // what it held has been released
            world_.leap(1s);
            EXPECT_EQ(world_.allocate("autos", kSecret, "again").value(), number(0));
            back = true;
        });
        EXPECT_EQ(erase(kSecret), 1u);
        EXPECT_TRUE(back);
        EXPECT_EQ(ask()[0].context, "again");
        EXPECT_EQ(values_with(kSecretContext), 0u);
    });
}

}  // namespace
}  // namespace ringmaster::redis_store
