#include "ringmaster/store/retention.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <vector>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

Result<WallTime> begin_of(const fs::path& shard, std::uint32_t segment) {
    const fs::path path = segment_path(shard, segment);
    const auto bytes = read_file(path, SegmentHeader::kBytes);
    if (!bytes) return bytes.error();
    const auto header = SegmentHeader::decode(*bytes);
    if (!header) return Error{ErrorCode::damaged, path.string() + " " + header.error().message};
    return header->anchor.hold_time;
}

struct Needed {
    std::uint32_t for_replay = 0;  ///< the first segment after the older snapshot
    std::uint32_t for_holds = 0;   ///< the first that has the record of a hold which goes on
};
Result<Needed> first_needed(const fs::path& shard, const std::vector<JournalPosition>& snapshots) {
    // One snapshot alone may be the first one ever: then the whole journal is what to fall back on.
    if (snapshots.size() < kSnapshotsKept) return Needed{};
    const fs::path path = snapshot_path(shard, snapshots.back());
    const auto bytes = read_file(path, SnapshotHeader::kBytes);
    if (!bytes) return bytes.error();
    const auto header = SnapshotHeader::decode(*bytes);
    if (!header) return Error{ErrorCode::damaged, path.string() + " " + header.error().message};
    return Needed{segment_of(snapshots.front()), segment_of(header->oldest_record)};
}

// How many bytes are kept for history alone, from each segment on.
Result<std::vector<std::uint64_t>> history_bytes(const fs::path& shard,
                                                 const std::vector<std::uint32_t>& segments,
                                                 std::uint32_t needed_for_replay) {
    std::vector<std::uint64_t> result(segments.size());
    std::uint64_t sum = 0;
    for (std::size_t i = segments.size(); i-- > 0;) {
        std::error_code error;
        const fs::path path = segment_path(shard, segments[i]);
        if (segments[i] < needed_for_replay) sum += fs::file_size(path, error);
        if (error) return disk_error("look at", path, error);
        result[i] = sum;
    }
    return result;
}

Result<void> remove_file(Disk& disk, const fs::path& path) {
    const auto error = disk.remove(path);
    return error ? Result<void>(disk_error("remove", path, error)) : Result<void>();
}

}  // namespace

Result<Retained> apply_retention(Disk& disk, const fs::path& shard, WallTime now,
                                 const HistoryLimits& limits) {
    auto listed = list_shard(shard);
    if (!listed) return listed.error();
    const auto& segments = listed->segments;
    auto& snapshots = listed->snapshots;
    for (; snapshots.size() > kSnapshotsKept; snapshots.erase(snapshots.begin())) {
        const fs::path path = snapshot_path(shard, snapshots.front());
        if (auto done = remove_file(disk, path); !done) return done.error();
    }
    const auto needed = first_needed(shard, snapshots);
    if (!needed) return needed.error();
    const auto bytes = history_bytes(shard, segments, needed->for_replay);
    if (!bytes) return bytes.error();
    Retained retained;
    if (!segments.empty()) retained.begin = position_at(segments.front(), 0);
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
        // All that stands in a segment is older than the one that comes after.
        const auto end = begin_of(shard, segments[i + 1]);
        if (!end) return end.error();
        const auto age = now - *end;
        const bool bounded = limits.max_bytes != 0;
        if (age <= limits.age / 2 && !(bounded && (*bytes)[i] > limits.max_bytes / 2)) break;
        retained.aged_before = position_at(segments[i + 1], 0);
        const bool beyond = age > limits.age || (bounded && (*bytes)[i] > limits.max_bytes);
        if (!beyond || segments[i] >= std::min(needed->for_replay, needed->for_holds)) continue;
        if (auto done = remove_file(disk, segment_path(shard, segments[i])); !done) {
            return done.error();
        }
        retained.begin = position_at(segments[i + 1], 0);
    }
    return retained;
}

Result<void> retain_retired(Disk& disk, const fs::path& shard, WallTime end, WallTime now,
                            std::chrono::hours age) {
    std::error_code error;
    if (!fs::exists(shard, error)) return {};
    const auto files = list_shard(shard);
    if (!files) return files.error();
    for (const JournalPosition position : files->snapshots) {
        if (auto done = remove_file(disk, snapshot_path(shard, position)); !done) return done;
    }
    const auto& segments = files->segments;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const bool last = i + 1 == segments.size();
        const auto segment_end = last ? Result<WallTime>(end) : begin_of(shard, segments[i + 1]);
        if (!segment_end) return segment_end.error();
        if (now - *segment_end <= age) return {};
        if (auto done = remove_file(disk, segment_path(shard, segments[i])); !done) return done;
    }
    if ((error = disk.remove_directory(shard))) return disk_error("remove", shard, error);
    return {};
}

}  // namespace ringmaster::store
