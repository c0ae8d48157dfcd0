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

// The first segment that is needed for what memory stands for.
Result<std::uint32_t> first_needed(const fs::path& shard,
                                   const std::vector<JournalPosition>& snapshots) {
    // One snapshot alone may be the first one ever: then the whole journal is what to fall back on.
    if (snapshots.size() < kSnapshotsKept) return std::uint32_t{0};
    const fs::path path = snapshot_path(shard, snapshots.back());
    const auto bytes = read_file(path, SnapshotHeader::kBytes);
    if (!bytes) return bytes.error();
    const auto header = SnapshotHeader::decode(*bytes);
    if (!header) return Error{ErrorCode::damaged, path.string() + " " + header.error().message};
    return segment_of(std::min(snapshots.front(), header->oldest_record));
}

}  // namespace

Result<JournalPosition> apply_retention(Disk& disk, const fs::path& shard, WallTime now,
                                        std::chrono::hours history) {
    auto listed = list_shard(shard);
    if (!listed) return listed.error();
    const auto& segments = listed->segments;
    auto& snapshots = listed->snapshots;
    const auto remove = [&](const fs::path& path) -> Result<void> {
        const auto error = disk.remove(path);
        return error ? Result<void>(disk_error("remove", path, error)) : Result<void>();
    };

    for (; snapshots.size() > kSnapshotsKept; snapshots.erase(snapshots.begin())) {
        if (auto done = remove(snapshot_path(shard, snapshots.front())); !done) return done.error();
    }
    const auto needed = first_needed(shard, snapshots);
    if (!needed) return needed.error();
    JournalPosition aged = 0;
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
        // All that stands in a segment is older than the one that comes after.
        const auto end = begin_of(shard, segments[i + 1]);
        if (!end) return end.error();
        const auto age = now - *end;
        if (age <= history / 2) break;
        aged = position_at(segments[i + 1], 0);
        if (age <= history || segments[i] >= *needed) continue;
        if (auto done = remove(segment_path(shard, segments[i])); !done) return done.error();
    }
    return aged;
}

}  // namespace ringmaster::store
