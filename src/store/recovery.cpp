#include "ringmaster/store/recovery.hpp"

#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_reader.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

// Else replaying would begin in the middle of something, find no sense in it, and cut it off.
bool may_begin_record(JournalPosition position) noexcept {
    return offset_of(position) >= SegmentHeader::kBytes && offset_of(position) % 8 == 0;
}

class Recovery {
  public:
    Recovery(Disk& disk, const fs::path& shard, std::uint32_t stream, Log& log)
        : disk_(disk), shard_(shard), stream_(stream), log_(log) {}

    Result<Recovered> run();

  private:
    Result<void> check_stream() const;
    Result<void> load_snapshot();
    Result<void> check_segments();
    Result<void> replay_segments();
    Result<bool> replay(const LoadedSegment& segment);
    Result<void> apply(const LoadedSegment& segment, const RecordView& record);
    Result<void> make_durable();
    Result<void> end_journal(const LoadedSegment& last);
    Result<void> cut_off(const LoadedSegment& last);
    void note(const TimeAnchor& anchor);

    Disk& disk_;
    const fs::path& shard_;
    const std::uint32_t stream_;
    Log& log_;
    ShardFiles files_;
    Recovered result_;
    JournalPosition at_ = 0;       ///< up to here all was understood
    JournalPosition durable_ = 0;  ///< in front of here all was on the disk, as the journal says
};

Result<Recovered> Recovery::run() {
    auto files = list_shard(shard_);
    if (!files) return files.error();
    files_ = *std::move(files);
    if (auto good = check_stream(); !good) return good.error();
    for (const fs::path& path : files_.unfinished) {
        if (const auto error = disk_.remove(path)) return disk_error("remove", path, error);
    }
    if (auto done = finish_erasure(disk_, shard_); !done) return done.error();
    result_.found_anything = !files_.segments.empty() || !files_.snapshots.empty();
    result_.first_segment = result_.next_segment = first_segment(stream_);
    if (!result_.found_anything) return std::move(result_);
    if (!files_.segments.empty()) result_.first_segment = files_.segments.front();
    if (auto done = load_snapshot(); !done) return done.error();
    if (auto done = check_segments(); !done) return done.error();
    if (auto done = replay_segments(); !done) return done.error();
    if (auto done = make_durable(); !done) return done.error();
    return std::move(result_);
}

Result<void> Recovery::check_stream() const {
    constexpr std::string_view kWhat = "it is the file of another shard";
    for (const std::uint32_t id : files_.segments) {
        if (stream_of_segment(id) != stream_) return damage(segment_path(shard_, id), 0, kWhat);
    }
    for (const JournalPosition position : files_.snapshots) {
        if (stream_of(position) != stream_)
            return damage(snapshot_path(shard_, position), 0, kWhat);
    }
    return {};
}

void Recovery::note(const TimeAnchor& anchor) {
    result_.latest = std::max(result_.latest, anchor.hold_time);
    if (!result_.anchor || anchor.hold_time >= result_.anchor->hold_time) result_.anchor = anchor;
}

// The newest one that is good; where all are damaged, the whole journal will do as well.
Result<void> Recovery::load_snapshot() {
    at_ = position_at(first_segment(stream_), SegmentHeader::kBytes);
    for (auto it = files_.snapshots.rbegin(); it != files_.snapshots.rend(); ++it) {
        const fs::path path = snapshot_path(shard_, *it);
        const auto bytes = read_file(path);
        if (!bytes) return bytes.error();
        auto header = decode_snapshot(*bytes, result_.slots);
        std::string what;
        if (!header) {
            // One checksum covers all entries: which of them is damaged can't be told.
            const bool good_header = SnapshotHeader::decode(*bytes).ok();
            what = "is damaged at offset " +
                   (good_header ? std::to_string(SnapshotHeader::kBytes) + " or behind it"
                                : std::string("0")) +
                   ": it " + header.error().message;
        } else if (header->position != *it) {
            what = "is the file of another position";
        } else if (!may_begin_record(*it)) {
            what = "stands where no record can begin";
        } else {
            note(header->anchor);
            at_ = durable_ = *it;
            return {};
        }
        log_.error("store: snapshot " + path.string() + " " + what + "; taking an older one");
        result_.slots = SlotMap();
    }
    return {};
}

Result<void> Recovery::check_segments() {
    auto& ids = files_.segments;
    const std::uint32_t first = segment_of(at_);
    const auto begin = std::ranges::lower_bound(ids, first);
    ids.erase(ids.begin(), begin);
    std::uint32_t expected = first;
    for (const std::uint32_t id : ids) {
        if (id != expected) break;
        ++expected;
    }
    if (expected == first || expected <= ids.back()) {
        return Error{ErrorCode::damaged, segment_path(shard_, expected).string() +
                                             " is missing, and what it says is needed"};
    }
    result_.next_segment = expected;
    return {};
}

Result<void> Recovery::replay_segments() {
    for (const std::uint32_t id : files_.segments) {
        const auto segment = LoadedSegment::load(shard_, id);
        if (!segment) return segment.error();
        if (id == segment_of(at_)) {
            if (offset_of(at_) > segment->size()) {
                return damage(segment->path(), segment->size(),
                              "it ends in front of where its snapshot stands");
            }
        } else {
            at_ = position_at(id, SegmentHeader::kBytes);
        }
        note(segment->header().anchor);
        durable_ = std::max(durable_, segment->header().durable_before);
        const auto sealed = replay(*segment);
        if (!sealed) return sealed.error();
        if (!*sealed) return end_journal(*segment);
    }
    return {};
}

// True: up to the seal. False: up to at_, and there is something else, or nothing.
Result<bool> Recovery::replay(const LoadedSegment& segment) {
    while (true) {
        const RecordView record = segment.record_at(offset_of(at_));
        if (record.kind != RecordView::Kind::record) return false;
        if (auto done = apply(segment, record); !done) return done.error();
        at_ += record.bytes;
        result_.replayed_bytes += record.bytes;
        if (record.type == RecordType::seal) return true;
    }
}

// A record whose checksum is right, and whose content still makes no sense, was written by a
// program that is not like this one: no guessing.
Result<void> Recovery::apply(const LoadedSegment& segment, const RecordView& record) {
    const auto nonsense = [&](std::string_view what) {
        return damage(segment.path(), offset_of(at_), what);
    };
    switch (record.type) {
        case RecordType::hold: {
            const auto hold = HoldRecord::decode(record.payload);
            if (!hold || !hold->session) return nonsense("a hold record without sense");
            ringpool::Slot& slot = result_.slots.at(hold->number);
            slot.session = hold->session;
            slot.allocated_at = hold->allocated_at;
            set_times(slot, hold->times);
            slot.record = hold->erased ? at_ | kDoubtful : at_;
            slot.context = crc32c(std::as_bytes(std::span(hold->context)));
            result_.latest = std::max(result_.latest, hold->since);
            return {};
        }
        case RecordType::touch:
        case RecordType::release: {
            const auto times = TimesRecord::decode(record.payload);
            if (!times) return nonsense("a touch record without sense");
            ringpool::Slot* const slot = result_.slots.find(times->number);
            if (slot == nullptr) return nonsense("a touch of a number that nobody holds");
            set_times(*slot, times->times);
            const bool released = record.type == RecordType::release;
            result_.latest =
                std::max(result_.latest, released ? slot->expires_at : slot->last_touch);
            return {};
        }
        case RecordType::adopt: {
            const auto adopt = AdoptRecord::decode(record.payload);
            if (!adopt || !adopt->slot.session) return nonsense("an adopt record without sense");
            result_.slots.at(adopt->number) = adopt->slot;
            result_.latest = std::max(result_.latest, adopt->slot.last_touch);
            return {};
        }
        case RecordType::sync: {
            const auto durable = decode_position(record.payload);
            if (!durable) return nonsense("a sync record without sense");
            durable_ = std::max(durable_, *durable);
            return {};
        }
        case RecordType::seal: return {};
        case RecordType::gap:
            return nonsense("the journal goes on here behind a snapshot, which is missing");
    }
    return nonsense("a record of unknown type");
}

// What a process that died had written but not synced may still be in the kernel's hands alone,
// and the next segment will say that all in front of it is on the disk. Written anew, because that
// process may have died of a sync that failed: then the kernel takes for clean what it could not
// write (PostgreSQL's "fsyncgate", 2018), and only writing makes it dirty again.
Result<void> Recovery::make_durable() {
    for (const std::uint32_t id : files_.segments) {
        if (id < segment_of(durable_)) continue;
        if (id > segment_of(at_)) break;
        auto segment = LoadedSegment::load(shard_, id);
        if (!segment) return segment.error();
        const std::size_t begin =
            id == segment_of(durable_) ? offset_of(durable_) : SegmentHeader::kBytes;
        const std::size_t end =
            id == segment_of(at_) ? std::size_t{offset_of(at_)} : segment->size();
        UniqueFd file;
        auto error = disk_.open(segment->path(), file);
        if (!error && begin < end) {
            error = disk_.write_at(file.get(), segment->from(begin).first(end - begin), begin);
        }
        if (!error) error = disk_.sync(file.get());
        if (error) return disk_error("make durable", segment->path(), error);
    }
    return {};
}

// `last` is understood up to at_, and is not sealed.
Result<void> Recovery::end_journal(const LoadedSegment& last) {
    const std::uint32_t offset = offset_of(at_);
    const auto tail = judge_tail(shard_, last, offset, result_.next_segment);
    if (!tail) return tail.error();
    // Where it went on behind a gap, there was a snapshot first, and without that all is lost.
    const bool had_snapshot = !files_.snapshots.empty() && files_.snapshots.back() > at_;
    if (tail->damage || tail->went_on || had_snapshot) {
        return damage(last.path(), offset,
                      "no valid record stands there, although it had been on the disk");
    }
    if (tail->lost_bytes > 0) {
        log_.warning("store: the journal has a torn tail: cut off " +
                     std::to_string(tail->lost_bytes) + " bytes from " + last.path().string() +
                     " offset " + std::to_string(offset) + " on, which had not been synced");
    }
    return cut_off(last);
}

// First what comes later: once the tail is sealed, the next segment would be taken to follow it.
Result<void> Recovery::cut_off(const LoadedSegment& last) {
    while (result_.next_segment > last.id() + 1) {
        const fs::path path = segment_path(shard_, result_.next_segment - 1);
        if (const auto error = disk_.remove(path)) return disk_error("remove", path, error);
        if (const auto error = disk_.sync_directory(shard_)) {
            return disk_error("sync the directory", shard_, error);
        }
        --result_.next_segment;
    }
    const std::uint32_t offset = offset_of(at_);
    std::array<std::byte, kSealRecordBytes> seal;
    encode_seal({seal.data(), offset, last.header().salt});
    UniqueFd file;
    auto error = disk_.open(last.path(), file);
    if (!error) error = disk_.truncate(file.get(), offset);
    if (!error) error = disk_.write_at(file.get(), seal, offset);
    if (error) return disk_error("seal", last.path(), error);
    return {};
}

}  // namespace

Result<Recovered> recover(Disk& disk, const fs::path& shard, std::uint32_t stream, Log& log) {
    return Recovery(disk, shard, stream, log).run();
}

}  // namespace ringmaster::store
