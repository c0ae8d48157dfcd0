#include "ringmaster/redis_store/redis_store.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "redis_store/function_pool.hpp"
#include "redis_store/world.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis_store {
namespace {

using namespace redis_store::testing;
using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using ringpool::PoolIndex;
using ringpool::Session;
using ::testing::ElementsAre;
using Outcome = Allocation::Outcome;

constexpr ringpool::SessionHasher::Key kSecret{1, 2, 3};

redis::Reply string_reply(std::string text) {
    redis::Reply reply;
    reply.type = redis::Reply::Type::string;
    reply.text = std::move(text);
    return reply;
}
redis::Reply error_reply(std::string text) {
    redis::Reply reply;
    reply.type = redis::Reply::Type::error;
    reply.text = std::move(text);
    return reply;
}
redis::Reply integer_reply(std::int64_t value) {
    redis::Reply reply;
    reply.type = redis::Reply::Type::integer;
    reply.integer = value;
    return reply;
}

std::vector<std::string> words_of(std::string_view command) {
    std::vector<std::string> words;
    const auto number = [&] {
        const std::size_t end = command.find("\r\n");
        const auto value = std::stoul(std::string(command.substr(1, end - 1)));
        command.remove_prefix(end + 2);
        return value;
    };
    for (std::size_t left = number(); left > 0; --left) {
        const std::size_t size = number();
        words.emplace_back(command.substr(0, size));
        command.remove_prefix(size + 2);
    }
    return words;
}

/// Says what a test wants, and remembers what it was asked.
class FakeClient final : public redis::Client {
  public:
    explicit FakeClient(runtime::Scheduler& scheduler) : scheduler_(scheduler) {}

    std::function<Result<redis::Reply>(const std::vector<std::string>& words)> answer;
    std::function<void()> on_the_way = [] {};     ///< before a call is answered
    std::vector<std::vector<std::string>> asked;  ///< words of each call
    std::vector<bool> repeatable;                 ///< whether that may be sent twice
    std::vector<std::size_t> spans;               ///< how many calls left together
    std::vector<unsigned> durably;                ///< replicas of each call_durably()
    unsigned loads = 0;
    Result<void> load_result;

    void call(std::span<redis::Call> calls, Deadline) override {
        spans.push_back(calls.size());
        for (redis::Call& each : calls) {
            asked.push_back(words_of(each.command));
            repeatable.push_back(each.repeatable);
            EXPECT_EQ(each.key, asked.back()[3]);
        }
        const std::size_t first = asked.size() - calls.size();
        on_the_way();
        scheduler_.yield();
        for (std::size_t i = 0; i < calls.size(); ++i) calls[i].answer = answer(asked[first + i]);
    }
    void call_durably(std::span<redis::Call> calls, unsigned replicas, Deadline deadline) override {
        durably.push_back(replicas);
        call(calls, deadline);
    }
    Result<void> call_primaries(std::string_view command, Deadline) override {
        scheduler_.yield();
        if (words_of(command)[0] == "FCALL_RO") return Error{ErrorCode::invalid, "no function"};
        ++loads;
        return load_result;
    }
    std::vector<redis::ServerAnswer> ask_primaries(std::string_view, Deadline) override {
        return {};
    }
    void subscribe(std::string, std::function<void()>,
                   std::function<void(std::string_view)>) override {}
    Result<void> ready() const override { return Error{ErrorCode::unavailable, "not there"}; }
    redis::ClientStats stats() const noexcept override { return {}; }
    void stop() override {}

  private:
    runtime::Scheduler& scheduler_;
};

/// As rm1_allocate answers. Each row is an outcome; its number is the session's place in the call.
std::string answer_with(std::string_view outcomes, std::uint64_t version = 3) {
    const auto eight = [](std::uint64_t value) {
        std::string bytes(8, '\0');
        std::memcpy(bytes.data(), &value, 8);
        return bytes;
    };
    std::string bytes = eight(version) + eight(5'000'000);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        bytes += outcomes[i];
        if (outcomes[i] == 'x') continue;
        const std::string digits = std::to_string(1866555000 + i);
        bytes += eight(5'600'000) + static_cast<char>(digits.size()) + digits + "\3866";
    }
    return bytes;
}

std::string outcomes(std::size_t rows, char outcome) {
    return std::string(rows, outcome);
}
std::size_t rows_of(const std::vector<std::string>& words) {
    return (words.size() - 10) / 2;
}

class RedisStoreTest : public ::testing::Test {
  protected:
    RedisStoreTest() {
        for (const char* id : {"autos", "boats", "cars"}) EXPECT_TRUE(catalog_.put(definition(id)));
        client_.answer = [](const std::vector<std::string>& words) {
            return string_reply(answer_with(outcomes(rows_of(words), 'n')));
        };
    }
    RedisStore& store(RedisStoreOptions options = {}) {
        store_ = std::make_unique<RedisStore>(
            RedisStore::Parts{client_, catalog_, scheduler_, log_, [](PoolIndex) { return 3; },
                              [this](PoolIndex pool) { stale_.push_back(pool); }},
            kSecret, options);
        return *store_;
    }
    void run(const std::function<void()>& job) {
        bool ended = false;
        ASSERT_TRUE(scheduler_.run("test", [&] {
            job();
            ended = true;
        }));
        while (scheduler_.has_ready()) scheduler_.turn();
        ASSERT_TRUE(ended);
    }
    /// One row of each of these pools, with sessions "0", "1"...
    std::vector<Allocation> allocate(RedisStore& store, const std::vector<PoolIndex>& pools) {
        std::vector<AllocationRequest> requests;
        for (const PoolIndex pool : pools) {
            names_.push_back(std::make_unique<std::string>(std::to_string(requests.size())));
            requests.push_back({pool, {*names_.back(), {}}});
        }
        std::vector<Allocation> answers(requests.size());
        run([&] { store.allocate(requests, answers, Deadline::never()); });
        return answers;
    }
    /// The session ids that a call was made for.
    static std::vector<std::string> ids_of(const std::vector<std::string>& words) {
        std::vector<std::string> ids;
        for (std::size_t i = 10 + rows_of(words); i < words.size(); ++i) {
            ids.push_back(words[i].substr(5));
        }
        return ids;
    }
    static std::size_t count(const ringpool::PoolCounters& counters, OverflowReason reason) {
        return counters.overflows[static_cast<std::size_t>(reason)];
    }

    CollectingLog log_;
    FakeClock clock_;
    ErrorReporter errors_{log_};
    runtime::Scheduler scheduler_{clock_, errors_, {.max_fibers = 16}};
    ringpool::Catalog catalog_;
    FakeClient client_{scheduler_};
    std::vector<PoolIndex> stale_;
    std::vector<std::unique_ptr<std::string>> names_;
    std::unique_ptr<RedisStore> store_;
};

TEST_F(RedisStoreTest, SendsTheRowsOfEachPoolAsOneCallAndAllCallsTogether) {
    const auto answers = allocate(store(), {1, 0, 1, 2, 1});
    EXPECT_THAT(client_.spans, ElementsAre(3u));
    ASSERT_EQ(client_.asked.size(), 3u);
    EXPECT_EQ(client_.asked[0][1], "rm1_allocate");
    EXPECT_THAT(std::vector(client_.asked[0].begin() + 2, client_.asked[0].begin() + 10),
                ElementsAre("6", "ringmaster:{boats}:meta", "ringmaster:{boats}:queue",
                            "ringmaster:{boats}:sessions", "ringmaster:{boats}:numbers",
                            "ringmaster:{boats}:members", "ringmaster:{boats}:past", "7776000000"));
    EXPECT_THAT(ids_of(client_.asked[0]), ElementsAre("0", "2", "4"));
    EXPECT_THAT(ids_of(client_.asked[1]), ElementsAre("1"));
    EXPECT_THAT(ids_of(client_.asked[2]), ElementsAre("3"));
    ringpool::SessionHasher hasher(kSecret);
    EXPECT_EQ(client_.asked[0][11], bytes_of(hasher.hash("boats", {"2", {}})));

    const std::vector<std::uint64_t> places = {0, 0, 1, 0, 2};
    for (std::size_t i = 0; i < answers.size(); ++i) {
        EXPECT_EQ(answers[i].outcome, Outcome::allocated);
        EXPECT_EQ(answers[i].number.digits(), 1866555000 + places[i]);
        EXPECT_EQ(answers[i].formatted.view(), "866");
    }
}

TEST_F(RedisStoreTest, TellsTimesByItsOwnClock) {
    const auto answers = allocate(store(), {0});
    EXPECT_EQ(answers[0].expires_at, clock_.wall_now() + 600s);  // the server's differ by that
}

TEST_F(RedisStoreTest, TellsNobodyTooLongATimeWhereTheAnswerIsLate) {
    const WallTime asked_at = clock_.wall_now();
    client_.on_the_way = [this] {
        clock_.advance(2s);
        scheduler_.update_time();
    };
    EXPECT_EQ(allocate(store(), {0})[0].expires_at, asked_at + 600s);
}

TEST_F(RedisStoreTest, SplitsTheRowsOfALargePool) {
    allocate(store({.max_rows_per_call = 2}), {0, 0, 1, 0, 0, 0});
    EXPECT_THAT(client_.spans, ElementsAre(4u));
    std::vector<std::vector<std::string>> ids;
    for (const auto& words : client_.asked) ids.push_back(ids_of(words));
    EXPECT_THAT(ids, ElementsAre(ElementsAre("0", "1"), ElementsAre("3", "4"), ElementsAre("5"),
                                 ElementsAre("2")));
}

TEST_F(RedisStoreTest, SplitsRowsWithLongContexts) {
    const std::string context(600'000, 'c');
    std::vector<AllocationRequest> requests(3);
    for (AllocationRequest& request : requests) {
        request.session.context = ringpool::Context(context);
    }
    std::vector<Allocation> answers(3);
    RedisStore& store = this->store();
    run([&] { store.allocate(requests, answers, Deadline::never()); });
    EXPECT_EQ(client_.asked.size(), 3u);
}

TEST_F(RedisStoreTest, GivesOverflowNumbersWhereThereIsNoAnswer) {
    ringpool::PoolDefinition strict = definition("boats");
    strict.allow_overflow = false;
    EXPECT_TRUE(catalog_.put(strict));
    // Of three pools, one does not answer.
    client_.answer = [](const std::vector<std::string>& words) -> Result<redis::Reply> {
        if (words[3] != "ringmaster:{boats}:meta") {
            return string_reply(answer_with(outcomes(rows_of(words), 'r')));
        }
        return Error{ErrorCode::timeout, "too late"};
    };
    RedisStore& store = this->store();
    auto answers = allocate(store, {0, 1, 2});
    EXPECT_EQ(answers[0].outcome, Outcome::allocated);
    EXPECT_EQ(answers[1].outcome, Outcome::refused);
    EXPECT_EQ(answers[1].reason, OverflowReason::store_unavailable);
    EXPECT_EQ(answers[2].outcome, Outcome::allocated);

    const std::string good = answer_with("nn");
    const std::vector<std::pair<const char*, redis::Reply>> wrong = {
        {"error", error_reply("OOM command not allowed")},
        {"other type", integer_reply(1)},
        {"nil", redis::Reply()},
        {"empty", string_reply("")},
        {"short", string_reply(good.substr(0, good.size() - 1))},
        {"long", string_reply(good + "x")},
    };
    for (const auto& [what, reply] : wrong) {
        client_.answer = [&told = reply](const auto&) { return told; };
        answers = allocate(store, {0, 0});
        for (const Allocation& answer : answers) {
            EXPECT_EQ(answer.outcome, Outcome::overflow) << what;
            EXPECT_EQ(answer.reason, OverflowReason::store_unavailable) << what;
            EXPECT_EQ(answer.number.digits(), 18005550100u) << what;
        }
    }
    EXPECT_EQ(count(store.counters(0), OverflowReason::store_unavailable), 2 * wrong.size());
    EXPECT_EQ(store.counters(0).allocations, 1u);
    EXPECT_EQ(count(store.all_counters(), OverflowReason::store_unavailable), 2 * wrong.size() + 1);
    EXPECT_TRUE(stale_.empty());
    // Servers that can't be reached are told of by the client.
    EXPECT_THAT(log_.lines,
                ElementsAre("store: Redis hands out no numbers: OOM command not allowed",
                            "store: Redis has answered rm1_allocate with something else"));
}

TEST_F(RedisStoreTest, CountsWhatHasBecomeOfRows) {
    client_.answer = [](const auto&) { return string_reply(answer_with("nerxcnx")); };
    RedisStore& store = this->store();
    const auto answers = allocate(store, std::vector<PoolIndex>(7, 2));
    EXPECT_EQ(answers[3].outcome, Outcome::overflow);
    EXPECT_EQ(answers[3].reason, OverflowReason::exhausted);
    const ringpool::PoolCounters counters = store.counters(2);
    EXPECT_EQ(counters.allocations, 5u);
    EXPECT_EQ(counters.new_holds, 3u);
    EXPECT_EQ(counters.early_reissues, 1u);
    EXPECT_EQ(count(counters, OverflowReason::exhausted), 2u);
    EXPECT_EQ(store.counters(0).allocations, 0u);
    EXPECT_EQ(store.counters(77).allocations, 0u);
    EXPECT_EQ(store.all_counters().allocations, 5u);
}

TEST_F(RedisStoreTest, TellsOfPoolsThatAreGoneOrHaveChanged) {
    client_.answer = [](const std::vector<std::string>& words) {
        if (words[3] == "ringmaster:{autos}:meta")
            return error_reply("NOPOOL there is no such pool");
        return string_reply(answer_with("n", words[3] == "ringmaster:{boats}:meta" ? 4 : 3));
    };
    const auto answers = allocate(store(), {0, 1, 2});
    EXPECT_EQ(answers[0].reason, OverflowReason::store_unavailable);
    EXPECT_EQ(answers[0].outcome, Outcome::overflow);
    EXPECT_EQ(answers[1].outcome, Outcome::allocated);
    EXPECT_THAT(stale_, ElementsAre(0u, 1u));
}

TEST_F(RedisStoreTest, LoadsFunctionsThatAreMissingOnceForAll) {
    bool lost = true;
    client_.answer = [&](const std::vector<std::string>& words) {
        if (lost && client_.loads == 0) return error_reply("ERR Function not found");
        return string_reply(answer_with(outcomes(rows_of(words), 'n')));
    };
    RedisStore& store = this->store();
    const std::vector<AllocationRequest> requests = {{0, {"ann", {}}}, {1, {"ann", {}}}};
    std::vector<std::vector<Allocation>> answers(3, std::vector<Allocation>(2));
    int ended = 0;
    for (auto& each : answers) {
        ASSERT_TRUE(scheduler_.spawn("test", [&] {
            store.allocate(requests, each, Deadline::never());
            ++ended;
        }));
    }
    while (scheduler_.has_ready()) scheduler_.turn();
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(client_.loads, 1u);
    for (const auto& each : answers) {
        EXPECT_EQ(each[0].outcome, Outcome::allocated);
        EXPECT_EQ(each[1].outcome, Outcome::allocated);
    }
}

TEST_F(RedisStoreTest, DoesNotGoOnForEverWhereFunctionsCannotBeLoaded) {
    client_.answer = [](const auto&) { return error_reply("ERR Function not found"); };
    RedisStore& store = this->store();
    EXPECT_EQ(allocate(store, {0})[0].reason, OverflowReason::store_unavailable);
    EXPECT_EQ(client_.asked.size(), 2u);
    client_.load_result = Error{ErrorCode::unavailable, "NOPERM"};
    EXPECT_EQ(allocate(store, {0})[0].reason, OverflowReason::store_unavailable);
    EXPECT_EQ(client_.asked.size(), 3u);
    EXPECT_EQ(client_.loads, 2u);
}

TEST_F(RedisStoreTest, WaitsForReplicasWhereItIsToldTo) {
    RedisStore& store = this->store({.wait_replicas = 2});
    allocate(store, {0});
    client_.answer = [](const auto&) { return integer_reply(1); };
    run([&] { EXPECT_TRUE(store.release(0, number(1), {"ann", {}}, Deadline::never())); });
    EXPECT_THAT(client_.durably, ElementsAre(2u, 2u));
    EXPECT_EQ(store.counters(0).releases, 1u);
}

TEST_F(RedisStoreTest, SaysWhetherItWasReleased) {
    RedisStore& store = this->store();
    const auto release = [&](Result<redis::Reply> reply) {
        client_.answer = [&](const auto&) { return reply; };
        std::optional<ErrorCode> code;
        run([&] {
            const auto done = store.release(1, number(5), {"ann", {}}, Deadline::never());
            if (!done) code = done.error().code;
        });
        return code;
    };
    EXPECT_EQ(release(integer_reply(1)), std::nullopt);
    ringpool::SessionHasher hasher(kSecret);
    EXPECT_THAT(std::vector(client_.asked[0].begin() + 9, client_.asked[0].end()),
                ElementsAre(std::to_string(number(5).digits()),
                            bytes_of(hasher.hash("boats", {"ann", {}}))));
    EXPECT_EQ(release(integer_reply(0)), ErrorCode::not_found);
    EXPECT_EQ(release(integer_reply(2)), ErrorCode::unavailable);
    EXPECT_EQ(release(string_reply("1")), ErrorCode::unavailable);
    EXPECT_EQ(release(error_reply("OOM")), ErrorCode::unavailable);
    EXPECT_EQ(release(Error{ErrorCode::timeout, "too late"}), ErrorCode::unavailable);
    EXPECT_EQ(store.counters(1).releases, 1u);
    EXPECT_FALSE(store.ready());
}

TEST_F(RedisStoreTest, DoesNotReleaseAgainWhereItMayHaveBeenDone) {
    RedisStore& store = this->store();
    allocate(store, {0});
    client_.answer = [&](const auto&) {
        return client_.loads == 0 ? error_reply("ERR Function not found") : integer_reply(1);
    };
    run([&] { EXPECT_TRUE(store.release(0, number(1), {"ann", {}}, Deadline::never())); });
    EXPECT_EQ(client_.repeatable, (std::vector{true, false, false}));
}

// --- with a real server --------------------------------------------------------------------------

/// Two daemons' stores, and the pool "autos" with numbers 0 to 4.
class RedisStoreServerTest : public ::testing::Test {
  protected:
    struct Node {
        Node(World& world, Daemon& daemon)
            : store({daemon.client, daemon.catalog, world.reactor().scheduler(), daemon.log,
                     [&](PoolIndex index) { return daemon.follower.version(index); },
                     [&](PoolIndex index) { daemon.follower.look_again(index); }},
                    kSecret, {}),
              pool(daemon.catalog.find("autos").value()),
              scheduler(world.reactor().scheduler()) {}
        Allocation allocate(std::string_view session, std::chrono::milliseconds within = 20s) {
            const AllocationRequest request{pool, {session, {}}};
            Allocation answer;
            store.allocate({&request, 1}, {&answer, 1}, Deadline::at(scheduler.now() + within));
            return answer;
        }
        RedisStore store;
        PoolIndex pool;
        runtime::Scheduler& scheduler;
    };
    void run(const std::function<void(Node& one, Node& other)>& job) {
        world_.run([&] {
            Daemon& first = world_.start_daemon();
            EXPECT_TRUE(first.pools.put_pool(definition("autos")).value());
            EXPECT_TRUE(first.pools.set_numbers("autos", numbers({0, 1, 2, 3, 4})));
            Daemon& second = world_.start_daemon();
            Node one(world_, first);
            Node other(world_, second);
            job(one, other);
        });
    }
    World world_;
};

TEST_F(RedisStoreServerTest, GivesEachSessionItsNumberFromAnyProcess) {
    run([&](Node& one, Node& other) {
        const Allocation ann = one.allocate("ann");
        EXPECT_EQ(ann.outcome, Outcome::allocated);
        EXPECT_EQ(ann.number, number(0));
        EXPECT_EQ(ann.formatted.view(), "866-0");
        EXPECT_EQ(other.allocate("bob").number, number(1));
        EXPECT_EQ(other.allocate("ann").number, number(0));
        EXPECT_EQ(one.store.counters(one.pool).new_holds, 1u);
        EXPECT_EQ(other.store.counters(other.pool).new_holds, 1u);
        EXPECT_EQ(other.store.counters(other.pool).allocations, 2u);
        EXPECT_TRUE(one.store.ready());

        // The server's clock is years away from ours.
        const WallTime now = one.scheduler.wall_now();
        EXPECT_LE(ann.expires_at, now + 30min);
        EXPECT_GT(ann.expires_at, now + 20min);
    });
}

TEST_F(RedisStoreServerTest, GivesNumbersBack) {
    run([&](Node& one, Node& other) {
        const Allocation ann = one.allocate("ann");
        const auto release = [&](Node& node, std::string_view session) {
            return node.store.release(node.pool, ann.number, {session, {}}, Deadline::never());
        };
        EXPECT_EQ(release(other, "bob").error().code, ErrorCode::not_found);
        EXPECT_TRUE(release(other, "ann"));
        EXPECT_EQ(release(one, "ann").error().code, ErrorCode::not_found);
        EXPECT_EQ(other.store.counters(other.pool).releases, 1u);
    });
}

TEST_F(RedisStoreServerTest, SaysThatThePoolIsExhausted) {
    run([&](Node& one, Node& other) {
        for (const char* session : {"a", "b", "c", "d", "e"}) {
            EXPECT_EQ(one.allocate(session).outcome, Outcome::allocated);
        }
        const Allocation none = other.allocate("f");
        EXPECT_EQ(none.outcome, Outcome::overflow);
        EXPECT_EQ(none.reason, OverflowReason::exhausted);
        world_.leap(35min);  // lifetime and cool-down
        EXPECT_EQ(other.allocate("f").number, number(0));
        EXPECT_EQ(other.store.counters(other.pool).early_reissues, 1u);
    });
}

TEST_F(RedisStoreServerTest, LoadsTheFunctionsThatTheServerHasLost) {
    run([&](Node& one, Node&) {
        EXPECT_EQ(world_.server().command({"FUNCTION", "FLUSH"}), "OK");
        EXPECT_EQ(one.allocate("ann").number, number(0));
        EXPECT_EQ(world_.server().command({"FUNCTION", "FLUSH"}), "OK");
        EXPECT_TRUE(one.store.release(one.pool, number(0), {"ann", {}}, Deadline::never()));
    });
}

TEST_F(RedisStoreServerTest, GivesOverflowNumbersWhileTheServerHangs) {
    run([&](Node& one, Node&) {
        EXPECT_EQ(one.allocate("ann").number, number(0));
        world_.server().stop_answering();
        const Allocation late = one.allocate("bob", 20ms);
        EXPECT_EQ(late.outcome, Outcome::overflow);
        EXPECT_EQ(late.reason, OverflowReason::store_unavailable);
        world_.server().go_on();
        // He has a number that he was not told of, or gets one now.
        EXPECT_EQ(one.allocate("bob").number, number(1));
    });
}

}  // namespace
}  // namespace ringmaster::redis_store
