#include "ringmaster/store/recovery.hpp"

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fuzz/journal_files.hpp"
#include "fuzz/seed.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;

const WallTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};

/// Who has what, as text, by number.
using State = std::map<std::uint64_t, std::string>;

std::string text_of(const ringpool::Slot& slot) {
    return std::to_string(slot.session.low) + " since " +
           std::to_string((slot.allocated_at - kStart).count()) + " touched " +
           std::to_string((slot.last_touch - kStart).count()) + " until " +
           std::to_string((slot.expires_at - kStart).count()) + " then " +
           std::to_string((slot.eligible_at - kStart).count()) + " at " +
           std::to_string(slot.record);
}

State state_of(const SlotMap& slots) {
    State state;
    for (const auto& [number, slot] : slots) state[number.digits()] = text_of(slot);
    return state;
}

/// A journal that is made in memory, with the state that each prefix of it amounts to.
class Journal {
  public:
    static constexpr std::size_t kSegmentBytes = 2048;

    explicit Journal(std::uint32_t first = 1) { begin_segment(first, 0); }

    void begin_segment(std::uint32_t id, JournalPosition durable_before) {
        header_.segment = id;
        header_.salt = id * 0x9E3779B9;
        header_.anchor = {now_, 1h, {7}};
        header_.durable_before = durable_before;
        Bytes& bytes = segments_[id] = Bytes(kSegmentBytes);
        header_.encode(std::span(bytes).first<SegmentHeader::kBytes>());
        offset_ = SegmentHeader::kBytes;
    }
    void next_segment(JournalPosition durable_before = 0) {
        seal();
        begin_segment(header_.segment + 1, durable_before);
    }
    void hold(unsigned number, std::uint64_t session) {
        now_ += 1s;
        HoldRecord record;
        record.number = ringpool::PhoneNumber::from_digits(number);
        record.session = {session, 0};
        record.allocated_at = record.since = now_;
        record.times = {now_, now_ + 30min, now_ + 31min};
        record.pool_id = "autos";
        record.session_id = "v-81";
        ringpool::Slot& slot = slots_.at(record.number);
        slot = {};
        slot.session = record.session;
        slot.allocated_at = now_;
        set_times(slot, record.times);
        slot.record = end();
        wrote(encode_hold(place(), record));
    }
    void touch(unsigned number) {
        now_ += 1s;
        change(RecordType::touch, number, {now_, now_ + 30min, now_ + 31min});
    }
    void release(unsigned number) {
        now_ += 1s;
        const auto& slot = *slots_.find(ringpool::PhoneNumber::from_digits(number));
        change(RecordType::release, number, {slot.last_touch, now_, now_ + 1min});
    }
    /// Comes from another stream, where it is recorded at `record`.
    void adopt(unsigned number, std::uint64_t session, RecordLink record) {
        now_ += 1s;
        const auto phone = ringpool::PhoneNumber::from_digits(number);
        ringpool::Slot& slot = slots_.at(phone);
        slot = {};
        slot.session = {session, 0};
        slot.allocated_at = now_ - 5s;
        slot.record = record;
        set_times(slot, {now_, now_ + 30min, now_ + 31min});
        wrote(encode_adopt(place(), {phone, slot}));
    }
    void sync() { wrote(encode_sync(place(), end())); }
    /// Nothing behind `trusted_before` is to be trusted any more; the journal goes on here.
    void gap(JournalPosition trusted_before) { wrote(encode_gap(place(), trusted_before)); }
    void seal() { wrote(encode_seal(place())); }

    JournalPosition end() const {
        return position_at(header_.segment, static_cast<std::uint32_t>(offset_));
    }
    State state() const { return state_of(slots_); }
    /// What the journal amounts to up to each of its records.
    const std::vector<std::pair<JournalPosition, State>>& states() const { return states_; }
    WallTime now() const { return now_; }
    TimeAnchor anchor() const { return header_.anchor; }
    std::vector<std::byte>& bytes(std::uint32_t id) { return segments_.at(id); }
    const SlotMap& slots() const { return slots_; }

    void write(const fs::path& directory) const {
        for (const auto& [id, bytes] : segments_) {
            std::ofstream(segment_path(directory, id), std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()),
                       static_cast<std::streamsize>(bytes.size()));
        }
    }

  private:
    using Bytes = std::vector<std::byte>;

    RecordPlace place() {
        return {segments_.at(header_.segment).data() + offset_, static_cast<std::uint32_t>(offset_),
                header_.salt};
    }
    void wrote(std::size_t bytes) {
        offset_ += bytes;
        states_.emplace_back(end(), state());
    }
    void change(RecordType type, unsigned number, const HoldTimes& times) {
        const auto phone = ringpool::PhoneNumber::from_digits(number);
        set_times(*slots_.find(phone), times);
        wrote(encode_times(place(), type, {phone, times}));
    }

    std::map<std::uint32_t, Bytes> segments_;
    SegmentHeader header_;
    std::size_t offset_ = 0;
    WallTime now_ = kStart;
    SlotMap slots_;
    std::vector<std::pair<JournalPosition, State>> states_;
};

class RecoveryTest : public ::testing::Test {
  protected:
    Result<Recovered> run() {
        keep_seeds();
        log_.emplace();
        return recover(disk_, shard(), 0, *log_);
    }
    void keep_seeds() const {
        if (fuzz::seeds_directory() == nullptr) return;
        for (const bool mend : {false, true}) {
            fuzz::keep_seed("journal", fuzz::make_journal_input(shard(), mend));
        }
    }
    const fs::path& shard() const { return temp_.path(); }
    void empty_directory() {
        for (const auto& entry : fs::directory_iterator(shard())) fs::remove(entry);
    }
    void write_snapshot(const Journal& journal, JournalPosition position) {
        const fs::path path = snapshot_path(shard(), position);
        UniqueFd file;
        ASSERT_FALSE(disk_.create(path, file));
        SnapshotHeader header;
        header.position = position;
        header.anchor = journal.anchor();
        SnapshotWriter writer(disk_, file.get(), header);
        for (const auto& [number, slot] : journal.slots()) writer.add(number, slot);
        ASSERT_FALSE(writer.finish());
    }
    void overwrite(const fs::path& path, std::size_t offset, std::string_view text) {
        std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(offset));
        file.write(text.data(), static_cast<std::streamsize>(text.size()));
    }

    TempDirectory temp_;
    TestDisk disk_;
    std::optional<CollectingLog> log_;
};

TEST_F(RecoveryTest, FindsNothingInANewDirectory) {
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok());
    EXPECT_FALSE(recovered->found_anything);
    EXPECT_EQ(recovered->next_segment, 1u);
    EXPECT_EQ(recovered->slots.size(), 0u);
}

TEST_F(RecoveryTest, RemovesWhatWasNotFinished) {
    std::ofstream(shard() / "snapshot.tmp") << "half";
    std::ofstream(unfinished(segment_path(shard(), 1))) << "half";
    ASSERT_TRUE(run().ok());
    EXPECT_TRUE(fs::is_empty(shard()));
}

TEST_F(RecoveryTest, ReplaysHoldsTouchesAndReleasesOverSegments) {
    Journal journal;
    journal.hold(1, 11);
    journal.hold(2, 12);
    journal.touch(1);
    journal.next_segment();
    journal.release(2);
    journal.hold(2, 13);
    journal.hold(3, 14);
    journal.next_segment();
    journal.release(3);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    EXPECT_EQ(recovered->next_segment, 4u);
    EXPECT_EQ(recovered->latest, journal.now());
    EXPECT_EQ(recovered->anchor, journal.anchor());
    EXPECT_TRUE(log_->problems().empty()) << log_->all();
}

TEST_F(RecoveryTest, KnowsWhatCameFromAnotherStream) {
    Journal journal;
    journal.hold(1, 11);
    journal.adopt(1, 12, position_at(first_segment(3), 640) | kDoubtful);
    journal.adopt(2, 13, position_at(first_segment(5), 64));
    journal.touch(1);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    EXPECT_EQ(recovered->latest, journal.now());
}

TEST_F(RecoveryTest, ReadsTheVersionBefore) {
    Journal journal;
    journal.hold(1, 11);
    journal.touch(1);
    std::vector<std::byte>& bytes = journal.bytes(1);
    store_at<std::uint32_t>(bytes.data() + 8, 2);
    store_at(bytes.data() + 60, crc32c(std::span(bytes).first(60)));
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
}

TEST_F(RecoveryTest, AStreamBeginsWithItsFirstId) {
    const auto nothing = recover(disk_, shard(), 3, log_.emplace());
    ASSERT_TRUE(nothing.ok());
    EXPECT_EQ(nothing->next_segment, first_segment(3));
    Journal journal(first_segment(3));
    journal.hold(1, 11);
    journal.write(shard());
    const auto recovered = recover(disk_, shard(), 3, *log_);
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    EXPECT_EQ(recovered->first_segment, first_segment(3));
    EXPECT_EQ(recovered->next_segment, first_segment(3) + 1);
}

TEST_F(RecoveryTest, AFileOfAnotherStreamIsDamage) {
    Journal journal(first_segment(3));
    journal.write(shard());
    const auto recovered = recover(disk_, shard(), 2, log_.emplace());
    ASSERT_FALSE(recovered.ok());
    EXPECT_EQ(recovered.error().message, segment_path(shard(), first_segment(3)).string() +
                                             " is damaged at offset 0: it is the file of another "
                                             "shard");
}

TEST_F(RecoveryTest, LeavesAJournalThatReadsTheSameAgain) {
    Journal journal;
    journal.hold(1, 11);
    journal.next_segment();
    journal.touch(1);
    journal.write(shard());
    ASSERT_TRUE(run().ok());
    EXPECT_EQ(fs::file_size(segment_path(shard(), 2)), offset_of(journal.end()) + kSealRecordBytes);
    const auto again = run();
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(state_of(again->slots), journal.state());
    EXPECT_EQ(again->next_segment, 3u);
}

TEST_F(RecoveryTest, RemovesSegmentsThatWereOnlyLaidOut) {
    Journal journal;
    journal.hold(1, 11);
    journal.begin_segment(2, 0);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok());
    EXPECT_EQ(recovered->next_segment, 2u);
    EXPECT_FALSE(fs::exists(segment_path(shard(), 2)));
    EXPECT_TRUE(log_->problems().empty()) << log_->all();
}

TEST_F(RecoveryTest, EveryTruncationOfTheLastSegmentGivesAPrefix) {
    Journal journal;
    journal.hold(1, 11);
    journal.next_segment();
    journal.touch(1);
    journal.hold(2, 12);
    journal.release(1);
    journal.sync();
    journal.adopt(3, 14, position_at(first_segment(3), 640));
    journal.hold(1, 13);
    const auto end = offset_of(journal.end());
    for (std::size_t size = SegmentHeader::kBytes; size <= Journal::kSegmentBytes; ++size) {
        empty_directory();
        journal.write(shard());
        fs::resize_file(segment_path(shard(), 2), size);
        const auto recovered = run();
        ASSERT_TRUE(recovered.ok()) << size << ": " << recovered.error().message;
        const State* expected = nullptr;
        for (const auto& [position, state] : journal.states()) {
            if (position <= position_at(2, static_cast<std::uint32_t>(size))) expected = &state;
        }
        ASSERT_EQ(state_of(recovered->slots), *expected) << size;
        if (size >= end) {
            ASSERT_TRUE(log_->problems().empty()) << size << log_->all();
        }
        ASSERT_EQ(state_of(run()->slots), *expected) << size;
    }
}

TEST_F(RecoveryTest, ATruncatedHeaderIsDamage) {
    Journal journal;
    journal.hold(1, 11);
    for (std::size_t size = 0; size < SegmentHeader::kBytes; ++size) {
        journal.write(shard());
        fs::resize_file(segment_path(shard(), 1), size);
        const auto recovered = run();
        ASSERT_FALSE(recovered.ok()) << size;
        EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
    }
}

// The heart of the promise not to skip damage silently: whatever byte is wrong, it is either told
// as a torn tail, and what is left is a true prefix, or it is refused with file and offset.
TEST_F(RecoveryTest, EveryFlippedByteIsToldOrRefused) {
    Journal journal;
    journal.hold(1, 11);
    journal.sync();
    journal.touch(1);
    const std::size_t sealed_end = offset_of(journal.end()) + kSealRecordBytes;
    journal.next_segment();
    journal.hold(2, 12);
    journal.sync();
    const JournalPosition synced = journal.end() - kSyncRecordBytes;
    journal.release(1);
    journal.hold(1, 13);
    const JournalPosition end = journal.end();
    for (std::uint32_t id = 1; id <= 2; ++id) {
        // Bytes behind a seal say nothing.
        for (std::size_t i = 0; i < (id == 1 ? sealed_end : Journal::kSegmentBytes); ++i) {
            empty_directory();
            Journal broken = journal;
            broken.bytes(id)[i] ^= std::byte{0x20};
            broken.write(shard());
            const auto recovered = run();
            const auto where = position_at(id, static_cast<std::uint32_t>(i));
            if (recovered.ok()) {
                ASSERT_GE(where, synced);
                const auto same = [&](const auto& s) {
                    return s.second == state_of(recovered->slots);
                };
                ASSERT_TRUE(std::ranges::any_of(journal.states(), same)) << id << " " << i;
                ASSERT_TRUE(log_->has("torn tail")) << id << " " << i;
            } else {
                ASSERT_EQ(recovered.error().code, ErrorCode::damaged);
                ASSERT_LT(where, end);
                ASSERT_NE(recovered.error().message.find(segment_path(shard(), id).string() +
                                                         " is damaged at offset "),
                          std::string::npos)
                    << recovered.error().message;
            }
        }
    }
}

// What stands in front of a snapshot is history, which the state does not need.
TEST_F(RecoveryTest, EveryFlippedByteAroundASnapshotIsToldOrRefused) {
    Journal journal;
    journal.hold(1, 11);
    journal.hold(2, 12);
    const JournalPosition snapshot = journal.end();
    const Journal at_snapshot = journal;
    journal.touch(1);
    const std::size_t sealed_end = offset_of(journal.end()) + kSealRecordBytes;
    journal.next_segment();
    journal.release(2);
    const State whole = journal.state();
    for (std::uint32_t id = 1; id <= 2; ++id) {
        for (std::size_t i = 0; i < (id == 1 ? sealed_end : Journal::kSegmentBytes); ++i) {
            empty_directory();
            Journal broken = journal;
            broken.bytes(id)[i] ^= std::byte{0x20};
            broken.write(shard());
            write_snapshot(at_snapshot, snapshot);
            const auto where = position_at(id, static_cast<std::uint32_t>(i));
            const auto recovered = run();
            if (!recovered) {
                // Who knows that a segment is another one than it seems to be?
                ASSERT_EQ(recovered.error().code, ErrorCode::damaged);
                ASSERT_LT(i, SegmentHeader::kBytes) << id;
                ASSERT_NE(recovered.error().message.find(segment_path(shard(), id).string() +
                                                         " is damaged at offset 0"),
                          std::string::npos)
                    << recovered.error().message;
            } else if (where < snapshot) {
                ASSERT_EQ(state_of(recovered->slots), whole) << id << " " << i;
            } else {
                const auto same = [&](const auto& s) {
                    return s.first >= snapshot && s.second == state_of(recovered->slots);
                };
                ASSERT_TRUE(std::ranges::any_of(journal.states(), same)) << id << " " << i;
                ASSERT_TRUE(log_->has("torn tail")) << id << " " << i;
            }
        }
    }
}

TEST_F(RecoveryTest, EveryCutOfASegmentThatOthersFollowIsRefused) {
    Journal journal;
    std::vector<std::size_t> sealed_ends;
    for (const unsigned number : {1u, 2u}) {
        journal.hold(number, 10 + number);
        journal.touch(number);
        sealed_ends.push_back(offset_of(journal.end()) + kSealRecordBytes);
        journal.next_segment(journal.end());
    }
    journal.hold(3, 13);
    for (std::uint32_t id = 1; id <= 2; ++id) {
        const std::size_t end = sealed_ends[id - 1];
        for (std::size_t size = 0; size < end; ++size) {
            empty_directory();
            journal.write(shard());
            fs::resize_file(segment_path(shard(), id), size);
            const auto recovered = run();
            if (recovered) {
                // Nothing says that the last seal was on the disk; then neither was what follows.
                ASSERT_EQ(id, 2u);
                ASSERT_GE(size, end - kSealRecordBytes);
                ASSERT_EQ(recovered->slots.size(), 2u);
                ASSERT_TRUE(log_->has("torn tail"));
                continue;
            }
            ASSERT_EQ(recovered.error().code, ErrorCode::damaged);
            ASSERT_NE(recovered.error().message.find(segment_path(shard(), id).string() +
                                                     " is damaged at offset "),
                      std::string::npos)
                << recovered.error().message;
        }
    }
}

TEST_F(RecoveryTest, TellsATornTailWithFileOffsetAndLength) {
    Journal journal;
    journal.hold(1, 11);
    const auto torn = offset_of(journal.end());
    journal.hold(2, 12);
    const auto end = offset_of(journal.end());
    journal.bytes(1)[torn + 20] ^= std::byte{1};
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok());
    EXPECT_EQ(recovered->slots.size(), 1u);
    ASSERT_EQ(log_->problems().size(), 1u);
    // The record's padding does not count.
    EXPECT_TRUE(
        log_->has("from " + segment_path(shard(), 1).string() + " offset " + std::to_string(torn)))
        << log_->all();
    EXPECT_EQ(fs::file_size(segment_path(shard(), 1)), torn + kSealRecordBytes);
    EXPECT_LT(torn, end);
}

TEST_F(RecoveryTest, ATornTailMayReachOverSegments) {
    Journal journal;
    journal.hold(1, 11);
    const State before = journal.state();
    const auto torn = offset_of(journal.end());
    journal.hold(2, 12);
    journal.next_segment();
    journal.hold(3, 13);
    journal.begin_segment(3, 0);
    // After a power cut, a later page may be there and an earlier one not.
    std::memset(journal.bytes(1).data() + torn, 0, Journal::kSegmentBytes - torn);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), before);
    EXPECT_EQ(recovered->next_segment, 2u);
    EXPECT_TRUE(log_->has("torn tail"));
    EXPECT_FALSE(fs::exists(segment_path(shard(), 2)));
    EXPECT_FALSE(fs::exists(segment_path(shard(), 3)));
}

TEST_F(RecoveryTest, ALaterSegmentCanProveThatAGapIsDamage) {
    for (const bool by_record : {false, true}) {
        empty_directory();
        Journal journal;
        journal.hold(1, 11);
        const auto torn = offset_of(journal.end());
        journal.hold(2, 12);
        journal.next_segment(by_record ? 0 : journal.end());
        if (by_record) journal.sync();
        std::memset(journal.bytes(1).data() + torn, 0, Journal::kSegmentBytes - torn);
        journal.write(shard());
        const auto recovered = run();
        ASSERT_FALSE(recovered.ok()) << by_record;
        EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
        EXPECT_TRUE(fs::exists(segment_path(shard(), 2))) << "nothing is changed";
    }
}

// The disk failed, and the journal was begun anew: but not told so to anyone before the crash.
TEST_F(RecoveryTest, AGapBehindWhichNothingWasWrittenIsATornTail) {
    for (const bool torn : {false, true}) {
        empty_directory();
        Journal journal;
        journal.hold(1, 11);
        const JournalPosition synced = journal.end();
        const State expected = journal.state();
        if (torn) {
            journal.hold(2, 12);
            journal.bytes(1)[offset_of(synced) + 20] ^= std::byte{1};
        }
        journal.begin_segment(2, 0);
        journal.gap(synced);
        journal.write(shard());
        const auto recovered = run();
        ASSERT_TRUE(recovered.ok()) << recovered.error().message;
        EXPECT_EQ(state_of(recovered->slots), expected);
        EXPECT_EQ(recovered->next_segment, 2u);
    }
}

TEST_F(RecoveryTest, AGapBehindWhichTheJournalWentOnNeedsItsSnapshot) {
    Journal journal;
    journal.hold(1, 11);
    const JournalPosition synced = journal.end();
    journal.begin_segment(2, 0);
    journal.gap(synced);
    const JournalPosition behind_gap = journal.end();
    write_snapshot(journal, behind_gap);
    journal.hold(2, 12);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    fs::remove(snapshot_path(shard(), behind_gap));
    journal.write(shard());
    const auto without = run();
    ASSERT_FALSE(without.ok());
    EXPECT_EQ(without.error().code, ErrorCode::damaged);
}

TEST_F(RecoveryTest, AMissingSegmentIsDamage) {
    Journal journal;
    for (unsigned i = 1; i <= 3; ++i) {
        journal.hold(i, 10 + i);
        journal.next_segment();
    }
    for (std::uint32_t missing : {1u, 2u, 3u}) {
        journal.write(shard());
        fs::remove(segment_path(shard(), missing));
        const auto recovered = run();
        ASSERT_FALSE(recovered.ok()) << missing;
        EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
        EXPECT_NE(recovered.error().message.find(segment_path(shard(), missing).string()),
                  std::string::npos)
            << recovered.error().message;
    }
}

TEST_F(RecoveryTest, ASegmentUnderAnotherNameIsDamage) {
    Journal journal(2);
    journal.hold(1, 11);
    journal.write(shard());
    fs::rename(segment_path(shard(), 2), segment_path(shard(), 1));
    const auto recovered = run();
    ASSERT_FALSE(recovered.ok());
    EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
}

TEST_F(RecoveryTest, RecordsThatMakeNoSenseAreDamage) {
    Journal journal;
    journal.hold(1, 11);
    journal.touch(1);
    // The hold that the touch needs is not there.
    auto& bytes = journal.bytes(1);
    Journal other;
    std::memset(bytes.data() + SegmentHeader::kBytes, 0, bytes.size() - SegmentHeader::kBytes);
    const TimesRecord touch{ringpool::PhoneNumber::from_digits(5),
                            {kStart, kStart + 1min, kStart + 1min}};
    encode_times({bytes.data() + 64, 64, 0x9E3779B9}, RecordType::touch, touch);
    journal.write(shard());
    const auto recovered = run();
    ASSERT_FALSE(recovered.ok());
    EXPECT_NE(recovered.error().message.find("offset 64"), std::string::npos)
        << recovered.error().message;
}

TEST_F(RecoveryTest, StartsFromTheNewestSnapshot) {
    Journal journal;
    journal.hold(1, 11);
    journal.next_segment();
    journal.hold(2, 12);
    write_snapshot(journal, journal.end());
    journal.hold(1, 13);
    journal.write(shard());
    fs::remove(segment_path(shard(), 1));  // history only
    const auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    EXPECT_LT(recovered->replayed_bytes, 200u);
}

TEST_F(RecoveryTest, FallsBackToAnOlderSnapshotAndTells) {
    Journal journal;
    journal.hold(1, 11);
    write_snapshot(journal, journal.end());
    journal.hold(2, 12);
    const JournalPosition newest = journal.end();
    write_snapshot(journal, newest);
    journal.hold(3, 13);
    journal.write(shard());
    overwrite(snapshot_path(shard(), newest), 100, "x");
    auto recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
    EXPECT_TRUE(log_->has(snapshot_path(shard(), newest).string()));

    // Without any good snapshot the whole journal serves, as long as it is whole.
    journal.write(shard());
    overwrite(snapshot_path(shard(), journal.states()[0].first), 100, "x");
    recovered = run();
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(state_of(recovered->slots), journal.state());
}

TEST_F(RecoveryTest, ASnapshotThatStandsWhereNoRecordCanBeginIsNotTaken) {
    for (const std::uint32_t offset : {0u, 56u, 65u}) {
        empty_directory();
        Journal journal;
        journal.hold(1, 11);
        write_snapshot(journal, position_at(1, offset));
        journal.hold(2, 12);
        journal.write(shard());
        for (int start = 0; start < 2; ++start) {
            const auto recovered = run();
            ASSERT_TRUE(recovered.ok()) << offset << recovered.error().message;
            EXPECT_EQ(state_of(recovered->slots), journal.state()) << offset;
            EXPECT_TRUE(log_->has("stands where no record can begin")) << offset;
        }
    }
}

class DamagedSnapshot : public RecoveryTest {
  protected:
    DamagedSnapshot() {
        journal_.hold(1, 11);
        older_ = {journal_.end(), journal_};
        journal_.next_segment();
        journal_.hold(2, 12);
        newest_ = {journal_.end(), journal_};
        journal_.release(1);
        lay_out();
        bytes_ = *read_file(snapshot_path(shard(), newest_.first));
    }
    void lay_out() {
        journal_.write(shard());
        write_snapshot(older_.second, older_.first);
        write_snapshot(newest_.second, newest_.first);
    }
    /// Each flipped byte and each cut of the newest snapshot, in a directory that `prepare` has
    /// changed.
    void for_each_damage(const std::function<void()>& prepare,
                         const std::function<void(Result<Recovered>)>& check) {
        for (std::size_t i = 0; i < 2 * bytes_.size(); ++i) {
            lay_out();
            prepare();
            auto broken = bytes_;
            if (i < bytes_.size()) {
                broken[i] ^= std::byte{0x20};
            } else {
                broken.resize(i - bytes_.size());
            }
            std::ofstream(snapshot_path(shard(), newest_.first), std::ios::binary)
                .write(reinterpret_cast<const char*>(broken.data()),
                       static_cast<std::streamsize>(broken.size()));
            check(run());
            const bool in_header = i % bytes_.size() < SnapshotHeader::kBytes;
            ASSERT_TRUE(log_->has(snapshot_path(shard(), newest_.first).string() +
                                  " is damaged at offset " +
                                  (in_header ? "0:" : "80 or behind it:")))
                << i << "\n"
                << log_->all();
            ASSERT_FALSE(HasFatalFailure()) << i;
        }
    }
    void expect_all(const Result<Recovered>& recovered) const {
        ASSERT_TRUE(recovered.ok()) << recovered.error().message;
        ASSERT_EQ(state_of(recovered->slots), journal_.state());
    }

    Journal journal_;
    std::pair<JournalPosition, Journal> older_;
    std::pair<JournalPosition, Journal> newest_;
    std::vector<std::byte> bytes_;
};

TEST_F(DamagedSnapshot, IsToldAndTheOlderOneServes) {
    for_each_damage([] {}, [&](const auto& recovered) { expect_all(recovered); });
}

TEST_F(DamagedSnapshot, IsToldAndTheWholeJournalServes) {
    for_each_damage([&] { fs::remove(snapshot_path(shard(), older_.first)); },
                    [&](const auto& recovered) { expect_all(recovered); });
}

TEST_F(DamagedSnapshot, IsRefusedWhereNothingReplacesIt) {
    for_each_damage(
        [&] {
            fs::remove(snapshot_path(shard(), older_.first));
            fs::remove(segment_path(shard(), 1));
        },
        [&](const auto& recovered) {
            ASSERT_FALSE(recovered.ok());
            ASSERT_EQ(recovered.error().code, ErrorCode::damaged);
            ASSERT_NE(recovered.error().message.find(segment_path(shard(), 1).string()),
                      std::string::npos)
                << recovered.error().message;
        });
}

TEST_F(RecoveryTest, ADamagedSnapshotThatNothingReplacesIsDamage) {
    Journal journal(5);
    journal.hold(1, 11);
    const JournalPosition position = journal.end();
    write_snapshot(journal, position);
    journal.write(shard());
    overwrite(snapshot_path(shard(), position), 100, "x");
    const auto recovered = run();
    ASSERT_FALSE(recovered.ok());
    EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
}

TEST_F(RecoveryTest, ASnapshotProvesThatWhatIsInFrontOfItWasOnTheDisk) {
    Journal journal;
    journal.hold(1, 11);
    const auto torn = offset_of(journal.end());
    journal.hold(2, 12);
    const JournalPosition position = journal.end();
    write_snapshot(journal, position);
    journal.bytes(1)[torn + 9] ^= std::byte{1};
    journal.write(shard());
    ASSERT_TRUE(run().ok()) << "what is in front of a good snapshot is not needed";
    journal.write(shard());
    overwrite(snapshot_path(shard(), position), 100, "x");
    const auto recovered = run();
    ASSERT_FALSE(recovered.ok());
    EXPECT_EQ(recovered.error().code, ErrorCode::damaged);
}

TEST_F(RecoveryTest, AJournalThatEndsInFrontOfItsSnapshotIsDamage) {
    Journal journal;
    journal.hold(1, 11);
    write_snapshot(journal, journal.end());
    journal.write(shard());
    fs::resize_file(segment_path(shard(), 1), offset_of(journal.end()) - 1);
    EXPECT_EQ(run().error().code, ErrorCode::damaged);
    fs::remove(segment_path(shard(), 1));
    EXPECT_EQ(run().error().code, ErrorCode::damaged);
}

// The kernel may still hold back what a process had written that was killed, and the next segment
// will claim that it is on the disk.
TEST_F(RecoveryTest, SyncsAllThatItReplayed) {
    Journal journal;
    for (unsigned i = 1; i <= 3; ++i) {
        journal.hold(i, 10 + i);
        if (i < 3) journal.next_segment();
    }
    journal.write(shard());
    ASSERT_TRUE(run().ok());
    EXPECT_EQ(disk_.syncs(), 3);
    disk_.fail(TestDisk::syncing, std::errc::io_error);
    const auto recovered = run();
    ASSERT_FALSE(recovered.ok());
    EXPECT_EQ(recovered.error().code, ErrorCode::unavailable);
}

// Whatever step of the clean-up a crash interrupts, the next start finds the same state.
TEST_F(RecoveryTest, ACrashAtAnyStepOfRecoveryLosesNothing) {
    Journal journal;
    journal.hold(1, 11);
    const State expected = journal.state();
    const auto torn = offset_of(journal.end());
    journal.hold(2, 12);
    journal.next_segment();
    journal.hold(3, 13);
    journal.begin_segment(3, 0);
    journal.bytes(1)[torn + 9] ^= std::byte{1};
    bool finished = false;
    for (int step = 0; !finished; ++step) {
        empty_directory();
        journal.write(shard());
        std::ofstream(shard() / "snapshot.tmp") << "half";
        TestDisk crashing;
        crashing.freeze_after(step);
        CollectingLog log;
        finished = recover(crashing, shard(), 0, log).ok();
        const auto recovered = run();
        ASSERT_TRUE(recovered.ok()) << step << ": " << recovered.error().message;
        ASSERT_EQ(state_of(recovered->slots), expected) << step;
        ASSERT_EQ(recovered->next_segment, 2u) << step;
    }
}

}  // namespace
}  // namespace ringmaster::store
