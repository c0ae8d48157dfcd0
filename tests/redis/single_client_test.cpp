#include "ringmaster/redis/client.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "client_fixture.hpp"
#include "servers.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct SingleClientTest : ClientTest {};

TEST_F(SingleClientTest, GetsTheServersAnswers) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        EXPECT_EQ(ask({"SET", "key", std::string("a\0\r\nb", 5)}), "OK");
        EXPECT_EQ(ask({"GET", "key"}), std::string("a\0\r\nb", 5));
        EXPECT_EQ(ask({"GET", "none"}), "(nil)");
        EXPECT_EQ(ask({"INCR", "count"}), "1");
        EXPECT_THAT(ask({"NONSENSE"}), StartsWith("-ERR unknown command"));
        EXPECT_TRUE(client->ready().ok());
        EXPECT_THAT(server.command({"CLIENT", "LIST"}), HasSubstr("name=ringmaster"));
        EXPECT_TRUE(client->call_primaries(Command({"PING"}).bytes(), soon()).ok());
        const auto refused = client->call_primaries(Command({"NONSENSE"}).bytes(), soon());
        ASSERT_FALSE(refused.ok());
        EXPECT_THAT(refused.error().message, HasSubstr("unknown command"));
    });
    EXPECT_EQ(client->stats().calls, 7u);
    EXPECT_EQ(client->stats().errors, 0u);
    EXPECT_EQ(client->stats().connected, 1u);
}

TEST_F(SingleClientTest, IsAskedAboutItselfBesideCalls) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        const auto answers = client->ask_primaries(Command({"PING"}).bytes(), soon());
        ASSERT_EQ(answers.size(), 1u);
        EXPECT_EQ(answers[0].server.port, server.port());
        EXPECT_EQ(text(answers[0].answer), "PONG");
        server.stop_answering();
        const auto late = client->ask_primaries(Command({"PING"}).bytes(), in(milliseconds(20)));
        server.go_on();
        EXPECT_THAT(text(late.at(0).answer), StartsWith("!timeout"));
        EXPECT_EQ(ask({"ECHO", "next"}), "next");
        EXPECT_EQ(client->stats().calls, 1u);
        EXPECT_EQ(client->stats().errors, 0u);
        client->stop();
        EXPECT_TRUE(client->ask_primaries(Command({"PING"}).bytes(), soon()).empty());
    });
}

TEST_F(SingleClientTest, WhatManyFibersAskInOneTurnLeavesInOneWrite) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        ask({"PING"});
        const auto writes = client->stats().writes;
        const auto answers =
            runtime::parallel_map(reactor.scheduler(), 100, 100, [&](std::size_t i) {
                return ask({"ECHO", std::to_string(i)});
            });
        for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_EQ(answers[i], std::to_string(i));
        EXPECT_EQ(client->stats().writes, writes + 1);
    });
}

TEST_F(SingleClientTest, LogsInAndSelectsItsDatabase) {
    RedisServer server({.config = {"user app on >sec:ret allcommands allkeys allchannels"}});
    make(options("redis://app:sec%3Aret@127.0.0.1:" + std::to_string(server.port()) + "/3"));
    run([&] {
        EXPECT_EQ(ask({"ACL", "WHOAMI"}), "app");
        EXPECT_THAT(ask({"CLIENT", "INFO"}), HasSubstr(" db=3 "));
    });
}

TEST_F(SingleClientTest, SpeaksOverAUnixSocket) {
    RedisServer server({.unix_socket = true});
    make(options("redis+unix://" + server.socket_path()));
    run([&] { EXPECT_EQ(ask({"PING"}), "PONG"); });
}

TEST_F(SingleClientTest, LooksNamesUp) {
    RedisServer server;
    make(options("redis://localhost:" + std::to_string(server.port())));
    run([&] { EXPECT_EQ(ask({"PING"}), "PONG"); });
}

TEST_F(SingleClientTest, AWrongPasswordIsToldAtOnceAndNotTriedAgainAndAgain) {
    RedisServer server({.password = "right"});
    const std::string port = std::to_string(server.port());
    make(options("redis://:wr0ng@127.0.0.1:" + port));
    run([&] {
        for (int i = 0; i < 50; ++i) {
            const std::string answer = ask({"PING"});
            EXPECT_THAT(answer, StartsWith("!unavailable redis 127.0.0.1:" + port + ": WRONGPASS"));
            EXPECT_THAT(answer, Not(HasSubstr("wr0ng")));
        }
        EXPECT_FALSE(client->ready().ok());
    });
    EXPECT_EQ(std::ranges::count_if(
                  log.lines, [](const auto& line) { return line.find("WRONGPASS") != line.npos; }),
              1);
    EXPECT_THAT(log.lines, Each(Not(HasSubstr("wr0ng"))));
    EXPECT_LT(std::stoi(server.info("total_connections_received")), 20);
}

TEST_F(SingleClientTest, AMissingPasswordAndAMissingRightAreTold) {
    RedisServer server({.password = "right", .config = {"user app on >pass +ping"}});
    const std::string at = "127.0.0.1:" + std::to_string(server.port());
    make(options("redis://" + at));
    run([&] {
        EXPECT_THAT(ask({"PING"}), AllOf(StartsWith("!unavailable"), HasSubstr("NOAUTH")));
        client->stop();
        make(options("redis://app:pass@" + at));
        EXPECT_EQ(ask({"PING"}), "PONG");
        EXPECT_THAT(ask({"GET", "key"}), AllOf(StartsWith("!unavailable"), HasSubstr("NOPERM")));
    });
}

TEST_F(SingleClientTest, ComesBackToAServerThatWasAway) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        ask({"PING"});
        server.kill();
        // Told as soon as it is known: the deadline would be long after the test's own end.
        auto answer = ask({"PING"}, in(milliseconds(1)));
        EXPECT_THAT(answer, StartsWith("!"));
        wait_for("it is noticed", [&] { return !client->ready().ok(); });
        EXPECT_THAT(client->ready().error().message, StartsWith("redis 127.0.0.1:"));
        server.start();
        EXPECT_EQ(ask({"PING"}), "PONG");
        EXPECT_TRUE(client->ready().ok());
        EXPECT_EQ(client->stats().reconnects, 1u);
    });
}

TEST_F(SingleClientTest, WhatIsSentTwiceOnlyWhereThatIsAllowed) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        ask({"PING"});
        server.stop_answering();
        const Command command({"INCR", "count"});
        std::vector<Call> calls(2);
        calls[0].command = calls[1].command = command.bytes();
        calls[1].repeatable = false;
        bool done = false;
        reactor.scheduler().spawn("call", [&] {
            client->call(calls, soon());
            done = true;
        });
        wait_for("both are sent", [&] { return client->stats().pending == 2; });
        server.kill();
        server.start();
        wait_for("both are answered", [&] { return done; });
        EXPECT_EQ(text(calls[0].answer), "1");
        EXPECT_THAT(text(calls[1].answer),
                    StartsWith("!unavailable the connection to Redis was lost"));
    });
}

TEST_F(SingleClientTest, LateAnswersAreDroppedAndTheOthersGoToWhoAsked) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        ask({"PING"});
        server.stop_answering();
        EXPECT_THAT(ask({"ECHO", "late"}, in(milliseconds(20))), StartsWith("!timeout"));
        server.go_on();
        EXPECT_EQ(ask({"ECHO", "next"}), "next");
        EXPECT_EQ(client->stats().tombstones, 1u);
        EXPECT_EQ(client->stats().timeouts, 1u);
        EXPECT_EQ(client->stats().reconnects, 0u);
    });
}

TEST_F(SingleClientTest, AServerThatIsSilentIsLeft) {
    RedisServer server;
    ClientOptions with = options(server.url());
    with.silence_timeout = milliseconds(100);
    make(with);
    run([&] {
        ask({"PING"});
        server.stop_answering();
        ask({"PING"}, in(milliseconds(20)));
        wait_for("it is noticed", [&] { return !client->ready().ok(); });
        EXPECT_THAT(log.lines, Contains(HasSubstr("connection lost: no answer for 100 ms")));
        server.go_on();
        EXPECT_EQ(ask({"PING"}), "PONG");
    });
}

TEST_F(SingleClientTest, CountsOnlyWhatReplicasHave) {
    RedisServer server;
    make(options(server.url()));
    const Command set({"SET", "key", "value"});
    const Command bad({"NONSENSE"});
    run([&] {
        std::vector<Call> calls(2);
        calls[0].command = set.bytes();
        calls[1].command = bad.bytes();
        ask({"PING"});
        client->call_durably(calls, 1, in(milliseconds(4000)));
        EXPECT_THAT(text(calls[0].answer),
                    AllOf(StartsWith("!unavailable"),
                          AnyOf(HasSubstr("only 0 of 1 replicas"), HasSubstr("deadline"))));
        EXPECT_THAT(text(calls[1].answer), StartsWith("-ERR unknown command"));
        EXPECT_EQ(ask({"GET", "key"}), "value");

        RedisServer replica({.config = {"replicaof 127.0.0.1 " + std::to_string(server.port())}});
        wait_until("the replica is there", [&] { return server.info("connected_slaves") == "1"; });
        client->call_durably(calls, 1, soon());
        EXPECT_EQ(text(calls[0].answer), "OK");
        EXPECT_THAT(text(calls[1].answer), StartsWith("-ERR unknown command"));
        EXPECT_EQ(replica.command({"GET", "key"}), "value");
        EXPECT_EQ(client->stats().pool.idle, 1u);
    });
}

TEST_F(SingleClientTest, HearsAChannelAgainAfterTheServerWasAway) {
    RedisServer server;
    make(options(server.url()));
    int connected = 0;
    std::vector<std::string> heard;
    run([&] {
        client->subscribe(
            "news", [&] { ++connected; },
            [&](std::string_view payload) { heard.emplace_back(payload); });
        wait_for("it listens", [&] { return connected == 1; });
        server.command({"PUBLISH", "news", "one"});
        server.command({"PUBLISH", "other", "nothing"});
        wait_for("it hears", [&] { return heard.size() == 1; });
        server.kill();
        server.start();
        wait_for("it listens again", [&] { return connected == 2; });
        server.command({"PUBLISH", "news", "two"});
        wait_for("it hears again", [&] { return heard.size() == 2; });
    });
    EXPECT_THAT(heard, ::testing::ElementsAre("one", "two"));
}

TEST_F(SingleClientTest, ASubscriptionNoticesASilentServer) {
    RedisServer server;
    ClientOptions with = options(server.url());
    with.ping_period = with.silence_timeout = milliseconds(50);
    make(with);
    int connected = 0;
    run([&] {
        client->subscribe(
            "news", [&] { ++connected; }, [](std::string_view) {});
        wait_for("it listens", [&] { return connected == 1; });
        server.stop_answering();
        wait_for("it is noticed", [&] {
            return std::ranges::any_of(log.lines, [](const std::string& line) {
                return line.find("channel news") != line.npos &&
                       line.find("no answer for 50 ms") != line.npos;
            });
        });
        server.go_on();
        wait_for("it listens again", [&] { return connected >= 2; });
    });
}

TEST_F(SingleClientTest, StoppingEndsAllCalls) {
    RedisServer server;
    make(options(server.url()));
    run([&] {
        ask({"PING"});
        server.stop_answering();
        std::vector<std::string> answers;
        const Command ping({"PING"});
        for (int i = 0; i < 3; ++i) {
            reactor.scheduler().spawn("call", [&] { answers.push_back(ask({"PING"})); });
        }
        client->subscribe(
            "news", [] {}, [](std::string_view) {});
        wait_for("they wait", [&] { return client->stats().pending == 3; });
        client->stop();
        EXPECT_EQ(answers.size(), 3u);
        EXPECT_THAT(answers, Each(StartsWith("!unavailable")));
        EXPECT_THAT(ask({"PING"}), StartsWith("!unavailable"));
        EXPECT_EQ(reactor.scheduler().fibers_in_use(), 1u);
        client->stop();
    });
}

}  // namespace
}  // namespace ringmaster::redis
