#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace ringmaster::store {

/// What a stream's files say.
struct Recovered {
    SlotMap slots;
    bool found_anything = false;       ///< false: no segment and no snapshot, a new directory
    std::uint32_t first_segment = 0;   ///< the oldest one that is kept, be it for history alone
    std::uint32_t next_segment = 0;    ///< the first id that was not used yet
    std::optional<TimeAnchor> anchor;  ///< the newest one
    WallTime latest{};                 ///< the latest time in any record
    std::uint64_t replayed_bytes = 0;  ///< of journal, since the snapshot
};

/// Completes an erasure that was interrupted. Reads the newest good snapshot and replays the
/// journal after it. Leaves the journal in good order: with every segment sealed, without segments
/// that were only laid out, and all that was replayed on the disk. Blocks. `shard` is the directory
/// of `stream`; a file of another one there is damage.
///
/// Where the journal stops making sense, at position P, it is decided by evidence whether that is
/// damage: a sync record or a segment header behind P, or a snapshot's name, that says that P had
/// been on the disk. Then ErrorCode::damaged with file and offset, and nothing is changed.
/// Otherwise it is a torn tail, bytes that no one was told to be safe from a power cut: it is cut
/// off, and told in the log with file, offset and number of bytes.
Result<Recovered> recover(Disk& disk, const std::filesystem::path& shard, std::uint32_t stream,
                          Log& log);

}  // namespace ringmaster::store
