#include "ringmaster/app/profile_recorder.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "app/helper_fixture.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using ops::ShardProfile;
using store::testing::TestDisk;

/// What is measured is that there are a hundred rows more each time that somebody looks.
class ProfileRecorderTest : public HelperTest {
  protected:
    ~ProfileRecorderTest() override {
        if (recorder_) stop();
    }

    ShardProfile take() {
        rows_ += 100;
        ShardProfile profile;
        profile.shard = 2;
        profile.started = profile.begin = WallTime(1s);
        profile.end = clock_.wall_now();
        profile.rows = rows_;
        return profile;
    }
    void start(std::size_t max_bytes = 1 << 20, bool record = true) {
        recorder_ = std::make_unique<ProfileRecorder>(
            ProfileRecorder::Parts{.scheduler = reactor_.scheduler(),
                                   .helper = helper_,
                                   .log = log_,
                                   .disk = disk_,
                                   .shard = 2,
                                   .take = [this] { return take(); }},
            ProfileOptions{
                .record = record, .directory = directory(), .period = 10s, .max_bytes = max_bytes});
        ended_ = false;
        reactor_.enter([&] {
            reactor_.scheduler().spawn("run", [&] {
                recorder_->run();
                ended_ = true;
            });
        });
        settle();
    }
    /// As after a kill: what there is then is not recorded.
    void forget() {
        disk_.fail(TestDisk::any, std::errc::io_error);
        stop();
        disk_.heal();
    }
    void stop() {
        reactor_.enter([&] { recorder_->stop(); });
        poll_until([&] { return ended_; });
        recorder_.reset();
    }
    void pass(int periods) {
        for (int i = 0; i < periods; ++i) {
            advance(10s);
            wait_for_helper();
        }
    }

    std::filesystem::path directory() const { return scratch_.path() / "data" / "analysis"; }
    std::filesystem::path file() const { return directory() / "shard-2.profile"; }
    std::filesystem::path old_file() const { return directory() / "shard-2.profile.old"; }
    static std::string content(const std::filesystem::path& file) {
        std::ostringstream text;
        text << std::ifstream(file).rdbuf();
        return text.str();
    }
    /// The rows of each period in a file, all of which must be whole.
    static std::vector<std::uint64_t> rows(const std::filesystem::path& file) {
        const auto read = ops::decode_profiles(content(file));
        EXPECT_TRUE(read) << read.error().message;
        EXPECT_FALSE(read->torn);
        std::vector<std::uint64_t> rows;
        for (const ShardProfile& profile : read->profiles) rows.push_back(profile.rows);
        return rows;
    }
    using Rows = std::vector<std::uint64_t>;

    TestDisk disk_;
    std::uint64_t rows_ = 0;
    bool ended_ = false;
    std::unique_ptr<ProfileRecorder> recorder_;
};

TEST_F(ProfileRecorderTest, WritesWhatHappenedInEachPeriod) {
    start();
    pass(2);
    EXPECT_EQ(rows(file()), (Rows{100, 100}));
    const auto read = ops::decode_profiles(content(file()));
    EXPECT_EQ(read->profiles[1].begin, read->profiles[0].end);
    EXPECT_EQ(read->profiles[1].end - read->profiles[1].begin, 10s);
    stop();
    EXPECT_EQ(rows(file()), (Rows{100, 100, 100})) << "and up to the end";
}

TEST_F(ProfileRecorderTest, WritesNothingUnlessItIsTold) {
    start(1 << 20, false);
    pass(3);
    stop();
    EXPECT_FALSE(std::filesystem::exists(directory()));
}

TEST_F(ProfileRecorderTest, GoesOnInTheSameFileAfterARestart) {
    start();
    pass(1);
    stop();
    start();
    pass(1);
    EXPECT_EQ(rows(file()), (Rows{100, 100, 100}));
}

TEST_F(ProfileRecorderTest, FilesAreBoundedAndTheOlderHalfGoes) {
    start();
    pass(1);
    const std::size_t bytes = content(file()).size();
    stop();
    std::filesystem::remove_all(directory());
    // Three find room in a half, and one more does not.
    start(2 * (3 * bytes + bytes / 2));
    pass(4);
    EXPECT_EQ(rows(file()).size(), 1u);
    EXPECT_EQ(rows(old_file()).size(), 3u);
    pass(3);
    EXPECT_EQ(rows(file()).size(), 1u);
    EXPECT_EQ(rows(old_file()).size(), 3u);
    stop();
}

// A file that begins with more than the limit is not read into memory: it is cut.
TEST_F(ProfileRecorderTest, WhatIsTornAtTheEndIsCutOff) {
    start();
    pass(2);
    forget();
    const std::string whole = content(file());
    const std::size_t first = content(file()).find("end\n") + 4;
    for (std::size_t cut = 0; cut < whole.size(); cut += 7) {
        std::ofstream(file(), std::ios::binary | std::ios::trunc) << whole.substr(0, cut);
        start();
        pass(1);
        const std::size_t left = cut >= first ? 1 : 0;
        EXPECT_EQ(rows(file()).size(), left + 1) << cut;
        forget();
    }
}

TEST_F(ProfileRecorderTest, WhatIsNoProfileIsReplaced) {
    std::filesystem::create_directories(directory());
    std::ofstream(file()) << "my diary";
    start();
    pass(1);
    EXPECT_EQ(rows(file()), (Rows{100}));
}

TEST_F(ProfileRecorderTest, WhatCouldNotBeWrittenIsPartOfTheNextPeriod) {
    start();
    pass(1);
    disk_.fail(TestDisk::writing, std::errc::no_space_on_device);
    pass(3);
    EXPECT_EQ(log_.count("not recorded"), 1u) << "once, for a full disk is full for a while";
    disk_.heal();
    pass(1);
    EXPECT_EQ(rows(file()), (Rows{100, 400}));
    disk_.fail(TestDisk::writing, std::errc::no_space_on_device);
    pass(1);
    EXPECT_EQ(log_.count("not recorded"), 2u);
    disk_.heal();
}

TEST_F(ProfileRecorderTest, AHalfWrittenPeriodIsNoDamage) {
    start();
    pass(1);
    disk_.write_short(50);
    pass(2);
    disk_.heal();
    pass(1);
    EXPECT_EQ(rows(file()), (Rows{100, 300}));
}

TEST_F(ProfileRecorderTest, AFileThatSomebodyTookAwayBeginsAnew) {
    start();
    pass(1);
    std::filesystem::remove_all(directory());
    pass(2);
    EXPECT_EQ(rows(file()), (Rows{200}));
}

}  // namespace
}  // namespace ringmaster::app
