#include "ringmaster/store/journal_inspection.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/layout.hpp"

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

class JournalInspectionTest : public ::testing::Test {
  protected:
    struct Report {
        InspectionSummary summary;
        std::vector<InspectionFinding> findings;
        std::size_t records = 0;
        std::uint64_t last_done = 0;
        std::uint64_t last_all = 0;
    };
    Report inspect() {
        Report report;
        InspectionVisitor visitor;
        visitor.on_record = [&](const InspectedRecord& record) {
            ++report.records;
            EXPECT_EQ(record.position, position_at(segment_of(record.position), record.offset));
            EXPECT_EQ(record.hold.has_value(), record.type == RecordType::hold);
        };
        visitor.on_finding = [&](const InspectionFinding& f) { report.findings.push_back(f); };
        visitor.on_progress = [&](std::uint64_t done, std::uint64_t all) {
            EXPECT_GT(done, report.last_done);
            EXPECT_LE(done, all);
            report.last_done = done;
            report.last_all = all;
        };
        const auto summary = inspect_journal(directory_.path(), visitor);
        EXPECT_TRUE(summary.ok()) << summary.error().message;
        report.summary = *summary;
        return report;
    }
    /// Two lives of a store; the last segment is `sealed` or was left by a crash.
    void make(bool sealed) {
        EmbeddedStoreOptions options;
        options.segment_bytes = 4096;
        for (const bool last : {false, true}) {
            TestDisk disk;
            TestStore store(directory_.path(), {{"autos"}}, options, &disk);
            for (int i = 0; i < 3; ++i) {
                store.allocate(0, "v-" + std::to_string(i), std::to_string(last));
                store.allocate(0, "v-1", std::to_string(i));
                store.allocate(0, "v-1", std::to_string(i));
            }
            store.run([&] {
                EXPECT_TRUE(store->release(0, test_number(0, 1).number, {"v-1", {}}, {}).ok());
            });
            if (last && !sealed) disk.freeze();
        }
    }
    fs::path shard() const { return stream_path(directory_.path(), 0); }

    TempDirectory directory_;
};

TEST_F(JournalInspectionTest, ADirectoryThatIsNotThereIsNotFound) {
    EXPECT_EQ(inspect_journal(directory_.path() / "nowhere", {}).error().code,
              ErrorCode::not_found);
}

TEST_F(JournalInspectionTest, TellsEveryRecordAndFindsNothingWrong) {
    make(true);
    const Report report = inspect();
    EXPECT_TRUE(report.findings.empty()) << report.findings[0].what;
    EXPECT_EQ(report.summary.segments, list_shard(shard())->segments.size());
    EXPECT_EQ(report.summary.snapshots, list_shard(shard())->snapshots.size());
    const auto count = [&](RecordType type) {
        return report.summary.records[static_cast<std::size_t>(type)];
    };
    EXPECT_GT(count(RecordType::hold), 6u);
    EXPECT_GT(count(RecordType::touch), 1u);
    EXPECT_EQ(count(RecordType::release), 2u);
    // The one that was laid out for later has nothing in it.
    EXPECT_GE(count(RecordType::seal) + 1, report.summary.segments);
    std::uint64_t all = 0;
    for (const auto n : report.summary.records) all += n;
    EXPECT_EQ(report.records, all);
    EXPECT_EQ(report.last_done, report.last_all);
    EXPECT_EQ(report.summary.bytes, report.last_all);
}

TEST_F(JournalInspectionTest, AJournalThatIsBeingWrittenIsNotDamaged) {
    make(false);
    const Report report = inspect();
    EXPECT_EQ(report.summary.damages, 0u);
    EXPECT_EQ(report.summary.torn_tails, 0u);
}

// Whatever byte is wrong is told, with its file, and with the offset of the record it is in.
TEST_F(JournalInspectionTest, EveryFlippedByteIsTold) {
    make(true);
    std::map<fs::path, std::vector<std::uint32_t>> records;
    fs::path last;
    InspectionVisitor visitor;
    visitor.on_record = [&](const InspectedRecord& record) {
        records[record.file].push_back(record.offset);
        records[record.file].push_back(record.offset + record.bytes);
        last = record.file;
    };
    ASSERT_TRUE(inspect_journal(directory_.path(), visitor).ok());
    for (const auto& entry : fs::directory_iterator(shard())) {
        const bool segment = parse_segment_name(entry.path().filename().string()).has_value();
        auto& in_file = records[entry.path()];
        if (in_file.empty()) in_file = {0, SegmentHeader::kBytes};
        const auto bytes = segment ? in_file.back() : entry.file_size();
        for (std::uint64_t at = 0; at < bytes; ++at) {
            flip(entry.path(), at);
            const Report report = inspect();
            flip(entry.path(), at);
            ASSERT_FALSE(report.findings.empty()) << entry.path() << " " << at;
            const InspectionFinding& finding = report.findings[0];
            // Nothing proves that the very last seal had been on the disk.
            const bool last_seal =
                entry.path() == last && at >= records[last].back() - kSealRecordBytes;
            ASSERT_EQ(finding.damage, !last_seal) << entry.path() << " " << at << finding.what;
            ASSERT_EQ(finding.file, entry.path()) << at;
            ASSERT_LE(finding.offset, at);
            if (!segment || at < SegmentHeader::kBytes) continue;
            // The begin of the last record that begins at or in front of it.
            std::uint64_t begin = 0;
            for (const auto offset : in_file) {
                if (offset <= at) begin = offset;
            }
            ASSERT_EQ(finding.offset, begin) << entry.path() << " " << at;
        }
    }
}

TEST_F(JournalInspectionTest, TellsTornTailsFromDamage) {
    make(false);
    // The last records were written and not synced, so that a power cut may have torn them.
    std::uint32_t last = 0;
    fs::path file;
    InspectionVisitor visitor;
    visitor.on_record = [&](const InspectedRecord& record) {
        last = record.offset;
        file = record.file;
    };
    ASSERT_TRUE(inspect_journal(directory_.path(), visitor).ok());
    flip(file, last + 9);
    Report report = inspect();
    // The crash may have come while a file was laid out.
    std::erase_if(report.findings,
                  [](const InspectionFinding& f) { return f.file.extension() == ".tmp"; });
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_FALSE(report.findings[0].damage) << report.findings[0].what;
    EXPECT_EQ(report.findings[0].file, file);
    EXPECT_EQ(report.findings[0].offset, last);
    EXPECT_EQ(report.summary.torn_tails, 1u);
}

TEST_F(JournalInspectionTest, TellsOfAllStreamsAndOfTheLayout) {
    make(true);
    const Report before = inspect();
    const fs::path other = stream_path(directory_.path(), 3);
    fs::create_directory(other);
    SegmentHeader header;
    header.segment = first_segment(3);
    std::vector<std::byte> bytes(SegmentHeader::kBytes + kAdoptRecordBytes + kSealRecordBytes);
    header.encode(std::span(bytes).first<SegmentHeader::kBytes>());
    AdoptRecord adopt;
    adopt.number = test_number(0, 1).number;
    adopt.slot.session = {1, 2};
    adopt.slot.record = position_at(1, 64);
    std::uint32_t offset = SegmentHeader::kBytes;
    offset += static_cast<std::uint32_t>(encode_adopt({bytes.data() + offset, offset, 0}, adopt));
    encode_seal({bytes.data() + offset, offset, 0});
    std::ofstream(segment_path(other, header.segment), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    Report report = inspect();
    EXPECT_TRUE(report.findings.empty()) << report.findings[0].what;
    EXPECT_EQ(report.summary.segments, before.summary.segments + 1);
    EXPECT_EQ(report.summary.records[static_cast<std::size_t>(RecordType::adopt)], 1u);
    EXPECT_EQ(report.last_done, before.last_done + bytes.size());

    flip(segment_path(other, header.segment), SegmentHeader::kBytes);
    report = inspect();
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_EQ(report.findings[0].file, segment_path(other, header.segment));
    flip(segment_path(other, header.segment), SegmentHeader::kBytes);
    fs::remove_all(stream_path(directory_.path(), 0));
    report = inspect();
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_TRUE(report.findings[0].damage);
    EXPECT_EQ(report.findings[0].file, stream_path(directory_.path(), 0));
    flip(layout_path(directory_.path()), 20);
    report = inspect();
    ASSERT_EQ(report.findings.size(), 1u);
    EXPECT_TRUE(report.findings[0].damage);
    EXPECT_EQ(report.findings[0].file, layout_path(directory_.path()));
}

TEST_F(JournalInspectionTest, TellsWhatIsMissingAndWhatIsLeftOver) {
    make(true);
    const auto segments = list_shard(shard())->segments;
    ASSERT_GT(segments.size(), 2u);
    fs::remove(segment_path(shard(), segments[1]));
    std::ofstream(shard() / "snapshot.tmp") << "half";
    const Report report = inspect();
    ASSERT_GE(report.findings.size(), 2u);
    EXPECT_FALSE(report.findings[0].damage);
    EXPECT_EQ(report.findings[0].file, shard() / "snapshot.tmp");
    EXPECT_TRUE(report.findings[1].damage);
    EXPECT_EQ(report.findings[1].file, segment_path(shard(), segments[1]));
}

}  // namespace
}  // namespace ringmaster::store
