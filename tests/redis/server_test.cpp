#include "ringmaster/redis/server.hpp"

#include "ringmaster/redis/command.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "scripted_server.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using runtime::ManualScheduler;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Outcome = Request::Outcome;

struct ServerTest : ::testing::Test {
    ~ServerTest() override { stop(); }
    void stop() {
        bool stopped = false;
        manual.spawn([&] {
            server.stop();
            stopped = true;
        });
        settle_for(milliseconds(500));
        EXPECT_TRUE(stopped);
    }
    void settle_for(milliseconds time) {
        manual.settle();
        for (; time.count() > 0; --time) manual.advance(milliseconds(1));
    }

    static ServerOptions options() {
        ServerOptions options;
        options.login.client_name = "me";
        options.connection.max_pending = 10;
        options.connection.ping_period = std::chrono::hours(1);
        options.connection.silence_timeout = std::chrono::hours(1);
        options.connect_timeout = milliseconds(300);
        options.reconnect_first = milliseconds(20);
        options.reconnect_most = milliseconds(100);
        options.pool.size = 2;
        return options;
    }
    /// Sends the words as one command and waits; the outcome stands in texts[...] then.
    void ask(std::string word, milliseconds time) {
        const std::size_t index = texts.size();
        texts.emplace_back("under way");
        manual.spawn([this, index, word = std::move(word), time] {
            const Command command({word});
            Batch batch(manual.scheduler, 1);
            batch[0].command = command.bytes();
            server.send(batch[0], manual.in(time));
            batch.wait(manual.in(time));
            texts[index] = text(batch[0]);
        });
        manual.settle();
    }
    void ask_durably(std::vector<std::string> words, milliseconds time, unsigned replicas = 1) {
        const std::size_t index = texts.size();
        texts.resize(index + words.size(), "under way");
        manual.spawn([this, index, words = std::move(words), time, replicas] {
            std::vector<Command> commands;
            Batch batch(manual.scheduler, words.size());
            std::vector<Request*> requests;
            for (std::size_t i = 0; i < words.size(); ++i) commands.push_back(Command({words[i]}));
            for (std::size_t i = 0; i < words.size(); ++i) {
                batch[i].command = commands[i].bytes();
                requests.push_back(&batch[i]);
            }
            server.exchange_durably(requests, replicas, manual.in(time));
            for (std::size_t i = 0; i < words.size(); ++i) texts[index + i] = text(batch[i]);
        });
        manual.settle();
    }
    static std::string text(Request& request) {
        const std::string maybe = request.maybe_sent() ? " maybe: " : ": ";
        switch (request.outcome()) {
            case Outcome::none: return "none";
            case Outcome::answered: return request.reply().text;
            case Outcome::lost: return "lost" + maybe + request.error().message;
            case Outcome::refused: return "refused" + maybe + request.error().message;
            case Outcome::timed_out: return "late" + maybe + request.error().message;
            case Outcome::withdrawn: return "withdrawn" + maybe + request.error().message;
        }
        return "";
    }
    static std::string answer_replicas(const std::string& command) {
        return command.starts_with("WAIT ") ? ":1\r\n" : "+" + command + "\r\n";
    }

    ManualScheduler manual;
    ScriptedServer script{manual};
    std::vector<std::string> texts;
    Server server{manual.scheduler,
                  script.connect(),
                  {.host = "db", .port = 6379, .path = {}},
                  options(),
                  manual.log};
};

TEST_F(ServerTest, ConnectsWhenItIsFirstAskedAndKeepsTheConnection) {
    manual.settle();
    EXPECT_EQ(script.attempts, 0u);
    EXPECT_TRUE(server.ready().ok());
    script.connect_time = milliseconds(10);
    ask("A", milliseconds(100));
    ask("B", milliseconds(100));
    EXPECT_EQ(server.stats().pending, 2u);
    settle_for(milliseconds(10));
    EXPECT_THAT(texts, ElementsAre("OK", "OK"));
    EXPECT_THAT(script.peers.at(0)->received, ElementsAre("A", "B"));
    ask("C", milliseconds(100));
    EXPECT_EQ(script.attempts, 1u);
    EXPECT_TRUE(server.stats().connected);
    EXPECT_EQ(server.stats().writes, 2u) << "A and B waited together";
    EXPECT_THAT(manual.log.lines, ElementsAre("redis db:6379: connected"));
}

TEST_F(ServerTest, WhoCanNotBeServedBeforeHisDeadlineIsToldAsSoonAsThatIsKnown) {
    script.connect_time = milliseconds(10);
    script.refusal = Error{ErrorCode::unavailable, "connection refused"};
    ask("short", milliseconds(15));
    ask("long", milliseconds(1000));
    settle_for(milliseconds(11));
    EXPECT_THAT(texts, ElementsAre("refused: redis db:6379: connection refused", "under way"));
    EXPECT_FALSE(server.ready().ok());
    ask("short again", milliseconds(5));
    EXPECT_EQ(texts[2], "refused: redis db:6379: connection refused");
    EXPECT_EQ(script.attempts, 1u);
    script.refusal.reset();
    settle_for(milliseconds(40));
    EXPECT_EQ(texts[1], "OK");
    EXPECT_EQ(script.attempts, 2u);
    EXPECT_TRUE(server.ready().ok());
}

TEST_F(ServerTest, WaitsLongerEachTimeAndBeginsAgainAfterSuccess) {
    script.refusal = Error{ErrorCode::unavailable, "connection refused"};
    ask("A", milliseconds(1));
    std::vector<SteadyTime> times;
    for (std::size_t seen = 1; script.attempts < 8;) {
        manual.advance(milliseconds(1));
        if (script.attempts > seen) times.push_back(manual.scheduler.now());
        seen = script.attempts;
    }
    for (std::size_t i = 1; i < times.size(); ++i) {
        const auto pause = times[i] - times[i - 1];
        const auto most = std::min(milliseconds(20 << i), milliseconds(100));
        EXPECT_LE(pause, most + milliseconds(2)) << i;
        EXPECT_GE(pause, most / 2) << i;
    }
    EXPECT_EQ(manual.log.lines.size(), 1u) << "the same is told only once a minute";
    script.refusal.reset();
    settle_for(milliseconds(110));
    ASSERT_TRUE(server.is_connected());
    ask("B", milliseconds(10));
    script.refusal = Error{ErrorCode::unavailable, "connection refused"};
    script.hang_up(0);
    const std::size_t attempts = script.attempts;
    settle_for(milliseconds(22));
    EXPECT_GE(script.attempts, attempts + 1) << "the first pause is short again";
}

TEST_F(ServerTest, AConnectionThatIsLostIsMadeAgainAtOnceWhereItWasGood) {
    ask("A", milliseconds(100));
    script.answer = [](const std::string& command) {
        return command == "B" ? std::string() : "+OK\r\n";
    };
    ask("B", milliseconds(100));
    script.hang_up(0);
    EXPECT_EQ(texts[1], "lost maybe: the server has hung up");
    EXPECT_EQ(script.attempts, 2u);
    EXPECT_TRUE(server.is_connected());
    EXPECT_EQ(server.stats().connects, 2u);
    // This one has not said a word since its login.
    script.hang_up(1);
    EXPECT_EQ(script.attempts, 2u);
    EXPECT_FALSE(server.ready().ok());
    settle_for(milliseconds(21));
    EXPECT_EQ(script.attempts, 3u);
    EXPECT_THAT(manual.log.lines,
                Contains("redis db:6379: connection lost: the server has hung up"));
}

TEST_F(ServerTest, ARefusedLoginIsTriedAgainOnlyWhenSomebodyAsksAfterTheLongestPause) {
    script.answer = [](const std::string&) { return "-NOAUTH Authentication required.\r\n"; };
    ask("A", milliseconds(1000));
    const std::string told = "refused: redis db:6379: NOAUTH Authentication required.";
    EXPECT_EQ(texts[0], told) << "although there is time for many more attempts";
    ask("B", milliseconds(1000));
    EXPECT_EQ(texts[1], told);
    settle_for(milliseconds(1000));
    EXPECT_EQ(script.attempts, 1u);
    ask("C", milliseconds(1000));
    EXPECT_EQ(texts[2], told);
    EXPECT_EQ(script.attempts, 2u);
    script.answer = [](const std::string&) { return "+OK\r\n"; };
    settle_for(milliseconds(100));
    ask("D", milliseconds(1000));
    EXPECT_EQ(texts[3], "OK");
    EXPECT_EQ(
        std::ranges::count_if(manual.log.lines,
                              [](const auto& line) { return line.find("NOAUTH") != line.npos; }),
        1);
}

TEST_F(ServerTest, GivesUpAnAttemptAfterItsTimeAndACallAtItsDeadline) {
    script.connect_time = milliseconds(10'000);
    ask("A", milliseconds(50));
    settle_for(milliseconds(51));
    EXPECT_EQ(texts[0], "late: the deadline passed before Redis answered");
    EXPECT_EQ(server.stats().pending, 0u);
    EXPECT_TRUE(server.ready().ok()) << "nothing is known yet";
    settle_for(milliseconds(260));
    ASSERT_FALSE(server.ready().ok());
    EXPECT_EQ(server.ready().error().message, "redis db:6379: too slow");
}

TEST_F(ServerTest, OnlySoManyRequestsWaitForAConnection) {
    script.connect_time = milliseconds(10);
    for (int i = 0; i < 11; ++i) ask("A", milliseconds(100));
    EXPECT_THAT(texts[9], "under way");
    EXPECT_THAT(texts[10], HasSubstr("too many commands wait for a connection"));
    settle_for(milliseconds(10));
    texts.pop_back();
    EXPECT_THAT(texts, Each("OK"));
}

TEST_F(ServerTest, WhatTheWayThereThrowsIsAFailedAttempt) {
    Server other(
        manual.scheduler,
        [](const ServerAddress&, Deadline) -> Result<std::unique_ptr<net::Stream>> {
            throw std::runtime_error("too many open files");
        },
        {.host = "db", .port = 1, .path = {}}, options(), manual.log);
    manual.spawn([&] { other.want_connection(); });
    manual.settle();
    ASSERT_FALSE(other.ready().ok());
    EXPECT_EQ(other.ready().error().message, "redis db:1: too many open files");
    manual.spawn([&] { other.stop(); });
    manual.settle();
}

TEST_F(ServerTest, StoppingEndsWhatWaitsAndWhatIsUnderWay) {
    script.connect_time = milliseconds(10);
    ask("waits", milliseconds(1000));
    stop();
    EXPECT_EQ(texts[0], "refused: the client of Redis is being stopped");
    ask("after", milliseconds(1000));
    EXPECT_EQ(texts[1], "refused: the client of Redis is being stopped");
    EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u);
}

TEST_F(ServerTest, StoppingEndsWhatIsUnderWay) {
    ask("A", milliseconds(1000));
    script.answer = [](const std::string& command) {
        return command.starts_with("CLIENT") ? "+OK\r\n" : std::string();
    };
    ask("B", milliseconds(10'000));
    ask_durably({"C"}, milliseconds(10'000));
    EXPECT_EQ(server.stats().pending, 3u) << "WAIT too";
    EXPECT_EQ(server.stats().pool.busy, 1u);
    stop();
    EXPECT_THAT(texts, ElementsAre("OK", StartsWith("lost maybe"), StartsWith("lost maybe")));
}

// --- Durable exchanges -------------------------------------------------------------------------

TEST_F(ServerTest, ADurableAnswerCountsWhenReplicasHaveItToo) {
    script.answer = answer_replicas;
    ask_durably({"A", "B"}, milliseconds(80));
    EXPECT_THAT(texts, ElementsAre("A", "B"));
    EXPECT_THAT(script.peers.at(0)->received, IsEmpty()) << "the shared connection";
    EXPECT_THAT(script.peers.at(1)->received, ElementsAre("A", "B", "WAIT 1 60"));
    ask_durably({"C"}, milliseconds(8));
    EXPECT_EQ(texts[2], "C");
    EXPECT_EQ(script.peers.at(1)->received.back(), "WAIT 1 6");
    EXPECT_EQ(server.stats().pool.made, 1u);
    EXPECT_EQ(server.stats().pool.idle, 1u);
}

TEST_F(ServerTest, ADurableAnswerThatTooFewReplicasHaveDoesNotCountUnlessItIsAnError) {
    script.answer = [](const std::string& command) {
        return command == "bad" ? "-ERR no\r\n" : answer_replicas(command);
    };
    ask_durably({"A", "bad"}, milliseconds(80), 2);
    EXPECT_THAT(texts,
                ElementsAre("withdrawn maybe: redis db:6379: only 1 of 2 replicas had it in time",
                            "ERR no"));
    script.answer = [](const std::string& command) {
        return command.starts_with("WAIT") ? "-ERR WAIT is not for replicas\r\n" : "+OK\r\n";
    };
    ask_durably({"A"}, milliseconds(80));
    EXPECT_EQ(texts[2], "withdrawn maybe: redis db:6379: ERR WAIT is not for replicas");
}

TEST_F(ServerTest, AConnectionOnWhichAnAnswerIsDueIsNotLentAgain) {
    script.answer = [](const std::string& command) {
        return command.starts_with("WAIT") ? std::string() : "+" + command + "\r\n";
    };
    ask_durably({"A"}, milliseconds(20));
    settle_for(milliseconds(21));
    EXPECT_THAT(texts[0], StartsWith("withdrawn maybe: redis db:6379: the deadline passed"));
    EXPECT_EQ(server.stats().pool.connections, 0u);
    script.answer = answer_replicas;
    ask_durably({"B"}, milliseconds(20));
    EXPECT_EQ(texts[1], "B");
    EXPECT_EQ(server.stats().pool.made, 2u);
}

TEST_F(ServerTest, ADurableExchangeWaitsForTheServerAsOthersDo) {
    script.refusal = Error{ErrorCode::unavailable, "connection refused"};
    ask_durably({"short"}, milliseconds(5));
    EXPECT_EQ(texts[0], "refused: redis db:6379: connection refused");
    EXPECT_EQ(script.attempts, 1u);
    ask_durably({"long"}, milliseconds(1000));
    EXPECT_EQ(script.attempts, 1u);
    script.refusal.reset();
    script.answer = answer_replicas;
    settle_for(milliseconds(21));
    EXPECT_EQ(texts[1], "long");
    ask_durably({"no time"}, milliseconds(1));
    EXPECT_EQ(texts[2], "late: there is no time left to wait for replicas");
}

TEST_F(ServerTest, ADurableExchangeThatGetsNoConnectionOfItsOwnMayBeTriedAgain) {
    ask("A", milliseconds(10));
    script.refusal = Error{ErrorCode::unavailable, "connection refused"};
    ask_durably({"B"}, milliseconds(100));
    EXPECT_EQ(texts[1], "lost: redis db:6379: connection refused");
    EXPECT_TRUE(server.ready().ok());
}

TEST_F(ServerTest, ADurableExchangeWaitsForAFreeConnection) {
    script.answer = [](const std::string& command) {
        return command.starts_with("WAIT") ? std::string() : "+OK\r\n";
    };
    for (int i = 0; i < 3; ++i) ask_durably({"A"}, milliseconds(20));
    EXPECT_EQ(server.stats().pool.waiting, 1u);
    settle_for(milliseconds(21));
    EXPECT_THAT(texts[2], AllOf(StartsWith("late: redis db:6379: no connection of pool 'redis'"),
                                HasSubstr("all 2 are in use")));
}

TEST(ServerWithoutFibers, TellsSoAndTriesAgain) {
    ManualScheduler manual({.max_fibers = 5});
    ScriptedServer script(manual);
    Server server(manual.scheduler, script.connect(), {.host = "db", .port = 1, .path = {}},
                  ServerTest::options(), manual.log);
    bool busy = true;
    for (int i = 0; i < 5; ++i) {
        manual.spawn([&] {
            while (busy) manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(1));
        });
    }
    manual.settle();
    Batch batch(manual.scheduler, 1);
    server.send(batch[0], manual.in(milliseconds(1)));
    ASSERT_EQ(batch[0].outcome(), Outcome::refused);
    EXPECT_THAT(batch[0].error().message, HasSubstr("no fiber is free to connect"));
    busy = false;
    for (int i = 0; i < 25; ++i) manual.advance(milliseconds(1));
    EXPECT_TRUE(server.is_connected());
    manual.spawn([&] { server.stop(); });
    manual.settle();
}

}  // namespace
}  // namespace ringmaster::redis
