#include "ringmaster/store/snapshot.hpp"

#include <filesystem>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::PhoneNumber;

const WallTime kNow{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};

class SnapshotTest : public ::testing::Test {
  protected:
    std::vector<std::byte> write(std::size_t entries) {
        UniqueFd file;
        const auto path = temp_.path() / "s";
        EXPECT_FALSE(disk_.create(path, file));
        SnapshotHeader header;
        header.position = position_at(3, 128);
        header.anchor = {kNow, 7min, {1, 2, 3}};
        SnapshotWriter writer(disk_, file.get(), header);
        for (std::size_t i = 0; i < entries; ++i) writer.add(number(i), slot(i));
        error_ = writer.finish();
        return *read_file(path);
    }
    static PhoneNumber number(std::size_t i) { return PhoneNumber::from_digits(18665550000 + i); }
    static ringpool::Slot slot(std::size_t i) {
        ringpool::Slot slot;
        slot.session = {i + 1, i + 2};
        slot.allocated_at = kNow + std::chrono::milliseconds(i);
        slot.last_touch = slot.allocated_at + 1s;
        slot.expires_at = slot.allocated_at + 1h;
        slot.eligible_at = slot.allocated_at + 2h;
        slot.record = position_at(2, static_cast<std::uint32_t>(8 * i + 64));
        slot.context = static_cast<std::uint32_t>(i * 7);
        return slot;
    }

    TempDirectory temp_;
    TestDisk disk_;
    std::error_code error_;
};

TEST_F(SnapshotTest, ReadsBackAsItWasWritten) {
    for (const std::size_t entries : {0u, 1u, 4095u, 4096u, 4097u, 10'000u}) {
        SlotMap slots;
        const auto bytes = write(entries);
        ASSERT_FALSE(error_);
        const auto header = decode_snapshot(bytes, slots);
        ASSERT_TRUE(header.ok()) << header.error().message;
        EXPECT_EQ(header->position, position_at(3, 128));
        EXPECT_EQ(header->anchor, (TimeAnchor{kNow, 7min, {1, 2, 3}}));
        EXPECT_EQ(header->oldest_record, entries == 0 ? UINT64_MAX : position_at(2, 64));
        ASSERT_EQ(slots.size(), entries);
        for (std::size_t i = 0; i < entries; ++i) {
            const ringpool::Slot* const read = slots.find(number(i));
            const ringpool::Slot wrote = slot(i);
            ASSERT_NE(read, nullptr);
            EXPECT_EQ(read->session, wrote.session);
            EXPECT_EQ(read->allocated_at, wrote.allocated_at);
            EXPECT_EQ(read->last_touch, wrote.last_touch);
            EXPECT_EQ(read->expires_at, wrote.expires_at);
            EXPECT_EQ(read->eligible_at, wrote.eligible_at);
            EXPECT_EQ(read->record, wrote.record);
            EXPECT_EQ(read->context, wrote.context);
        }
    }
}

// Another stream keeps its records, or does not, for reasons of its own.
TEST_F(SnapshotTest, TheOldestRecordIsOneOfItsStream) {
    UniqueFd file;
    ASSERT_FALSE(disk_.create(temp_.path() / "s", file));
    SnapshotHeader header;
    header.position = position_at(first_segment(5) + 2, 128);
    header.anchor.hold_time = kNow;
    SnapshotWriter writer(disk_, file.get(), header);
    auto foreign = slot(1);
    foreign.record = position_at(first_segment(4), 64);
    writer.add(number(1), foreign);
    auto own = slot(2);
    own.record = position_at(first_segment(5) + 1, 72);
    writer.add(number(2), own);
    ASSERT_FALSE(writer.finish());
    const auto read = SnapshotHeader::decode(*read_file(temp_.path() / "s"));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->oldest_record, own.record);
}

TEST_F(SnapshotTest, AnyFlippedByteOrOtherLengthIsDamage) {
    const auto good = write(3);
    const auto refuses = [](std::span<const std::byte> bytes) {
        SlotMap slots;
        const auto header = decode_snapshot(bytes, slots);
        return !header.ok() && header.error().code == ErrorCode::damaged && slots.size() == 0;
    };
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bytes = good;
        bytes[i] ^= std::byte{4};
        EXPECT_TRUE(refuses(bytes)) << i;
        EXPECT_TRUE(refuses(std::span(good).first(i))) << i;
    }
    auto longer = good;
    longer.push_back({});
    EXPECT_TRUE(refuses(longer));
}

TEST_F(SnapshotTest, AFailedWriteIsToldAtTheEnd) {
    disk_.write_short(72 * 4096 - 1);
    write(5000);
    EXPECT_EQ(error_, std::errc::no_space_on_device);
}

TEST_F(SnapshotTest, AnEndedHoldDoesNotCountForTheOldestRecord) {
    UniqueFd file;
    ASSERT_FALSE(disk_.create(temp_.path() / "s", file));
    SnapshotHeader header;
    header.anchor.hold_time = kNow + 2h + 1ms;  // slot 0 is eligible, slot 2 not yet
    SnapshotWriter writer(disk_, file.get(), header);
    for (const std::size_t i : {0u, 2u}) writer.add(number(i), slot(i));
    ASSERT_FALSE(writer.finish());
    const auto read = SnapshotHeader::decode(*read_file(temp_.path() / "s"));
    EXPECT_EQ(read->oldest_record, slot(2).record);
}

}  // namespace
}  // namespace ringmaster::store
