#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/key_slot.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
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
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// All tests use one cluster, and leave it in order.
struct ClusterClientTest : ClientTest {
    static void SetUpTestSuite() { shared = std::make_unique<RedisCluster>(); }
    static void TearDownTestSuite() { shared.reset(); }
    static std::unique_ptr<RedisCluster> shared;

    void SetUp() override {
        for (std::size_t i = 0; i < cluster.size(); ++i) {
            if (!cluster.node(i).is_running()) cluster.node(i).start();
        }
        cluster.wait_until_ok();
        make(options(cluster.url()));
    }

    std::string ask(std::string_view key, const Command& command, Deadline deadline) {
        return text(call(*client, key, command, deadline));
    }
    std::string ask(std::string_view key, const Command& command) {
        return ask(key, command, soon());
    }
    /// All in one batch: "SET key value" for each key.
    std::vector<std::string> set_all(const std::vector<std::string>& keys, std::string_view value) {
        std::vector<Command> commands;
        for (const std::string& key : keys) commands.push_back({"SET", key, value});
        std::vector<Call> calls(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            calls[i].key = keys[i];
            calls[i].command = commands[i].bytes();
        }
        client->call(calls, soon());
        std::vector<std::string> answers;
        for (const Call& each : calls) answers.push_back(text(each.answer));
        return answers;
    }
    static std::vector<std::string> keys(std::size_t count) {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < count; ++i) all.push_back("key:" + std::to_string(i));
        return all;
    }
    /// Keys of one slot.
    static std::vector<std::string> keys_of(std::string_view tag, std::size_t count) {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back("{" + std::string(tag) + "}:" + std::to_string(i));
        }
        return all;
    }
    /// Does `work` in a thread, because it blocks, and meanwhile has fibers call `step(fiber)`
    /// again and again.
    void during(const std::function<void()>& work, std::size_t fibers,
                const std::function<void(std::size_t)>& step) {
        auto done = std::async(std::launch::async, work);
        const auto is_over = [&] { return done.wait_for(seconds(0)) == std::future_status::ready; };
        runtime::parallel_for(reactor.scheduler(), fibers, fibers, [&](std::size_t i) {
            do {  // at least once, however late this comes to run
                step(i);
                // The servers need the processor too.
                reactor.scheduler().sleep_until(reactor.scheduler().now() + milliseconds(1));
            } while (!is_over());
        });
        done.get();
    }

    RedisCluster& cluster = *shared;
};
std::unique_ptr<RedisCluster> ClusterClientTest::shared;

TEST_F(ClusterClientTest, KeysAreInTheSlotsThatServersPutThemIn) {
    std::minstd_rand random(7);
    PlainConnection server(cluster.node(0).port());
    for (int i = 0; i < 500; ++i) {
        std::string key;
        for (std::size_t size = random() % 12; key.size() < size;) key += "{}ab\r"[random() % 5];
        EXPECT_EQ(std::to_string(key_slot(key)), server.command({"CLUSTER", "KEYSLOT", key}));
    }
}

TEST_F(ClusterClientTest, CallsOfABatchGoToTheirServersInOneWriteEach) {
    run([&] {
        EXPECT_EQ(client->stats().servers, 0u) << "nothing is connected to before a call";
        EXPECT_THAT(set_all(keys(300), "1"), Each("OK"));
        const ClientStats before = client->stats();
        EXPECT_EQ(before.servers, 3u);
        EXPECT_EQ(before.connected, 3u);
        EXPECT_THAT(set_all(keys(300), "2"), Each("OK"));
        EXPECT_EQ(client->stats().writes, before.writes + 3);
        EXPECT_EQ(client->stats().redirects, 0u);
        EXPECT_EQ(ask("key:7", {"GET", "key:7"}), "2");
        EXPECT_EQ(ask("key:7", {"INCR", "key:7"}), "3");
        EXPECT_THAT(ask("key:7", {"LPUSH", "key:7", "x"}), StartsWith("-WRONGTYPE"));
        EXPECT_EQ(ask("", {"PING"}), "PONG");
        EXPECT_TRUE(client->ready().ok());
    });
    EXPECT_EQ(client->stats().errors, 0u);
}

TEST_F(ClusterClientTest, EachPrimaryIsAskedAboutItself) {
    run([&] {
        EXPECT_THAT(set_all(keys(30), "1"), Each("OK"));
        const auto calls = client->stats().calls;
        std::set<std::string> ids;
        for (const auto& [server, answer] :
             client->ask_primaries(Command({"CLUSTER", "MYID"}).bytes(), soon())) {
            ids.insert(text(answer));
            EXPECT_EQ(text(answer), command(server.port, {"CLUSTER", "MYID"}));
            EXPECT_THAT(command(server.port, {"ROLE"}), StartsWith("master"));
        }
        EXPECT_EQ(ids.size(), 3u);
        EXPECT_EQ(client->stats().calls, calls);
    });
}

TEST_F(ClusterClientTest, OneOfTheServersInTheUrlIsEnough) {
    RedisServer gone;
    gone.kill();
    const std::string seeds = "127.0.0.1:" + std::to_string(gone.port()) +
                              ",localhost:" + std::to_string(cluster.node(4).port());
    run([&] { client->stop(); });
    make(options("redis+cluster://" + seeds));
    run([&] {
        EXPECT_THAT(set_all(keys(30), "1"), Each("OK"));
        EXPECT_EQ(client->stats().servers, 3u);
    });
}

TEST_F(ClusterClientTest, WithoutAnyServerTheErrorSaysWhy) {
    RedisServer gone;
    gone.kill();
    run([&] { client->stop(); });
    make(options("redis+cluster://127.0.0.1:" + std::to_string(gone.port())));
    run([&] {
        EXPECT_TRUE(client->ready().ok()) << "nothing is known yet";
        const auto says = [&](std::string_view text) {
            const std::string why = ask("key", {"GET", "key"}, in(milliseconds(100)));
            EXPECT_THAT(why, StartsWith("!unavailable"));
            return why.find(text) != why.npos;
        };
        wait_for("it says that nobody is there", [&] { return says("refused"); });
        EXPECT_FALSE(client->ready().ok());
        const Command command{"SET", "key", "1"};
        Call durable{.key = "key", .command = command.bytes()};
        client->call_durably({&durable, 1}, 1, in(milliseconds(100)));
        EXPECT_THAT(text(durable.answer), StartsWith("!unavailable"));
        gone.start();
        wait_for("it says why", [&] { return says("cluster support disabled"); });
    });
}

TEST_F(ClusterClientTest, AllPrimariesAreTold) {
    const std::string library = "#!lua name=test\nredis.register_function('f', function() end)";
    run([&] {
        const Command load{"FUNCTION", "LOAD", "REPLACE", library};
        const auto told = client->call_primaries(load.bytes(), soon());
        EXPECT_TRUE(told.ok()) << told.error().message;
        const auto refused = client->call_primaries(Command({"NONSENSE"}).bytes(), soon());
        ASSERT_FALSE(refused.ok());
        EXPECT_THAT(refused.error().message, HasSubstr("unknown command"));
    });
    for (const unsigned slot : {0, 8'000, 16'383}) {
        EXPECT_THAT(cluster.node(cluster.owner(slot)).command({"FUNCTION", "LIST"}),
                    HasSubstr("test"));
    }
}

TEST_F(ClusterClientTest, ASlotThatHasMovedIsFoundAndRemembered) {
    const unsigned slot = key_slot("foo");
    const std::size_t from = cluster.owner(slot);
    const std::size_t to = cluster.owner((slot + 8'000) % kSlots);
    run([&] {
        EXPECT_EQ(ask("foo", {"SET", "foo", "1"}), "OK");
        cluster.move_slot(slot, to);
        const auto refreshes = client->stats().topology_refreshes;
        EXPECT_EQ(ask("foo", {"GET", "foo"}), "1");
        EXPECT_EQ(client->stats().redirects, 1u);
        EXPECT_EQ(ask("foo", {"GET", "foo"}), "1");
        EXPECT_EQ(client->stats().redirects, 1u);
        wait_for("the map is asked for",
                 [&] { return client->stats().topology_refreshes > refreshes; });
        EXPECT_EQ(ask("foo", {"GET", "foo"}), "1");
        cluster.move_slot(slot, from);
    });
}

TEST_F(ClusterClientTest, WhileASlotMovesItsKeysAreFoundOnBothSides) {
    const auto all = keys_of("moving", 4);
    const unsigned slot = key_slot(all[0]);
    const std::size_t from = cluster.owner(slot);
    const std::size_t to = cluster.owner((slot + 8'000) % kSlots);
    run([&] {
        EXPECT_THAT(set_all(all, "1"), Each("OK"));
        cluster.begin_move(slot, to);
        EXPECT_EQ(cluster.move_keys(slot, to, 2), 2u);
        for (const std::string& key : all) EXPECT_EQ(ask(key, {"INCR", key}), "2");
        EXPECT_EQ(ask("{moving}:new", {"SET", "{moving}:new", "1"}), "OK");
        EXPECT_EQ(client->stats().redirects, 3u) << "two have moved, and one is new";
        EXPECT_EQ(cluster.owner(slot), from);

        // Keys of one command on both sides: it has to wait (TRYAGAIN).
        const Command get_all{"MGET", all[0], all[1], all[2], all[3]};
        wait_for("there is no more time to wait", [&] {
            const std::string why = ask(all[0], get_all, in(milliseconds(100)));
            EXPECT_THAT(why, StartsWith("!"));
            return why.starts_with("!unavailable") && why.find("TRYAGAIN") != why.npos;
        });
        std::string answer;
        during(
            [&] {
                std::this_thread::sleep_for(milliseconds(50));
                while (cluster.move_keys(slot, to, 100) > 0) {
                }
                cluster.end_move(slot, to);
            },
            1, [&](std::size_t) { answer = ask(all[0], get_all); });
        EXPECT_EQ(answer, "(array)");
        cluster.move_slot(slot, from);
    });
}

TEST_F(ClusterClientTest, NoCallFailsWhileSlotsMove) {
    const auto all = keys_of("busy", 40);
    const unsigned slot = key_slot(all[0]);
    const std::size_t from = cluster.owner(slot);
    const std::size_t to = cluster.owner((slot + 8'000) % kSlots);
    run([&] {
        for (const std::string& key : all) ask(key, {"DEL", key});
        std::vector<std::string> failures;
        std::vector<int> counts(all.size());
        during(
            [&] {
                for (int i = 0; i < 3; ++i) {
                    cluster.move_slot(slot, to);
                    cluster.move_slot(slot, from);
                }
            },
            8,
            [&](std::size_t fiber) {
                for (std::size_t i = fiber; i < all.size(); i += 8) {
                    const std::string answer = ask(all[i], {"INCR", all[i]});
                    if (answer != std::to_string(++counts[i])) failures.push_back(answer);
                }
            });
        EXPECT_THAT(failures, ElementsAre());
        EXPECT_GE(client->stats().redirects, 6u);
    });
}

TEST_F(ClusterClientTest, ACallOutlivesItsPrimary) {
    const auto all = keys(100);
    run([&] {
        EXPECT_THAT(set_all(all, "1"), Each("OK"));
        const std::size_t victim = cluster.owner(key_slot(all[0]));
        std::vector<std::string> failures;
        std::size_t calls = 0;
        during(
            [&] {
                cluster.node(victim).kill();
                const std::size_t now = cluster.wait_for_owner_other_than(key_slot(all[0]), victim);
                EXPECT_NE(now, victim);
                cluster.wait_until_ok();
            },
            8,
            [&](std::size_t fiber) {
                for (std::size_t i = fiber; i < all.size(); i += 8, ++calls) {
                    const std::string answer = ask(all[i], {"SET", all[i], "2"});
                    if (answer != "OK") failures.push_back(answer);
                }
            });
        EXPECT_THAT(failures, ElementsAre());
        EXPECT_GE(calls, 100u);
        EXPECT_THAT(set_all(all, "3"), Each("OK"));
        wait_for("the dead one is dropped", [&] { return client->stats().servers == 3; });
        // One that was late to say that all is well is asked again a little later.
        wait_for("it is ready again", [&] { return client->ready().ok(); });
    });
}

TEST_F(ClusterClientTest, APrimaryThatHangsIsReplacedToo) {
    const std::string key = "key";
    run([&] {
        EXPECT_EQ(ask(key, {"SET", key, "1"}), "OK");
        const std::size_t victim = cluster.owner(key_slot(key));
        cluster.node(victim).stop_answering();
        EXPECT_THAT(ask(key, {"SET", key, "2"}, in(milliseconds(100))), StartsWith("!timeout"));
        std::vector<std::string> answers;
        during(
            [&] {
                wait_until("another owner", [&] {
                    const std::size_t other = victim == 0 ? 1 : 0;
                    const std::string slots = cluster.node(other).command({"CLUSTER", "NODES"});
                    return slots.find("master,fail") != slots.npos &&
                           slots.find("fail?") == slots.npos;
                });
            },
            1,
            [&](std::size_t) {
                answers.push_back(ask(key, {"SET", key, "2"}, in(milliseconds(50))));
            });
        EXPECT_THAT(answers, Each(AnyOf(StartsWith("!timeout"), StartsWith("!unavailable"), "OK")));
        // Slots may be asked of the one that hangs first, and then not again for a while.
        EXPECT_EQ(ask(key, {"SET", key, "3"}, in(seconds(60))), "OK");
        cluster.node(victim).go_on();
        EXPECT_EQ(ask(key, {"GET", key}), "3");
    });
}

TEST_F(ClusterClientTest, ACallThatIsSentElsewhereDoesNotWaitForOneThatHangs) {
    const unsigned slot = key_slot("foo");
    const std::size_t from = cluster.owner(slot);
    const std::size_t silent = cluster.owner(key_slot("bar"));
    std::size_t to = from;
    for (const unsigned other : {0u, 8'000u, 16'383u}) {
        const std::size_t owner = cluster.owner(other);
        if (owner != from && owner != silent) to = owner;
    }
    run([&] {
        EXPECT_EQ(ask("foo", {"SET", "foo", "1"}), "OK");
        EXPECT_EQ(ask("bar", {"SET", "bar", "1"}), "OK");
        cluster.move_slot(slot, to);
        const RedisServer& replica = cluster.node(cluster.replica_of(silent));
        replica.command({"CONFIG", "SET", "cluster-replica-no-failover", "yes"});
        cluster.node(silent).stop_answering();
        const Command get_foo{"GET", "foo"};
        const Command get_bar{"GET", "bar"};
        Call calls[] = {{.key = "bar", .command = get_bar.bytes()},
                        {.key = "foo", .command = get_foo.bytes()}};
        bool has_returned = false;
        reactor.scheduler().spawn("caller", [&] {
            client->call(calls, soon());
            has_returned = true;
        });
        wait_for("what has moved is answered", [&] { return calls[1].answer.ok(); });
        EXPECT_FALSE(has_returned);
        EXPECT_FALSE(calls[0].answer.ok());
        cluster.node(silent).go_on();
        wait_for("all is answered", [&] { return has_returned; });
        EXPECT_EQ(text(calls[0].answer), "1");
        EXPECT_EQ(text(calls[1].answer), "1");
        EXPECT_EQ(client->stats().redirects, 1u);
        replica.command({"CONFIG", "SET", "cluster-replica-no-failover", "no"});
        cluster.move_slot(slot, from);
    });
}

TEST_F(ClusterClientTest, AClusterThatIsDownSaysSoAndComesBack) {
    run([&] {
        EXPECT_EQ(ask("foo", {"SET", "foo", "1"}), "OK");
        EXPECT_EQ(ask("bar", {"SET", "bar", "1"}), "OK");
        const std::size_t primary = cluster.owner(key_slot("foo"));
        ASSERT_NE(cluster.owner(key_slot("bar")), primary);
        const std::size_t replica = cluster.replica_of(primary);
        cluster.node(replica).kill();
        cluster.node(primary).kill();
        wait_for("the cluster is down", [&] {
            const std::string answer = ask("bar", {"GET", "bar"}, in(milliseconds(100)));
            return answer.find("CLUSTERDOWN") != answer.npos;
        });
        wait_for("so are the keys of those that are gone", [&] {
            return ask("foo", {"GET", "foo"}, in(milliseconds(100))).starts_with("!unavailable");
        });
        wait_for("it is not ready", [&] {
            ask("bar", {"GET", "bar"}, in(milliseconds(100)));
            return !client->ready().ok();
        });

        cluster.node(primary).start();
        cluster.node(replica).start();
        EXPECT_EQ(ask("bar", {"GET", "bar"}), "1");
        EXPECT_EQ(ask("foo", {"GET", "foo"}), "(nil)");
        wait_for("it is ready again", [&] { return client->ready().ok(); });
    });
}

TEST_F(ClusterClientTest, AnAnswerCountsWhenReplicasHaveIt) {
    const auto all = keys(30);
    run([&] {
        std::vector<Command> commands;
        std::vector<Call> calls;
        for (const std::string& key : all) commands.push_back({"SET", key, "1"});
        for (std::size_t i = 0; i < all.size(); ++i) {
            calls.push_back({.key = all[i], .command = commands[i].bytes()});
        }
        client->call_durably(calls, 1, soon());
        for (const Call& each : calls) EXPECT_EQ(text(each.answer), "OK");
        for (const std::string& key : all) {
            const std::size_t replica = cluster.replica_of(cluster.owner(key_slot(key)));
            PlainConnection server(cluster.node(replica).port());
            server.command({"READONLY"});
            EXPECT_EQ(server.command({"GET", key}), "1");
        }
        client->call_durably(calls, 2, in(milliseconds(200)));
        for (const Call& each : calls) EXPECT_FALSE(each.answer.ok());
    });
}

TEST_F(ClusterClientTest, ADurableCallFollowsItsSlot) {
    const unsigned slot = key_slot("foo");
    const std::size_t from = cluster.owner(slot);
    const std::size_t to = cluster.owner((slot + 8'000) % kSlots);
    run([&] {
        const Command command{"SET", "foo", "1"};
        Call one{.key = "foo", .command = command.bytes()};
        ask("foo", {"DEL", "foo"});
        cluster.begin_move(slot, to);
        client->call_durably({&one, 1}, 1, soon());
        EXPECT_EQ(text(one.answer), "OK");
        EXPECT_EQ(client->stats().redirects, 1u) << "ASK";
        cluster.end_move(slot, to);
        client->call_durably({&one, 1}, 1, soon());
        EXPECT_EQ(text(one.answer), "OK");
        cluster.move_slot(slot, from);
    });
}

TEST_F(ClusterClientTest, ChannelsAreHeardWhereverTheyAreSpokenTo) {
    const auto listeners = [&](std::size_t node) {
        return cluster.node(node).command({"PUBSUB", "NUMSUB", "news"}) == "news\n1\n";
    };
    run([&] {
        int connected = 0;
        std::vector<std::string> heard;
        client->subscribe(
            "news", [&] { ++connected; },
            [&](std::string_view message) { heard.emplace_back(message); });
        wait_for("it is connected", [&] { return connected == 1; });
        for (std::size_t i = 0; i < cluster.size(); ++i) {
            cluster.node(i).command({"PUBLISH", "news", std::to_string(i)});
            wait_for("it is heard", [&] { return heard.size() == i + 1; });
        }
        EXPECT_THAT(heard, ElementsAre("0", "1", "2", "3", "4", "5"));

        std::size_t victim = 0;
        while (victim < cluster.size() && !listeners(victim)) ++victim;
        ASSERT_LT(victim, cluster.size());
        cluster.node(victim).kill();
        wait_for("it is connected again", [&] { return connected == 2; });
        cluster.node((victim + 1) % cluster.size()).command({"PUBLISH", "news", "again"});
        wait_for("it is heard", [&] { return heard.size() == 7; });
        EXPECT_EQ(heard.back(), "again");
    });
}

TEST_F(ClusterClientTest, AServerThatLeavesIsClosed) {
    const unsigned slot = key_slot("foo");
    const std::size_t from = cluster.owner(slot);
    const std::size_t added = cluster.add_primary();
    auto quick = options(cluster.url());
    quick.topology_period = milliseconds(100);
    run([&] { client->stop(); });
    make(quick);
    run([&] {
        EXPECT_THAT(set_all(keys(30), "1"), Each("OK"));
        EXPECT_EQ(client->stats().servers, 3u);
        cluster.move_slot(slot, added);
        EXPECT_EQ(ask("foo", {"SET", "foo", "1"}), "OK");
        EXPECT_EQ(client->stats().servers, 4u);
        cluster.move_slot(slot, from);
        wait_for("it is not a server any more", [&] { return client->stats().servers == 3; });
        wait_for("nobody is connected to it", [&] {
            const std::string clients = cluster.node(added).command({"CLIENT", "LIST"});
            return clients.find("name=ringmaster") == clients.npos;
        });
        EXPECT_EQ(ask("foo", {"GET", "foo"}), "1");
    });
    cluster.remove_last();
}

TEST_F(ClusterClientTest, StopEndsAllCalls) {
    run([&] {
        EXPECT_EQ(ask("foo", {"SET", "foo", "1"}), "OK");
        const std::size_t silent = cluster.owner(key_slot("foo"));
        cluster.node(silent).stop_answering();
        std::string answer;
        reactor.scheduler().spawn("caller", [&] { answer = ask("foo", {"GET", "foo"}); });
        wait_for("it is sent", [&] { return client->stats().pending == 1; });
        client->stop();
        EXPECT_THAT(answer, StartsWith("!unavailable"));
        EXPECT_THAT(ask("foo", {"GET", "foo"}), StartsWith("!unavailable"));
        cluster.node(silent).go_on();
    });
}

}  // namespace
}  // namespace ringmaster::redis
