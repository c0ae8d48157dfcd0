#include "ringmaster/app/analyze_command.hpp"

#include "ringmaster/ops/shard_profile.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "app/scratch_directory.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using ops::ShardProfile;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const WallTime kNoon{1'764'417'600'000ms};  // 2025-11-29T12:00:00Z

/// Of a shard since its start, `seconds` ago at noon, with ten requests in each of them.
ShardProfile profile_of(std::uint32_t shard, int seconds, WallTime started = kNoon) {
    const auto times = std::make_unique<runtime::TimeProfile>();
    for (int i = 0; i < 10 * seconds; ++i) times->record({.running = 2ms}, 0us);
    ShardProfile profile;
    profile.shard = shard;
    profile.started = profile.begin = started;
    profile.end = started + std::chrono::seconds(seconds);
    profile.observed = std::chrono::seconds(seconds);
    profile.busy = seconds * 250ms;
    profile.cpu = profile.busy;
    profile.add_endpoint("GET /numbers", *times);
    return profile;
}

std::string text_of(const std::vector<ShardProfile>& profiles) {
    std::string text;
    for (const ShardProfile& profile : profiles) ops::append_profile(text, profile);
    return text;
}

class AnalyzeCommandTest : public testing::Test {
  protected:
    AnalyzeCommandTest() {
        settings_.seconds = 1;
        settings_.json = true;
    }

    /// Each time that the daemon is asked it gives the next of these.
    ExitCode of_daemon(std::vector<AdminAnswer> answers) {
        clear();
        std::size_t asked = 0;
        return analyze_daemon(
            [&](const AdminRequest& request) -> Result<AdminAnswer> {
                EXPECT_EQ(request.method + " " + request.target, "GET /profile");
                return asked < answers.size() ? answers[asked++] : answers.back();
            },
            settings_, console_);
    }
    ExitCode of_files(std::vector<std::string> files) {
        clear();
        settings_.files = std::move(files);
        return analyze_files(settings_, console_);
    }
    double number(const char* pointer) {
        double value = -1;
        simdjson::dom::parser parser;
        EXPECT_EQ(parser.parse(out_.str()).at_pointer(pointer).get(value), simdjson::SUCCESS)
            << pointer << " in " << out_.str();
        return value;
    }
    void clear() {
        out_.str("");
        err_.str("");
    }

    ScratchDirectory scratch_;
    AnalyzeSettings settings_;
    std::ostringstream out_;
    std::ostringstream err_;
    Console console_{out_, err_};
};

TEST_F(AnalyzeCommandTest, TellsWhatADaemonDidWhileItWasWatched) {
    EXPECT_EQ(of_daemon({{200, text_of({profile_of(0, 100), profile_of(1, 100)})},
                         {200, text_of({profile_of(0, 110), profile_of(1, 110)})}}),
              kDone);
    EXPECT_EQ(number("/requests"), 200);
    EXPECT_EQ(number("/observed_s"), 10);
    EXPECT_NEAR(number("/shards/1/utilisation"), 0.25, 1e-9);
    EXPECT_THAT(err_.str(), IsEmpty());
}

TEST_F(AnalyzeCommandTest, OrSinceItsStart) {
    settings_.seconds = 0;
    EXPECT_EQ(of_daemon({{200, text_of({profile_of(0, 100)})}}), kDone);
    EXPECT_EQ(number("/requests"), 1000);
    EXPECT_THAT(out_.str(), HasSubstr("since the start"));
}

TEST_F(AnalyzeCommandTest, TellsOfShardsThatWereNotThereAllTheTime) {
    std::string after = text_of({profile_of(0, 110), profile_of(1, 5, kNoon + 105s)});
    ops::append_missing(after, 2);
    EXPECT_EQ(of_daemon({{200, text_of({profile_of(0, 100), profile_of(1, 100)})}, {200, after}}),
              kDone);
    EXPECT_EQ(number("/requests"), 150);
    EXPECT_THAT(out_.str(), HasSubstr("shard 1 was not there at the beginning"));
    EXPECT_THAT(out_.str(), HasSubstr("shard 2 has not answered"));
}

TEST_F(AnalyzeCommandTest, FailsAsTheDaemonDoes) {
    EXPECT_EQ(of_daemon({{401, "{\"message\":\"no\"}"}}), kFailed);
    EXPECT_THAT(err_.str(), HasSubstr("admin token"));
    EXPECT_EQ(of_daemon({{200, "<html>\n"}}), kFailed);
    EXPECT_THAT(err_.str(), HasSubstr("line 1: expected \"ringmaster profile 1\""));
    const std::string whole = text_of({profile_of(0, 1)});
    EXPECT_EQ(of_daemon({{200, whole.substr(0, whole.size() / 2)}}), kFailed);
    EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(AnalyzeCommandTest, ReadsFilesAndDirectories) {
    const auto second = profile_of(0, 20).since(profile_of(0, 10));
    const auto one = scratch_.write("a/shard-0.profile.old", text_of({profile_of(0, 10)}));
    scratch_.write("a/shard-0.profile", text_of({second}));
    scratch_.write("a/notes.txt", "nothing of this");
    EXPECT_EQ(of_files({one.string()}), kDone);
    EXPECT_EQ(number("/requests"), 100);
    EXPECT_EQ(of_files({one.parent_path().string()}), kDone);
    EXPECT_EQ(number("/requests"), 200);
    EXPECT_EQ(number("/observed_s"), 20);
}

TEST_F(AnalyzeCommandTest, LeavesOutWhatWasAtAnotherTime) {
    std::string text;
    for (int i = 0; i < 6; ++i) {
        ops::append_profile(text, profile_of(0, 10 * i + 10).since(profile_of(0, 10 * i)));
    }
    const auto file = scratch_.write("shard-0.profile", text);
    settings_.from = "2025-11-29T12:00:20Z";
    settings_.to = "2025-11-29T12:00:40Z";
    EXPECT_EQ(of_files({file.string()}), kDone);
    EXPECT_EQ(number("/requests"), 200);
    settings_.from = "2025-11-29T13:00:00Z";
    settings_.to = "";
    EXPECT_EQ(of_files({file.string()}), kNotFound);
    settings_.to = settings_.from;
    EXPECT_EQ(of_files({file.string()}), kUsage);
    settings_.from = "yesterday";
    EXPECT_EQ(of_files({file.string()}), kUsage);
    EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(AnalyzeCommandTest, TellsOfFilesThatAreNoGood) {
    EXPECT_EQ(of_files({(scratch_.path() / "none.profile").string()}), kNotFound);
    EXPECT_EQ(of_files({scratch_.path().string()}), kNotFound);
    EXPECT_THAT(err_.str(), HasSubstr("is no *.profile"));
    EXPECT_EQ(of_files({scratch_.write("x.profile", "x\n").string()}), kFailed);
    EXPECT_THAT(err_.str(), HasSubstr("x.profile: line 1: expected"));
    const std::string whole = text_of({profile_of(0, 1)});
    const auto torn = scratch_.write("y.profile", whole + whole.substr(0, 40));
    EXPECT_EQ(of_files({torn.string()}), kDone);
    EXPECT_THAT(out_.str(), HasSubstr("the last profile is not whole"));
}

TEST_F(AnalyzeCommandTest, WritesForPeopleAndAPage) {
    settings_.json = false;
    settings_.html = (scratch_.path() / "page.html").string();
    const auto file = scratch_.write("x.profile", text_of({profile_of(0, 10)}));
    EXPECT_EQ(of_files({file.string()}), kDone);
    EXPECT_THAT(out_.str(), HasSubstr("GET /numbers"));
    std::ostringstream page;
    page << std::ifstream(settings_.html).rdbuf();
    EXPECT_THAT(page.str(), HasSubstr("<html"));
    EXPECT_THAT(page.str(), HasSubstr("GET /numbers"));
    settings_.html = (scratch_.path() / "none" / "page.html").string();
    EXPECT_EQ(of_files({file.string()}), kFailed);
    EXPECT_THAT(err_.str(), HasSubstr("can't be written"));
}

// A reserve makes more shards needed.
TEST_F(AnalyzeCommandTest, ReckonsWithTheReserve) {
    const auto file = scratch_.write("x.profile", text_of({profile_of(0, 10)}));
    settings_.reserve_percent = 0;
    EXPECT_EQ(of_files({file.string()}), kDone);
    EXPECT_EQ(number("/shards_needed"), 1);
    settings_.reserve_percent = 200;
    EXPECT_EQ(of_files({file.string()}), kDone);
    EXPECT_EQ(number("/shards_needed"), 2) << "0.25 / (0.7 / 3)";
}

}  // namespace
}  // namespace ringmaster::app
