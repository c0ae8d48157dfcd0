#include "ringmaster/app/status_snapshot.hpp"

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ops/metrics_text.hpp"

#include <chrono>
#include <optional>
#include <regex>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;

class StatusSnapshotTest : public testing::Test {
  protected:
    StatusSnapshotTest() {
        page_.shard(0).pid = 17;
        page_.shard(0).phase = shard::ShardPhase::serving;
        page_.shard(0).started_ns =
            std::chrono::nanoseconds(clock_.steady_now().time_since_epoch()).count();
        page_.shard(1).restarts = 2;
        page_.shard(1).phase = shard::ShardPhase::dead;
    }

    /// What a shard reports that has handed out so many numbers.
    std::string report(std::uint64_t numbers, const Histogram& durations = {},
                       std::uint64_t slow = 0) {
        ops::MetricsText out({{"shard", "0"}});
        const auto counter = [&](const char* name, std::uint64_t value) {
            out.begin_counter(name, "-");
            out.sample(value);
        };
        counter("ringmaster_connections", 5);
        counter("ringmaster_ready", 1);
        counter("ringmaster_allocations_total", numbers);
        counter("ringmaster_requests_total", 2 * numbers);
        out.begin_counter("ringmaster_responses_total", "-");
        out.sample(numbers, {{"group", "numbers"}, {"code", "2xx"}});
        out.begin_histogram("ringmaster_request_duration_seconds", "-");
        out.sample(durations, {{"group", "numbers"}});
        out.begin_counter("ringmaster_overflows_total", "-");
        out.sample(slow, {{"reason", "owner_slow"}});
        out.begin_gauge("ringmaster_gate_state", "-");
        out.sample(std::uint64_t{0}, {{"owner", "1"}, {"state", "healthy"}});
        out.sample(std::uint64_t{1}, {{"owner", "1"}, {"state", "refusing"}});
        out.begin_gauge("ringmaster_gate_window", "-");
        out.sample(std::uint64_t{0}, {{"owner", "1"}});
        out.begin_gauge("ringmaster_pool_numbers", "-");
        out.sample(std::uint64_t{7}, {{"pool", "autos"}, {"state", "held"}});
        out.sample(std::uint64_t{2}, {{"pool", "autos"}, {"state", "cooling"}});
        out.sample(std::uint64_t{1}, {{"pool", "autos"}, {"state", "free"}});
        out.begin_counter("ringmaster_pool_allocations_total", "-");
        out.sample(numbers, {{"pool", "autos"}});
        return std::move(out).take();
    }
    /// How large one of its pools should be.
    static std::string sizing(std::optional<double> overflow_in_hours) {
        ops::MetricsText out({{"shard", "0"}});
        const auto gauge = [&](const char* name, double value) {
            out.begin_gauge(name, "-");
            out.sample_real(value, {{"pool", "boats"}});
        };
        gauge("ringmaster_pool_offered_erlangs", 84.5);
        gauge("ringmaster_pool_blocking_ratio", 0.113);
        gauge("ringmaster_pool_numbers_missing", 20);
        gauge("ringmaster_pool_numbers_spare", 3);
        if (overflow_in_hours) gauge("ringmaster_pool_overflow_in_hours", *overflow_in_hours);
        out.begin_gauge("ringmaster_pool_numbers_wanted", "-");
        out.sample(std::uint64_t{100}, {{"pool", "boats"}, {"blocking", "0.01"}});
        out.sample(std::uint64_t{110}, {{"pool", "boats"}, {"blocking", "0.001"}});
        return std::move(out).take();
    }
    std::string next(std::optional<std::string> one) {
        Reports reports(2);
        reports[0] = std::move(one);
        return snapshots_.next(std::move(reports), {});
    }
    /// The text of a member's value, the first of that name.
    static std::string member(const std::string& json, const std::string& name) {
        std::smatch found;
        const std::regex pattern("\"" + name + "\":(\"[^\"]*\"|\\{[^}]*\\}|[^,}\\]]*)");
        return std::regex_search(json, found, pattern) ? found[1].str() : "none";
    }

    FakeClock clock_;
    shard::SharedPage page_ = *shard::SharedPage::create(2);
    StatusSnapshots snapshots_{clock_, page_, 0};
};

TEST_F(StatusSnapshotTest, TellsHowThingsStandAndNoRatesAtFirst) {
    const std::string json = next(report(1000));
    EXPECT_EQ(json.find('\n'), json.npos);
    EXPECT_EQ(member(json, "seconds"), "null");
    EXPECT_EQ(member(json, "connections"), "5");
    EXPECT_EQ(member(json, "numbers_total"), "1000");
    EXPECT_EQ(member(json, "numbers_per_s"), "null");
    EXPECT_EQ(member(json, "numbers"), R"({"p50":null,"p90":null,"p99":null,"p999":null})");
    EXPECT_EQ(member(json, "store"), R"({"kind":"embedded","ready":true})");
    EXPECT_NE(json.find(R"({"pool":"autos","held":7,"cooling":2,"free":1,"draining":0,)"),
              json.npos);
    EXPECT_NE(json.find(R"({"shard":0,"owner":"1","state":"refusing","window":0,)"), json.npos);
}

TEST_F(StatusSnapshotTest, TellsWhatHasHappenedSinceTheLastOne) {
    Histogram durations;
    durations.record(5ms);
    next(report(1000, durations));
    clock_.advance(2s);
    for (int i = 0; i < 100; ++i) durations.record(120us);
    const std::string json = next(report(1500, durations, 8));
    EXPECT_EQ(member(json, "seconds"), "2");
    EXPECT_EQ(member(json, "numbers_per_s"), "250");
    EXPECT_EQ(member(json, "requests_per_s"), "500");
    EXPECT_EQ(member(json, "owner_slow"), "4");
    EXPECT_LT(std::stod(member(json, "p999")), 0.00016);  // the slow one was before
    EXPECT_GT(std::stod(member(json, "p50")), 0.0001);
}

TEST_F(StatusSnapshotTest, TellsOfAllShards) {
    clock_.advance(70s);
    const std::string json = next(report(1000));
    EXPECT_NE(json.find(R"([{"shard":0,"up":true,"phase":"serving","pid":17,"uptime_s":70,)"
                        R"("restarts":0,"ready":true,)"),
              json.npos);
    EXPECT_NE(json.find(R"({"shard":1,"up":false,"phase":"dead","restarts":2}])"), json.npos);
}

TEST_F(StatusSnapshotTest, TellsHowLargePoolsShouldBeWhereThatIsKnown) {
    std::string json = next(report(1000) + sizing(std::nullopt));
    EXPECT_NE(json.find(R"("overflows_per_s":null,"advice":null},{"pool":"boats",)"), json.npos);
    EXPECT_NE(json.find(R"("advice":{"offered_erlangs":84.5,"blocking":0.113,"numbers_for":)"
                        R"({"0.001":110,"0.01":100},"missing":20,"spare":3,)"
                        R"("overflow_in_hours":null}}])"),
              json.npos);
    json = next(report(1000) + sizing(31.5));
    EXPECT_EQ(member(json, "overflow_in_hours"), "31.5");
}

TEST_F(StatusSnapshotTest, TakesACounterThatBeginsAnewForWhatItHasCounted) {
    next(report(1000));
    clock_.advance(1s);
    EXPECT_EQ(member(next(report(30)), "numbers_per_s"), "30");
}

TEST_F(StatusSnapshotTest, HasNoRatesOfAShardThatDidNotAnswerBefore) {
    next(std::nullopt);
    clock_.advance(1s);
    EXPECT_EQ(member(next(report(1000)), "numbers_per_s"), "null");
    clock_.advance(1s);
    EXPECT_EQ(member(next(report(1000)), "numbers_per_s"), "0");
}

TEST_F(StatusSnapshotTest, ForgetsWhatWasLongAgo) {
    next(report(1000));
    clock_.advance(60s);
    EXPECT_EQ(member(next(report(2000)), "numbers_per_s"), "null");
}

TEST_F(StatusSnapshotTest, TellsWhyTheStoreCanNotServe) {
    const std::string json = snapshots_.next(Reports(2), Error{ErrorCode::unavailable, "a \"b\""});
    EXPECT_NE(json.find(R"("ready":false,"problem":"a \"b\""})"), json.npos);
}

}  // namespace
}  // namespace ringmaster::app
