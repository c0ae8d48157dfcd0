#include "ringmaster/ops/shard_profile.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/seed.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

using namespace std::chrono_literals;
using runtime::TaskTimes;
using runtime::TimeProfile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using PoolRows = ShardProfile::PoolRows;
using ServerLoad = ShardProfile::ServerLoad;

const WallTime kStart{1'764'380'000'000ms};

/// Of a shard that has been at work for some seconds: all figures differ.
ShardProfile after(int seconds) {
    const auto n = static_cast<std::uint64_t>(seconds);
    ShardProfile profile;
    profile.shard = 3;
    profile.started = kStart;
    profile.begin = kStart;
    profile.end = kStart + std::chrono::seconds(seconds);
    profile.observed = std::chrono::seconds(seconds);
    profile.cores = 8;
    profile.most_in_flight = 4096;
    profile.busy = seconds * 300ms;
    profile.cpu = seconds * 400ms;
    profile.lag.counts[2] = 10 * n;
    profile.lag.counts[40] = n;
    profile.rows = 1000 * n;
    profile.shed = 30 * n;
    profile.pools = {{"autos", 800 * n}, {"boats", 200 * n}};
    profile.redis = {.servers = 3,
                     .calls = 50 * n,
                     .failed = n,
                     .connections = {.size = 16,
                                     .checkouts = 7 * n,
                                     .timeouts = 2 * n,
                                     .lent = seconds * 90ms,
                                     .waited = seconds * 5ms},
                     .loads = {{"10.0.0.7:6379", seconds * 990ms, seconds * 600ms},
                               {"unix:/run/my redis.sock", seconds * 980ms, seconds * 20ms}}};
    const auto times = std::make_unique<TimeProfile>();
    for (int i = 0; i < seconds; ++i) {
        times->record({.running = 1ms, .stalled = 2ms, .waited = {3ms, 4ms, 5ms, 6ms}}, 7ms);
        times->record({.running = 40us}, 0ms);
    }
    profile.add_endpoint("POST /numbers", *times);
    return profile;
}

std::string encoded(const ShardProfile& profile) {
    std::string text;
    append_profile(text, profile);
    fuzz::keep_seed("profile", text);
    return text;
}

ShardProfile decoded(std::string_view text) {
    const auto profiles = decode_profiles(text);
    EXPECT_TRUE(profiles) << profiles.error().message;
    EXPECT_FALSE(profiles->torn);
    EXPECT_EQ(profiles->profiles.size(), 1u);
    return profiles->profiles.at(0);
}

void expect_equal(const ShardProfile& a, const ShardProfile& b) {
    EXPECT_EQ(encoded(a), encoded(b));
    EXPECT_EQ(a.endpoints, b.endpoints);
    EXPECT_EQ(a.pools, b.pools);
    EXPECT_EQ(a.redis, b.redis);
    EXPECT_EQ(a.lag.counts, b.lag.counts);
    EXPECT_EQ(a.begin, b.begin);
    EXPECT_EQ(a.end, b.end);
    EXPECT_EQ(a.busy, b.busy);
    EXPECT_EQ(a.cpu, b.cpu);
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.shed, b.shed);
}

TEST(ShardProfileTest, IsReadAsItWasWritten) {
    expect_equal(decoded(encoded(after(5))), after(5));
    ShardProfile plain;
    expect_equal(decoded(encoded(plain)), plain);
}

TEST(ShardProfileTest, WhatHappenedBetweenTwoIsTheirDifference) {
    ShardProfile expected = after(3);
    expected.begin = kStart + 5s;
    expected.end = kStart + 8s;
    expect_equal(after(8).since(after(5)), expected);
}

TEST(ShardProfileTest, AcrossARestartNothingIsSubtracted) {
    ShardProfile later = after(2);
    later.started += 1h;
    expect_equal(later.since(after(5)), later);
}

TEST(ShardProfileTest, WhatHappenedAtSeveralTimesIsTheirSum) {
    ShardProfile sum = after(3);
    sum.add(after(8).since(after(5)));
    ShardProfile expected = after(6);
    expected.end = kStart + 8s;  // two seconds of it are not in the sum
    expect_equal(sum, expected);
}

TEST(ShardProfileTest, EndpointsThatWereNotAskedAreNotThere) {
    ShardProfile profile;
    profile.add_endpoint("GET /numbers", *std::make_unique<TimeProfile>());
    EXPECT_TRUE(profile.endpoints.empty());
    EXPECT_TRUE(after(5).since(after(5)).endpoints.empty());
}

TEST(ShardProfileTest, ThePoolsWithTheMostRowsAreKept) {
    ShardProfile profile;
    std::vector<PoolRows> pools;
    for (std::uint64_t i = 0; i < 100; ++i)
        pools.push_back({"p" + std::to_string(i), i * 37 % 101});
    profile.set_pools(pools);
    ASSERT_EQ(profile.pools.size(), ShardProfile::kMostPools);
    EXPECT_EQ(profile.pools.front().rows, 100u);
    EXPECT_EQ(profile.pools.back().rows, 81u);
    EXPECT_EQ(decoded(encoded(profile)).pools, profile.pools);
}

TEST(ShardProfileTest, TheBusiestServersAreKept) {
    std::vector<ServerLoad> loads = {{"not seen twice yet", 0s, 0s}, {"", 1s, 1s}};
    for (int i = 0; i < 100; ++i) loads.push_back({std::to_string(i), 200s, i * 37 % 101 * 1s});
    ShardProfile profile;
    profile.redis = ShardProfile::Redis();
    profile.redis->set_loads(loads);
    ASSERT_EQ(profile.redis->loads.size(), ShardProfile::kMostServers);
    EXPECT_EQ(profile.redis->loads.front().busy, 100s);
    EXPECT_EQ(profile.redis->loads.back().busy, 36s);
    EXPECT_EQ(decoded(encoded(profile)).redis, profile.redis);
}

TEST(ShardProfileTest, WhateverAServerIsCalledItCanBeRead) {
    ShardProfile profile;
    profile.redis = ShardProfile::Redis();
    profile.redis->set_loads({{" a\nend\n", 2s, 1s}, {std::string(1000, 'x'), 2s, 1s}});
    const ShardProfile read = decoded(encoded(profile));
    ASSERT_EQ(read.redis->loads.size(), 2u);
    EXPECT_EQ(read.redis->loads[0].name, " a end ");
    EXPECT_EQ(read.redis->loads[1].name, std::string(ShardProfile::kMostName, 'x'));
}

TEST(ShardProfileTest, ServersThatWereNotSeenMeanwhileAreNotThere) {
    EXPECT_TRUE(after(5).since(after(5)).redis->loads.empty());
    ShardProfile later = after(8);
    later.redis->loads.push_back({"new", 3s, 2500ms});
    const auto loads = later.since(after(5)).redis->loads;
    EXPECT_THAT(loads, ElementsAre(ServerLoad{"new", 3s, 2500ms},
                                   ServerLoad{"10.0.0.7:6379", 3 * 990ms, 3 * 600ms},
                                   ServerLoad{"unix:/run/my redis.sock", 3 * 980ms, 3 * 20ms}))
        << "in the order of what they did meanwhile";
    // It has been forgotten, and come back.
    ShardProfile fewer = after(8);
    fewer.redis->loads[0].observed = 1s;
    EXPECT_EQ(fewer.since(after(5)).redis->loads.size(), 1u);
}

TEST(ShardProfileTest, SeveralStandOneBehindTheOther) {
    std::string text = encoded(after(1));
    append_missing(text, 7);
    text += encoded(after(2));
    const auto read = decode_profiles(text);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(read->profiles.size(), 2u);
    EXPECT_EQ(read->profiles[1].rows, 2000u);
    EXPECT_THAT(read->missing, ElementsAre(7));
    EXPECT_TRUE(decode_profiles("")->profiles.empty());
}

// Its writer may have been killed anywhere.
TEST(ShardProfileTest, OneThatIsCutOffAnywhereIsLeftOut) {
    const std::string first = encoded(after(1));
    const std::string text = first + encoded(after(2));
    for (std::size_t cut = first.size() + 1; cut < text.size(); ++cut) {
        const auto read = decode_profiles(std::string_view(text).substr(0, cut));
        ASSERT_TRUE(read) << cut << ": " << read.error().message;
        EXPECT_EQ(read->profiles.size(), 1u) << cut;
        EXPECT_TRUE(read->torn) << cut;
    }
}

TEST(ShardProfileTest, WhatIsNoProfileIsRefusedWithItsLine) {
    const std::string good = encoded(after(1));
    const auto refused = [&](std::string_view from, std::string_view to) {
        std::string text = good;
        const std::size_t at = text.find(from);
        EXPECT_NE(at, text.npos) << from;
        text.replace(at, from.size(), to);
        const auto read = decode_profiles(text);
        EXPECT_FALSE(read) << from;
        return read ? std::string() : read.error().message;
    };
    EXPECT_EQ(refused("profile 1", "profile 2"), "line 1: expected \"ringmaster profile 1\"");
    EXPECT_THAT(refused("shard 3 ", "shard -3 "), HasSubstr("line 2: "));
    EXPECT_THAT(refused("work 300", "work x300"), HasSubstr("line 3: "));
    EXPECT_THAT(refused("pool 800 ", "pool 800"), HasSubstr("line 4: "));
    EXPECT_THAT(refused("redis 3 ", "redis 3 3 "), HasSubstr("line 6: "));
    EXPECT_THAT(refused("server 990000000 ", "server "), HasSubstr("line 7: "));
    EXPECT_THAT(refused("server 990000000 ", "server -990000000 "), HasSubstr("line 7: "));
    EXPECT_THAT(refused(" 10.0.0.7:6379\n", "\n"), HasSubstr("line 7: "));
    EXPECT_THAT(refused("10.0.0.7:6379", std::string(257, 'x')), HasSubstr("line 7: "));
    EXPECT_THAT(refused("redis 3 50 1 16 7 2 90000000 5000000\n", ""),
                HasSubstr("line 6: expected two times of a server"));
    EXPECT_THAT(refused("endpoint POST /numbers\n", ""), HasSubstr("line 9: "));
    EXPECT_THAT(refused("bucket ", "bucket 99999999 "), HasSubstr("line 10: "));
    std::string servers;
    for (std::size_t i = 0; i < ShardProfile::kMostServers; ++i) servers += "server 2 1 more\n";
    EXPECT_THAT(refused("server 99", servers + "server 99"), HasSubstr("line 71: "));
    EXPECT_THAT(refused("end\n", "ent\n"), HasSubstr("expected pool, redis"));
    EXPECT_FALSE(decode_profiles("GET / HTTP/1.1\r\n\r\n"));
    EXPECT_THAT(refused("work 300", "work 9999999999999999300"), HasSubstr("line 3: "));
}

TEST(ShardProfileTest, SumsOfManyStayWithinTheirTypes) {
    ShardProfile most = after(1);
    const auto longest = std::chrono::nanoseconds::max();
    most.observed = most.busy = most.cpu = longest;
    most.redis->connections.lent = most.redis->connections.waited = longest;
    most.redis->loads[0].observed = most.redis->loads[0].busy = longest;
    for (auto& [index, bucket] : most.endpoints.at(0).buckets) {
        bucket.times = {longest, longest, {longest, longest, longest, longest}};
        bucket.queued = longest;
    }
    ShardProfile sum = decoded(encoded(most));
    sum.add(most);
    EXPECT_EQ(sum.busy, longest);
    EXPECT_EQ(sum.redis->connections.waited, longest);
    EXPECT_EQ(sum.redis->loads[0], most.redis->loads[0]);
    EXPECT_EQ(sum.redis->loads[1].busy, 40ms);
    for (const auto& [index, bucket] : sum.endpoints.at(0).buckets) {
        EXPECT_EQ(bucket.times, most.endpoints[0].buckets[index].times);
        EXPECT_EQ(bucket.queued, longest);
    }
}

TEST(LagCountsTest, TellsQuantilesToAFifth) {
    const auto lag = std::make_unique<Histogram>();
    for (int us = 1; us <= 10'000; ++us) lag->record(std::chrono::microseconds(us));
    lag->record(1h);
    const LagCounts counts(*lag);
    EXPECT_EQ(counts.count(), 10'001u);
    for (const double q : {0.1, 0.5, 0.99}) {
        const double exact = q * 10'000'000;
        const auto told = static_cast<double>(counts.quantile(q).count());
        EXPECT_GE(told, exact * 0.99) << q;
        EXPECT_LE(told, exact * 1.25) << q;
    }
    EXPECT_EQ(counts.quantile(1), LagCounts::bound(LagCounts::kBounds - 1));
    EXPECT_EQ(LagCounts().quantile(0.5), 0ns);
}

}  // namespace
}  // namespace ringmaster::ops
