#include "ringmaster/store/recovery.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

Error damaged(const fs::path& path, std::size_t offset, std::string_view what) {
    return {ErrorCode::damaged, path.string() + " is damaged at offset " + std::to_string(offset) +
                                    ": " + std::string(what)};
}

struct LoadedSegment {
    fs::path path;
    std::vector<std::byte> bytes;
    SegmentHeader header;

    std::span<const std::byte> from(std::uint32_t offset) const noexcept {
        return std::span(bytes).subspan(std::min<std::size_t>(offset, bytes.size()));
    }
    // Behind the last byte at or after `offset` that is not zero; `offset` where there is none.
    std::size_t used_end(std::size_t offset) const noexcept {
        std::size_t end = bytes.size();
        while (end > offset && bytes[end - 1] == std::byte{}) --end;
        return std::max(end, offset);
    }
};

Result<LoadedSegment> load_segment(const fs::path& shard, std::uint32_t id) {
    LoadedSegment segment;
    segment.path = segment_path(shard, id);
    auto bytes = read_file(segment.path);
    if (!bytes) return bytes.error();
    segment.bytes = *std::move(bytes);
    auto header = SegmentHeader::decode(segment.bytes);
    if (!header) return damaged(segment.path, 0, "it " + header.error().message);
    if (header->segment != id) return damaged(segment.path, 0, "it is the file of another segment");
    segment.header = *header;
    return segment;
}

class Recovery {
  public:
    Recovery(Disk& disk, const fs::path& shard, Log& log) : disk_(disk), shard_(shard), log_(log) {}

    Result<Recovered> run();

  private:
    Result<void> load_snapshot();
    Result<void> check_segments();
    Result<void> replay_segments();
    Result<bool> replay(const LoadedSegment& segment);
    Result<void> apply(const LoadedSegment& segment, const RecordView& record);
    Result<void> end_journal(const LoadedSegment& last);
    Result<void> cut_off(const LoadedSegment& last);
    void note(const TimeAnchor& anchor);

    Disk& disk_;
    const fs::path& shard_;
    Log& log_;
    ShardFiles files_;
    Recovered result_;
    JournalPosition at_ = 0;  ///< up to here all was understood
};

Result<Recovered> Recovery::run() {
    auto files = list_shard(shard_);
    if (!files) return files.error();
    files_ = *std::move(files);
    for (const fs::path& path : files_.unfinished) {
        if (const auto error = disk_.remove(path)) return disk_error("remove", path, error);
    }
    result_.found_anything = !files_.segments.empty() || !files_.snapshots.empty();
    if (!result_.found_anything) return std::move(result_);
    if (auto done = load_snapshot(); !done) return done.error();
    if (auto done = check_segments(); !done) return done.error();
    if (auto done = replay_segments(); !done) return done.error();
    return std::move(result_);
}

void Recovery::note(const TimeAnchor& anchor) {
    result_.latest = std::max(result_.latest, anchor.hold_time);
    if (!result_.anchor || anchor.hold_time >= result_.anchor->hold_time) result_.anchor = anchor;
}

// The newest one that is good; where all are damaged, the whole journal will do as well.
Result<void> Recovery::load_snapshot() {
    at_ = position_at(1, SegmentHeader::kBytes);
    for (auto it = files_.snapshots.rbegin(); it != files_.snapshots.rend(); ++it) {
        const fs::path path = snapshot_path(shard_, *it);
        const auto bytes = read_file(path);
        if (!bytes) return bytes.error();
        auto header = decode_snapshot(*bytes, result_.slots);
        if (header && header->position == *it) {
            note(header->anchor);
            at_ = *it;
            return {};
        }
        const std::string what =
            header ? "is the file of another position" : header.error().message;
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
        const auto segment = load_segment(shard_, id);
        if (!segment) return segment.error();
        if (id == segment_of(at_)) {
            if (offset_of(at_) > segment->bytes.size()) {
                return damaged(segment->path, segment->bytes.size(),
                               "it ends in front of where its snapshot stands");
            }
        } else {
            at_ = position_at(id, SegmentHeader::kBytes);
        }
        note(segment->header.anchor);
        const auto sealed = replay(*segment);
        if (!sealed) return sealed.error();
        if (!*sealed) return end_journal(*segment);
    }
    return {};
}

// True: up to the seal. False: up to at_, and there is something else, or nothing.
Result<bool> Recovery::replay(const LoadedSegment& segment) {
    while (true) {
        const std::uint32_t offset = offset_of(at_);
        const RecordView record = read_record(segment.from(offset), offset, segment.header.salt);
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
        return damaged(segment.path, offset_of(at_), what);
    };
    switch (record.type) {
        case RecordType::hold: {
            const auto hold = HoldRecord::decode(record.payload);
            if (!hold || !hold->session) return nonsense("a hold record without sense");
            ringpool::Slot& slot = result_.slots.at(hold->number);
            slot.session = hold->session;
            slot.allocated_at = hold->allocated_at;
            slot.last_touch = hold->times.last_touch;
            slot.expires_at = hold->times.expires_at;
            slot.eligible_at = hold->times.eligible_at;
            slot.record = at_;
            slot.context = hold->context_hash;
            result_.latest = std::max(result_.latest, slot.last_touch);
            return {};
        }
        case RecordType::touch:
        case RecordType::release: {
            const auto times = TimesRecord::decode(record.payload);
            if (!times) return nonsense("a touch record without sense");
            ringpool::Slot* const slot = result_.slots.find(times->number);
            if (slot == nullptr) return nonsense("a touch of a number that nobody holds");
            slot->last_touch = times->times.last_touch;
            slot->expires_at = times->times.expires_at;
            slot->eligible_at = times->times.eligible_at;
            const bool released = record.type == RecordType::release;
            result_.latest =
                std::max(result_.latest, released ? slot->expires_at : slot->last_touch);
            return {};
        }
        case RecordType::sync:
        case RecordType::seal: return {};
    }
    return nonsense("a record of unknown type");
}

// `last` is understood up to at_, and is not sealed.
Result<void> Recovery::end_journal(const LoadedSegment& last) {
    const std::uint32_t offset = offset_of(at_);
    JournalPosition claim = find_durable_claim(last.from(offset), offset, last.header.salt);
    if (!files_.snapshots.empty()) claim = std::max(claim, files_.snapshots.back());
    std::size_t lost_bytes = last.used_end(offset) - offset;
    for (std::uint32_t id = last.header.segment + 1; id < result_.next_segment; ++id) {
        const auto later = load_segment(shard_, id);
        if (!later) return later.error();
        constexpr auto kBegin = static_cast<std::uint32_t>(SegmentHeader::kBytes);
        claim = std::max({claim, later->header.durable_before,
                          find_durable_claim(later->from(kBegin), kBegin, later->header.salt)});
        lost_bytes += later->used_end(kBegin) - kBegin;
    }
    if (claim > at_) {
        return damaged(last.path, offset,
                       "no valid record stands there, although it had been on the disk");
    }
    if (lost_bytes > 0) {
        log_.warning("store: the journal has a torn tail: cut off " + std::to_string(lost_bytes) +
                     " bytes from " + last.path.string() + " offset " + std::to_string(offset) +
                     " on, which had not been synced");
    }
    return cut_off(last);
}

// First what comes later: once the tail is sealed, the next segment would be taken to follow it.
Result<void> Recovery::cut_off(const LoadedSegment& last) {
    while (result_.next_segment > last.header.segment + 1) {
        const fs::path path = segment_path(shard_, result_.next_segment - 1);
        if (const auto error = disk_.remove(path)) return disk_error("remove", path, error);
        if (const auto error = disk_.sync_directory(shard_)) {
            return disk_error("sync the directory", shard_, error);
        }
        --result_.next_segment;
    }
    const std::uint32_t offset = offset_of(at_);
    std::array<std::byte, kSealRecordBytes> seal;
    encode_seal({seal.data(), offset, last.header.salt});
    UniqueFd file;
    auto error = disk_.open(last.path, file);
    if (!error) error = disk_.truncate(file.get(), offset);
    if (!error) error = disk_.write_at(file.get(), seal, offset);
    if (!error) error = disk_.sync(file.get());
    if (error) return disk_error("seal", last.path, error);
    return {};
}

}  // namespace

Result<Recovered> recover(Disk& disk, const fs::path& shard, Log& log) {
    return Recovery(disk, shard, log).run();
}

}  // namespace ringmaster::store
