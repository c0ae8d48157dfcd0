#include "ringmaster/store/event_reading.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string>
#include <sys/stat.h>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

using ringpool::Event;
using ringpool::EventType;
using ringpool::EventTypes;

namespace {

constexpr std::size_t kPieceBytes = 256u << 10;
/// A failure of the disk leaves no more segments in doubt than may wait for a sync, and the one in
/// use: JournalWriter sees to that.
constexpr std::uint32_t kMostInDoubt = 8;
/// Holds of a number that are looked through for the one that an event is about.
constexpr int kMaxSteps = 64;

std::error_code last_error() noexcept {
    return {errno, std::generic_category()};
}

/// A segment's file, of which only what is asked for is read.
class SegmentFile {
  public:
    /// Nothing where there is no such file.
    static Result<std::optional<SegmentFile>> open(const fs::path& shard, std::uint32_t id) {
        SegmentFile segment;
        segment.path_ = segment_path(shard, id);
        segment.file_ = UniqueFd(::open(segment.path_.c_str(), O_RDONLY | O_CLOEXEC));
        if (segment.file_.get() < 0) {
            if (errno == ENOENT) return std::optional<SegmentFile>();
            return disk_error("open", segment.path_, last_error());
        }
        struct stat status {};
        if (::fstat(segment.file_.get(), &status) != 0) {
            return disk_error("read", segment.path_, last_error());
        }
        segment.bytes_ = static_cast<std::uint64_t>(status.st_size);
        std::vector<std::byte> bytes;
        auto done = segment.read(0, SegmentHeader::kBytes, bytes);
        if (!done) return done.error();
        if (const auto header = read_header(segment.path_, id, bytes)) segment.header_ = *header;
        return std::optional(std::move(segment));
    }

    /// Nothing where it is damaged: then no record can be read.
    const std::optional<SegmentHeader>& header() const noexcept { return header_; }
    std::uint32_t bytes() const noexcept { return static_cast<std::uint32_t>(bytes_); }

    /// As much of it as there is.
    Result<void> read(std::uint32_t offset, std::size_t size, std::vector<std::byte>& out) const {
        out.resize(size);
        return read_at(file_.get(), path_, offset, out);
    }

  private:
    fs::path path_;
    UniqueFd file_;
    std::uint64_t bytes_ = 0;
    std::optional<SegmentHeader> header_;
};

/// One call of read_events().
class EventReader {
  public:
    EventReader(const fs::path& shard, JournalPosition from, JournalPosition until,
                EventTypes types, const EventReadLimits& limits)
        : shard_(shard), until_(until), types_(types), limits_(limits) {
        batch_.next = from;
    }

    Result<JournalEventBatch> run() {
        while (batch_.next < until_ && has_room()) {
            if (auto done = read_segment(segment_of(batch_.next)); !done) return done.error();
        }
        return std::move(batch_);
    }

  private:
    bool has_room() const noexcept {
        return batch_.events.size() < limits_.max_events && text_bytes_ < limits_.max_text_bytes &&
               journal_bytes_ < limits_.max_journal_bytes;
    }
    Result<void> read_segment(std::uint32_t id);
    Result<std::uint32_t> trusted_end(std::uint32_t id, const SegmentFile& segment);
    Result<void> skip_missing(std::uint32_t id);
    Result<RecordView::Kind> read_records(const SegmentFile& segment, std::uint32_t end);
    void take(const RecordView& view);
    void add(Event event) {
        event.position.journal = batch_.next;
        text_bytes_ += event.text_bytes();
        batch_.events.push_back(std::move(event));
    }
    void go_to(JournalPosition next) noexcept { batch_.next = std::min(next, until_); }
    void tell_lost();

    const fs::path& shard_;
    const JournalPosition until_;
    const EventTypes types_;
    const EventReadLimits limits_;
    JournalEventBatch batch_;
    std::size_t text_bytes_ = 0;
    std::size_t journal_bytes_ = 0;
    std::vector<std::byte> buffer_;
};

Result<void> EventReader::read_segment(std::uint32_t id) {
    const auto segment = SegmentFile::open(shard_, id);
    if (!segment) return segment.error();
    if (!*segment) return skip_missing(id);
    const bool last = id == segment_of(until_);
    const auto trusted = trusted_end(id, **segment);
    if (!trusted) return trusted.error();
    const std::uint32_t end = last ? offset_of(until_) : *trusted;
    bool is_whole = !!(*segment)->header();
    if (is_whole) {
        const auto found = read_records(**segment, end);
        if (!found) return found.error();
        if (*found == RecordView::Kind::record &&
            (segment_of(batch_.next) != id || offset_of(batch_.next) < end)) {
            return {};  // sealed, or no room
        }
        // Who crashes leaves no seal, and the next start cuts off what it left half written.
        is_whole = *found == RecordView::Kind::record || (*found == RecordView::Kind::end && !last);
    }
    const bool in_doubt = !last && end < (*segment)->bytes();
    go_to(last ? until_ : position_at(id + 1, SegmentHeader::kBytes));
    if (!is_whole || in_doubt) tell_lost();
    return {};
}

// Up to which offset records of this segment, which is not the last one, count: from where the disk
// failed on they don't. A later segment says where that was.
Result<std::uint32_t> EventReader::trusted_end(std::uint32_t id, const SegmentFile& segment) {
    const std::uint32_t last = std::min(segment_of(until_), id + kMostInDoubt);
    std::vector<std::byte> bytes;
    for (std::uint32_t later = id + 1; later <= last; ++later) {
        const auto file = SegmentFile::open(shard_, later);
        if (!file) return file.error();
        if (!*file || !(*file)->header()) continue;
        auto done = (*file)->read(SegmentHeader::kBytes, kGapRecordBytes, bytes);
        if (!done) return done.error();
        const RecordView first = read_record(bytes, SegmentHeader::kBytes, (*file)->header()->salt);
        if (first.kind != RecordView::Kind::record || first.type != RecordType::gap) continue;
        const auto position = decode_position(first.payload);
        if (!position || segment_of(*position) > id) break;
        return segment_of(*position) < id ? std::uint32_t{SegmentHeader::kBytes}
                                          : std::min(offset_of(*position), segment.bytes());
    }
    return segment.bytes();
}

// Retention has removed it, or it never had a record.
Result<void> EventReader::skip_missing(std::uint32_t id) {
    const auto files = list_shard(shard_);
    if (!files) return files.error();
    const auto next = std::ranges::lower_bound(files->segments, id);
    go_to(next == files->segments.end() ? until_ : position_at(*next, SegmentHeader::kBytes));
    tell_lost();
    return {};
}

// What stands where it stops: a record, too, where all up to `end` are, or there is no more room.
Result<RecordView::Kind> EventReader::read_records(const SegmentFile& segment, std::uint32_t end) {
    using Kind = RecordView::Kind;
    const std::uint32_t id = segment.header()->segment;
    constexpr auto kBegin = static_cast<std::uint32_t>(SegmentHeader::kBytes);
    std::uint32_t offset = std::max(offset_of(batch_.next), kBegin);
    std::size_t piece = kPieceBytes;
    while (offset < end && has_room()) {
        if (auto done = segment.read(offset, std::min<std::size_t>(piece, end - offset), buffer_);
            !done) {
            return done.error();
        }
        const std::uint32_t begin = offset;
        auto kind = Kind::record;
        std::span<const std::byte> rest = buffer_;
        while (!rest.empty() && has_room()) {
            const RecordView view = read_record(rest, offset, segment.header()->salt);
            if ((kind = view.kind) != Kind::record) break;
            if (view.type == RecordType::seal) {
                go_to(position_at(id + 1, kBegin));
                return Kind::record;
            }
            offset += view.bytes;
            rest = rest.subspan(view.bytes);
            journal_bytes_ += view.bytes;
            batch_.next = position_at(id, offset);
            take(view);
        }
        if (buffer_.empty()) return Kind::end;  // the file is shorter than that
        if (kind == Kind::record) continue;
        // Perhaps the piece has ended within a record.
        const std::size_t claimed =
            rest.size() < kRecordHeaderBytes ? kRecordHeaderBytes : claimed_record_bytes(rest);
        if (claimed <= rest.size() || claimed > end - offset) return kind;
        if (offset == begin && claimed <= piece) return kind;
        piece = std::max(kPieceBytes, claimed);
    }
    return Kind::record;
}

Event event_of(const HoldRecord& hold) {
    // Of a hold whose first record never reached the disk this is the first that is known.
    const bool begins = !hold.continuation || (hold.previous & kUnrecorded) != 0;
    Event event;
    event.type = begins ? EventType::allocation : EventType::touch;
    event.time = begins ? hold.allocated_at : hold.since;
    event.number = hold.number;
    event.expires_at = hold.times.expires_at;
    event.pool_id = hold.pool_id;
    event.erased = hold.erased;
    if (hold.erased) return event;
    if (hold.session_id) event.session_id.emplace(*hold.session_id);
    event.context = hold.context;
    return event;
}

void EventReader::take(const RecordView& view) {
    switch (view.type) {
        case RecordType::hold: {
            const auto hold = HoldRecord::decode(view.payload);
            if (!hold) return tell_lost();
            Event event = event_of(*hold);
            if (types_.has(event.type)) add(std::move(event));
            return;
        }
        case RecordType::touch:
        case RecordType::release: {
            const bool touch = view.type == RecordType::touch;
            Event event;
            event.type = touch ? EventType::touch : EventType::release;
            if (!types_.has(event.type)) return;
            const auto times = TimesRecord::decode(view.payload);
            if (!times) return tell_lost();
            event.number = times->number;
            event.time = touch ? times->times.last_touch : times->times.expires_at;
            if (touch) event.expires_at = times->times.expires_at;
            return add(std::move(event));
        }
        case RecordType::sync:
        case RecordType::seal:
        case RecordType::gap:
        case RecordType::adopt: return;
    }
}

void EventReader::tell_lost() {
    const EventTypes types = types_ & kJournalEvents;
    if (types.empty()) return;
    if (!batch_.events.empty() && batch_.events.back().type == EventType::lost) {
        batch_.events.back().position.journal = batch_.next;
        return;
    }
    add(ringpool::lost_events(types, {}, {}, {}));
}

}  // namespace

Result<JournalEventBatch> read_events(const fs::path& shard, JournalPosition from,
                                      JournalPosition until, EventTypes types,
                                      const EventReadLimits& limits) {
    return EventReader(shard, from, until, types, limits).run();
}

void find_holder(const fs::path& root, RecordLink latest, Event& event) {
    RecordReader reader(root);
    const JournalPosition end = event.position.journal;
    RecordLink link = latest;
    for (int step = 0; step < kMaxSteps && link != 0; ++step) {
        const JournalPosition at = position_of(link);
        const auto hold = reader.read_hold(at);
        if (!hold || !*hold || (*hold)->number != event.number) return;
        // What is in another stream came before all that is in this one.
        if (stream_of(at) == stream_of(end) && at >= end) {
            link = (*hold)->previous;
            continue;
        }
        if ((link & kUnrecorded) != 0) return;
        Event found = event_of(**hold);
        event.pool_id = std::move(found.pool_id);
        event.session_id = std::move(found.session_id);
        event.context = std::move(found.context);
        event.erased = found.erased;
        return;
    }
}

}  // namespace ringmaster::store
