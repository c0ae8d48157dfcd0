#include "ringmaster/api/advice_api.hpp"

#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin_fixture.hpp"
#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;

/// Days of 24 hours, each with so many new holds but one hour in the first with three times as
/// many.
ops::PoolDemand demand_of(std::size_t days, std::uint64_t holds) {
    std::vector<ops::DemandHour> hours;
    for (std::size_t i = 0; i < 24 * days; ++i) {
        const std::uint64_t n = i == 3 ? 3 * holds : holds;
        hours.push_back({.hour = 498'000 + static_cast<std::int64_t>(i),
                         .observed_ms = 3'600'000,
                         .allocations = 2 * n,
                         .new_holds = n,
                         .early_reissues = 1});
    }
    return ops::PoolDemand(hours);
}

class AdviceApiTest : public ::testing::Test {
  protected:
    AdviceApiTest() { api_.register_routes(router_); }

    http::Response get(std::string_view target, std::string_view headers = kAuthorization) {
        http::Request request = make_request("GET", target, headers);
        http::Response response;
        reactor_.context().restart();
        reactor_.post([&] {
            reactor_.scheduler().spawn("test", [&] {
                router_.handle(request, response);
                reactor_.stop();
            });
        });
        reactor_.run();
        return response;
    }

    SystemClock clock_;
    runtime::CollectingLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {.max_fibers = 16}};
    runtime::HelperThread helper_{reactor_, "test-helper"};
    ringpool::Catalog catalog_ = make_catalog();
    FakePools pools_{catalog_};
    AdminAccess access_{kToken};
    Result<ops::PoolDemand> demand_{ops::PoolDemand()};
    AdviceApi api_{access_, catalog_,
                   pools_,  [this](std::string_view) { return demand_; },
                   helper_, {.least_observed = 24h, .kept = 168h}};
    http::Router router_;
};

TEST_F(AdviceApiTest, TellsAllOfAPool) {
    pools_.pool_figures = {
        .numbers = 22, .held = 7, .cooling = 0, .free = 15, .draining = 2, .counters = {}};
    demand_ = demand_of(1, 10);  // 5 erlangs, and 15 in the busiest hour
    EXPECT_EQ(
        get("/pools/autos/advice").body,
        R"({"pool":"autos","numbers":20,"measured":"all","observed_hours":24,"needed_hours":24,)"
        R"("mean_hold_seconds":1800,"requests_per_session":2,"arrivals":260,"turned_away":0,)"
        R"("early_reissues":24,"sizing":{"busiest":{"hour":"2026-10-24T03:00:00.000Z",)"
        R"("arrivals_per_hour":30,"offered_erlangs":15,"blocking":0.0455932},)"
        R"("usual_peak":{"hour":"2026-10-24T23:00:00.000Z","arrivals_per_hour":10,)"
        R"("offered_erlangs":5,"blocking":2.64121e-07},)"
        R"("numbers_for":{"0.01":24,"0.001":28,"0.0001":32},"utilisation":0.715805,)"
        R"("missing":4,"spare":0,"growth":null},)"
        R"("advice":"add 4 numbers: with 20, 4.56 % are turned away in the busiest hour"})");
}

TEST_F(AdviceApiTest, SaysThatThereIsTooLittle) {
    demand_ = ops::PoolDemand(std::vector<ops::DemandHour>{{.hour = 1, .observed_ms = 5'400'000}});
    const std::string body = get("/pools/autos/advice").body;
    EXPECT_TRUE(
        body.ends_with(R"("sizing":null,"advice":"none yet: 1.5 of 24 hours have been observed"})"))
        << body;
}

TEST_F(AdviceApiTest, IsForTheAdministratorAlone) {
    EXPECT_EQ(get("/pools/autos/advice", "").status, 401);
    EXPECT_EQ(get("/advice", "").status, 401);
}

TEST_F(AdviceApiTest, KnowsNoOtherPools) {
    const http::Response response = get("/pools/trucks/advice");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body, R"({"error_class":"NotFound","message":"there is no pool 'trucks'"})");
}

TEST_F(AdviceApiTest, TellsWhyNothingCanBeLearnt) {
    demand_ = Error{ErrorCode::unavailable, "shard 1 does not answer in time"};
    EXPECT_EQ(get("/pools/autos/advice").status, 503);
    const http::Response all = get("/advice");
    EXPECT_EQ(all.status, 200);
    EXPECT_TRUE(all.body.starts_with(
        R"({"pools":[{"pool":"autos","problem":"shard 1 does not answer in time"},)"))
        << all.body;
}

TEST_F(AdviceApiTest, TellsOfAllPools) {
    const std::string one = get("/pools/autos/advice").body;
    const std::string all = get("/advice").body;
    EXPECT_TRUE(all.starts_with("{\"pools\":[" + one + ",{\"pool\":\"")) << all;
    EXPECT_TRUE(all.ends_with("}]}")) << all;
}

// -------------------------------------------------------------------------------------------------

TEST(AdviceText, SaysWhatToDo) {
    ops::PoolAdvice advice;
    advice.observed_hours = 100;
    advice.needed_hours = 24;
    advice.sizing.emplace();
    ops::PoolSizing& sizing = *advice.sizing;
    sizing.busiest.blocking = 0.00123;
    EXPECT_EQ(advice_text(advice, 50), "enough: 0.123 % are turned away in the busiest hour");
    EXPECT_EQ(advice_text(advice, 50, false),
              "enough: 0.123 % are turned away in the busiest hour (by this machine's demand "
              "alone)");
    sizing.spare = 1;
    EXPECT_EQ(advice_text(advice, 50),
              "1 number can go: with 49, 0.01 % are turned away in the busiest hour");
    sizing.growth = ops::LoadGrowth{.erlangs_per_day = 2, .hours_until_overflow = 60};
    EXPECT_EQ(advice_text(advice, 50), "enough for 2.5 days if the load goes on growing like that");
    sizing.missing = 1;
    EXPECT_EQ(advice_text(advice, 50),
              "add 1 number: with 50, 0.123 % are turned away in the busiest hour");
}

TEST(AdviceText, SaysWhenThereWillNeverBeAny) {
    ops::PoolAdvice advice;
    advice.observed_hours = 168;
    advice.needed_hours = 720;
    advice.kept_suffices = false;
    EXPECT_EQ(advice_text(advice, 50),
              "none: a session keeps a number for 720 hours, and demand is not kept for as long "
              "([advice] keep_hours)");
}

}  // namespace
}  // namespace ringmaster::api
