#include "ringmaster/redis/load_watch.hpp"

#include <chrono>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client_fixture.hpp"
#include "servers.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Servers by port, of which each says what the test wants.
class FakeClient final : public Client {
  public:
    explicit FakeClient(runtime::Scheduler& scheduler) : scheduler_(scheduler) {}

    struct Server {
        std::string run_id = "first";
        double cpu_seconds = 0;
        bool answers = true;
    };
    std::map<std::uint16_t, Server> servers;
    std::chrono::milliseconds takes{0};  ///< until there are answers
    unsigned asked = 0;

    std::vector<ServerAnswer> ask_primaries(std::string_view command, Deadline deadline) override {
        EXPECT_EQ(command, Command({"INFO", "server", "cpu"}).bytes());
        EXPECT_FALSE(deadline.expired(scheduler_.now() + takes)) << "it waits long enough";
        ++asked;
        std::vector<ServerAnswer> answers;
        for (const auto& [port, server] : servers) {
            const ServerAddress address{.host = "10.0.0.1", .port = port, .path = {}};
            if (!server.answers) {
                answers.push_back({address, Error{ErrorCode::timeout, "no answer"}});
                continue;
            }
            Reply reply;
            reply.type = Reply::Type::string;
            reply.text = "run_id:" + server.run_id +
                         "\r\nused_cpu_sys_main_thread:0\r\nused_cpu_user_main_thread:" +
                         std::to_string(server.cpu_seconds) + "\r\n";
            answers.push_back({address, std::move(reply)});
        }
        if (takes > milliseconds(0)) scheduler_.sleep_until(scheduler_.now() + takes);
        return answers;
    }

    void call(std::span<Call>, Deadline) override { FAIL() << "it is no call"; }
    void call_durably(std::span<Call>, unsigned, Deadline) override { FAIL(); }
    Result<void> call_primaries(std::string_view, Deadline) override { return {}; }
    void subscribe(std::string, std::function<void()>,
                   std::function<void(std::string_view)>) override {}
    Result<void> ready() const override { return {}; }
    ClientStats stats() const noexcept override { return {}; }
    void stop() override {}

  private:
    runtime::Scheduler& scheduler_;
};

struct LoadWatchTest : testing::Test {
    ~LoadWatchTest() override {
        manual.spawn([this] { watch.stop(); });
        manual.settle();
    }
    void start() {
        ASSERT_TRUE(watch.start());
        manual.settle();
    }
    /// Until it has asked once more.
    void pass(milliseconds time = LoadWatch::kPeriod) { manual.advance(time); }

    runtime::ManualScheduler manual;
    FakeClient client{manual.scheduler};
    LoadWatch watch{manual.scheduler, client};
};

TEST_F(LoadWatchTest, SumsWhatEachServerHasDoneSinceTheFirstAnswer) {
    client.servers = {{1, {.cpu_seconds = 100}}, {2, {.cpu_seconds = 7}}};
    start();
    ASSERT_EQ(watch.loads().size(), 2u);
    EXPECT_EQ(watch.loads()[0].observed, 0ns) << "how long it took for that is not known";
    for (int i = 0; i < 3; ++i) {
        client.servers[1].cpu_seconds += 3;
        client.servers[2].cpu_seconds += 0.5;
        pass();
    }
    const auto loads = watch.loads();
    ASSERT_EQ(loads.size(), 2u);
    EXPECT_EQ(loads[0].name, "10.0.0.1:1");
    EXPECT_EQ(loads[0].observed, 3 * LoadWatch::kPeriod);
    EXPECT_EQ(loads[0].busy, 9s);
    EXPECT_EQ(loads[1].name, "10.0.0.1:2");
    EXPECT_EQ(loads[1].observed, 3 * LoadWatch::kPeriod);
    EXPECT_EQ(loads[1].busy, 1500ms);
}

TEST_F(LoadWatchTest, AsksEveryFewSeconds) {
    start();
    for (int i = 0; i < 600; ++i) pass(1s);
    EXPECT_GE(client.asked, 600u * 1000 / LoadWatch::kPeriod.count());
    EXPECT_LE(client.asked, 1 + 2u * 600 * 1000 / LoadWatch::kPeriod.count());
}

TEST_F(LoadWatchTest, OfTheTimeOfARestartNothingIsKnown) {
    client.servers = {{1, {.cpu_seconds = 100}}};
    start();
    client.servers[1] = {.run_id = "second", .cpu_seconds = 101};
    pass();
    EXPECT_EQ(watch.loads()[0].observed, 0ns);
    client.servers[1].cpu_seconds += 1;
    pass();
    EXPECT_EQ(watch.loads()[0].observed, LoadWatch::kPeriod);
    EXPECT_EQ(watch.loads()[0].busy, 1s);
    client.servers[1].cpu_seconds = 0;  // it has the same name, and can't be the same
    pass();
    EXPECT_EQ(watch.loads()[0].observed, LoadWatch::kPeriod);
    EXPECT_EQ(watch.loads()[0].busy, 1s);
}

// It may have been too busy to answer.
TEST_F(LoadWatchTest, WhatAServerDidWhileItDidNotAnswerIsInItsNextAnswer) {
    client.servers = {{1, {.cpu_seconds = 5}}, {2, {.cpu_seconds = 5}}};
    start();
    client.servers[1] = {.cpu_seconds = 7, .answers = false};
    pass();
    EXPECT_EQ(watch.loads()[0].observed, 0ns);
    EXPECT_EQ(watch.loads()[1].observed, LoadWatch::kPeriod);
    client.servers[1] = {.cpu_seconds = 9};
    pass();
    EXPECT_EQ(watch.loads()[0].observed, 2 * LoadWatch::kPeriod);
    EXPECT_EQ(watch.loads()[0].busy, 4s);
}

// The answer of one server comes late, and those of all are seen then.
TEST_F(LoadWatchTest, TheTimeIsThatOfTheQuestion) {
    client.servers = {{1, {.cpu_seconds = 1}}};
    start();
    client.takes = 1s;
    client.servers[1].cpu_seconds = 2;
    pass();
    EXPECT_EQ(watch.loads()[0].observed, 0ns);
    manual.advance(1s);
    EXPECT_EQ(watch.loads()[0].observed, LoadWatch::kPeriod);
}

TEST_F(LoadWatchTest, OfManyServersThoseHeardOfLastAreKept) {
    client.servers = {{1, {}}};
    start();
    client.servers.clear();
    for (std::uint16_t i = 0; i < LoadWatch::kMostServers; ++i) {
        client.servers[static_cast<std::uint16_t>(1000 + i)] = {};
    }
    pass();
    const auto loads = watch.loads();
    ASSERT_EQ(loads.size(), LoadWatch::kMostServers);
    for (const ServerLoad& load : loads) EXPECT_NE(load.name, "10.0.0.1:1");
}

TEST_F(LoadWatchTest, EndsWithoutWaitingForAnAnswer) {
    client.takes = 1s;
    start();
    bool ended = false;
    manual.spawn([&] {
        watch.stop();
        ended = true;
    });
    manual.settle();
    EXPECT_TRUE(ended);
    EXPECT_FALSE(watch.start()) << "and for good";
}

struct LoadOfRealServer : ClientTest {
    double cpu_seconds(const RedisServer& server) {
        return std::stod(server.info("used_cpu_user_main_thread")) +
               std::stod(server.info("used_cpu_sys_main_thread"));
    }
};

TEST_F(LoadOfRealServer, IsTheTimeThatItsCommandsTake) {
    RedisServer server;
    make(options(server.url()));
    const auto began = clock.steady_now();
    LoadWatch watch(reactor.scheduler(), *client, 20ms);
    run([&] {
        ASSERT_TRUE(watch.start());
        const auto observed = [&] {
            const auto loads = watch.loads();
            return loads.empty() ? 0ns : loads[0].observed;
        };
        const auto wait_for_more = [&] {
            const auto before = observed();
            wait_for("one more answer", [&] { return observed() > before; });
        };
        wait_for_more();
        const double before = cpu_seconds(server);
        // Meanwhile the watch goes on, and has to wait for its answers.
        auto work = std::async(std::launch::async, [&] {
            return server.command(
                {"EVAL", "local n = 0 for i = 1, 2e7 do n = n + i % 7 end return n", "0"});
        });
        wait_for("the script ends", [&] { return work.wait_for(0s) == std::future_status::ready; });
        EXPECT_FALSE(work.get().starts_with("-"));
        const double after = cpu_seconds(server);
        wait_for_more();  // it may have been asked before
        wait_for_more();
        watch.stop();

        const ServerLoad load = watch.loads().at(0);
        EXPECT_EQ(load.name, "127.0.0.1:" + std::to_string(server.port()));
        const auto took = nanoseconds(std::llround((after - before) * 1e9));
        EXPECT_GT(took, 10ms);
        EXPECT_GE(load.busy, took);
        const auto elapsed = clock.steady_now() - began;
        EXPECT_LE(load.busy, elapsed) << "it is one thread";
        EXPECT_LE(load.observed, elapsed);
        EXPECT_EQ(client->stats().calls, 0u);
    });
}

TEST_F(LoadOfRealServer, IsNotKnownWhereTheServerDoesNotTellIt) {
    RedisServer server({.config = {"user app on >pass +ping"}});
    make(options("redis://app:pass@127.0.0.1:" + std::to_string(server.port())));
    LoadWatch watch(reactor.scheduler(), *client, 10ms);
    run([&] {
        ASSERT_TRUE(watch.start());
        wait_for("it is asked again and again", [&] {
            const std::string refused = server.info("errorstat_NOPERM");
            return refused.starts_with("count=") && std::stoi(refused.substr(6)) > 1;
        });
        watch.stop();
        EXPECT_TRUE(watch.loads().empty());
        EXPECT_TRUE(client->ready().ok());
        EXPECT_EQ(client->stats().errors, 0u);
    });
}

}  // namespace
}  // namespace ringmaster::redis
