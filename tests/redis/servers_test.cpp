#include "redis/servers.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

TEST(RedisServer, KeepsWhatItHasOnDiskOverAKill) {
    RedisServer server({.password = "secret", .appendonly = true, .unix_socket = true});
    EXPECT_EQ(server.command({"CONFIG", "SET", "appendfsync", "always"}), "OK");
    EXPECT_EQ(server.command({"SET", "key", "value"}), "OK");
    EXPECT_TRUE(command(server.port(), {"GET", "key"}).starts_with("-NOAUTH"));
    server.restart();
    EXPECT_EQ(server.command({"GET", "key"}), "value");
    server.restart_empty();
    EXPECT_EQ(server.command({"GET", "key"}), "(nil)");
    EXPECT_TRUE(std::filesystem::exists(server.socket_path()));
}

TEST(RedisServer, BelievesTheTimeThatIsSet) {
    RedisServer server({.settable_clock = true});
    server.set_time(1'234'567'890'123);
    EXPECT_EQ(server.command({"TIME"}), "1234567890\n123000\n");
    EXPECT_EQ(server.command({"EVAL", "return redis.call('TIME')[1]", "0"}), "1234567890");
    server.set_time(0);
    EXPECT_GT(std::stoll(server.command({"TIME"})), 1'500'000'000);
}

TEST(RedisServer, CanBeStoppedWithoutClosingItsConnections) {
    RedisServer server;
    PlainConnection connection(server.port());
    server.stop_answering();
    EXPECT_THROW(connection.command({"PING"}, std::chrono::milliseconds(20)), std::runtime_error);
    server.go_on();
    EXPECT_EQ(PlainConnection(server.port()).command({"PING"}), "PONG");
}

TEST(SentinelSet, PutsAReplicaInThePlaceOfAKilledPrimary) {
    SentinelSet set({.password = "secret", .sentinel_password = "other"});
    RedisServer& old = set.wait_for_primary();
    EXPECT_EQ(&old, &set.server(0));
    old.kill();
    const RedisServer& now = set.wait_for_primary_other_than(old);
    EXPECT_EQ(now.command({"SET", "key", "value"}), "OK");
}

TEST(RedisCluster, MovesSlotsAndReplacesAKilledPrimary) {
    RedisCluster cluster;
    // Slot 12182 has "foo" (Redis Cluster specification).
    EXPECT_EQ(cluster.owner(12'182), 2u);
    EXPECT_EQ(cluster.node(2).command({"SET", "foo", "bar"}), "OK");
    cluster.begin_move(12'182, 0);
    EXPECT_EQ(cluster.move_keys(12'182, 0, 100), 1u);
    EXPECT_TRUE(cluster.node(2).command({"GET", "foo"}).starts_with("-ASK 12182 "));
    cluster.end_move(12'182, 0);
    EXPECT_EQ(cluster.node(0).command({"GET", "foo"}), "bar");
    EXPECT_EQ(cluster.owner(12'182), 0u);
    cluster.wait_until_ok();

    const std::size_t replica = cluster.replica_of(1);
    cluster.node(1).kill();
    EXPECT_EQ(cluster.wait_for_owner_other_than(6000, 1), replica);
    cluster.wait_until_ok();
}

}  // namespace
}  // namespace ringmaster::redis
