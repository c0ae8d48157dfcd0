#include "ringmaster/store/erasure.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <fstream>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;

constexpr std::uint32_t kSalt = 0x9E3779B9;

/// Two sealed segments with three holds each, of which the first and the last are the session's.
class ErasureTest : public ::testing::Test {
  protected:
    ErasureTest() {
        fs::create_directory(shard());
        for (std::uint32_t id = 1; id <= 2; ++id) {
            SegmentHeader header;
            header.segment = id;
            header.salt = kSalt;
            std::vector<std::byte>& bytes = segments_[id - 1];
            bytes.resize(2048);
            header.encode(std::span(bytes).first<SegmentHeader::kBytes>());
            std::uint32_t offset = SegmentHeader::kBytes;
            for (const char* session : {"v-1", "v-2", "v-1"}) {
                HoldRecord hold;
                hold.number = ringpool::PhoneNumber::from_digits(18665550100 + offset);
                hold.session = {1, 2};
                hold.pool_id = "autos";
                hold.session_id = session;
                hold.context = "some parameters of a campaign";
                offset += static_cast<std::uint32_t>(
                    encode_hold({bytes.data() + offset, offset, kSalt}, hold));
            }
            offset +=
                static_cast<std::uint32_t>(encode_seal({bytes.data() + offset, offset, kSalt}));
            end_ = position_at(id, offset);
            write(id, bytes);
        }
    }
    void write(std::uint32_t id, std::span<const std::byte> bytes) {
        std::ofstream(segment_path(shard(), id), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }
    std::vector<std::byte> read(std::uint32_t id) { return *read_file(segment_path(shard(), id)); }
    std::vector<Erasable> find(std::string_view session) {
        std::vector<Erasable> found;
        for (std::uint32_t id = 1; id <= 2; ++id) {
            const auto done = find_erasable(disk_, shard(), id, session, end_, found);
            EXPECT_TRUE(done.ok()) << done.error().message;
        }
        return found;
    }
    fs::path shard() const { return stream_path(temp_.path(), 0); }

    TempDirectory temp_;
    TestDisk disk_;
    std::vector<std::byte> segments_[2];
    JournalPosition end_ = 0;
};

TEST_F(ErasureTest, FindsTheRecordsOfOneSessionOnly) {
    EXPECT_EQ(find("v-1").size(), 4u);
    EXPECT_EQ(find("v-2").size(), 2u);
    EXPECT_TRUE(find("v-").empty());
    EXPECT_TRUE(find("").empty());
}

TEST_F(ErasureTest, WhatIsErasedReadsAsARecordWithoutTexts) {
    const auto found = find("v-1");
    ASSERT_TRUE(begin_erasure(disk_, shard(), found).ok());
    EXPECT_EQ(pending_erasure(shard())->size(), 4u);
    ASSERT_TRUE(finish_erasure(disk_, shard()).ok());
    EXPECT_FALSE(fs::exists(erasure_path(shard())));
    EXPECT_TRUE(find("v-1").empty());
    EXPECT_EQ(find("v-2").size(), 2u);
    RecordReader reader(temp_.path());
    for (const Erasable& record : found) {
        const auto hold = reader.read_hold(record.position);
        ASSERT_TRUE(hold.ok()) << hold.error().message;
        EXPECT_TRUE((*hold)->erased);
        EXPECT_EQ((*hold)->number, record.number);
        EXPECT_EQ((*hold)->pool_id, "autos");
        EXPECT_FALSE((*hold)->session_id);
        EXPECT_EQ((*hold)->context, "");
    }
    EXPECT_TRUE(finish_erasure(disk_, shard()).ok()) << "nothing to do";
}

// Torn anywhere: a prefix of the erased record was written, or a suffix, as sectors come.
TEST_F(ErasureTest, ARecordThatWasTornWhileItWasErasedIsMadeWhole) {
    const auto found = find("v-1");
    ASSERT_TRUE(begin_erasure(disk_, shard(), found).ok());
    fs::copy_file(erasure_path(shard()), shard() / "list");
    ASSERT_TRUE(finish_erasure(disk_, shard()).ok());
    const auto erased = read(1);
    ASSERT_LT(offset_of(found[0].position) + 100, 200u);
    for (std::size_t cut = SegmentHeader::kBytes; cut <= 200; ++cut) {
        for (const bool prefix : {true, false}) {
            auto torn = prefix ? erased : segments_[0];
            const auto& rest = prefix ? segments_[0] : erased;
            std::copy(rest.begin() + static_cast<std::ptrdiff_t>(cut), rest.end(),
                      torn.begin() + static_cast<std::ptrdiff_t>(cut));
            write(1, torn);
            fs::copy_file(shard() / "list", erasure_path(shard()));
            const auto done = finish_erasure(disk_, shard());
            ASSERT_TRUE(done.ok()) << cut << ": " << done.error().message;
            ASSERT_EQ(read(1), erased) << cut;
        }
    }
}

TEST_F(ErasureTest, ADamagedRecordIsNotErasedOver) {
    const auto found = find("v-1");
    for (const Erasable& record : {found[0], found[3]}) {
        const auto id = segment_of(record.position);
        for (std::size_t at = 4; at < 80; at += 5) {
            auto bytes = segments_[id - 1];
            bytes[offset_of(record.position) + at] ^= std::byte{0x10};
            write(id, bytes);
            ASSERT_TRUE(begin_erasure(disk_, shard(), found).ok());
            const auto done = finish_erasure(disk_, shard());
            ASSERT_FALSE(done.ok()) << at;
            EXPECT_EQ(done.error().code, ErrorCode::damaged);
            EXPECT_NE(done.error().message.find(segment_path(shard(), id).string()),
                      std::string::npos);
            write(id, segments_[id - 1]);
            ASSERT_TRUE(finish_erasure(disk_, shard()).ok());
            write(1, segments_[0]);
            write(2, segments_[1]);
        }
    }
}

TEST_F(ErasureTest, DamageInFrontOfARecordIsToldAndNothingIsFound) {
    auto bytes = segments_[1];
    bytes[SegmentHeader::kBytes + 30] ^= std::byte{1};
    write(2, bytes);
    std::vector<Erasable> found;
    EXPECT_TRUE(find_erasable(disk_, shard(), 1, "v-1", end_, found).ok());
    const auto done = find_erasable(disk_, shard(), 2, "v-1", end_, found);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().code, ErrorCode::damaged);
    EXPECT_NE(done.error().message.find("damaged at offset 64"), std::string::npos);
}

TEST_F(ErasureTest, ASegmentThatRetentionRemovedNeedsNoErasing) {
    const auto found = find("v-1");
    ASSERT_TRUE(begin_erasure(disk_, shard(), found).ok());
    fs::remove(segment_path(shard(), 1));
    EXPECT_TRUE(finish_erasure(disk_, shard()).ok());
    EXPECT_TRUE(find("v-1").empty());
}

TEST_F(ErasureTest, AnyFlippedByteOrCutOfTheListIsDamage) {
    ASSERT_TRUE(begin_erasure(disk_, shard(), find("v-1")).ok());
    const auto good = *read_file(erasure_path(shard()));
    const auto damaged = [&](std::span<const std::byte> bytes) {
        std::ofstream(erasure_path(shard()), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
        const auto list = pending_erasure(shard());
        return !list.ok() && list.error().code == ErrorCode::damaged;
    };
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bytes = good;
        bytes[i] ^= std::byte{2};
        EXPECT_TRUE(damaged(bytes)) << i;
        EXPECT_TRUE(damaged(std::span(good).first(i))) << i;
    }
    EXPECT_EQ(read(1), segments_[0]) << "nothing is erased by such a list";
}

TEST_F(ErasureTest, AFailedDiskIsToldAndTheNextCallGoesOn) {
    ASSERT_TRUE(begin_erasure(disk_, shard(), find("v-1")).ok());
    for (const unsigned step : {TestDisk::writing, TestDisk::syncing, TestDisk::removing}) {
        disk_.fail(step, std::errc::io_error);
        EXPECT_EQ(finish_erasure(disk_, shard()).error().code, ErrorCode::unavailable);
        EXPECT_TRUE(fs::exists(erasure_path(shard())));
    }
    disk_.heal();
    EXPECT_TRUE(finish_erasure(disk_, shard()).ok());
    EXPECT_TRUE(find("v-1").empty());
}

}  // namespace
}  // namespace ringmaster::store
