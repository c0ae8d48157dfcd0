#include "ringmaster/app/logger.hpp"

#include <array>
#include <atomic>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::string_view_literals;

const WallTime kTime = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) +
                       std::chrono::hours(17) + std::chrono::minutes(31) +
                       std::chrono::milliseconds(5123);

std::string content(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

TEST(LogLine, IsTextWithTheTimeInUtc) {
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::info, "", "started"),
              "2026-11-21T17:31:05.123Z info  started");
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::debug, "", "x"),
              "2026-11-21T17:31:05.123Z debug x");
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::warning, "", "x"),
              "2026-11-21T17:31:05.123Z warning x");
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::error, "", "x"),
              "2026-11-21T17:31:05.123Z error x");
    EXPECT_EQ(log_line(LogFormat::text, WallTime{}, LogLevel::info, "", ""),
              "1970-01-01T00:00:00.000Z info  ");
}

TEST(LogLine, IsJson) {
    EXPECT_EQ(log_line(LogFormat::json, kTime, LogLevel::warning, "", "a \"b\" \\ c"),
              R"({"time":"2026-11-21T17:31:05.123Z","level":"warning","message":"a \"b\" \\ c"})");
}

TEST(LogLine, NamesTheProcess) {
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::info, "shard 1", "started"),
              "2026-11-21T17:31:05.123Z info  shard 1: started");
    EXPECT_EQ(log_line(LogFormat::json, kTime, LogLevel::info, "shard 1", "started"),
              R"({"time":"2026-11-21T17:31:05.123Z","level":"info","process":"shard 1",)"
              R"("message":"started"})");
}

TEST(LogLine, CantBeForged) {
    const auto forged = "GET /\n2026-11-21T17:31:05.123Z error all is lost\r\x1b[2J\0"sv;
    EXPECT_EQ(log_line(LogFormat::text, kTime, LogLevel::info, "", forged),
              "2026-11-21T17:31:05.123Z info  GET /\\n2026-11-21T17:31:05.123Z error all is lost"
              "\\r\\x1B[2J\\x00");
    const std::string json = log_line(LogFormat::json, kTime, LogLevel::info, "", forged);
    for (const char c : json) EXPECT_GE(c, ' ');
    EXPECT_NE(json.find(R"("message":"GET /\n2026)"), json.npos) << json;
}

TEST(LogLine, IsOfBoundedLength) {
    const std::string long_text(1'000'000, 'x');
    EXPECT_LT(log_line(LogFormat::text, kTime, LogLevel::info, "", long_text).size(), 5000u);
    EXPECT_LT(log_line(LogFormat::json, kTime, LogLevel::info, "", long_text).size(), 5000u);
}

class LoggerTest : public testing::Test {
  protected:
    ScratchDirectory directory_;
    FakeClock clock_;
    LogOptions options_{LogLevel::info, LogFormat::text, directory_.path() / "log"};
};

TEST_F(LoggerTest, WritesALineForEachRecordFromItsLevelUp) {
    options_.level = LogLevel::warning;
    {
        Logger log(options_, clock_);
        log.write(LogLevel::debug, "not this");
        log.info("nor this");
        log.warning("this");
        clock_.advance(std::chrono::milliseconds(1));
        log.error("and this, {} %v");
    }
    EXPECT_EQ(content(options_.file),
              "2026-11-21T00:00:00.000Z warning this\n"
              "2026-11-21T00:00:00.001Z error and this, {} %v\n");
}

TEST_F(LoggerTest, AppendsToWhatIsThere) {
    Logger(options_, clock_).info("one");
    Logger(options_, clock_).info("two");
    EXPECT_EQ(content(options_.file),
              "2026-11-21T00:00:00.000Z info  one\n2026-11-21T00:00:00.000Z info  two\n");
}

TEST_F(LoggerTest, RefusesAFileThatCantBeOpened) {
    directory_.write("file", "");
    options_.file = directory_.path() / "file" / "log";
    EXPECT_THROW(Logger(options_, clock_), std::runtime_error);
}

/// The writing thread is held up by a pipe that nobody reads, until the queue has overflown.
TEST_F(LoggerTest, NeverWaitsAndTellsWhatWasLost) {
    options_.file = directory_.path() / "pipe";
    ASSERT_EQ(mkfifo(options_.file.c_str(), 0600), 0);
    const int reader = open(options_.file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    constexpr std::size_t kRecords = 20'000;
    auto log = std::make_unique<Logger>(options_, clock_);
    for (std::size_t i = 0; i < kRecords; ++i) log->info("record " + std::string(200, 'x'));

    ASSERT_EQ(fcntl(reader, F_SETFL, 0), 0);  // reads wait from here on
    std::string text;
    std::atomic<bool> told = false;
    std::thread reading([&] {
        std::array<char, 65536> buffer;
        for (ssize_t got = 0; (got = read(reader, buffer.data(), buffer.size())) > 0;) {
            text.append(buffer.data(), static_cast<std::size_t>(got));
            if (!told) told = text.find("records were lost") != text.npos;
        }
    });
    while (!told) log->info("one more");
    log.reset();
    reading.join();
    close(reader);

    EXPECT_GT(std::stoul(text.substr(text.find("fast enough: ") + 13)), 0u);
}

TEST_F(LoggerTest, GoesOnWithANewFileWhereTheOldOneWasMovedAway) {
    const auto moved = directory_.path() / "log.1";
    {
        Logger log(options_, clock_, "shard 0");
        log.info("one");
        while (content(options_.file).empty()) std::this_thread::yield();
        std::filesystem::rename(options_.file, moved);
        ASSERT_TRUE(log.reopen());
        log.info("two");
    }
    EXPECT_EQ(content(moved), "2026-11-21T00:00:00.000Z info  shard 0: one\n");
    EXPECT_EQ(content(options_.file), "2026-11-21T00:00:00.000Z info  shard 0: two\n");
}

TEST_F(LoggerTest, WritesOnWhereThereCanBeNoNewFile) {
    const auto moved = directory_.path() / "log.1";
    DirectLog log(options_, clock_, "supervisor");
    std::filesystem::rename(options_.file, moved);
    std::filesystem::create_directory(options_.file);
    const auto reopened = log.reopen();
    ASSERT_FALSE(reopened);
    EXPECT_EQ(reopened.error().message,
              "the log can't be written: " + options_.file.string() + ": Is a directory");
    log.info("one");
    EXPECT_EQ(content(moved), "2026-11-21T00:00:00.000Z info  supervisor: one\n");
}

TEST_F(LoggerTest, LinesOfTwoLogsOfOneFileStayWhole) {
    DirectLog one(options_, clock_, "supervisor");
    DirectLog other(options_, clock_, "shard 0");
    one.info("a");
    other.info("b");
    one.write(LogLevel::debug, "not this");
    one.error("c");
    EXPECT_EQ(content(options_.file),
              "2026-11-21T00:00:00.000Z info  supervisor: a\n"
              "2026-11-21T00:00:00.000Z info  shard 0: b\n"
              "2026-11-21T00:00:00.000Z error supervisor: c\n");
}

/// A process that forks can't have a thread that waits in its place.
TEST_F(LoggerTest, DirectOneLosesRecordsRatherThanWait) {
    options_.file = directory_.path() / "pipe";
    ASSERT_EQ(mkfifo(options_.file.c_str(), 0600), 0);
    const int reader = open(options_.file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_GE(reader, 0);
    DirectLog log(options_, clock_, "supervisor");
    for (int i = 0; i < 1000; ++i) log.info("record " + std::string(200, 'x'));
    std::array<char, 1 << 20> buffer;
    ASSERT_GT(read(reader, buffer.data(), buffer.size()), 0);
    log.info("after them");
    const ssize_t got = read(reader, buffer.data(), buffer.size());
    ASSERT_GT(got, 0);
    const std::string text(buffer.data(), static_cast<std::size_t>(got));
    EXPECT_TRUE(text.find("supervisor: the log could not be written fast enough: ") != text.npos &&
                text.find(" records were lost\n") != text.npos &&
                text.ends_with("supervisor: after them\n"))
        << text;
    close(reader);
}

}  // namespace
}  // namespace ringmaster::app
