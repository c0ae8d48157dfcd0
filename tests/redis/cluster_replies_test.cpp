#include "ringmaster/redis/cluster_replies.hpp"

#include <string>
#include <vector>

#include "redis/replies.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::redis {
namespace {

using testing::ElementsAre;

const ServerAddress kAsked{.host = "10.0.0.9", .port = 7000, .path = {}};

ServerAddress at(std::string host, std::uint16_t port) {
    return {.host = std::move(host), .port = port, .path = {}};
}

Reply node(Reply host, std::int64_t port) {
    return array({std::move(host), integer(port), string("id"), array({})});
}

Reply range(std::int64_t first, std::int64_t last, std::vector<Reply> nodes) {
    std::vector<Reply> parts{integer(first), integer(last)};
    for (Reply& each : nodes) parts.push_back(std::move(each));
    return array(std::move(parts));
}

Result<SlotMap> read(const Reply& reply) {
    return SlotMap::from_reply(reply, kAsked);
}

TEST(SlotMap, KnowsThePrimaryOfEachSlot) {
    const auto map = read(
        array({range(0, 5'460, {node(string("10.0.0.1"), 6379), node(string("10.0.0.4"), 6379)}),
               range(5'462, 16'383, {node(string("::1"), 6380), node(string("10.0.0.4"), 6379)})}));
    ASSERT_TRUE(map);
    EXPECT_EQ(*map->primary(0), at("10.0.0.1", 6379));
    EXPECT_EQ(*map->primary(5'460), at("10.0.0.1", 6379));
    EXPECT_EQ(map->primary(5'461), nullptr);
    EXPECT_EQ(*map->primary(5'462), at("::1", 6380));
    EXPECT_EQ(*map->primary(16'383), at("::1", 6380));
    EXPECT_THAT(map->primaries(), ElementsAre(at("10.0.0.1", 6379), at("::1", 6380)));
    EXPECT_THAT(map->replicas(), ElementsAre(at("10.0.0.4", 6379)));
    EXPECT_TRUE(map->has(at("10.0.0.4", 6379)));
    EXPECT_FALSE(map->has(at("10.0.0.4", 6380)));
}

TEST(SlotMap, TakesTheHostThatWasAskedWhereNoneIsTold) {
    const auto map = read(array({range(0, 9, {node(nil(), 6379), node(string(""), 6380)})}));
    ASSERT_TRUE(map);
    EXPECT_EQ(*map->primary(0), at("10.0.0.9", 6379));
    EXPECT_THAT(map->replicas(), ElementsAre(at("10.0.0.9", 6380)));
}

TEST(SlotMap, DoesWithoutAReplicaThatCannotBeNamed) {
    const auto map = read(array({range(
        0, 9, {node(string("10.0.0.1"), 1), node(string("?"), 2), node(string("10.0.0.3"), 0)})}));
    ASSERT_TRUE(map);
    EXPECT_TRUE(map->replicas().empty());
}

TEST(SlotMap, LearnsThatASlotHasMoved) {
    auto map =
        read(array({range(0, 16'383, {node(string("10.0.0.1"), 1), node(string("10.0.0.2"), 2)})}));
    ASSERT_TRUE(map);
    map->move(5, at("10.0.0.2", 2));
    EXPECT_EQ(*map->primary(5), at("10.0.0.2", 2));
    EXPECT_EQ(*map->primary(6), at("10.0.0.1", 1));
    EXPECT_THAT(map->primaries(), ElementsAre(at("10.0.0.1", 1), at("10.0.0.2", 2)));
    EXPECT_TRUE(map->replicas().empty());
}

TEST(SlotMap, KnowsNobodyAtFirst) {
    SlotMap map;
    EXPECT_EQ(map.primary(0), nullptr);
    map.move(0, at("10.0.0.1", 1));
    EXPECT_EQ(*map.primary(0), at("10.0.0.1", 1));
}

TEST(SlotMap, HoldsABoundedNumberOfServers) {
    SlotMap map;
    for (unsigned i = 0; i <= SlotMap::kMaxServers; ++i) {
        map.move(static_cast<std::uint16_t>(i), at("10.0.0.1", static_cast<std::uint16_t>(i + 1)));
    }
    EXPECT_EQ(map.primaries().size(), SlotMap::kMaxServers);
    EXPECT_EQ(map.primary(SlotMap::kMaxServers), nullptr);
    map.move(SlotMap::kMaxServers, at("10.0.0.1", 1));
    EXPECT_EQ(*map.primary(SlotMap::kMaxServers), at("10.0.0.1", 1));

    std::vector<Reply> ranges;
    for (unsigned i = 0; i <= SlotMap::kMaxServers; ++i) {
        ranges.push_back(range(i, i, {node(string("10.0.0.1"), i + 1)}));
    }
    EXPECT_FALSE(read(array(std::move(ranges))));
    std::vector<Reply> nodes;
    for (unsigned i = 0; i <= SlotMap::kMaxServers + 1; ++i) {
        nodes.push_back(node(string("10.0.0.1"), i + 1));
    }
    EXPECT_FALSE(read(array({range(0, 0, std::move(nodes))})));
}

TEST(SlotMap, RefusesWhatIsNoMap) {
    const Reply good = node(string("10.0.0.1"), 6379);
    const Reply bad[] = {
        nil(),
        error("ERR This instance has cluster support disabled"),
        array({}),
        array({nil()}),
        array({array({})}),
        array({range(0, 1, {})}),
        array({range(-1, 1, {good})}),
        array({range(2, 1, {good})}),
        array({range(0, 16'384, {good})}),
        array({range(0, INT64_MAX, {good})}),
        array({array({string("0"), integer(1), good})}),
        array({array({integer(0), string("1"), good})}),
        array({range(0, 1, {string("10.0.0.1:6379")})}),
        array({range(0, 1, {array({string("10.0.0.1")})})}),
        array({range(0, 1, {array({string("10.0.0.1"), string("6379")})})}),
        array({range(0, 1, {array({integer(1), integer(6379)})})}),
        array({range(0, 1, {node(string("?"), 6379)})}),
        array({range(0, 1, {node(string("10.0.0.1"), 0)})}),
        array({range(0, 1, {node(string("10.0.0.1"), 65'536)})}),
        array({range(0, 1, {good}), range(1, 2, {good})}),
    };
    for (const Reply& reply : bad) {
        const auto map = read(reply);
        ASSERT_FALSE(map) << &reply - bad;
        EXPECT_EQ(map.error().code, ErrorCode::invalid);
    }
}

TEST(ClusterState, IsReadFromItsLine) {
    EXPECT_TRUE(is_state_ok(string("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n")));
    EXPECT_FALSE(is_state_ok(string("cluster_state:fail\r\ncluster_slots_assigned:16384\r\n")));
    EXPECT_FALSE(is_state_ok(error("cluster_state:ok\r\n")));
    EXPECT_FALSE(is_state_ok(nil()));
}

TEST(Redirect, TellsWhereToGo) {
    const auto moved = parse_redirect(error("MOVED 3999 127.0.0.1:6381"), kAsked);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->kind, Redirect::Kind::moved);
    EXPECT_EQ(moved->slot, 3'999);
    EXPECT_EQ(moved->to, at("127.0.0.1", 6381));
    const auto ask = parse_redirect(error("ASK 0 2001:db8::1:6381"), kAsked);
    ASSERT_TRUE(ask);
    EXPECT_EQ(ask->kind, Redirect::Kind::ask);
    EXPECT_EQ(ask->to, at("2001:db8::1", 6381));
    const auto same_host = parse_redirect(error("MOVED 1 :6381"), kAsked);
    ASSERT_TRUE(same_host);
    EXPECT_EQ(same_host->to, at("10.0.0.9", 6381));
}

TEST(Redirect, IsNotWhatNamesNoServer) {
    for (const char* text :
         {"MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED 1 host", "MOVED x h:1",
          "MOVED 16384 h:1", "MOVED -1 h:1", "MOVED 1 h:", "MOVED 1 h:0", "MOVED 1 h:65536",
          "MOVED 1 h:1x", "MOVED 1 ?:1", "MOVED 1 h :1", "MOVED 1 2 h:1", "MOVEDX 1 h:1",
          "ERR MOVED 1 h:1", ""}) {
        EXPECT_FALSE(parse_redirect(error(text), kAsked)) << text;
    }
    EXPECT_FALSE(parse_redirect(string("MOVED 1 h:1"), kAsked));
}

}  // namespace
}  // namespace ringmaster::redis
