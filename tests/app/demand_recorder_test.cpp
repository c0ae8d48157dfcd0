#include "ringmaster/app/demand_recorder.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "app/helper_fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using ringpool::PoolCounters;
using ringpool::PoolIndex;

constexpr std::string_view kSaved =
    "ringmaster demand 1\n"
    "hour observed_ms allocations new_holds exhausted early_reissues extended_ms\n"
    "2 3600000 8 4 1 0 0\n"
    "end 1\n";

class DemandRecorderTest : public HelperTest {
  protected:
    DemandRecorderTest() {
        clock_.set_wall(WallTime(2h + 10min));
        autos_ = add_pool("autos");
        counted_[autos_] = {};
    }
    ~DemandRecorderTest() override {
        if (recorder_) stop();
    }

    PoolIndex add_pool(std::string id) {
        ringpool::PoolDefinition pool;
        pool.id = std::move(id);
        pool.key = "secret";
        pool.allow_overflow = false;
        return *catalog_.put(std::move(pool));
    }
    /// A recorder that has loaded what there is, as after a start of the daemon.
    void start(bool keeps = true) {
        recorder_ = std::make_unique<DemandRecorder>(
            DemandRecorder::Parts{
                .scheduler = reactor_.scheduler(),
                .helper = helper_,
                .catalog = catalog_,
                .log = log_,
                .counters = [this](PoolIndex pool) -> std::optional<PoolCounters> {
                    const auto found = counted_.find(pool);
                    if (found == counted_.end()) return std::nullopt;
                    return found->second;
                },
                .numbers = [this](PoolIndex) { return numbers_; },
                .directory = keeps ? std::optional(directory()) : std::nullopt},
            DemandOptions{.keep_hours = 30, .sample_period = 1min, .save_period = 10min});
        bool loaded = false;
        reactor_.enter([&] {
            reactor_.scheduler().spawn("load", [&] {
                recorder_->load();
                loaded = true;
            });
            reactor_.scheduler().spawn("run", [&] {
                recorder_->run();
                ended_ = true;
            });
        });
        poll_until([&] { return loaded; });
        wait_for_helper();
    }
    void stop() {
        ended_ = false;
        reactor_.enter([&] { recorder_->stop(); });
        poll_until([&] { return ended_; });
        recorder_.reset();
    }
    /// Minute by minute, each long enough for what the helper has to do then.
    void pass(std::chrono::minutes time) {
        for (auto i = 0min; i < time; ++i) {
            advance(1min);
            // It saves, and then reckons.
            wait_for_helper();
            wait_for_helper();
        }
    }
    /// Up to now.
    std::vector<ops::DemandHour> demand(std::string_view pool = "autos") {
        std::vector<ops::DemandHour> hours;
        reactor_.enter([&] { hours = recorder_->demand(pool); });
        return hours;
    }

    std::filesystem::path directory() const { return scratch_.path() / "demand"; }
    std::filesystem::path file(std::string_view pool = "autos") const {
        return directory() / (std::string(pool) + ".demand");
    }
    std::string content(std::string_view pool = "autos") const {
        std::ostringstream text;
        text << std::ifstream(file(pool)).rdbuf();
        return text.str();
    }

    ringpool::Catalog catalog_;
    std::map<PoolIndex, PoolCounters> counted_;
    PoolIndex autos_ = 0;
    std::size_t numbers_ = 100;  ///< of each pool
    bool ended_ = false;
    std::unique_ptr<DemandRecorder> recorder_;
};

TEST_F(DemandRecorderTest, MeasuresWhatComesWhileItRuns) {
    counted_[autos_] = {.allocations = 100, .new_holds = 100};  // before that
    start();
    counted_[autos_].allocations += 8;
    counted_[autos_].new_holds += 4;
    counted_[autos_].overflows[0] += 1;
    pass(3min);
    EXPECT_EQ(demand(), (std::vector<ops::DemandHour>{{2, 180'000, 8, 4, 1, 0, 0}}));
    counted_[autos_].allocations += 1;
    EXPECT_EQ(demand().at(0).allocations, 9u) << "up to now";
    pass(60min);
    EXPECT_EQ(demand().size(), 2u);
}

TEST_F(DemandRecorderTest, KeepsItForTheNextStart) {
    start();
    counted_[autos_] = {.allocations = 8, .new_holds = 4};
    pass(3min);
    stop();
    EXPECT_TRUE(content().ends_with("\n2 180000 8 4 0 0 0\nend 1\n")) << content();
    counted_[autos_] = {};
    start();
    EXPECT_EQ(demand(), (std::vector<ops::DemandHour>{{2, 180'000, 8, 4, 0, 0, 0}}));
}

TEST_F(DemandRecorderTest, SavesItNowAndThen) {
    start();
    counted_[autos_] = {.allocations = 8, .new_holds = 4};
    pass(9min);
    EXPECT_FALSE(std::filesystem::exists(file()));
    pass(1min);
    poll_until([&] { return content().ends_with("end 1\n"); });
    EXPECT_TRUE(content().ends_with("\n2 600000 8 4 0 0 0\nend 1\n")) << content();
}

TEST_F(DemandRecorderTest, ForgetsWhatIsTooOld) {
    scratch_.write("demand/autos.demand", kSaved);
    start();
    EXPECT_EQ(demand().at(0).observed_ms, 3'600'000u);
    clock_.advance(60h);  // its middle is 30 h later
    const auto hours = demand();
    ASSERT_EQ(hours.size(), 1u);
    EXPECT_EQ(hours[0].hour, 32);
}

TEST_F(DemandRecorderTest, TellsWhichFileIsNoGoodAndBeginsAnew) {
    scratch_.write("demand/autos.demand", kSaved.substr(0, kSaved.size() - 2));
    start();
    EXPECT_EQ(log_.lines(),
              std::vector<std::string>{"the demand for pool autos is measured anew: " +
                                       file().string() + ": line 4: expected more of it"});
    pass(1min);
    EXPECT_EQ(demand(), (std::vector<ops::DemandHour>{{2, 60'000, 0, 0, 0, 0, 0}}));
    stop();
    EXPECT_TRUE(content().ends_with("\n2 60000 0 0 0 0 0\nend 1\n")) << content();
}

TEST_F(DemandRecorderTest, LeavesPoolsOfOthersAlone) {
    add_pool("boats");
    scratch_.write("demand/boats.demand", "what another shard has written");
    start();
    pass(1min);
    EXPECT_TRUE(demand("boats").empty());
    EXPECT_TRUE(demand("trucks").empty());
    stop();
    EXPECT_EQ(content("boats"), "what another shard has written");
    EXPECT_TRUE(log_.lines().empty());
}

TEST_F(DemandRecorderTest, MeasuresPoolsThatCome) {
    start();
    const PoolIndex boats = add_pool("boats");
    counted_[boats] = {};
    pass(1min);
    counted_[boats].new_holds = 5;
    pass(1min);
    EXPECT_EQ(demand("boats"), (std::vector<ops::DemandHour>{{2, 60'000, 0, 5, 0, 0, 0}}));
}

TEST_F(DemandRecorderTest, ForgetsPoolsThatGo) {
    scratch_.write("demand/autos.demand", kSaved);
    start();
    catalog_.remove(autos_);
    pass(1min);
    EXPECT_TRUE(demand().empty());
    add_pool("autos");
    EXPECT_TRUE(demand().empty()) << "a new one of that name";
    catalog_.remove(autos_);
    stop();
    EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(DemandRecorderTest, WritesNothingWhereNothingIsToBeKept) {
    start(false);
    pass(15min);
    EXPECT_EQ(demand().at(0).observed_ms, 900'000u);
    stop();
    EXPECT_FALSE(std::filesystem::exists(directory()));
}

TEST_F(DemandRecorderTest, ReckonsHowLargePoolsMustBeNowAndThen) {
    clock_.set_wall(WallTime(100h + 10min));
    std::string text(kSaved.substr(0, kSaved.find("\n2 ") + 1));
    for (int hour = 77; hour < 100; ++hour) {
        text += std::to_string(hour) + " 3600000 40 40 0 0 0\n";
    }
    scratch_.write("demand/autos.demand", text + "end 23\n");
    start();
    settle();
    EXPECT_EQ(recorder_->sizing("autos"), nullptr) << "an hour is missing for a day";
    counted_[autos_] = {.allocations = 60, .new_holds = 60};
    pass(70min);
    ASSERT_NE(recorder_->sizing("autos"), nullptr);
    EXPECT_NEAR(recorder_->sizing("autos")->busiest.arrivals_per_hour, 72, 0.1)
        << "60 in 50 minutes";
    EXPECT_EQ(recorder_->sizing("autos")->missing, 0u);
    EXPECT_EQ(recorder_->sizing("boats"), nullptr);
}

TEST_F(DemandRecorderTest, ReckonsAnewWhenTheSizeOfAPoolHasChanged) {
    clock_.set_wall(WallTime(100h));
    std::string text(kSaved.substr(0, kSaved.find("\n2 ") + 1));
    for (int hour = 76; hour < 100; ++hour) {
        text += std::to_string(hour) + " 3600000 40 40 0 0 0\n";
    }
    scratch_.write("demand/autos.demand", text + "end 24\n");
    numbers_ = 10;
    start();
    ASSERT_NE(recorder_->sizing("autos"), nullptr);
    const std::size_t missing = recorder_->sizing("autos")->missing;
    EXPECT_GT(missing, 0u);
    numbers_ += missing;
    pass(1min);
    EXPECT_EQ(recorder_->sizing("autos")->missing, 0u);
    EXPECT_LE(recorder_->sizing("autos")->busiest.blocking, 0.01);
    counted_[autos_] = {.allocations = 900, .new_holds = 900};
    pass(1min);
    EXPECT_EQ(recorder_->sizing("autos")->missing, 0u) << "when demand has changed it can wait";
}

TEST_F(DemandRecorderTest, TellsOnceThatTheDiskFails) {
    start();
    std::filesystem::remove_all(directory());
    scratch_.write("demand", "no directory");
    pass(10min);
    poll_until([&] { return log_.count("the demand for numbers is not saved: ") == 1; });
    pass(20min);
    stop();
    EXPECT_EQ(log_.lines().size(), 1u);
}

}  // namespace
}  // namespace ringmaster::app
