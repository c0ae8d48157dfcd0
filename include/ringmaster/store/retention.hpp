#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

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

struct Retained {
    /// All of the journal from here on is kept.
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

}  // namespace ringmaster::store
