#include "ringmaster/app/shard_fleet.hpp"

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "collected_log.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using shard::ShardIndex;
using shard::ShardPhase;
using Kind = FleetAction::Kind;

constexpr std::string_view kKilled = "was killed by signal 9 (Killed)";

/// "fork 0", "tell 1 serve", "answer 7 done: stopped".
std::string text_of(const FleetAction& action) {
    const std::string shard = std::to_string(action.shard);
    switch (action.kind) {
        case Kind::fork: return "fork " + shard;
        case Kind::tell: return "tell " + shard + " " + action.text;
        case Kind::kill: return "kill " + shard;
        case Kind::close_doors: return "close doors";
        case Kind::check_config: return "check config";
        case Kind::check_program: return "check program";
        case Kind::kill_check: return "kill check";
        case Kind::run_program: return "run program";
        case Kind::notify: return action.text;
        case Kind::answer:
            return "answer " + std::to_string(action.client) + (action.good ? " done" : " failed");
        case Kind::end: return action.good ? "end" : "end badly";
    }
    return "unknown";
}

class ShardFleetTest : public testing::Test {
  protected:
    explicit ShardFleetTest(std::size_t shards = 2) : fleet_(options(shards), log_, 1) {}

    static FleetOptions options(std::size_t shards) {
        return {.shards = shards, .drain_timeout = 10s, .address = "127.0.0.1:8080"};
    }
    /// What is to be done since it was asked last: "fork 0, fork 1".
    std::string did() {
        std::string text;
        for (const FleetAction& action : fleet_.take_actions()) {
            text.append(text.empty() ? "" : ", ") += text_of(action);
            if (action.kind == Kind::answer) answer_ = action.text;
        }
        return text;
    }
    void hear(ShardIndex shard, std::string_view line) { fleet_.heard(shard, line, now_); }
    void die(ShardIndex shard, std::string_view how = kKilled) {
        fleet_.exited(shard, false, how, now_);
    }
    void end(ShardIndex shard) { fleet_.exited(shard, true, "has ended", now_); }
    void wait(std::chrono::milliseconds time) {
        now_ += time;
        fleet_.on_time(now_);
    }
    /// Goes on to the time for which the fleet waits, and returns how long that was.
    std::chrono::milliseconds wait_for_its_time() {
        const auto next = fleet_.next_time();
        if (!next) return -1ms;
        const auto waited = std::chrono::ceil<std::chrono::milliseconds>(*next - now_);
        now_ = *next;
        fleet_.on_time(now_);
        return waited;
    }
    void serve(ShardIndex shard) {
        hear(shard, "recovered");
        hear(shard, "serving");
    }
    /// Two shards that serve.
    void start() {
        fleet_.start();
        hear(0, "recovered");
        hear(1, "recovered");
        hear(0, "configured");
        hear(0, "serving");
        hear(1, "serving");
        ASSERT_TRUE(fleet_.ready());
        did();
    }
    void stop(std::string_view signal = "SIGTERM") { fleet_.stop(signal, std::nullopt, now_); }
    void reload(std::optional<ControlClient> client = {}) { fleet_.reload("SIGHUP", client, now_); }
    void restart(std::optional<ControlClient> client = {}) {
        fleet_.restart("SIGUSR2", client, now_);
    }

    CollectedLog log_;
    ShardFleet fleet_;
    SteadyTime now_{1h};
    std::string answer_;
};

TEST_F(ShardFleetTest, StartsAllConfiguresOnceAndServes) {
    fleet_.start();
    EXPECT_EQ(did(), "fork 0, fork 1");
    hear(1, "recovered");
    EXPECT_EQ(did(), "");
    hear(0, "recovered");
    EXPECT_EQ(did(), "tell 0 configure");
    hear(0, "configured");
    EXPECT_EQ(did(), "tell 0 serve, tell 1 serve");
    hear(1, "serving");
    EXPECT_EQ(did(), "");
    EXPECT_FALSE(fleet_.ready());
    EXPECT_EQ(fleet_.summary(), "1 of 2 shards serve");
    hear(0, "serving");
    EXPECT_EQ(did(), "READY=1");
    EXPECT_TRUE(fleet_.ready());
    EXPECT_EQ(fleet_.summary(), "2 shards serve");
    EXPECT_EQ(log_.lines(), std::vector<std::string>{"listening on 127.0.0.1:8080, 2 shards"});
}

TEST_F(ShardFleetTest, FailsToStartWhereOneFails) {
    fleet_.start();
    hear(1, "recovered");
    did();
    hear(0, "failed the journal is damaged");
    EXPECT_EQ(did(), "");
    fleet_.exited(0, false, "has ended with status 1", now_);
    EXPECT_EQ(did(), "tell 1 stop");
    EXPECT_EQ(fleet_.failure(), "the journal is damaged");
    end(1);
    EXPECT_EQ(did(), "end badly");
    EXPECT_EQ(log_.count("the journal is damaged"), 1u);
}

TEST_F(ShardFleetTest, FailsToStartWhereOneDies) {
    fleet_.start();
    did();
    die(1);
    EXPECT_EQ(did(), "tell 0 stop");
    EXPECT_EQ(fleet_.failure(), "shard 1 was killed by signal 9 (Killed)");
    EXPECT_EQ(wait_for_its_time(), 5s);
    EXPECT_EQ(did(), "kill 0");
    die(0);
    EXPECT_EQ(did(), "end badly");
    EXPECT_EQ(fleet_.failure(), "shard 1 was killed by signal 9 (Killed)");
}

TEST_F(ShardFleetTest, FailsToStartWherePoolsCantBeApplied) {
    fleet_.start();
    hear(0, "recovered");
    hear(1, "recovered");
    did();
    hear(0, "configured the disk is full");
    EXPECT_EQ(did(), "tell 0 stop, tell 1 stop");
    EXPECT_EQ(fleet_.failure(), "the disk is full");
    end(0);
    EXPECT_EQ(did(), "");
    end(1);
    EXPECT_EQ(did(), "end badly");
}

TEST_F(ShardFleetTest, KillsOneThatHasFailedButDoesNotEnd) {
    fleet_.start();
    did();
    hear(0, "failed it is out of memory");
    EXPECT_EQ(wait_for_its_time(), 5s);
    EXPECT_EQ(did(), "kill 0");
}

TEST_F(ShardFleetTest, ForksOneThatDiedAgainAtOnceAndItServes) {
    start();
    die(1);
    EXPECT_EQ(did(), "fork 1");
    EXPECT_EQ(fleet_.phase(1), ShardPhase::starting);
    EXPECT_EQ(
        log_.count("shard 1 was killed by signal 9 (Killed); its successor is forked at once"), 1u);
    hear(1, "recovered");
    EXPECT_EQ(did(), "tell 1 serve");
    hear(1, "serving");
    EXPECT_EQ(did(), "");
    EXPECT_EQ(fleet_.phase(1), ShardPhase::serving);
}

TEST_F(ShardFleetTest, TellsTheLastWordsOfOneThatDied) {
    start();
    hear(1, "failed the disk is gone");
    die(1, "has ended with status 1");
    EXPECT_EQ(log_.count("shard 1 has failed: the disk is gone; its successor is forked at once"),
              1u);
    EXPECT_EQ(did(), "fork 1");
}

TEST_F(ShardFleetTest, WaitsLongerAfterEachDeathInARow) {
    start();
    die(0);
    EXPECT_EQ(did(), "fork 0");
    auto longest = 100ms;
    for (int i = 0; i < 12; ++i) {
        die(0);
        EXPECT_EQ(did(), "");
        EXPECT_EQ(fleet_.phase(0), ShardPhase::dead);
        const auto waited = wait_for_its_time();
        EXPECT_GE(waited, longest / 2) << i;
        EXPECT_LE(waited, longest) << i;
        EXPECT_EQ(did(), "fork 0");
        longest = std::min<std::chrono::milliseconds>(longest * 2, 30s);
    }
}

TEST_F(ShardFleetTest, ForgetsDeathsAfterAMinuteOfService) {
    start();
    die(0);
    did();
    serve(0);
    wait(59s);
    did();
    die(0);
    EXPECT_EQ(did(), "");  // it waits
    wait(100ms);
    serve(0);
    wait(60s);
    did();
    die(0);
    EXPECT_EQ(did(), "fork 0");
}

TEST_F(ShardFleetTest, TellsACrashLoopOnceAndTheOthersServeOn) {
    start();
    for (int i = 0; i < 8; ++i) {
        die(0);
        EXPECT_EQ(log_.count("CRASH LOOP"), i < 4 ? 0u : 1u) << i;
        wait_for_its_time();
    }
    EXPECT_EQ(fleet_.phase(1), ShardPhase::serving);
    EXPECT_EQ(did().find("1"), std::string::npos);
    EXPECT_TRUE(fleet_.ready());
    // It has mended, and begins again.
    serve(0);
    wait(60s);
    for (int i = 0; i < 5; ++i) {
        die(0);
        wait_for_its_time();
    }
    EXPECT_EQ(log_.count("CRASH LOOP"), 2u);
}

TEST_F(ShardFleetTest, FiveDeathsInALongTimeAreNoCrashLoop) {
    start();
    for (int i = 0; i < 20; ++i) {
        die(0);
        wait_for_its_time();
        serve(0);
        wait(20s);
    }
    EXPECT_EQ(log_.count("CRASH LOOP"), 0u);
}

TEST_F(ShardFleetTest, KillsOneThatHungUpButDoesNotEnd) {
    start();
    fleet_.hung_up(1, now_);
    EXPECT_EQ(wait_for_its_time(), 5s);
    EXPECT_EQ(did(), "kill 1");
    die(1);
    EXPECT_EQ(did(), "fork 1");
}

TEST_F(ShardFleetTest, IgnoresWhatIsNotExpected) {
    fleet_.start();
    did();
    for (const char* line : {"serving", "configured", "hello", "", "recovered"}) hear(0, line);
    hear(0, "recovered");
    EXPECT_EQ(did(), "");
    EXPECT_EQ(log_.count("shard 0 says"), 5u);
    hear(1, "recovered");
    hear(0, "configured");
    hear(0, "serving");
    hear(1, "serving");
    did();
    hear(1, "configured");
    hear(1, "recovered");
    EXPECT_EQ(did(), "");
    EXPECT_EQ(log_.count("shard 1 says"), 2u);
}

TEST_F(ShardFleetTest, ReloadChecksAndConfigures) {
    start();
    reload(7);
    EXPECT_EQ(did(), "RELOADING=1, check config");
    fleet_.checked(true, now_);
    EXPECT_EQ(did(), "tell 0 configure");
    hear(0, "configured");
    EXPECT_EQ(did(), "answer 7 done, READY=1");
    EXPECT_EQ(answer_, "the configuration is applied");
}

TEST_F(ShardFleetTest, ReloadOfABadConfigurationChangesNothing) {
    start();
    reload(7);
    did();
    fleet_.checked(false, now_);
    EXPECT_EQ(did(), "answer 7 failed, READY=1");
    EXPECT_EQ(answer_.find("nothing is changed: the configuration is not good"), 0u) << answer_;
}

TEST_F(ShardFleetTest, ReloadThatIsAppliedInPartHasFailed) {
    start();
    reload(7);
    fleet_.checked(true, now_);
    hear(0, "configured the disk is full");
    did();
    EXPECT_EQ(answer_, "the configuration is applied in part only: the disk is full");
}

TEST_F(ShardFleetTest, ReloadIsTakenOverWhereTheOneThatAppliesItDies) {
    start();
    reload(7);
    fleet_.checked(true, now_);
    did();
    die(0);
    EXPECT_EQ(did(), "fork 0, tell 1 configure");
    hear(1, "configured");
    EXPECT_EQ(did(), "answer 7 done, READY=1");
}

/// One that kills whoever reads it must not kill them all.
TEST_F(ShardFleetTest, ReloadIsGivenUpWhereTwoDieOfIt) {
    start();
    reload(7);
    fleet_.checked(true, now_);
    die(0);
    did();
    die(1);
    EXPECT_EQ(did(), "fork 1, answer 7 failed, READY=1");
    hear(0, "recovered");
    EXPECT_EQ(did(), "tell 0 serve");
    reload(8);
    fleet_.checked(true, now_);
    EXPECT_EQ(did(), "RELOADING=1, check config, tell 0 configure");
}

TEST_F(ShardFleetTest, ReloadWaitsForAShardThatCanApplyIt) {
    start();
    die(0);
    die(1);
    reload();
    fleet_.checked(true, now_);
    did();
    hear(1, "recovered");
    EXPECT_EQ(did(), "tell 1 serve, tell 1 configure");
}

TEST_F(ShardFleetTest, ReloadsThatComeMeanwhileAreOneMore) {
    start();
    reload(1);
    reload(2);
    reload(3);
    EXPECT_EQ(did(), "RELOADING=1, check config");
    fleet_.checked(false, now_);
    EXPECT_EQ(did(), "answer 1 failed, READY=1, RELOADING=1, check config");
    fleet_.checked(false, now_);
    EXPECT_EQ(did(), "answer 2 failed, answer 3 failed, READY=1");
}

TEST_F(ShardFleetTest, ReloadDuringTheStartComesAfterIt) {
    fleet_.start();
    reload();
    hear(0, "recovered");
    hear(1, "recovered");
    hear(0, "configured");
    hear(0, "serving");
    did();
    hear(1, "serving");
    EXPECT_EQ(did(), "READY=1, RELOADING=1, check config");
}

TEST_F(ShardFleetTest, CheckThatDoesNotEndIsEnded) {
    start();
    reload(7);
    did();
    EXPECT_EQ(wait_for_its_time(), 10min);
    EXPECT_EQ(did(), "kill check, answer 7 failed, READY=1");
    fleet_.checked(false, now_);  // it was killed
    EXPECT_EQ(did(), "");
}

TEST_F(ShardFleetTest, RestartChecksTheProgramAndRunsIt) {
    start();
    restart(7);
    EXPECT_EQ(did(), "check program");
    reload(8);
    fleet_.checked(true, now_);
    EXPECT_EQ(did(), "run program");
    EXPECT_EQ(fleet_.waiting(), (std::vector<ControlClient>{7, 8}));
}

TEST_F(ShardFleetTest, RestartWithABadProgramChangesNothing) {
    start();
    restart(7);
    did();
    fleet_.checked(false, now_);
    EXPECT_EQ(did(), "answer 7 failed");
    EXPECT_EQ(fleet_.phase(0), ShardPhase::serving);
}

TEST_F(ShardFleetTest, RestartWithAProgramThatDoesNotRunChangesNothing) {
    start();
    restart(7);
    reload(8);
    fleet_.checked(true, now_);
    did();
    fleet_.program_failed("there is none", now_);
    EXPECT_EQ(did(), "answer 7 failed, RELOADING=1, check config");
    EXPECT_EQ(answer_, "the shards serve on: there is none");
}

class AdoptedFleetTest : public ShardFleetTest {
  protected:
    AdoptedFleetTest() : ShardFleetTest(3) {}

    void adopt(ShardPhase zero, ShardPhase one, ShardPhase two) {
        const std::array phases{zero, one, two};
        fleet_.adopt(phases, {7}, now_);
    }
    void adopt() { adopt(ShardPhase::serving, ShardPhase::serving, ShardPhase::serving); }
    /// The whole life of one step, up to the next shard's.
    void replace(ShardIndex shard) {
        end(shard);
        serve(shard);
    }
};

TEST_F(AdoptedFleetTest, RestartsOneAfterTheOtherAndConfigures) {
    adopt();
    EXPECT_EQ(did(), "tell 0 drain");
    EXPECT_EQ(fleet_.phase(0), ShardPhase::draining);
    end(0);
    EXPECT_EQ(did(), "fork 0");
    hear(0, "recovered");
    EXPECT_EQ(did(), "tell 0 serve");
    hear(0, "serving");
    EXPECT_EQ(did(), "tell 1 drain");
    replace(1);
    EXPECT_EQ(did(), "fork 1, tell 1 serve, tell 2 drain");
    replace(2);
    EXPECT_EQ(did(), "fork 2, tell 2 serve, tell 0 configure");
    hear(0, "configured");
    EXPECT_EQ(did(), "answer 7 done");
    EXPECT_EQ(answer_, "3 shards restarted");
}

TEST_F(AdoptedFleetTest, KillsOneThatDoesNotDrainAndGoesOn) {
    adopt();
    did();
    EXPECT_EQ(wait_for_its_time(), 40s);
    EXPECT_EQ(did(), "kill 0");
    die(0);
    EXPECT_EQ(did(), "fork 0");
    serve(0);
    EXPECT_EQ(did(), "tell 0 serve, tell 1 drain");
}

TEST_F(AdoptedFleetTest, ForksThoseThatAreNotThereFirst) {
    adopt(ShardPhase::serving, ShardPhase::dead, ShardPhase::serving);
    EXPECT_EQ(did(), "fork 1");
    serve(1);
    EXPECT_EQ(did(), "tell 1 serve, tell 0 drain");
    replace(0);
    did();
    replace(2);
    EXPECT_EQ(did(), "fork 2, tell 2 serve, tell 0 configure");
}

TEST_F(AdoptedFleetTest, WaitsForThoseThatAreOnTheirWay) {
    adopt(ShardPhase::starting, ShardPhase::recovered, ShardPhase::draining);
    EXPECT_EQ(did(), "");
    serve(0);
    hear(1, "serving");
    EXPECT_EQ(did(), "tell 0 serve");
    end(2);
    serve(2);
    EXPECT_EQ(did(), "fork 2, tell 2 serve, tell 0 drain");
}

TEST_F(AdoptedFleetTest, EndsTheRestartWhereANewOneDies) {
    adopt();
    end(0);
    hear(0, "recovered");
    did();
    die(0);
    EXPECT_EQ(did(), "answer 7 failed, fork 0");
    EXPECT_EQ(answer_.find("the new shard 0 was killed by signal 9 (Killed); "), 0u) << answer_;
    serve(0);
    EXPECT_EQ(did(), "tell 0 serve");  // and no other is drained
    EXPECT_EQ(fleet_.phase(1), ShardPhase::serving);
}

TEST_F(AdoptedFleetTest, EndsTheRestartWhereANewOneDiesLater) {
    adopt();
    replace(0);
    did();
    die(0);
    EXPECT_EQ(did(), "answer 7 failed, fork 0");
    // The one that was told to drain has a successor, but the third is left alone.
    replace(1);
    serve(0);
    EXPECT_EQ(did(), "fork 1, tell 1 serve, tell 0 serve");
    EXPECT_EQ(fleet_.phase(2), ShardPhase::serving);
}

TEST_F(AdoptedFleetTest, AnOldOneThatDiesMeanwhileIsNewThen) {
    adopt();
    did();
    die(2);
    EXPECT_EQ(did(), "fork 2");
    replace(0);
    EXPECT_EQ(did(), "fork 0, tell 0 serve");
    serve(2);
    EXPECT_EQ(did(), "tell 2 serve, tell 1 drain");
    replace(1);
    EXPECT_EQ(did(), "fork 1, tell 1 serve, tell 0 configure");
}

TEST_F(AdoptedFleetTest, StopEndsTheRestart) {
    adopt();
    end(0);
    did();
    stop();
    EXPECT_EQ(did(),
              "answer 7 failed, close doors, STOPPING=1, tell 0 drain, tell 1 drain, tell 2 drain");
    end(0);
    end(1);
    EXPECT_EQ(did(), "");
    end(2);
    EXPECT_EQ(did(), "end");
}

TEST_F(ShardFleetTest, StopDrainsAndEnds) {
    start();
    stop();
    EXPECT_EQ(did(), "close doors, STOPPING=1, tell 0 drain, tell 1 drain");
    EXPECT_EQ(log_.count("SIGTERM: stopping; 2 shards serve"), 1u);
    EXPECT_FALSE(fleet_.ready());
    end(1);
    EXPECT_EQ(did(), "");
    end(0);
    EXPECT_EQ(did(), "end");
    EXPECT_EQ(fleet_.failure(), "");
    EXPECT_FALSE(fleet_.next_time());
}

TEST_F(ShardFleetTest, StopKillsThoseThatDoNotDrain) {
    start();
    stop();
    end(0);
    did();
    EXPECT_EQ(wait_for_its_time(), 40s);
    EXPECT_EQ(did(), "kill 1");
    die(1);
    EXPECT_EQ(did(), "end badly");
}

TEST_F(ShardFleetTest, SecondSignalStopsAtOnce) {
    start();
    stop("SIGINT");
    did();
    stop();
    EXPECT_EQ(did(), "tell 0 stop, tell 1 stop");
    EXPECT_EQ(log_.count("SIGTERM again: stopping at once"), 1u);
    EXPECT_EQ(wait_for_its_time(), 1s);
    EXPECT_EQ(did(), "kill 0, kill 1");
    stop();  // once more means nothing
    die(0);
    die(1);
    EXPECT_EQ(did(), "end badly");
}

TEST_F(ShardFleetTest, StopIsAnsweredWhenAllHaveEnded) {
    start();
    fleet_.stop("a client", 5, now_);
    did();
    fleet_.stop("a client", 6, now_);
    end(0);
    EXPECT_EQ(did(), "");
    end(1);
    EXPECT_EQ(did(), "answer 5 done, answer 6 done, end");
}

TEST_F(ShardFleetTest, StopDuringTheStartIsNoFailure) {
    fleet_.start();
    hear(0, "recovered");
    did();
    stop();
    EXPECT_EQ(did(), "close doors, STOPPING=1, tell 0 drain, tell 1 drain");
    hear(1, "recovered");
    end(0);
    end(1);
    EXPECT_EQ(did(), "end");
    EXPECT_EQ(fleet_.failure(), "");
}

TEST_F(ShardFleetTest, StopForksNoneThatWaitsForItsTime) {
    start();
    die(0);
    die(0);
    did();
    stop();
    EXPECT_EQ(did(), "close doors, STOPPING=1, tell 1 drain");
    end(1);
    EXPECT_EQ(did(), "end");
    EXPECT_FALSE(fleet_.next_time());
}

TEST_F(ShardFleetTest, StopEndsAReloadAndRefusesOthers) {
    start();
    reload(1);
    restart(2);
    did();
    stop();
    EXPECT_EQ(
        did(),
        "kill check, answer 1 failed, answer 2 failed, close doors, STOPPING=1, tell 0 drain, "
        "tell 1 drain");
    fleet_.checked(true, now_);
    reload(3);
    EXPECT_EQ(did(), "answer 3 failed");
}

TEST_F(ShardFleetTest, StopWithoutAnyShardEnds) {
    start();
    for (int i = 0; i < 2; ++i) {
        die(0);
        die(1);
    }
    did();
    stop();
    EXPECT_EQ(did(), "close doors, STOPPING=1, end");
}

}  // namespace
}  // namespace ringmaster::app
