#include "ringmaster/app/pool_watch.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;

/// To look at one of them takes `time`.
class FakePools final : public ringpool::PoolAdministration {
  public:
    explicit FakePools(runtime::Scheduler& scheduler) : scheduler_(scheduler) {}

    Result<ringpool::PoolFigures> figures(std::string_view id) override {
        ++looks;
        if (time > 0ms) scheduler_.sleep_until(scheduler_.now() + time);
        if (is_down) return Error{ErrorCode::unavailable, "down"};
        const auto found = held.find(std::string(id));
        if (found == held.end()) return Error{ErrorCode::not_found, "no such pool"};
        ringpool::PoolFigures figures;
        figures.numbers = 10;
        figures.held = found->second;
        figures.free = 10 - found->second;
        figures.counters.allocations = 100;
        return figures;
    }

    Result<bool> put_pool(ringpool::PoolDefinition) override { return unused(); }
    Result<void> remove_pool(std::string_view) override { return unused(); }
    Result<ringpool::NumbersChange> edit_numbers(std::string_view, ringpool::NumbersEdit) override {
        return unused();
    }
    Result<ringpool::NumbersChange> set_numbers(std::string_view,
                                                std::vector<ringpool::PoolNumber>) override {
        return unused();
    }
    Result<ringpool::NumberPage> numbers(std::string_view, std::size_t, std::size_t) override {
        return unused();
    }

    std::map<std::string, std::size_t> held{{"a", 1}, {"b", 2}, {"c", 3}};
    std::chrono::milliseconds time{0};
    bool is_down = false;
    int looks = 0;

  private:
    static Error unused() { return {ErrorCode::unavailable, "not for this test"}; }

    runtime::Scheduler& scheduler_;
};

class PoolWatchTest : public testing::Test {
  protected:
    PoolWatch make(std::size_t max_pools) {
        return {manual_.scheduler,
                pools_,
                [] {
                    return std::vector<std::string>{"a", "gone", "b", "c"};
                },
                {.max_pools = max_pools, .rest_factor = 10, .patience = 100ms}};
    }
    /// What somebody is told who begins to look now; nothing while he waits.
    std::optional<PoolStandings>& look(PoolWatch& watch) {
        told_.reset();
        manual_.spawn([&] { told_ = watch.look(); });
        manual_.settle();
        return told_;
    }

    runtime::ManualScheduler manual_;
    FakePools pools_{manual_.scheduler};
    std::optional<PoolStandings> told_;
};

TEST_F(PoolWatchTest, TellsHowPoolsStandNow) {
    PoolWatch watch = make(10);
    ASSERT_TRUE(look(watch));
    ASSERT_EQ(told_->pools.size(), 3u);  // of the one that has gone there is nothing to tell
    EXPECT_EQ(told_->pools[1].id, "b");
    EXPECT_EQ(told_->pools[1].figures.held, 2u);
    EXPECT_EQ(told_->left_out, 0u);
    pools_.held["b"] = 9;
    EXPECT_EQ(look(watch)->pools[1].figures.held, 9u);
}

TEST_F(PoolWatchTest, TellsThoseAboveTheBoundTogether) {
    PoolWatch watch = make(1);
    ASSERT_TRUE(look(watch));
    ASSERT_EQ(told_->pools.size(), 1u);
    EXPECT_EQ(told_->pools[0].id, "a");
    EXPECT_EQ(told_->left_out, 2u);
    EXPECT_EQ(told_->of_rest.held, 5u);
    EXPECT_EQ(told_->of_rest.numbers, 20u);
    EXPECT_EQ(told_->of_rest.counters.allocations, 200u);
}

TEST_F(PoolWatchTest, IsOneWalkForAllWhoLookMeanwhile) {
    pools_.time = 10ms;
    PoolWatch watch = make(10);
    std::vector<std::size_t> told;
    for (int i = 0; i < 5; ++i) {
        manual_.spawn([&] { told.push_back(watch.look().pools.size()); });
    }
    manual_.settle();
    for (int i = 0; i < 4; ++i) manual_.advance(10ms);
    EXPECT_EQ(told, std::vector<std::size_t>(5, 3));
    EXPECT_EQ(pools_.looks, 4);
}

TEST_F(PoolWatchTest, TellsOfTheLastWalkWhereThatTakesLong) {
    PoolWatch watch = make(10);
    ASSERT_TRUE(look(watch));
    pools_.held["a"] = 8;
    pools_.time = 60ms;
    EXPECT_FALSE(look(watch));
    manual_.advance(100ms);
    ASSERT_TRUE(told_);
    EXPECT_EQ(told_->pools[0].figures.held, 1u);
    for (int i = 0; i < 4; ++i) manual_.advance(60ms);

    // That was a walk of 280 ms or so: the next one begins 2.8 s after its end.
    const int looks = pools_.looks;
    EXPECT_EQ(look(watch)->pools[0].figures.held, 8u);
    manual_.advance(2s);
    ASSERT_TRUE(look(watch));
    EXPECT_EQ(pools_.looks, looks);
    manual_.advance(2s);
    EXPECT_FALSE(look(watch));
    EXPECT_GT(pools_.looks, looks);
    for (int i = 0; i < 5; ++i) manual_.advance(60ms);
}

TEST_F(PoolWatchTest, TellsNothingWhileTheStoreDoesNotAnswer) {
    PoolWatch watch = make(10);
    ASSERT_EQ(look(watch)->pools.size(), 3u);
    pools_.is_down = true;
    const int looks = pools_.looks;
    EXPECT_EQ(look(watch)->pools.size(), 0u);
    EXPECT_EQ(pools_.looks, looks + 1);  // it is not asked for the others
    pools_.is_down = false;
    EXPECT_EQ(look(watch)->pools.size(), 3u);
}

TEST_F(PoolWatchTest, EndsAWalkWhenItIsClosed) {
    pools_.time = 10ms;
    PoolWatch watch = make(10);
    EXPECT_FALSE(look(watch));
    bool closed = false;
    manual_.spawn([&] {
        watch.close();
        closed = true;
    });
    manual_.advance(10ms);
    EXPECT_TRUE(closed);
    EXPECT_EQ(pools_.looks, 1);
    EXPECT_EQ(manual_.scheduler.fibers_in_use(), 0u);
    look(watch);
    EXPECT_EQ(pools_.looks, 1);
}

}  // namespace
}  // namespace ringmaster::app
