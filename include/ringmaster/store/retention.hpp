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

/// Removes what is needed no more: all but the last kSnapshotsKept snapshots, and segments that are
/// needed neither to replay the journal after those, nor for history (older than `history` at
/// `now`), nor for a record of a hold that went on when the last snapshot was taken. Returns the
/// position up to which records are older than half of `history`: a hold that still goes on had
/// better be recorded anew, or it keeps its segment. Blocks.
Result<JournalPosition> apply_retention(Disk& disk, const std::filesystem::path& shard,
                                        WallTime now, std::chrono::hours history);

}  // namespace ringmaster::store
