#include "ringmaster/store/retention.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <array>
#include <filesystem>
#include <fstream>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;

const WallTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
constexpr auto kHistory = 48h;

class RetentionTest : public ::testing::Test {
  protected:
    void segment(std::uint32_t id, std::chrono::hours age) {
        SegmentHeader header;
        header.segment = id;
        header.anchor.hold_time = kNow - age;
        std::array<std::byte, SegmentHeader::kBytes> bytes;
        header.encode(bytes);
        std::ofstream(segment_path(temp_.path(), id), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    void snapshot(JournalPosition position, JournalPosition oldest_record = UINT64_MAX) {
        SnapshotHeader header;
        header.position = position;
        header.oldest_record = oldest_record;
        UniqueFd file;
        ASSERT_FALSE(disk_.create(snapshot_path(temp_.path(), position), file));
        SnapshotWriter writer(disk_, file.get(), header);
        ASSERT_FALSE(writer.finish());
    }
    Retained apply(std::uint64_t max_bytes = 0) {
        const auto retained = apply_retention(disk_, temp_.path(), kNow, {kHistory, max_bytes});
        EXPECT_TRUE(retained.ok()) << retained.error().message;
        return *retained;
    }
    std::vector<std::uint32_t> segments() { return list_shard(temp_.path())->segments; }
    /// Segment i begins (5 - i) days ago: 1 to 5.
    void five_days() {
        for (std::uint32_t i = 1; i <= 5; ++i) segment(i, (5 - i) * 24h);
    }

    TempDirectory temp_;
    TestDisk disk_;
};

TEST_F(RetentionTest, KeepsTheTwoNewestSnapshots) {
    segment(1, 1h);
    for (std::uint32_t i = 1; i <= 4; ++i) snapshot(position_at(1, 64 * i));
    apply();
    EXPECT_EQ(list_shard(temp_.path())->snapshots,
              (std::vector<JournalPosition>{position_at(1, 192), position_at(1, 256)}));
}

TEST_F(RetentionTest, RemovesSegmentsThatEndedBeforeHistoryBegins) {
    five_days();
    snapshot(position_at(5, 64));
    snapshot(position_at(5, 128));
    const Retained retained = apply();
    EXPECT_EQ(retained.aged_before, position_at(3, 0)) << "older than half of the history";
    EXPECT_EQ(retained.begin, position_at(2, 0));
    // Segment 2 ended when 3 began: 48 hours ago, which is still history.
    EXPECT_EQ(segments(), (std::vector<std::uint32_t>{2, 3, 4, 5}));
}

TEST_F(RetentionTest, KeepsWhatTheOlderSnapshotNeeds) {
    five_days();
    snapshot(position_at(1, 64));
    snapshot(position_at(5, 64));
    apply();
    EXPECT_EQ(segments().front(), 1u);
}

TEST_F(RetentionTest, KeepsWhatASingleSnapshotCouldNeed) {
    five_days();
    snapshot(position_at(5, 64));
    apply();
    EXPECT_EQ(segments().front(), 1u);
}

TEST_F(RetentionTest, KeepsTheRecordOfAHoldThatGoesOn) {
    five_days();
    snapshot(position_at(4, 64));
    snapshot(position_at(5, 64), position_at(1, 640));
    apply();
    EXPECT_EQ(segments().front(), 1u);
}

// Segments of 64 bytes each; 5 and 6 are needed to replay the journal, and do not count.
TEST_F(RetentionTest, RemovesTheOldestSegmentsBeyondTheLimitOfBytes) {
    for (std::uint32_t i = 1; i <= 6; ++i) segment(i, 1h);
    snapshot(position_at(5, 64));
    snapshot(position_at(6, 64));
    Retained retained = apply(4 * 64);
    EXPECT_EQ(segments().front(), 1u);
    EXPECT_EQ(retained.begin, position_at(1, 0));
    EXPECT_EQ(retained.aged_before, position_at(3, 0)) << "the older half of the limit";
    retained = apply(3 * 64 - 1);
    EXPECT_EQ(segments(), (std::vector<std::uint32_t>{3, 4, 5, 6}));
    EXPECT_EQ(retained.begin, position_at(3, 0));
    EXPECT_EQ(retained.aged_before, position_at(4, 0));
    apply(1);
    EXPECT_EQ(segments(), (std::vector<std::uint32_t>{5, 6}));
}

TEST_F(RetentionTest, KeepsTheRecordOfAHoldThatGoesOnBeyondTheLimitOfBytes) {
    for (std::uint32_t i = 1; i <= 6; ++i) segment(i, 1h);
    snapshot(position_at(5, 64));
    snapshot(position_at(6, 64), position_at(2, 640));
    const Retained retained = apply(64);
    EXPECT_EQ(segments().front(), 2u);
    EXPECT_EQ(retained.begin, position_at(2, 0));
    EXPECT_EQ(retained.aged_before, position_at(5, 0));
}

TEST_F(RetentionTest, OfAStreamThatIsRetiredKeepsWhatIsYoungEnough) {
    five_days();
    snapshot(position_at(5, 64));
    const auto retain = [&](std::chrono::hours age) {
        const auto done = retain_retired(disk_, temp_.path(), kNow, kNow, age);
        EXPECT_TRUE(done.ok()) << done.error().message;
    };
    retain(48h);
    EXPECT_TRUE(list_shard(temp_.path())->snapshots.empty()) << "no one starts from it";
    EXPECT_EQ(segments(), (std::vector<std::uint32_t>{2, 3, 4, 5}));
    retain(0h);
    EXPECT_EQ(segments(), (std::vector<std::uint32_t>{4, 5})) << "4 ended just now";
}

TEST_F(RetentionTest, RemovesTheDirectoryOfAStreamThatNothingIsKeptOf) {
    const auto shard = temp_.path() / "shard-3";
    const auto retain = [&] { return retain_retired(disk_, shard, kNow - 50h, kNow, 48h); };
    EXPECT_TRUE(retain().ok()) << "it may be gone already";
    std::filesystem::create_directory(shard);
    std::ofstream(segment_path(shard, first_segment(3))) << "of which nothing need be read";
    std::ofstream(shard / "notes.txt") << "not the store's";
    ASSERT_TRUE(retain().ok());
    EXPECT_TRUE(std::filesystem::exists(shard / "notes.txt"));
    EXPECT_FALSE(std::filesystem::exists(segment_path(shard, first_segment(3))));
    std::filesystem::remove(shard / "notes.txt");
    ASSERT_TRUE(retain().ok());
    EXPECT_FALSE(std::filesystem::exists(shard));
}

TEST_F(RetentionTest, ARetiredStreamIsKeptForWhoHoldsANumberSinceThen) {
    EXPECT_EQ(retired_age(24h), kLongestPromise);
    EXPECT_EQ(retired_age(kLongestPromise + 1h), kLongestPromise + 1h);
}

TEST_F(RetentionTest, SaysWhatItCouldNotRemove) {
    five_days();
    snapshot(position_at(5, 64));
    snapshot(position_at(5, 128));
    disk_.fail(TestDisk::removing, std::errc::permission_denied);
    const auto retained = apply_retention(disk_, temp_.path(), kNow, {kHistory});
    ASSERT_FALSE(retained.ok());
    EXPECT_NE(retained.error().message.find("journal-0000000001.log"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster::store
