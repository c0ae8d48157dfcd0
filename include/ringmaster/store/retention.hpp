#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>

namespace ringmaster::store {

/// Snapshots that are kept: the newest, and one to fall back on should that turn out damaged.
inline constexpr std::size_t kSnapshotsKept = 2;

/// How much of the journal is kept for history alone, that is, not to replay it after a snapshot.
struct HistoryLimits {
    std::chrono::hours age;
    std::uint64_t max_bytes = 0;  ///< 0 = no limit; whole segments
};

/// A pool keeps a number from others for no longer than its lifetime and its cool-down, of 30 days
/// each, after it was last touched.
inline constexpr std::chrono::hours kLongestPromise = std::chrono::days(60);
/// How long a stream is kept that no shard writes any more. At least until no hold goes on that is
/// recorded there and has not been touched since.
constexpr std::chrono::hours retired_age(std::chrono::hours history) noexcept {
    return std::max(history, kLongestPromise);
}

struct Retained {
    /// All of the stream from here on is kept.
    JournalPosition begin = 0;
    /// Up to here records are in the older half of what either limit lets be kept: a hold that
    /// still goes on had better be recorded anew, or it keeps its segment.
    JournalPosition aged_before = 0;
};

/// Removes what is needed no more: all but the last kSnapshotsKept snapshots, and, oldest first,
/// segments that are beyond one of the limits at `now` and needed neither to replay the journal
/// after those snapshots nor for a record of a hold that went on when the last one was taken.
/// Blocks.
Result<Retained> apply_retention(Disk& disk, const std::filesystem::path& shard, WallTime now,
                                 const HistoryLimits& limits);

/// Removes, oldest first, the segments of a stream that no shard writes any more whose records are
/// all older than `age`, and when there is none any more, its directory. `end` is when its last
/// record was written. Its snapshots go at once: no one starts from them. Blocks.
Result<void> retain_retired(Disk& disk, const std::filesystem::path& shard, WallTime end,
                            WallTime now, std::chrono::hours age);

}  // namespace ringmaster::store
