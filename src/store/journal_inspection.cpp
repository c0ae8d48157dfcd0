#include "ringmaster/store/journal_inspection.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_reader.hpp"
#include "ringmaster/store/layout.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

/// What has been told so far, of all streams.
struct Report {
    const InspectionVisitor& visitor;
    InspectionSummary summary;
    std::uint64_t all_bytes = 0;

    void find(bool damage, const fs::path& file, std::uint64_t offset, std::string what) {
        if (damage) ++summary.damages;
        if (visitor.on_finding) visitor.on_finding({damage, file, offset, std::move(what)});
    }
};

std::uint64_t bytes_of(const fs::path& shard, const ShardFiles& files) {
    std::uint64_t sum = 0;
    std::error_code error;
    for (const std::uint32_t id : files.segments) {
        const auto bytes = fs::file_size(segment_path(shard, id), error);
        if (!error) sum += bytes;
    }
    for (const JournalPosition position : files.snapshots) {
        const auto bytes = fs::file_size(snapshot_path(shard, position), error);
        if (!error) sum += bytes;
    }
    return sum;
}

/// Of one stream.
class Inspection {
  public:
    Inspection(Report& report, fs::path shard, ShardFiles files)
        : report_(report), shard_(std::move(shard)), files_(std::move(files)) {}

    Result<void> run();

  private:
    void look_at_leftovers();
    Result<void> inspect_snapshot(JournalPosition position);
    Result<void> inspect_segments();
    Result<void> inspect_segment(std::uint32_t id);
    Result<std::optional<LoadedSegment>> load(std::uint32_t id);
    std::uint32_t walk(const LoadedSegment& segment, std::uint32_t offset);
    void tell_record(const LoadedSegment& segment, std::uint32_t offset, const RecordView& view);
    Result<void> tell_tail(const LoadedSegment& segment, std::uint32_t offset);
    void find(bool damage, const fs::path& file, std::uint64_t offset, std::string what) {
        report_.find(damage, file, offset, std::move(what));
    }
    void progress(const fs::path& file);

    Report& report_;
    const fs::path shard_;
    const ShardFiles files_;
    std::vector<Erasable> pending_;
    bool sealed_ = false;  ///< the segment that was walked last
    /// Where snapshots stand at which no record of the journal has begun so far.
    std::vector<JournalPosition> unmet_;
};

Result<void> Inspection::run() {
    look_at_leftovers();
    for (const JournalPosition position : files_.snapshots) {
        if (auto done = inspect_snapshot(position); !done) return done;
    }
    if (auto done = inspect_segments(); !done) return done;
    for (const JournalPosition position : unmet_) {
        find(true, snapshot_path(shard_, position), 0, "the journal has no record where it stands");
    }
    return {};
}

void Inspection::progress(const fs::path& file) {
    std::error_code error;
    const auto bytes = fs::file_size(file, error);
    std::uint64_t& done = report_.summary.bytes;
    if (!error) done += bytes;
    // Beside a daemon that runs, files may have grown.
    if (report_.visitor.on_progress) {
        report_.visitor.on_progress(done, std::max(report_.all_bytes, done));
    }
}

void Inspection::look_at_leftovers() {
    for (const fs::path& path : files_.unfinished) {
        find(false, path, 0, "was not finished; the next start removes it");
    }
    auto pending = pending_erasure(shard_);
    if (!pending) {
        find(true, erasure_path(shard_), 0, "the list of what is to be erased is damaged");
    } else if (!pending->empty()) {
        find(false, erasure_path(shard_), 0,
             "an erasure of " + std::to_string(pending->size()) +
                 " records is under way, or the next start completes it");
        pending_ = *std::move(pending);
    }
}

Result<void> Inspection::inspect_snapshot(JournalPosition position) {
    const fs::path path = snapshot_path(shard_, position);
    const auto bytes = read_file(path);
    std::error_code error;
    // The daemon removes old ones as it goes.
    if (!bytes) return fs::exists(path, error) ? Result<void>(bytes.error()) : Result<void>();
    ++report_.summary.snapshots;
    progress(path);
    SlotMap slots;
    const auto header = SnapshotHeader::decode(*bytes);
    if (!header) {
        find(true, path, 0, "it " + header.error().message);
    } else if (header->position != position) {
        find(true, path, 0, "it is the file of another position");
    } else if (const auto whole = decode_snapshot(*bytes, slots); !whole) {
        find(true, path, SnapshotHeader::kBytes, "it " + whole.error().message);
    } else {
        unmet_.push_back(position);
    }
    return {};
}

Result<void> Inspection::inspect_segments() {
    std::optional<std::uint32_t> expected;
    for (const std::uint32_t id : files_.segments) {
        for (; expected && *expected < id; ++*expected) {
            find(true, segment_path(shard_, *expected), 0, "it is missing");
        }
        expected = id + 1;
        if (auto done = inspect_segment(id); !done) return done;
    }
    return {};
}

// As the next start would leave it: what was to be erased is erased. Nothing where it has been
// removed in the meantime, or is so damaged that it can't be read.
Result<std::optional<LoadedSegment>> Inspection::load(std::uint32_t id) {
    auto segment = LoadedSegment::load(shard_, id);
    if (!segment) {
        if (was_removed(shard_, id)) return std::optional<LoadedSegment>();
        if (segment.error().code != ErrorCode::damaged) return segment.error();
        find(true, segment_path(shard_, id), 0, segment.error().message);
        return std::optional<LoadedSegment>();
    }
    for (const Erasable& record : pending_) {
        const std::uint32_t offset = offset_of(record.position);
        if (segment_of(record.position) != id || offset > segment->size()) continue;
        erase_in(segment->bytes().subspan(offset), offset, segment->header().salt,
                 record.erased_crc);
    }
    return std::optional(*std::move(segment));
}

Result<void> Inspection::inspect_segment(std::uint32_t id) {
    auto segment = load(id);
    if (!segment || !*segment) return segment ? Result<void>() : segment.error();
    ++report_.summary.segments;
    progress((*segment)->path());
    std::uint32_t offset = walk(**segment, SegmentHeader::kBytes);
    // While it was looked at, a daemon that runs may have written more, or half of it.
    while (!sealed_) {
        auto again = load(id);
        if (!again || !*again) return again ? Result<void>() : again.error();
        const std::uint32_t further = walk(**again, offset);
        if (further == offset) break;
        offset = further;
        segment = std::move(again);
    }
    return sealed_ ? Result<void>() : tell_tail(**segment, offset);
}

// From `offset` up to what is no record, or behind the seal.
std::uint32_t Inspection::walk(const LoadedSegment& segment, std::uint32_t offset) {
    sealed_ = false;
    while (!sealed_) {
        std::erase(unmet_, position_at(segment.id(), offset));
        const RecordView view = segment.record_at(offset);
        if (view.kind != RecordView::Kind::record) break;
        tell_record(segment, offset, view);
        offset += view.bytes;
        sealed_ = view.type == RecordType::seal;
    }
    return offset;
}

// Within a stream links lead back; of what is in another one, the position says nothing.
bool may_link(JournalPosition from, RecordLink link) noexcept {
    const JournalPosition to = position_of(link);
    return stream_of(to) != stream_of(from) || to < from;
}

void Inspection::tell_record(const LoadedSegment& segment, std::uint32_t offset,
                             const RecordView& view) {
    ++report_.summary.records[static_cast<std::size_t>(view.type)];
    InspectedRecord record;
    record.file = segment.path();
    record.offset = offset;
    record.bytes = view.bytes;
    record.position = position_at(segment.id(), offset);
    record.type = view.type;
    bool sense = true;
    switch (view.type) {
        case RecordType::hold:
            record.hold = HoldRecord::decode(view.payload);
            sense = record.hold && record.hold->session &&
                    may_link(record.position, record.hold->previous);
            break;
        case RecordType::touch:
        case RecordType::release:
            record.times = TimesRecord::decode(view.payload);
            sense = record.times.has_value();
            break;
        case RecordType::adopt:
            record.adopt = AdoptRecord::decode(view.payload);
            sense = record.adopt && record.adopt->slot.session &&
                    may_link(record.position, record.adopt->slot.record);
            break;
        case RecordType::sync:
        case RecordType::gap: {
            const auto position = decode_position(view.payload);
            sense = position && *position <= record.position;
            record.durable_before = position.value_or(0);
            break;
        }
        case RecordType::seal: break;
    }
    if (!sense) find(true, segment.path(), offset, "a record without sense");
    if (report_.visitor.on_record) report_.visitor.on_record(record);
}

Result<void> Inspection::tell_tail(const LoadedSegment& segment, std::uint32_t offset) {
    auto finding = find_at_end(shard_, files_, segment, offset);
    if (!finding) return finding.error();
    if (!*finding) return {};
    if ((*finding)->torn_tail) ++report_.summary.torn_tails;
    find((*finding)->damage, (*finding)->file, (*finding)->offset, std::move((*finding)->what));
    return {};
}

void look_at_layout(const fs::path& data_dir, const std::vector<std::uint32_t>& streams,
                    Report& report) {
    const fs::path path = layout_path(data_dir);
    const auto layout = load_layout(data_dir);
    if (!layout) return report.find(true, path, 0, "it is damaged: " + layout.error().message);
    if (!*layout) return;  // of a program that knew of one shard only
    for (const std::uint32_t stream : (*layout)->streams) {
        if (std::ranges::binary_search(streams, stream)) continue;
        report.find(true, stream_path(data_dir, stream), 0, "it is missing");
    }
}

}  // namespace

Result<std::optional<InspectionFinding>> find_at_end(const fs::path& shard, const ShardFiles& files,
                                                     const LoadedSegment& segment,
                                                     std::uint32_t offset) {
    const auto found = [&](bool damage, std::string what, bool torn_tail = false) {
        return std::optional(
            InspectionFinding{damage, segment.path(), offset, std::move(what), torn_tail});
    };
    const auto tail = judge_tail(shard, segment, offset, files.segments.back() + 1);
    if (!tail) {
        // A later one can't be read, which is told when its turn comes.
        if (tail.error().code != ErrorCode::damaged) return tail.error();
        return found(true, "no valid record stands there");
    }
    const JournalPosition at = position_at(segment.id(), offset);
    const bool had_snapshot = !files.snapshots.empty() && files.snapshots.back() > at;
    if (tail->damage || (had_snapshot && !tail->given_up)) {
        return found(true, "no valid record stands there, although it had been on the disk");
    }
    if (tail->given_up) {
        return found(
            false,
            "the journal was given up here when the disk failed, and went on in a later file");
    }
    if (tail->lost_bytes == 0) return std::optional<InspectionFinding>();
    return found(false, "a torn tail of " + std::to_string(tail->lost_bytes) + " bytes", true);
}

Result<InspectionSummary> inspect_journal(const fs::path& data_dir,
                                          const InspectionVisitor& visitor) {
    std::error_code error;
    if (!fs::is_directory(data_dir, error)) {
        return Error{ErrorCode::not_found, data_dir.string() + " is not a directory"};
    }
    const auto streams = list_streams(data_dir);
    if (!streams) return streams.error();
    if (streams->empty()) {
        return Error{ErrorCode::not_found, data_dir.string() + " is no data directory"};
    }
    Report report{visitor, {}};
    look_at_layout(data_dir, *streams, report);
    std::vector<Inspection> inspections;
    for (const std::uint32_t stream : *streams) {
        const fs::path shard = stream_path(data_dir, stream);
        auto files = list_shard(shard);
        // A daemon that runs removes retired ones as it goes.
        if (!files && !fs::exists(shard, error)) continue;
        if (!files) return files.error();
        report.all_bytes += bytes_of(shard, *files);
        inspections.emplace_back(report, shard, *std::move(files));
    }
    for (Inspection& inspection : inspections) {
        if (auto done = inspection.run(); !done) return done.error();
    }
    return report.summary;
}

}  // namespace ringmaster::store
