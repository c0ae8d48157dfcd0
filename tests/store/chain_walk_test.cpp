#include "ringmaster/store/chain_walk.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::PhoneNumber;

constexpr PhoneNumber kNumber = PhoneNumber::from_digits(18665550142);
constexpr std::uint32_t kSalt = 7;
const WallTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};

/// Records of one number in several streams, each in the first segment of its stream.
class ChainWalkTest : public ::testing::Test {
  protected:
    /// A hold that begins `since` kStart, in the stream; returns its position.
    JournalPosition hold(std::uint32_t stream, const char* session, std::chrono::seconds since,
                         RecordLink previous) {
        std::vector<std::byte>& bytes = segments_[stream];
        if (bytes.empty()) {
            SegmentHeader header;
            header.segment = first_segment(stream);
            header.salt = kSalt;
            bytes.resize(SegmentHeader::kBytes);
            header.encode(std::span(bytes).first<SegmentHeader::kBytes>());
        }
        const auto offset = static_cast<std::uint32_t>(bytes.size());
        HoldRecord record;
        record.number = kNumber;
        record.session = {1, 2};
        record.session_id = session;
        record.pool_id = "autos";
        record.allocated_at = record.since = kStart + since;
        record.times = {record.since, record.since + 1s, record.since + 1s};
        record.previous = previous;
        bytes.resize(offset + record_bytes(record.payload_bytes()));
        encode_hold({bytes.data() + offset, offset, kSalt}, record);
        latest_ = {record.allocated_at, record.times};
        return position_at(first_segment(stream), offset);
    }
    /// Where the next record in the stream will stand.
    JournalPosition next(std::uint32_t stream) {
        const std::size_t bytes = segments_[stream].size();
        return position_at(first_segment(stream),
                           static_cast<std::uint32_t>(std::max(bytes, SegmentHeader::kBytes)));
    }
    /// The sessions of the chain that ends at `record`, newest first.
    Result<std::string> walk(RecordLink record) {
        for (const auto& [stream, bytes] : segments_) {
            const fs::path shard = stream_path(temp_.path(), stream);
            fs::create_directories(shard);
            std::ofstream(segment_path(shard, first_segment(stream)), std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()),
                       static_cast<std::streamsize>(bytes.size()));
        }
        ringpool::Slot slot;
        slot.session = {1, 2};
        slot.allocated_at = latest_.allocated_at;
        set_times(slot, latest_.times);
        slot.record = record;
        ChainWalk chain(temp_.path(), kNumber, slot, kStart + 1h, 100'000);
        // Far more than there are: what still goes on then goes in a circle.
        const auto more = chain.go_on(100'000);
        if (!more) return more.error();
        EXPECT_FALSE(*more);
        std::string sessions;
        for (const auto& hold : std::move(chain).holds()) {
            sessions += hold.session_id.value_or("?") + " ";
        }
        return sessions;
    }
    /// What is said where the chain ends in something else than a chain.
    static std::string no_record(JournalPosition at, const fs::path& root) {
        return find_segment(root, segment_of(at)).string() + " is damaged at offset " +
               std::to_string(offset_of(at)) + ": the record of +18665550142 should stand there";
    }

    struct Latest {
        WallTime allocated_at;
        HoldTimes times;
    };
    TempDirectory temp_;
    std::map<std::uint32_t, std::vector<std::byte>> segments_;
    Latest latest_{};
};

TEST_F(ChainWalkTest, LeadsFromStreamToStream) {
    const auto first = hold(0, "v-1", 1s, 0);
    const auto second = hold(5, "v-2", 2s, first);
    const auto third = hold(2, "v-3", 3s, second);
    const auto back_again = hold(5, "v-4", 4s, third);
    const auto sessions = walk(back_again);
    ASSERT_TRUE(sessions.ok()) << sessions.error().message;
    EXPECT_EQ(*sessions, "v-4 v-3 v-2 v-1 ");
}

TEST_F(ChainWalkTest, EndsWhereAnotherStreamIsKeptNoMore) {
    const auto gone = position_at(first_segment(9), 64);
    const auto sessions = walk(hold(1, "v-1", 1s, gone));
    ASSERT_TRUE(sessions.ok()) << sessions.error().message;
    EXPECT_EQ(*sessions, "v-1 ");
}

TEST_F(ChainWalkTest, WhatMayNeverHaveReachedTheDiskIsLost) {
    const auto torn = position_at(first_segment(0), 4096);
    hold(0, "v-1", 1s, 0);
    const auto last = hold(1, "v-2", 2s, torn | kDoubtful);
    const auto sessions = walk(last);
    ASSERT_TRUE(sessions.ok()) << sessions.error().message;
    EXPECT_EQ(*sessions, "v-2 ");
}

// No program writes these; but a chain that is read must end.
TEST_F(ChainWalkTest, ACircleThroughStreamsIsDamage) {
    const auto first = hold(0, "v-1", 1s, next(1));
    const auto last = hold(1, "v-2", 1s, first);
    const auto sessions = walk(last);
    ASSERT_FALSE(sessions.ok()) << *sessions;
    EXPECT_EQ(sessions.error().code, ErrorCode::damaged);
}

TEST_F(ChainWalkTest, ACircleWithinAStreamIsDamage) {
    const auto at = next(0);
    hold(0, "v-1", 1s, at);
    const auto sessions = walk(at);
    ASSERT_FALSE(sessions.ok()) << *sessions;
    EXPECT_EQ(sessions.error().message, no_record(at, temp_.path()));
}

TEST_F(ChainWalkTest, ARecordThatIsLaterThanTheOneWhichLinksToItIsDamage) {
    const auto later = hold(0, "v-1", 3s, 0);
    const auto last = hold(1, "v-2", 2s, later);
    const auto sessions = walk(last);
    ASSERT_FALSE(sessions.ok()) << *sessions;
    EXPECT_EQ(sessions.error().message, no_record(later, temp_.path()));
}

}  // namespace
}  // namespace ringmaster::store
