#include "ringmaster/redis/client.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client_fixture.hpp"
#include "servers.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// All tests use one set of servers, and leave it in order.
struct SentinelClientTest : ClientTest {
    static void SetUpTestSuite() {
        shared = std::make_unique<SentinelSet>(
            SentinelSet::Options{.password = "secret", .sentinel_password = "other"});
    }
    static void TearDownTestSuite() { shared.reset(); }
    static std::unique_ptr<SentinelSet> shared;

    void SetUp() override {
        for (std::size_t i = 0; i < 3; ++i) {
            if (!set.server(i).is_running()) set.server(i).start();
            if (!set.sentinel(i).is_running()) set.sentinel(i).start();
        }
        set.wait_for_primary();
        set.wait_for_replicas(2);
        make(options(set.url()));
    }
    /// Fibers set a key again and again while `work` runs in a thread. What did not go well.
    std::vector<std::string> set_during(const std::function<void()>& work) {
        std::vector<std::string> failures;
        auto done = std::async(std::launch::async, work);
        runtime::parallel_for(reactor.scheduler(), 8, 8, [&](std::size_t i) {
            const std::string key = "key:" + std::to_string(i);
            while (done.wait_for(seconds(0)) != std::future_status::ready) {
                const std::string answer = ask({"SET", key, "1"});
                if (answer != "OK") failures.push_back(answer);
                // The servers need the processor too.
                reactor.scheduler().sleep_until(reactor.scheduler().now() + milliseconds(1));
            }
        });
        done.get();
        return failures;
    }
    /// Asks until the error has this in its text.
    std::string failure_with(std::string_view part) {
        std::string why;
        wait_for("the error says why", [&] {
            why = ask({"PING"}, in(milliseconds(100)));
            return why.find(part) != why.npos;
        });
        return why;
    }

    SentinelSet& set = *shared;
};
std::unique_ptr<SentinelSet> SentinelClientTest::shared;

TEST_F(SentinelClientTest, CallsGoToThePrimaryThatTheSentinelsName) {
    run([&] {
        EXPECT_EQ(client->stats().servers, 0u) << "nothing is connected to before a call";
        EXPECT_EQ(ask({"SET", "key", "value"}), "OK");
        EXPECT_EQ(set.wait_for_primary().command({"GET", "key"}), "value");
        EXPECT_EQ(client->stats().servers, 1u);
        EXPECT_TRUE(client->call_primaries(Command({"PING"}).bytes(), soon()).ok());
        EXPECT_TRUE(client->ready().ok());
    });
    EXPECT_EQ(client->stats().errors, 0u);
    EXPECT_THAT(log.lines, Not(Contains(HasSubstr("secret"))));
}

TEST_F(SentinelClientTest, AReplicaTakesThePlaceOfAPrimaryThatIsGone) {
    run([&] {
        RedisServer& old = set.wait_for_primary();
        const auto failures = set_during([&] {
            old.kill();
            set.wait_for_primary_other_than(old);
        });
        EXPECT_THAT(failures, ElementsAre());
        EXPECT_EQ(ask({"SET", "key", "new"}), "OK");
        EXPECT_EQ(set.wait_for_primary().command({"GET", "key"}), "new");
        wait_for("the old one is dropped", [&] { return client->stats().servers == 1; });
        EXPECT_TRUE(client->ready().ok());
    });
}

TEST_F(SentinelClientTest, APrimaryThatHangsIsReplacedToo) {
    run([&] {
        EXPECT_EQ(ask({"SET", "key", "1"}), "OK");
        RedisServer& old = set.wait_for_primary();
        old.stop_answering();
        EXPECT_THAT(ask({"SET", "key", "2"}, in(milliseconds(50))), StartsWith("!timeout"));
        wait_for("another one answers", [&] {
            return ask({"SET", "key", "3"}, in(milliseconds(50))) == "OK";
        });
        old.go_on();
        EXPECT_EQ(ask({"GET", "key"}), "3");
        wait_until("the old one is a replica", [&] { return old.info("role") == "slave"; });
    });
}

TEST_F(SentinelClientTest, NoCallFailsWhenThePrimaryIsReplacedOnPurpose) {
    run([&] {
        RedisServer& old = set.wait_for_primary();
        const auto failures = set_during([&] {
            set.fail_over();
            wait_until("the old one is a replica", [&] { return old.info("role") == "slave"; });
        });
        EXPECT_THAT(failures, ElementsAre());
        EXPECT_EQ(ask({"SET", "key", "new"}), "OK");
        EXPECT_EQ(set.wait_for_primary().command({"GET", "key"}), "new");
    });
}

TEST_F(SentinelClientTest, SentinelsAreAskedInTurnUntilOneAnswers) {
    set.sentinel(0).kill();
    set.sentinel(1).stop_answering();
    run([&] {
        EXPECT_EQ(ask({"SET", "key", "1"}), "OK");
        set.sentinel(2).kill();
        EXPECT_EQ(ask({"SET", "key", "2"}), "OK") << "it knows the primary";
        set.sentinel(1).go_on();
    });
}

TEST_F(SentinelClientTest, AnUnknownNameIsSaidToBeUnknown) {
    run([&] { client->stop(); });
    auto wrong = options(set.url());
    wrong.url.master_name = "nobody";
    make(wrong);
    run([&] {
        EXPECT_THAT(failure_with("knows no primary of this name"),
                    AllOf(StartsWith("!unavailable"), HasSubstr("a primary called nobody")));
        EXPECT_FALSE(client->ready().ok());
    });
}

TEST_F(SentinelClientTest, AWrongPasswordIsSaidToBeWrong) {
    run([&] { client->stop(); });
    auto wrong = options(set.url());
    wrong.url.sentinel_password = "wrong";
    make(wrong);
    run([&] { EXPECT_THAT(failure_with("WRONGPASS"), StartsWith("!unavailable")); });
}

TEST_F(SentinelClientTest, AnAnswerCountsWhenReplicasHaveIt) {
    run([&] {
        const Command command{"SET", "key", "durable"};
        Call one{.key = {}, .command = command.bytes()};
        client->call_durably({&one, 1}, 2, soon());
        EXPECT_EQ(text(one.answer), "OK");
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_EQ(set.server(i).command({"GET", "key"}), "durable");
        }
    });
}

TEST_F(SentinelClientTest, ChannelsFollowThePrimary) {
    run([&] {
        int connected = 0;
        std::vector<std::string> heard;
        client->subscribe(
            "news", [&] { ++connected; },
            [&](std::string_view message) { heard.emplace_back(message); });
        wait_for("it is connected", [&] { return connected == 1; });
        RedisServer& old = set.wait_for_primary();
        old.command({"PUBLISH", "news", "one"});
        wait_for("it is heard", [&] { return heard.size() == 1; });
        old.kill();
        RedisServer& now = set.wait_for_primary_other_than(old);
        wait_for("it is connected again", [&] { return connected == 2; });
        now.command({"PUBLISH", "news", "two"});
        wait_for("it is heard", [&] { return heard.size() == 2; });
        EXPECT_THAT(heard, ElementsAre("one", "two"));
    });
}

}  // namespace
}  // namespace ringmaster::redis
