#include "ringmaster/store/journal_format.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using Kind = RecordView::Kind;

constexpr std::uint32_t kSalt = 0xfeedf00d;

WallTime at(std::int64_t ms) {
    return WallTime(std::chrono::milliseconds(ms));
}

HoldRecord sample_hold() {
    HoldRecord record;
    record.number = ringpool::PhoneNumber::from_digits(18665550142);
    record.times = {at(2'000'000), at(2'000'000) + 30min, at(2'000'000) + 35min};
    record.allocated_at = at(1'000'000);
    record.previous = position_at(7, 128);
    record.session = {0x1122334455667788, 0x99aabbccddeeff00};
    record.since = at(1'500'000);
    record.continuation = true;
    record.pool_id = "autos";
    record.session_id = "v-81";
    record.context = "as good as canonical";
    return record;
}

std::vector<std::byte> encoded(const HoldRecord& record, std::uint32_t offset = 64,
                               std::uint32_t salt = kSalt) {
    std::vector<std::byte> bytes(record_bytes(record.payload_bytes()));
    EXPECT_EQ(encode_hold({bytes.data(), offset, salt}, record), bytes.size());
    return bytes;
}

TEST(JournalFormat, PositionsGrowWithSegmentsAndOffsets) {
    EXPECT_LT(position_at(1, 0xffffffff), position_at(2, 0));
    EXPECT_EQ(segment_of(position_at(3, 72)), 3u);
    EXPECT_EQ(offset_of(position_at(3, 72)), 72u);
}

TEST(JournalFormat, AnIdSaysWhichStreamItIsOf) {
    EXPECT_EQ(first_segment(0), 1u);
    EXPECT_EQ(stream_of_segment(first_segment(4095)), 4095u);
    EXPECT_EQ(stream_of(position_at(first_segment(17) + 5, 64)), 17u);
    EXPECT_EQ(sequence_of(first_segment(17) + 5), 6u);
    EXPECT_EQ(sequence_of(first_segment(17) + kMaxSequence), 0u) << "behind the last one";
}

TEST(JournalFormat, AHoldRecordReadsBackAsItWasWritten) {
    const HoldRecord record = sample_hold();
    const auto bytes = encoded(record);
    EXPECT_EQ(bytes.size() % 8, 0u);
    const RecordView view = read_record(bytes, 64, kSalt);
    ASSERT_EQ(view.kind, Kind::record);
    EXPECT_EQ(view.type, RecordType::hold);
    EXPECT_EQ(view.bytes, bytes.size());
    const auto read = HoldRecord::decode(view.payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, record.number);
    EXPECT_EQ(read->times.last_touch, record.times.last_touch);
    EXPECT_EQ(read->times.expires_at, record.times.expires_at);
    EXPECT_EQ(read->times.eligible_at, record.times.eligible_at);
    EXPECT_EQ(read->allocated_at, record.allocated_at);
    EXPECT_EQ(read->previous, record.previous);
    EXPECT_EQ(read->session, record.session);
    EXPECT_EQ(read->since, record.since);
    EXPECT_TRUE(read->continuation);
    EXPECT_EQ(read->pool_id, "autos");
    EXPECT_EQ(read->session_id, "v-81");
    EXPECT_EQ(read->context, "as good as canonical");
}

TEST(JournalFormat, AnEmptySessionIdIsNotTheSameAsNone) {
    HoldRecord record = sample_hold();
    record.session_id = "";
    const auto with = encoded(record);
    EXPECT_EQ(HoldRecord::decode(read_record(with, 64, kSalt).payload)->session_id, "");
    record.session_id.reset();
    const auto without = encoded(record);
    EXPECT_FALSE(HoldRecord::decode(read_record(without, 64, kSalt).payload)->session_id);
}

TEST(JournalFormat, TheLongestTextsFit) {
    HoldRecord record = sample_hold();
    const std::string pool(255, 'p');
    const std::string session(65535, 's');
    const std::string context(kMaxPayloadBytes - HoldRecord::kFixedBytes - 255 - 65535, 'c');
    record.pool_id = pool;
    record.session_id = session;
    record.context = context;
    const auto bytes = encoded(record);
    const auto read = HoldRecord::decode(read_record(bytes, 64, kSalt).payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->pool_id, pool);
    EXPECT_EQ(read->session_id, session);
    EXPECT_EQ(read->context, context);
}

TEST(JournalFormat, ATouchTakes32Bytes) {
    const TimesRecord record{ringpool::PhoneNumber::from_digits(4930123456),
                             {at(5000), at(5000) + 720h, at(5000) + 1440h}};
    std::vector<std::byte> bytes(kTimesRecordBytes);
    EXPECT_EQ(encode_times({bytes.data(), 640, kSalt}, RecordType::touch, record), 32u);
    const RecordView view = read_record(bytes, 640, kSalt);
    ASSERT_EQ(view.kind, Kind::record);
    EXPECT_EQ(view.type, RecordType::touch);
    const auto read = TimesRecord::decode(view.payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, record.number);
    EXPECT_EQ(read->times.last_touch, record.times.last_touch);
    EXPECT_EQ(read->times.expires_at, record.times.expires_at);
    EXPECT_EQ(read->times.eligible_at, record.times.eligible_at);
}

TEST(JournalFormat, WhatIsAdoptedReadsBackAsItWasWritten) {
    AdoptRecord record;
    record.number = ringpool::PhoneNumber::from_digits(4930123456);
    set_times(record.slot, {at(5000), at(5000) + 720h, at(5000) + 1440h});
    record.slot.allocated_at = at(4000);
    record.slot.record = position_at(first_segment(3), 128) | kDoubtful;
    record.slot.context = 0x12345678;
    record.slot.session = {0x1122334455667788, 0x99aabbccddeeff00};
    std::vector<std::byte> bytes(kAdoptRecordBytes);
    EXPECT_EQ(encode_adopt({bytes.data(), 640, kSalt}, record), 72u);
    const RecordView view = read_record(bytes, 640, kSalt);
    ASSERT_EQ(view.kind, Kind::record);
    EXPECT_EQ(view.type, RecordType::adopt);
    const auto read = AdoptRecord::decode(view.payload);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->number, record.number);
    EXPECT_EQ(read->slot.last_touch, record.slot.last_touch);
    EXPECT_EQ(read->slot.expires_at, record.slot.expires_at);
    EXPECT_EQ(read->slot.eligible_at, record.slot.eligible_at);
    EXPECT_EQ(read->slot.allocated_at, record.slot.allocated_at);
    EXPECT_EQ(read->slot.record, record.slot.record);
    EXPECT_EQ(read->slot.context, record.slot.context);
    EXPECT_EQ(read->slot.session, record.slot.session);
    EXPECT_FALSE(AdoptRecord::decode(view.payload.first(63)));
}

TEST(JournalFormat, AnyFlippedBitMakesARecordInvalid) {
    const auto good = encoded(sample_hold());
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        auto bytes = good;
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        ASSERT_EQ(read_record(bytes, 64, kSalt).kind, Kind::invalid) << "bit " << bit;
    }
}

TEST(JournalFormat, ARecordIsValidOnlyAtItsPlace) {
    const auto bytes = encoded(sample_hold());
    EXPECT_EQ(read_record(bytes, 72, kSalt).kind, Kind::invalid);
    EXPECT_EQ(read_record(bytes, 64, kSalt + 1).kind, Kind::invalid);
}

TEST(JournalFormat, EveryTruncatedRecordIsInvalid) {
    const auto bytes = encoded(sample_hold());
    EXPECT_EQ(read_record({}, 64, kSalt).kind, Kind::end);
    for (std::size_t size = 1; size < bytes.size(); ++size) {
        ASSERT_EQ(read_record(std::span(bytes).first(size), 64, kSalt).kind, Kind::invalid) << size;
    }
}

TEST(JournalFormat, ZerosAreTheEnd) {
    const std::vector<std::byte> zeros(32);
    EXPECT_EQ(read_record(zeros, 64, kSalt).kind, Kind::end);
    EXPECT_EQ(read_record(std::span(zeros).first(5), 64, kSalt).kind, Kind::end);
}

TEST(JournalFormat, PayloadsOfWrongLengthAreNotDecoded) {
    const std::vector<std::byte> bytes(200);
    EXPECT_FALSE(TimesRecord::decode(std::span(bytes).first(23)));
    EXPECT_FALSE(TimesRecord::decode(std::span(bytes).first(25)));
    EXPECT_FALSE(HoldRecord::decode(std::span(bytes).first(67)));
    EXPECT_FALSE(decode_position(std::span(bytes).first(7)));
    // The lengths inside reach past the end.
    auto hold = encoded(sample_hold());
    hold[kRecordHeaderBytes + 67] = std::byte{0xff};
    EXPECT_FALSE(HoldRecord::decode(std::span(hold).subspan(kRecordHeaderBytes)));
}

TEST(JournalFormat, TimesThatCanNotBeReckonedWithAreNotDecoded) {
    for (const WallTime time : {WallTime::max(), WallTime::max() - std::chrono::hours(24)}) {
        std::array<std::byte, 256> bytes;
        TimesRecord touch;
        touch.times = {time, time, time};
        encode_times({bytes.data(), 64, kSalt}, RecordType::touch, touch);
        EXPECT_FALSE(TimesRecord::decode(read_record(bytes, 64, kSalt).payload));
        HoldRecord hold;
        hold.times = touch.times;
        hold.allocated_at = hold.since = time;
        encode_hold({bytes.data(), 64, kSalt}, hold);
        EXPECT_FALSE(HoldRecord::decode(read_record(bytes, 64, kSalt).payload));
    }
}

TEST(JournalFormat, FindsTheGreatestClaimOfDurabilityBehindAnything) {
    std::vector<std::byte> bytes(400, std::byte{0x77});
    encode_sync({bytes.data() + 96, 64 + 96, kSalt}, position_at(1, 500));
    encode_sync({bytes.data() + 200, 64 + 200, kSalt}, position_at(1, 300));
    encode_sync({bytes.data() + 304, 64 + 312, kSalt}, position_at(1, 900));  // not its place
    EXPECT_EQ(find_durable_claim(bytes, 64, kSalt), position_at(1, 500));
    EXPECT_EQ(find_durable_claim(bytes, 64, kSalt + 1), 0u);
    EXPECT_EQ(find_durable_claim(std::span(bytes).first(96 + 15), 64, kSalt), 0u);
    EXPECT_EQ(find_durable_claim({}, 64, kSalt), 0u);
}

TEST(JournalFormat, AContextCantPassForARecord) {
    // Even if a client knew the offset, it does not know the salt.
    std::vector<std::byte> forged(kSyncRecordBytes);
    encode_sync({forged.data(), 64 + 8 + 68 + 20, 0}, position_at(9, 0));
    HoldRecord record = sample_hold();
    record.pool_id = "12345678";
    record.session_id = "123456789012";
    record.context = {reinterpret_cast<const char*>(forged.data()), forged.size()};
    EXPECT_EQ(find_durable_claim(encoded(record), 64, kSalt), 0u);
    EXPECT_EQ(find_durable_claim(encoded(record, 64, 0), 64, 0), position_at(9, 0));
}

SegmentHeader sample_header() {
    SegmentHeader header;
    header.segment = 12;
    header.salt = kSalt;
    header.anchor = {at(1'700'000'000'000), 12345ms, {1, 2, 3}};
    header.durable_before = position_at(11, 4096);
    return header;
}

TEST(JournalFormat, ASegmentHeaderReadsBackAsItWasWritten) {
    std::array<std::byte, SegmentHeader::kBytes> bytes;
    sample_header().encode(bytes);
    const auto read = SegmentHeader::decode(bytes);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->segment, 12u);
    EXPECT_EQ(read->salt, kSalt);
    EXPECT_EQ(read->anchor, sample_header().anchor);
    EXPECT_EQ(read->durable_before, position_at(11, 4096));
}

TEST(JournalFormat, AnyFlippedBitOrMissingByteMakesAHeaderDamaged) {
    std::array<std::byte, SegmentHeader::kBytes> good;
    sample_header().encode(good);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        auto bytes = good;
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        const auto read = SegmentHeader::decode(bytes);
        ASSERT_FALSE(read.ok()) << "bit " << bit;
        EXPECT_EQ(read.error().code, ErrorCode::damaged);
    }
    EXPECT_FALSE(SegmentHeader::decode(std::span(good).first(63)).ok());
}

}  // namespace
}  // namespace ringmaster::store
