#include "ringmaster/store/journal_cursor.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_inspection.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace store::testing;

class JournalCursorTest : public ::testing::Test {
  protected:
    /// Two lives of a store, with files of a few records, and some that are larger than the window.
    void make() {
        EmbeddedStoreOptions options;
        options.segment_bytes = 1u << 20;
        for (const char* life : {"first", "second"}) {
            TestStore store(directory_.path(), {{"autos"}}, options);
            for (int i = 0; i < 40; ++i) {
                const std::string large(i % 4 == 0 ? 60'000 : 10, 'x');
                store.allocate(0, "v-" + std::to_string(i % 6), life + large);
                store.allocate(0, "v-1", std::string(life) + "same");
            }
        }
    }
    struct Seen {
        std::vector<JournalPosition> positions;
        std::vector<std::string> findings;
        friend bool operator==(const Seen&, const Seen&) = default;
    };
    static std::string text_of(const InspectionFinding& finding) {
        return finding.file.string() + ":" + std::to_string(finding.offset) + " " + finding.what +
               (finding.damage ? " damage" : "") + (finding.torn_tail ? " torn" : "");
    }
    /// All but seals.
    Seen by_cursor() {
        Seen seen;
        auto cursor = JournalCursor::open(
            directory_.path(), 0,
            [&](const InspectionFinding& finding) { seen.findings.push_back(text_of(finding)); });
        EXPECT_TRUE(cursor.ok());
        while (true) {
            const auto found = cursor->next();
            EXPECT_TRUE(found.ok());
            if (!found || !*found) break;
            seen.positions.push_back(cursor->position());
        }
        if (seen.findings.empty()) {
            EXPECT_EQ(cursor->done_bytes(), cursor->all_bytes());
        }
        return seen;
    }
    /// Of segments: a cursor does not look at snapshots.
    Seen by_inspection() {
        Seen seen;
        InspectionVisitor visitor;
        visitor.on_record = [&](const InspectedRecord& record) {
            if (record.type != RecordType::seal) seen.positions.push_back(record.position);
        };
        visitor.on_finding = [&](const InspectionFinding& finding) {
            if (finding.file.extension() == ".log") seen.findings.push_back(text_of(finding));
        };
        EXPECT_TRUE(inspect_journal(directory_.path(), visitor).ok());
        return seen;
    }
    fs::path shard() const { return stream_path(directory_.path(), 0); }

    TempDirectory directory_;
};

TEST_F(JournalCursorTest, FindsWhatAnInspectionFinds) {
    make();
    const Seen seen = by_cursor();
    EXPECT_EQ(seen, by_inspection());
    EXPECT_TRUE(seen.findings.empty()) << seen.findings[0];
    EXPECT_GT(seen.positions.size(), 100u);
}

TEST_F(JournalCursorTest, TellsDamageAsAnInspectionDoesAndGoesOnBehindIt) {
    make();
    const Seen whole = by_cursor();
    for (std::size_t i = 0; i < whole.positions.size(); i += 7) {
        const JournalPosition position = whole.positions[i];
        const fs::path file = segment_path(shard(), segment_of(position));
        for (const std::uint64_t byte : {5u, 12u}) {  // in the length, and in the payload
            flip(file, offset_of(position) + byte);
            const Seen seen = by_cursor();
            EXPECT_EQ(seen, by_inspection());
            EXPECT_EQ(seen.findings.size(), 1u);
            flip(file, offset_of(position) + byte);
        }
    }
    // A file whose header is damaged, and one that is missing.
    const fs::path first = segment_path(shard(), segment_of(whole.positions.front()));
    flip(first, 20);
    Seen seen = by_cursor();
    EXPECT_EQ(seen.findings.size(), 1u);
    EXPECT_LT(seen.positions.size(), whole.positions.size());
    flip(first, 20);
    const auto segments = list_shard(shard())->segments;
    ASSERT_GT(segments.size(), 2u);
    fs::remove(segment_path(shard(), segments[1]));
    seen = by_cursor();
    ASSERT_EQ(seen.findings.size(), 1u);
    EXPECT_NE(seen.findings[0].find("it is missing"), std::string::npos);
}

TEST_F(JournalCursorTest, KnowsWhetherTheBeginIsThere) {
    make();
    EXPECT_TRUE(JournalCursor::open(directory_.path(), 0, {})->has_begin());
    fs::remove(segment_path(shard(), first_segment(0)));
    EXPECT_FALSE(JournalCursor::open(directory_.path(), 0, {})->has_begin());
    auto removed = JournalCursor::open(directory_.path(), 5, {});
    ASSERT_TRUE(removed.ok());
    EXPECT_FALSE(*removed->next());
}

// A crash in the middle of an erasure leaves records torn that the next start makes whole.
TEST_F(JournalCursorTest, SeesWhatIsBeingErasedAsIfItWasErased) {
    make();
    const Seen whole = by_cursor();
    Disk disk;
    std::vector<Erasable> found;
    const auto segments = list_shard(shard())->segments;
    for (const std::uint32_t segment : segments) {
        ASSERT_TRUE(find_erasable(disk, shard(), segment, "v-2",
                                  position_at(segment + 1, SegmentHeader::kBytes), found)
                        .ok());
        if (!found.empty()) break;
    }
    ASSERT_FALSE(found.empty());
    ASSERT_TRUE(begin_erasure(disk, shard(), found).ok());
    // The last byte of the session id, overwritten first.
    const auto record = found.front().position;
    std::fstream file(segment_path(shard(), segment_of(record)),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset_of(record) + kRecordHeaderBytes +
                                           HoldRecord::kFixedBytes + 5 + 2));
    file.put('\0');
    file.close();
    EXPECT_EQ(by_cursor(), (Seen{whole.positions, {}}));
}

}  // namespace
}  // namespace ringmaster::store
