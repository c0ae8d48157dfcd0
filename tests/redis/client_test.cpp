#include "ringmaster/redis/client.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "scripted_server.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using runtime::ManualScheduler;
using std::chrono::milliseconds;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// A client of one server that says what the test wants it to say. The rules by which a call is
/// tried again are those of all kinds of clients.
struct ScriptedClientTest : ::testing::Test {
    ~ScriptedClientTest() override {
        manual.spawn([&] { client->stop(); });
        settle_for(milliseconds(1));
        client.reset();
        manual.settle();  // the server notices
        EXPECT_EQ(manual.scheduler.fibers_in_use(), 0u);
    }
    void settle_for(milliseconds time) {
        manual.settle();
        for (; time.count() > 0; --time) manual.advance(milliseconds(1));
    }
    static ClientOptions options() {
        ClientOptions options;
        options.url = *parse_redis_url("redis://db");
        options.reconnect_first = milliseconds(20);
        return options;
    }
    /// All words in one call; answers stand in texts[...] then.
    void ask(std::vector<std::string> words, milliseconds time, bool repeatable = true) {
        const std::size_t index = texts.size();
        texts.resize(index + words.size(), "under way");
        manual.spawn([this, index, words = std::move(words), time, repeatable] {
            std::vector<Command> commands;
            std::vector<Call> calls(words.size());
            for (const std::string& word : words) commands.push_back(Command({word}));
            for (std::size_t i = 0; i < words.size(); ++i) {
                calls[i].command = commands[i].bytes();
                calls[i].repeatable = repeatable;
            }
            client->call(calls, manual.in(time));
            for (std::size_t i = 0; i < words.size(); ++i) {
                const auto& answer = calls[i].answer;
                texts[index + i] = answer ? answer.value().text
                                          : std::string(to_string(answer.error().code)) + ": " +
                                                answer.error().message;
            }
        });
        manual.settle();
    }
    /// Answers "OK", but `text` (empty: nothing) to the first `times` times that it is asked
    /// `word`.
    void say_at_first(std::string word, std::size_t times, std::string text) {
        script.answer = [=](const std::string& command) mutable {
            if (command != word || times == 0) return std::string("+OK\r\n");
            --times;
            return text;
        };
    }
    std::size_t received(const std::string& word) const {
        std::size_t count = 0;
        for (const auto& peer : script.peers) {
            count += static_cast<std::size_t>(std::ranges::count(peer->received, word));
        }
        return count;
    }

    ManualScheduler manual;
    ScriptedServer script{manual};
    std::vector<std::string> texts;
    std::unique_ptr<Client> client =
        make_client(manual.scheduler, script.connect(), options(), manual.log);
};

TEST_F(ScriptedClientTest, AServerThatSaysLaterIsAskedAgainWithPauses) {
    for (const std::string code : {"LOADING", "BUSY", "READONLY", "MASTERDOWN"}) {
        say_at_first("A", 3, "-" + code + " try later\r\n");
        ask({"A", "B"}, milliseconds(1000), false);
        EXPECT_EQ(texts.back(), "under way");
        settle_for(milliseconds(80));
        EXPECT_THAT(texts, ElementsAre("OK", "OK")) << code;
        EXPECT_EQ(received("A"), 4u) << "it has not carried it out before, so that may be";
        EXPECT_EQ(received("B"), 1u) << "only what has no answer is sent again";
        texts.clear();
        for (const auto& peer : script.peers) peer->received.clear();
    }
}

TEST_F(ScriptedClientTest, WhoHasNoTimeForThePauseIsToldWhatTheServerSaid) {
    say_at_first("A", 100, "-LOADING Redis is loading\r\n");
    ask({"A"}, milliseconds(4));
    EXPECT_EQ(texts[0], "unavailable: Redis says: LOADING Redis is loading") << "at once";
    ask({"A"}, milliseconds(500));
    settle_for(milliseconds(499));
    EXPECT_EQ(texts[1], "unavailable: Redis says: LOADING Redis is loading");
    EXPECT_LT(received("A"), 20u);
    EXPECT_EQ(client->stats().errors, 2u);
    EXPECT_EQ(client->stats().timeouts, 0u);
}

TEST_F(ScriptedClientTest, OtherErrorsAreTheServersWord) {
    for (const std::string text : {"LOADINGS x", "ERR LOADING", "NOPROTO x", "OOM x"}) {
        say_at_first("A", 1, "-" + text + "\r\n");
        ask({"A"}, milliseconds(100));
        EXPECT_EQ(texts.back(), text);
    }
    EXPECT_EQ(client->stats().errors, 0u);
    for (const std::string text : {"NOPERM x", "NOAUTH x", "WRONGPASS x"}) {
        say_at_first("A", 1, "-" + text + "\r\n");
        ask({"A"}, milliseconds(100));
        EXPECT_EQ(texts.back(), "unavailable: Redis says: " + text);
    }
    EXPECT_EQ(received("A"), 7u);
}

TEST_F(ScriptedClientTest, ACallThatKillsTheConnectionIsNotRepeatedForEver) {
    script.answer = [](const std::string& command) {
        return command == "A" ? "nonsense\r\n" : "+OK\r\n";
    };
    ask({"A"}, milliseconds(10'000));
    settle_for(milliseconds(1000));
    EXPECT_THAT(texts[0], StartsWith("unavailable: the connection to Redis was lost: no reply"));
    EXPECT_EQ(received("A"), 4u);
}

TEST_F(ScriptedClientTest, WhatMayHaveBeenSentIsRepeatedOnlyWhereThatIsAllowed) {
    ask({"first"}, milliseconds(100));
    say_at_first("A", 1, "");
    ask({"A"}, milliseconds(1000), false);
    script.hang_up(0);
    EXPECT_EQ(texts[1], "unavailable: the connection to Redis was lost: the server has hung up");
    say_at_first("A", 1, "");
    ask({"A"}, milliseconds(1000), true);
    script.hang_up(1);
    settle_for(milliseconds(21));
    EXPECT_EQ(texts[2], "OK");
    EXPECT_EQ(client->stats().reconnects, 2u);
}

TEST_F(ScriptedClientTest, StoppingEndsTheWaitOfACallThatWouldBeTriedAgain) {
    say_at_first("A", 100, "-LOADING Redis is loading\r\n");
    ask({"A"}, milliseconds(100'000));
    settle_for(milliseconds(150));
    EXPECT_EQ(texts[0], "under way");
    manual.spawn([&] { client->stop(); });
    manual.settle();
    EXPECT_THAT(texts[0], StartsWith("unavailable: "));
    ask({"A"}, milliseconds(1000));
    EXPECT_EQ(texts[1], "unavailable: the client of Redis is being stopped");
}

TEST_F(ScriptedClientTest, AChannelThatSaysMoreThanIsHeardIsSaidToHaveBeenMissed) {
    script.answer = [](const std::string& command) {
        return command.starts_with("SUBSCRIBE") ? "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
                                                : "+OK\r\n";
    };
    int connected = 0;
    std::vector<std::string> heard;
    client->subscribe(
        "news", [&] { ++connected; },
        [&](std::string_view payload) {
            heard.emplace_back(payload);
            manual.scheduler.sleep_until(manual.scheduler.now() + milliseconds(10));
        });
    manual.settle();
    EXPECT_EQ(connected, 1);
    const auto say = [&](int n) {
        script.say(
            0, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\n" + std::to_string(1000 + n) + "\r\n");
    };
    for (int i = 0; i < 1001; ++i) say(i);
    EXPECT_THAT(heard, ElementsAre("1000")) << "it takes its time";
    say(1001);
    say(1002);
    settle_for(milliseconds(100));
    EXPECT_EQ(connected, 2);
    EXPECT_THAT(heard, ElementsAre("1000", "2002"));
}

TEST_F(ScriptedClientTest, WhatWhoHearsThrowsDoesNotEndTheSubscription) {
    script.answer = [](const std::string& command) {
        return command.starts_with("SUBSCRIBE") ? "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
                                                : "+OK\r\n";
    };
    int connected = 0;
    client->subscribe(
        "news",
        [&] {
            if (++connected == 1) throw std::runtime_error("catalog");
        },
        [](std::string_view) {});
    settle_for(milliseconds(21));
    EXPECT_EQ(connected, 2);
    EXPECT_THAT(manual.log.lines, ElementsAre(HasSubstr("catalog")));
}

TEST_F(ScriptedClientTest, ASubscriptionThatIsRefusedIsTriedAgainWithPauses) {
    script.answer = [](const std::string& command) {
        return command.starts_with("SUBSCRIBE") ? "-NOPERM channel\r\n" : "+OK\r\n";
    };
    client->subscribe(
        "news", [] { FAIL(); }, [](std::string_view) {});
    settle_for(milliseconds(1000));
    EXPECT_THAT(script.peers, SizeIs(AnyOf(6, 7, 8, 9)));
    EXPECT_THAT(manual.log.lines, ElementsAre("redis, channel news: db:6379: NOPERM channel"));
}

}  // namespace
}  // namespace ringmaster::redis
