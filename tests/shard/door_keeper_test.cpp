#include "ringmaster/shard/door_keeper.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using Events = std::vector<std::string>;

/// Three shards in one process: each has a scheduler of its own, which the test may let stand
/// still, and all have one clock and one page.
class Doors : public ::testing::Test {
  protected:
    struct Process {
        Process(Clock& clock, SharedPage& page, ShardIndex self)
            : scheduler(clock, errors, {.max_fibers = 1}),
              keeper(scheduler, page, self, 500ms, [this](ShardIndex shard, bool open) {
                  if (failing) throw std::runtime_error("no descriptor");
                  events.push_back((open ? "open " : "close ") + std::to_string(shard));
              }) {}
        void turn() {
            if (hangs) return;
            scheduler.update_time();
            try {
                while (scheduler.turn()) {
                }
            } catch (const std::runtime_error&) {
                // The reactor's matter.
            }
        }
        NullLog log;
        ErrorReporter errors{log};
        runtime::Scheduler scheduler;
        DoorKeeper keeper;
        Events events;
        bool hangs = false;
        bool failing = false;
    };

    Doors() {
        for (ShardIndex i = 0; i < 3; ++i) {
            shards.push_back(std::make_unique<Process>(clock, page, i));
        }
    }
    void start_all() {
        for (const auto& shard : shards) shard->keeper.start();
        pass(25ms);
        for (const auto& shard : shards) shard->events.clear();
    }
    void pass(std::chrono::milliseconds time) {
        for (; time > 0ms; time -= 5ms) {
            clock.advance(5ms);
            for (const auto& shard : shards) shard->turn();
        }
    }

    FakeClock clock;
    SharedPage page = SharedPage::create(3).value();
    std::vector<std::unique_ptr<Process>> shards;
};

TEST_F(Doors, TheFirstShardHoldsAllUntilTheOthersAreThere) {
    shards[0]->keeper.start();
    EXPECT_EQ(shards[0]->events, (Events{"open 1", "open 2"}));
    shards[1]->keeper.start();
    pass(25ms);
    EXPECT_EQ(shards[0]->events, (Events{"open 1", "open 2", "close 1"}));
    EXPECT_EQ(shards[1]->events, Events());
}

TEST_F(Doors, AsLongAsAllLiveNothingIsDone) {
    start_all();
    pass(10s);
    for (const auto& shard : shards) EXPECT_EQ(shard->events, Events());
}

TEST_F(Doors, TheDoorOfOneThatHangsIsHeldUntilItComesBack) {
    start_all();
    shards[1]->hangs = true;
    pass(500ms);
    EXPECT_EQ(shards[2]->events, Events()) << "its last heartbeat is not older than that yet";
    pass(25ms);
    EXPECT_EQ(shards[2]->events, Events{"open 1"});
    EXPECT_EQ(shards[0]->events, Events());
    shards[1]->hangs = false;
    pass(25ms);
    EXPECT_EQ(shards[2]->events, (Events{"open 1", "close 1"}));
    EXPECT_EQ(shards[1]->events, Events()) << "who was away does not think that all others were";
}

TEST_F(Doors, WhoHeldADoorAndHungGivesItBackWhenItWakes) {
    start_all();
    shards[1]->hangs = true;
    pass(550ms);
    ASSERT_EQ(shards[2]->events, Events{"open 1"});
    shards[2]->hangs = true;
    pass(550ms);
    EXPECT_EQ(shards[0]->events, (Events{"open 1", "open 2"}));
    shards[1]->hangs = false;
    pass(25ms);
    EXPECT_EQ(shards[0]->events, (Events{"open 1", "open 2", "close 1"}));
    shards[2]->hangs = false;
    pass(25ms);
    EXPECT_EQ(shards[0]->events, (Events{"open 1", "open 2", "close 1", "close 2"}));
    EXPECT_EQ(shards[1]->events, Events());
    EXPECT_EQ(shards[2]->events, (Events{"open 1", "close 1"}));
}

TEST_F(Doors, WhoStopsLeavesItsDoorAtOnceAndThoseOfOthers) {
    start_all();
    shards[0]->hangs = true;
    pass(550ms);
    ASSERT_EQ(shards[1]->events, Events{"open 0"});
    shards[1]->keeper.stop();
    EXPECT_EQ(shards[1]->events, (Events{"open 0", "close 0"}));
    pass(25ms);
    EXPECT_EQ(shards[2]->events, (Events{"open 0", "open 1"}));
    pass(10s);
    EXPECT_EQ(shards[1]->events.size(), 2u) << "it is not looked any more";
    EXPECT_EQ(page.shard(1).heartbeat_ns.load(), 0);
}

TEST_F(Doors, ADoorThatCouldNotBeOpenedIsTriedAgain) {
    start_all();
    shards[1]->hangs = true;
    shards[2]->failing = true;
    pass(1s);
    EXPECT_EQ(shards[2]->events, Events());
    shards[2]->failing = false;
    pass(25ms);
    EXPECT_EQ(shards[2]->events, Events{"open 1"});
}

}  // namespace
}  // namespace ringmaster::shard
