#include "ringmaster/app/fleet_status.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using shard::ShardPhase;

class FleetStatusTest : public testing::Test {
  protected:
    FleetStatusTest() {
        const std::chrono::nanoseconds now = clock_.steady_now().time_since_epoch();
        auto& serving = page_.shard(0);
        serving.pid = 4711;
        serving.phase = ShardPhase::serving;
        serving.restarts = 2;
        serving.started_ns = (now - 90s).count();
        serving.heartbeat_ns = (now - 3ms).count();
        auto& starting = page_.shard(1);
        starting.pid = 4712;
        starting.phase = ShardPhase::starting;
        starting.started_ns = now.count();
        page_.shard(2).phase = ShardPhase::dead;
        page_.shard(2).restarts = 1;
    }

    FakeClock clock_;
    shard::SharedPage page_ = *shard::SharedPage::create(3);
};

TEST_F(FleetStatusTest, IsATableForPeople) {
    EXPECT_EQ(status_table("1 of 3 shards serve", page_, clock_),
              "1 of 3 shards serve\n"
              "SHARD   PID  PHASE     UP SINCE                 RESTARTS  HEARTBEAT\n"
              "    0  4711  serving   2026-11-20 23:58:30 UTC         2   3 ms ago\n"
              "    1  4712  starting  2026-11-21 00:00:00 UTC         0\n"
              "    2        dead                                      1\n");
}

TEST_F(FleetStatusTest, IsJsonForPrograms) {
    EXPECT_EQ(status_json(4710, false, page_, clock_),
              R"({"pid":4710,"ready":false,"shards":[)"
              R"({"shard":0,"pid":4711,"phase":"serving","up_since":"2026-11-20T23:58:30.000Z",)"
              R"("restarts":2,"heartbeat_age_ms":3},)"
              R"({"shard":1,"pid":4712,"phase":"starting","up_since":"2026-11-21T00:00:00.000Z",)"
              R"("restarts":0},)"
              R"({"shard":2,"phase":"dead","restarts":1}]})"
              "\n");
}

}  // namespace
}  // namespace ringmaster::app
