#include "ringmaster/ops/analysis.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ops {
namespace {

using namespace std::chrono_literals;
using runtime::TaskTimes;
using runtime::TimeProfile;
using runtime::WaitsFor;
using ::testing::HasSubstr;
using ::testing::Not;

/// Its requests were at work as `times` says.
ShardProfile profile_of(std::uint32_t shard, const TimeProfile& times,
                        ShardProfile::Duration observed = 10s) {
    ShardProfile profile;
    profile.shard = shard;
    profile.begin = WallTime(1'764'380'000'000ms);
    profile.end = profile.begin + std::chrono::floor<std::chrono::milliseconds>(observed);
    profile.observed = observed;
    profile.cores = 8;
    profile.most_in_flight = 4096;
    profile.add_endpoint("POST /numbers", times);
    return profile;
}

/// Busy for a share of ten seconds, without requests.
ShardProfile busy(std::uint32_t shard, double share, double cpu = -1) {
    ShardProfile profile = profile_of(shard, *std::make_unique<TimeProfile>());
    const auto of = [&](double part) {
        return std::chrono::nanoseconds(std::llround(part * 10e9));
    };
    profile.busy = of(share);
    profile.cpu = of(cpu < 0 ? share : cpu);
    return profile;
}

const Finding* finding(const Analysis& analysis, std::string_view topic) {
    const auto found = std::ranges::find(analysis.findings, topic, &Finding::topic);
    return found == analysis.findings.end() ? nullptr : &*found;
}

#define EXPECT_WITHIN_5_PERCENT(told, real) EXPECT_NEAR(told, real, 0.05 * (real)) << #told

// --- a load of which everything is known --------------------------------------------------------

/// Tasks that run, wait for the disk and for a server, and stall because of each other; a real
/// scheduler measures them, and each one's times are kept.
class SyntheticLoad {
  public:
    SyntheticLoad(int tasks, std::uint32_t seed) : random_(seed) {
        for (int i = 0; i < tasks; ++i) {
            manual_.spawn([this] { task(); });
            // Some come while others are at work.
            if (i % 8 == 7) run_until_idle();
        }
        run_until_idle();
        std::ranges::sort(all, {}, &TaskTimes::all);
    }

    const std::unique_ptr<TimeProfile> profile = std::make_unique<TimeProfile>();
    std::vector<TaskTimes> all;

  private:
    // Most are short, some very long.
    std::chrono::milliseconds some(double median_ms) {
        return std::chrono::milliseconds(
            std::llround(median_ms * std::lognormal_distribution<double>(0, 1)(random_)));
    }
    void task() {
        const TaskTimes before = manual_.scheduler.task_times();
        manual_.clock.advance(some(20));
        {
            const runtime::Waiting disk(manual_.scheduler, WaitsFor::disk);
            manual_.scheduler.sleep_until(manual_.clock.steady_now() + some(50));
        }
        manual_.clock.advance(some(10));
        {
            const runtime::Waiting server(manual_.scheduler, WaitsFor::server);
            manual_.scheduler.sleep_until(manual_.clock.steady_now() + some(150));
        }
        manual_.clock.advance(some(5));
        const TaskTimes times = manual_.scheduler.task_times() - before;
        profile->record(times, times.running);
        all.push_back(times);
    }
    void run_until_idle() {
        manual_.settle();
        while (manual_.scheduler.fibers_in_use() > 0) {
            manual_.clock.advance(1ms);
            manual_.settle();
        }
    }

    std::mt19937 random_;
    runtime::ManualScheduler manual_;
};

double mean(const std::vector<TaskTimes>& all, double from, double to, auto&& part) {
    const auto count = static_cast<double>(all.size());
    const auto first = static_cast<std::size_t>(std::llround(from * count));
    const auto last = static_cast<std::size_t>(std::llround(to * count));
    double sum = 0;
    for (std::size_t i = first; i < last; ++i) {
        sum += std::chrono::duration<double>(part(all[i])).count();
    }
    return sum / static_cast<double>(last - first);
}

TEST(AnalysisTest, OfASyntheticLoadTheFiguresAreRightWithinFivePercent) {
    const SyntheticLoad load(20'000, 1);
    const auto running = [](const TaskTimes& t) { return t.running; };
    const auto stalled = [](const TaskTimes& t) { return t.stalled; };
    const auto disk = [](const TaskTimes& t) { return t.waited_for(WaitsFor::disk); };
    const auto server = [](const TaskTimes& t) { return t.waited_for(WaitsFor::server); };
    const auto idle = [](const TaskTimes& t) { return t.idle(); };
    const auto whole = [](const TaskTimes& t) { return t.all(); };
    ASSERT_GT(mean(load.all, 0, 1, stalled), 1e-5) << "they never were in each other's way";

    const Analysis analysis = analyse({profile_of(0, *load.profile, 100s)}, {});
    const RequestTimes& all = analysis.all;
    EXPECT_EQ(all.requests, 20'000u);
    EXPECT_DOUBLE_EQ(all.per_second, 200);
    EXPECT_WITHIN_5_PERCENT(all.mean.total(), mean(load.all, 0, 1, whole));
    const double is_idle = mean(load.all, 0, 1, idle);
    EXPECT_WITHIN_5_PERCENT(all.mean.io_share(),
                            is_idle / (is_idle + mean(load.all, 0, 1, running)));

    ASSERT_EQ(all.bands.size(), kBandBounds.size() - 1);
    for (const Band& band : all.bands) {
        SCOPED_TRACE(band.from);
        EXPECT_WITHIN_5_PERCENT(band.mean.running, mean(load.all, band.from, band.to, running));
        EXPECT_WITHIN_5_PERCENT(band.mean.stalled, mean(load.all, band.from, band.to, stalled));
        EXPECT_WITHIN_5_PERCENT(band.mean.journal, mean(load.all, band.from, band.to, disk));
        EXPECT_WITHIN_5_PERCENT(band.mean.redis, mean(load.all, band.from, band.to, server));
        EXPECT_WITHIN_5_PERCENT(band.mean.total(), mean(load.all, band.from, band.to, whole));
        EXPECT_WITHIN_5_PERCENT(band.mean.queued, mean(load.all, band.from, band.to, running));
        const auto last = static_cast<std::size_t>(std::llround(band.to * 20'000)) - 1;
        EXPECT_WITHIN_5_PERCENT(band.longest,
                                std::chrono::duration<double>(load.all[last].all()).count());
    }
}

// A band that lies within one bucket can't be told apart better than that.
TEST(AnalysisTest, WhereAllTakeAsLongAllBandsAreAlike) {
    const auto times = std::make_unique<TimeProfile>();
    for (int i = 0; i < 5000; ++i) times->record({.running = 100us, .waited = {900us}}, 0us);
    for (const Band& band : analyse({profile_of(0, *times)}, {}).all.bands) {
        EXPECT_DOUBLE_EQ(band.mean.running, 100e-6);
        EXPECT_DOUBLE_EQ(band.mean.other, 900e-6);
        EXPECT_NEAR(band.longest, 1e-3, 1e-3 / TimeProfile::kSteps);
    }
}

TEST(AnalysisTest, ABandNeedsARequest) {
    const auto times = std::make_unique<TimeProfile>();
    for (int i = 0; i < 100; ++i) times->record({.running = 1ms}, 0us);
    const auto bands = analyse({profile_of(0, *times)}, {}).all.bands;
    EXPECT_EQ(bands.size(), kBandBounds.size() - 3) << "without the two of less than a percent";
}

TEST(AnalysisTest, EndpointsStandInTheOrderOfTheirTime) {
    const auto quick = std::make_unique<TimeProfile>();
    const auto slow = std::make_unique<TimeProfile>();
    for (int i = 0; i < 100; ++i) quick->record({.running = 1ms}, 0us);
    for (int i = 0; i < 10; ++i) slow->record({.running = 1s}, 0us);
    ShardProfile first = profile_of(0, *quick);
    first.add_endpoint("GET /slow", *slow);
    ShardProfile second = profile_of(1, *quick);
    const Analysis analysis = analyse({first, second}, {});
    ASSERT_EQ(analysis.endpoints.size(), 2u);
    EXPECT_EQ(analysis.endpoints[0].endpoint, "GET /slow");
    EXPECT_EQ(analysis.endpoints[1].endpoint, "POST /numbers");
    EXPECT_EQ(analysis.endpoints[1].requests, 200u);
    EXPECT_EQ(analysis.all.requests, 210u);
    EXPECT_DOUBLE_EQ(analysis.all.mean.running, (0.2 + 10) / 210);
}

// --- shards -------------------------------------------------------------------------------------

TEST(AnalysisTest, TellsWhereAShardStandsOnTheCurve) {
    const Analysis analysis = analyse({busy(0, 0.2), busy(1, 0.6), busy(2, 0.8)}, {});
    ASSERT_EQ(analysis.shards.size(), 3u);
    EXPECT_EQ(analysis.shards[0].zone, Zone::easy);
    EXPECT_EQ(analysis.shards[1].zone, Zone::usual);
    EXPECT_EQ(analysis.shards[2].zone, Zone::knee);
    EXPECT_DOUBLE_EQ(analysis.shards[2].utilisation, 0.8);
    EXPECT_NEAR(analysis.shards[2].stretch, 5, 1e-9);
    ASSERT_NE(finding(analysis, "queueing"), nullptr);
    EXPECT_EQ(finding(analysis, "queueing")->weight, Finding::Weight::act);
}

TEST(AnalysisTest, TheBusiestTimeOfAShardCounts) {
    const Analysis analysis = analyse({busy(0, 0.1), busy(0, 0.9), busy(0, 0.2)}, {});
    ASSERT_EQ(analysis.shards.size(), 1u);
    EXPECT_NEAR(analysis.shards[0].utilisation, 0.4, 1e-9);
    EXPECT_DOUBLE_EQ(analysis.shards[0].busiest, 0.9);
    EXPECT_DOUBLE_EQ(analysis.shards[0].observed, 30);
    EXPECT_EQ(analysis.shards[0].zone, Zone::knee);
}

// 0.7 / 1.3 = 0.538 for each.
TEST(AnalysisTest, TellsHowManyShardsTheLoadNeeds) {
    Analysis analysis = analyse({busy(0, 0.5), busy(1, 0.5)}, {});
    EXPECT_EQ(analysis.shards_needed, 2u);
    EXPECT_EQ(finding(analysis, "shards")->weight, Finding::Weight::fine);

    analysis = analyse({busy(0, 0.8), busy(1, 0.8)}, {});
    EXPECT_EQ(analysis.shards_needed, 3u) << "1.6 / 0.538";
    EXPECT_EQ(finding(analysis, "shards")->weight, Finding::Weight::act);
    EXPECT_THAT(finding(analysis, "shards")->says, HasSubstr("3 shards instead of 2"));
    EXPECT_THAT(finding(analysis, "shards")->arithmetic, HasSubstr("1.60 / 0.54"));

    EXPECT_EQ(analyse({busy(0, 0.8), busy(1, 0.8)}, {.reserve = 0}).shards_needed, 3u);
    EXPECT_EQ(analyse({busy(0, 0.7), busy(1, 0.7)}, {.reserve = 0}).shards_needed, 2u);
    EXPECT_EQ(analyse({busy(0, 0.01), busy(1, 0.01)}, {}).shards_needed, 1u);
}

TEST(AnalysisTest, MoreShardsThanCoresDoNotHelp) {
    ShardProfile first = busy(0, 0.95);
    ShardProfile second = busy(1, 0.95);
    first.cores = second.cores = 2;
    const Analysis analysis = analyse({first, second}, {});
    EXPECT_EQ(analysis.shards_needed, 4u);
    EXPECT_THAT(finding(analysis, "shards")->says, HasSubstr("the machine has 2 cores"));
}

// Amdahl's law: what only the pool's owner can do is not divided.
TEST(AnalysisTest, AHotPoolIsNotHelpedByShards) {
    std::vector<ShardProfile> profiles = {busy(0, 0.2), busy(1, 0.6), busy(2, 0.2)};
    for (auto& profile : profiles) {
        profile.rows = profile.shard == 1 ? 9000 : 500;
        profile.pools = {{"pool-" + std::to_string(profile.shard), profile.rows}};
    }
    Analysis analysis = analyse(profiles, {});
    ASSERT_NE(finding(analysis, "hot pool"), nullptr);
    EXPECT_THAT(finding(analysis, "hot pool")->says,
                HasSubstr("90.0 % of all rows are of pool pool-1"));
    // (1.0 - 0.4) / (0.538 - 0.4)
    EXPECT_EQ(analysis.shards_needed, 5u);

    profiles[1].busy = 9s;
    analysis = analyse(profiles, {});
    EXPECT_EQ(analysis.shards_needed, std::nullopt);
    EXPECT_EQ(finding(analysis, "shards")->weight, Finding::Weight::act);
    EXPECT_THAT(finding(analysis, "shards")->says, HasSubstr("Divide it into two pools"));
}

TEST(AnalysisTest, UnevenConnectionsAreNoHotPool) {
    const Analysis analysis = analyse({busy(0, 0.2), busy(1, 0.6), busy(2, 0.2)}, {});
    EXPECT_EQ(finding(analysis, "hot pool"), nullptr);
    ASSERT_NE(finding(analysis, "balance"), nullptr);
    EXPECT_EQ(analysis.shards_needed, 2u) << "1.0 / 0.538, if they were even";
    EXPECT_EQ(finding(analyse({busy(0, 0.3), busy(1, 0.35)}, {}), "balance"), nullptr);
}

TEST(AnalysisTest, TellsWhereThreadsWaitForACore) {
    EXPECT_EQ(finding(analyse({busy(0, 0.8, 0.75)}, {}), "cores"), nullptr);
    EXPECT_NE(finding(analyse({busy(0, 0.8, 0.4)}, {}), "cores"), nullptr);
}

TEST(AnalysisTest, TellsWhatRequestsWaitFor) {
    const auto analysis_of = [](const TaskTimes& times, std::chrono::microseconds queued = 0us) {
        const auto profile = std::make_unique<TimeProfile>();
        for (int i = 0; i < 100; ++i) profile->record(times, queued);
        return analyse({profile_of(0, *profile)}, {});
    };
    Analysis analysis = analysis_of({.running = 1ms, .waited = {0ms, 0ms, 0ms, 9ms}});
    ASSERT_NE(finding(analysis, "redis"), nullptr);
    EXPECT_EQ(finding(analysis, "redis")->weight, Finding::Weight::notice);
    EXPECT_THAT(finding(analysis, "redis")->says, HasSubstr("more shards do not make it faster"));
    EXPECT_EQ(finding(analysis, "journal"), nullptr);

    analysis = analysis_of({.running = 8ms, .waited = {0ms, 2ms}});
    ASSERT_NE(finding(analysis, "journal"), nullptr);
    EXPECT_EQ(finding(analysis, "journal")->weight, Finding::Weight::fine);
    EXPECT_NE(finding(analysis_of({.running = 1ms, .waited = {0ms, 0ms, 1ms}}), "other shards"),
              nullptr);
    EXPECT_NE(finding(analysis_of({.running = 1ms, .stalled = 1ms}), "stalled"), nullptr);
    EXPECT_EQ(finding(analysis_of({.running = 1ms}, 500us), "queue"), nullptr);
    EXPECT_NE(finding(analysis_of({.running = 1ms}, 1500us), "queue"), nullptr);
}

TEST(AnalysisTest, TellsOfLoadThatWasShed) {
    ShardProfile first = busy(0, 0.3);
    ShardProfile second = busy(1, 0.3);
    first.rows = 600;
    second.rows = 300;
    EXPECT_EQ(finding(analyse({first, second}, {}), "shed"), nullptr);
    first.shed = 75;
    second.shed = 25;
    const Analysis analysis = analyse({first, second}, {});
    EXPECT_DOUBLE_EQ(analysis.shed, 0.1);
    const Finding* const shed = finding(analysis, "shed");
    ASSERT_NE(shed, nullptr);
    EXPECT_EQ(shed->weight, Finding::Weight::act);
    EXPECT_THAT(shed->says, HasSubstr("10.0 % of all rows"));
    EXPECT_EQ(shed->arithmetic, "100 of 1000 rows");
}

// 100 requests of 10 s within 10 s: a hundred at one time.
TEST(AnalysisTest, TellsHowManyAreInWorkByLittlesLaw) {
    const auto times = std::make_unique<TimeProfile>();
    for (int i = 0; i < 100; ++i) times->record({.waited = {10s}}, 0us);
    ShardProfile profile = profile_of(0, *times);
    EXPECT_EQ(finding(analyse({profile}, {}), "concurrency")->weight, Finding::Weight::fine);
    EXPECT_THAT(finding(analyse({profile}, {}), "concurrency")->arithmetic,
                HasSubstr("= 100 at one time"));
    profile.most_in_flight = 150;
    EXPECT_EQ(finding(analyse({profile}, {}), "concurrency")->weight, Finding::Weight::act);
}

// --- Redis --------------------------------------------------------------------------------------

/// A shard that is busy for a share of its ten seconds, and saw servers that were, for shares of
/// theirs.
ShardProfile with_redis(std::uint32_t shard, double share,
                        const std::vector<std::pair<std::string, double>>& servers,
                        ShardProfile::Duration observed = 8s) {
    ShardProfile profile = busy(shard, share);
    std::vector<ShardProfile::ServerLoad> loads;
    for (const auto& [name, of_server] : servers) {
        const auto ns = std::llround(of_server * static_cast<double>(observed.count()));
        loads.push_back({name, observed, std::chrono::nanoseconds(ns)});
    }
    profile.redis = ShardProfile::Redis();
    profile.redis->servers = servers.size();
    profile.redis->set_loads(std::move(loads));
    return profile;
}

TEST(AnalysisTest, TellsOfCallsToRedisThatFailed) {
    ShardProfile first = with_redis(0, 0.1, {{"a", 0.1}});
    ShardProfile second = with_redis(1, 0.1, {{"a", 0.1}});
    first.redis->calls = 900;
    second.redis->calls = 100;
    EXPECT_EQ(finding(analyse({first, second}, {}), "redis")->weight, Finding::Weight::fine);
    second.redis->failed = 3;
    const Analysis analysis = analyse({first, second}, {});
    const Finding& told = *finding(analysis, "redis");
    EXPECT_EQ(told.weight, Finding::Weight::act);
    EXPECT_THAT(told.says, HasSubstr(". 0.3 % of the calls to Redis have failed"));
    EXPECT_THAT(told.arithmetic, HasSubstr("; 3 of 1000 calls"));
}

TEST(AnalysisTest, AServerOfRedisIsTheSameForAllShards) {
    // One of them has seen it for longer: (0.25 x 8 + 0.2 x 4) / 12.
    const Analysis analysis =
        analyse({with_redis(0, 0.1, {{"a", 0.25}}), with_redis(1, 0.1, {{"a", 0.2}}, 4s)}, {});
    ASSERT_EQ(analysis.redis.size(), 1u);
    const RedisLoad& load = analysis.redis[0];
    EXPECT_EQ(load.name, "a");
    EXPECT_DOUBLE_EQ(load.observed, 8);
    EXPECT_NEAR(load.utilisation, 2.8 / 12, 1e-9);
    EXPECT_NEAR(load.busiest, 0.25, 1e-9);
    EXPECT_NEAR(load.headroom, 0.7 / 0.25, 1e-9);
    EXPECT_EQ(load.zone, Zone::easy);
    EXPECT_EQ(analysis.primaries_needed, 1u);
}

TEST(AnalysisTest, TheBusiestTimeOfRedisCountsAndTheBusiestServerIsFirst) {
    const Analysis analysis = analyse(
        {with_redis(0, 0.1, {{"a", 0.1}, {"b", 0.2}}), with_redis(0, 0.1, {{"a", 0.9}, {"b", 0.2}}),
         with_redis(0, 0.1, {{"a", 0.2}, {"b", 0.5}})},
        {});
    ASSERT_EQ(analysis.redis.size(), 2u);
    EXPECT_EQ(analysis.redis[0].name, "a");
    EXPECT_NEAR(analysis.redis[0].utilisation, 0.4, 1e-9);
    EXPECT_NEAR(analysis.redis[0].busiest, 0.9, 1e-9);
    EXPECT_DOUBLE_EQ(analysis.redis[0].observed, 24);
    EXPECT_EQ(analysis.redis[0].zone, Zone::knee);
    EXPECT_EQ(analysis.redis[1].zone, Zone::usual);
}

TEST(AnalysisTest, TellsHowMuchMoreRedisBears) {
    const Analysis analysis = analyse({with_redis(0, 0.6, {{"10.0.0.7:6379", 0.2}})}, {});
    const Finding* const redis = finding(analysis, "redis");
    ASSERT_NE(redis, nullptr);
    EXPECT_EQ(redis->weight, Finding::Weight::fine);
    EXPECT_EQ(redis->says,
              "the Redis server 10.0.0.7:6379 is busy for 20.0 % of the time: it bears 3.50 times "
              "this load up to the knee at 70.0 %");
    EXPECT_THAT(redis->arithmetic, HasSubstr("0.70 / 0.200 = 3.50 times this load"));
    EXPECT_THAT(redis->arithmetic, HasSubstr("the reserve asks for 1.30 times"));
    EXPECT_EQ(analysis.shards_needed, 2u) << "0.6 / 0.538: Redis is not in the way";
    EXPECT_THAT(finding(analysis, "shards")->says, HasSubstr("2 shards instead of 1"));
}

TEST(AnalysisTest, AServerThatDoesNothingBearsAnything) {
    const Analysis analysis = analyse({with_redis(0, 0.1, {{"a", 0}})}, {});
    EXPECT_EQ(finding(analysis, "redis")->weight, Finding::Weight::fine);
    EXPECT_THAT(finding(analysis, "redis")->says, HasSubstr("bears over 1000 times this load"));
    EXPECT_EQ(analysis.primaries_needed, 1u);
    EXPECT_TRUE(analyse({busy(0, 0.1)}, {}).redis.empty());
    EXPECT_EQ(analyse({busy(0, 0.1)}, {}).primaries_needed, std::nullopt);
}

// 0.7 / 1.3 = 0.538: below the knee, but not with the reserve.
TEST(AnalysisTest, NearTheKneeOfRedisMoreShardsDoNotHelp) {
    // Of shards alone, 1.6 / 0.538 = 2.97 are needed.
    Analysis analysis =
        analyse({with_redis(0, 0.8, {{"a", 0.6}}), with_redis(1, 0.8, {{"a", 0.6}})}, {});
    EXPECT_EQ(finding(analysis, "redis")->weight, Finding::Weight::notice);
    EXPECT_EQ(
        finding(analysis, "redis")->says,
        "the Redis server a is busy for 60.0 % of the time, which is near the knee at 70.0 %. "
        "More shards do not help; larger batches do, and Redis Cluster with 2 primary "
        "servers");
    EXPECT_THAT(finding(analysis, "redis")->arithmetic, HasSubstr("0.60 / 0.54 = 1.11"));
    EXPECT_EQ(analysis.primaries_needed, 2u);
    EXPECT_EQ(analysis.shards_needed, std::nullopt);
    // 0.7 / 0.6 = 1.17 times the load is borne, and 1.6 x 1.17 / 0.7 = 2.67.
    const Finding* shards = finding(analysis, "shards");
    EXPECT_EQ(shards->weight, Finding::Weight::act);
    EXPECT_EQ(shards->says,
              "no number of shards bears this load with the reserve, because Redis does not. For "
              "the 1.17 times this load that it bears, 3 shards instead of 2 are needed; more do "
              "not help");
    EXPECT_THAT(shards->arithmetic, HasSubstr("1.60 x 1.17 / 0.70 = 2.67"));

    analysis = analyse({with_redis(0, 0.2, {{"a", 0.6}}), with_redis(1, 0.2, {{"a", 0.6}})}, {});
    shards = finding(analysis, "shards");
    EXPECT_EQ(shards->weight, Finding::Weight::notice);
    EXPECT_THAT(shards->says, HasSubstr("that it bears, 1 shard of the 2 is enough; more do not"));

    // What is borne with the reserve exactly is borne.
    analysis = analyse({with_redis(0, 0.8, {{"a", 0.7}})}, {.reserve = 0});
    EXPECT_EQ(analysis.shards_needed, 2u);
    EXPECT_EQ(analysis.primaries_needed, 1u);
}

TEST(AnalysisTest, AboveTheKneeOfRedisPrimariesAreNeeded) {
    const Analysis analysis = analyse(
        {with_redis(0, 0.9, {{"a", 0.9}, {"b", 0.85}}), with_redis(1, 0.9, {{"a", 0.9}})}, {});
    const Finding* const redis = finding(analysis, "redis");
    EXPECT_EQ(redis->weight, Finding::Weight::act);
    EXPECT_THAT(redis->says, HasSubstr("the busiest of 2 Redis servers, a, is busy for 90.0 %"));
    EXPECT_THAT(redis->says, HasSubstr("above the knee at 70.0 %. More shards do not help"));
    EXPECT_THAT(redis->says, HasSubstr("4 primary servers instead of 2"));
    EXPECT_EQ(analysis.primaries_needed, 4u) << "1.75 / 0.538";
    EXPECT_EQ(analysis.shards_needed, std::nullopt);
    EXPECT_THAT(finding(analysis, "shards")->says,
                HasSubstr("For this load, 3 shards instead of 2 are needed; more do not help"));
}

TEST(AnalysisTest, WhereOneServerHasAllPoolsTheyAreToBeMoved) {
    Analysis analysis = analyse({with_redis(0, 0.1, {{"a", 0.8}, {"b", 0.1}, {"c", 0.2}})}, {});
    EXPECT_EQ(analysis.primaries_needed, 3u) << "1.1 / 0.538";
    EXPECT_THAT(finding(analysis, "redis")->says,
                HasSubstr("moving pools to the other servers, which are busy for 15.0 % on "
                          "average"));

    ShardProfile hot = with_redis(0, 0.1, {{"a", 0.8}, {"b", 0.1}});
    hot.rows = 1000;
    hot.pools = {{"autos", 900}, {"boats", 100}};
    analysis = analyse({hot}, {});
    EXPECT_THAT(finding(analysis, "redis")->says,
                HasSubstr("Pool autos has 90.0 % of all rows, and all of it is on one server"));
    EXPECT_EQ(finding(analysis, "hot pool"), nullptr) << "no shard has it";
}

// Each was the primary for half of the time.
TEST(AnalysisTest, AServerThatTookOverIsNoSecondOne) {
    Analysis analysis =
        analyse({with_redis(0, 0.1, {{"a", 0.4}}), with_redis(0, 0.1, {{"b", 0.3}})}, {});
    EXPECT_EQ(analysis.redis.size(), 2u);
    EXPECT_EQ(analysis.primaries, 1u);
    EXPECT_EQ(analysis.primaries_needed, 1u) << "0.4 / 2 + 0.3 / 2";
    EXPECT_THAT(finding(analysis, "redis")->says, HasSubstr("the Redis server a is busy"));

    analysis = analyse({with_redis(0, 0.1, {{"a", 0.8}}), with_redis(0, 0.1, {{"b", 0.9}})}, {});
    EXPECT_EQ(analysis.primaries_needed, 2u) << "0.85 / 0.538";
    EXPECT_THAT(finding(analysis, "redis")->says,
                HasSubstr("the Redis server b is busy for 90.0 % of the time, which is above the "
                          "knee at 70.0 %. More shards do not help; larger batches do, and Redis "
                          "Cluster with 2 primary servers"));
}

TEST(AnalysisTest, WaitingForRedisIsOneFindingWithItsLoad) {
    const auto times = std::make_unique<TimeProfile>();
    for (int i = 0; i < 100; ++i) {
        times->record({.running = 1ms, .waited = {0ms, 0ms, 0ms, 9ms}}, 0ms);
    }
    const auto analysis_of = [&](double of_redis) {
        ShardProfile profile = with_redis(0, 0.1, {{"a", of_redis}});
        profile.add_endpoint("POST /numbers", *times);
        return analyse({profile}, {});
    };
    const auto count = [](const Analysis& analysis) {
        return std::ranges::count(analysis.findings, "redis", &Finding::topic);
    };
    // The server has time: it is the way.
    Analysis analysis = analysis_of(0.1);
    EXPECT_EQ(count(analysis), 1);
    EXPECT_EQ(finding(analysis, "redis")->weight, Finding::Weight::notice);
    EXPECT_THAT(finding(analysis, "redis")->says,
                HasSubstr("bears 7.00 times this load up to the knee at 70.0 %. 90.0 % of the time "
                          "of requests is waiting for Redis: more shards do not make it faster; a "
                          "machine nearer to it, or larger batches do"));
    EXPECT_THAT(finding(analysis, "redis")->arithmetic, HasSubstr("9 ms of 10 ms on average"));
    // It has none: what helps has been said.
    analysis = analysis_of(0.8);
    EXPECT_EQ(count(analysis), 1);
    EXPECT_EQ(finding(analysis, "redis")->weight, Finding::Weight::act);
    EXPECT_THAT(finding(analysis, "redis")->says,
                testing::EndsWith("90.0 % of the time of requests is waiting for Redis"));
    EXPECT_THAT(finding(analysis, "redis")->says, Not(HasSubstr("nearer")));
}

// --- connections --------------------------------------------------------------------------------

// Cooper, "Introduction to Queueing Theory", and every table of Erlang C.
TEST(ErlangCTest, AgreesWithPublishedTables) {
    EXPECT_NEAR(erlang_c(1, 2), 1.0 / 3, 1e-12);
    EXPECT_NEAR(erlang_c(0.5, 1), 0.5, 1e-12) << "of one server it is the utilisation";
    EXPECT_NEAR(erlang_c(2, 3), 0.4444, 5e-5);
    EXPECT_NEAR(erlang_c(8, 10), 0.4092, 5e-5);
    EXPECT_NEAR(erlang_c(10, 14), 0.1741, 5e-4);
    EXPECT_DOUBLE_EQ(erlang_c(3, 3), 1);
    EXPECT_DOUBLE_EQ(erlang_c(5, 3), 1);
    EXPECT_DOUBLE_EQ(erlang_c(0, 3), 0);
}

ShardProfile with_connections(std::uint64_t size, std::uint64_t timeouts = 0) {
    ShardProfile profile = busy(0, 0.1);
    // 10,000 of 2 ms in ten seconds: two in use on average.
    profile.redis = {
        .servers = 1,
        .calls = 10'000,
        .connections = {.size = size, .checkouts = 10'000, .timeouts = timeouts, .lent = 20s},
        .loads = {}};
    return profile;
}

TEST(AnalysisTest, SizesThePoolOfConnectionsToRedis) {
    const Analysis analysis = analyse({with_connections(16)}, {});
    // 2.6 erlangs: of 8, 1 in 140 checkouts waits; of 7, 1 in 40.
    ASSERT_LE(erlang_c(2.6, 8), 0.01);
    ASSERT_GT(erlang_c(2.6, 7), 0.01);
    EXPECT_EQ(analysis.connections_needed, 8u);
    EXPECT_EQ(finding(analysis, "connections")->weight, Finding::Weight::fine);
    ASSERT_TRUE(analysis.checkout_timeout);
    // Longer than that waits 1 in 10,000, and nobody less than one call takes.
    EXPECT_NEAR(*analysis.checkout_timeout,
                std::max(0.002, 0.002 * std::log(erlang_c(2.6, 8) / 1e-4) / (8 - 2.6)), 1e-9);
    EXPECT_EQ(finding(analyse({with_connections(7)}, {}), "connections")->weight,
              Finding::Weight::act);
    EXPECT_EQ(finding(analyse({with_connections(16, 1)}, {}), "connections")->weight,
              Finding::Weight::act);
    EXPECT_EQ(finding(analyse({busy(0, 0.1)}, {}), "connections"), nullptr);
}

// --- edges --------------------------------------------------------------------------------------

TEST(AnalysisTest, OfNothingNothingFollows) {
    const Analysis analysis = analyse({}, {});
    EXPECT_TRUE(analysis.shards.empty());
    EXPECT_TRUE(analysis.findings.empty());
    EXPECT_EQ(analysis.all.requests, 0u);
}

TEST(AnalysisTest, AShardThatDidNothingOrHadNoTimeIsNoTrouble) {
    for (const ShardProfile& profile : {ShardProfile(), busy(0, 0), busy(0, 1), busy(0, 1.5)}) {
        const Analysis analysis = analyse({profile}, {});
        ASSERT_EQ(analysis.shards.size(), 1u);
        EXPECT_GE(analysis.shards[0].utilisation, 0);
        EXPECT_LE(analysis.shards[0].utilisation, 1);
        EXPECT_FALSE(std::isnan(analysis.all.mean.total()));
        ASSERT_TRUE(analysis.shards_needed);
        EXPECT_GE(*analysis.shards_needed, 1u);
    }
}

}  // namespace
}  // namespace ringmaster::ops
