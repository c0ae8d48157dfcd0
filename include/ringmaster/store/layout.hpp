#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/hold_clock.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// Which shard of a data directory writes which stream of the journal, and how that changes: never
/// while any shard runs, and by one rename. A change leaves the streams that were written so far as
/// they are, for the history that is in them, and begins a new one for each shard, with a snapshot
/// of the numbers that are its own from then on.
///
/// The format of <root>/layout, version 1, little endian:
///
///      0 "RMLAYOU\n"   8 version u32   12 crc of all that follows u32
///     16 the first stream that no shard has had u32   20 number of shards u32
///     24 number of retired streams u32   28 zero u32
///     32 for each shard its stream u32; then for each retired stream its number u32 and end i64
namespace ringmaster::store {

struct Layout {
    /// A stream that no shard writes any more.
    struct Retired {
        std::uint32_t stream = 0;
        WallTime end{};  ///< of the store's clock: nothing in it is later
        friend bool operator==(const Retired&, const Retired&) noexcept = default;
    };
    std::vector<std::uint32_t> streams;  ///< by shard
    std::vector<Retired> retired;        ///< those that may still have a directory
    /// A number that a stream has had is never given to another: links may lead there.
    std::uint32_t next_stream = 0;
    friend bool operator==(const Layout&, const Layout&) noexcept = default;
};

std::vector<std::byte> encode_layout(const Layout& layout);
/// ErrorCode::damaged, with what is wrong.
Result<Layout> decode_layout(std::span<const std::byte> bytes);

std::filesystem::path layout_path(const std::filesystem::path& root);
/// Nothing where there is none yet. ErrorCode::damaged, with the file and what is wrong, where it
/// is; ErrorCode::unavailable where it can't be read. Blocks.
Result<std::optional<Layout>> load_layout(const std::filesystem::path& root);

/// Makes the directory ready for so many shards, at least 1, and before any of them runs: where it
/// has had another number of them, or a stream comes to the end of its ids, all numbers go to
/// streams of the shards that own them now. A crash leaves what was before, or the new layout. Also
/// draws the secret where there is nothing yet. Blocks.
///
/// `owner_of` says which shard owns the pool with this id. ErrorCode::damaged where files are, or
/// where a number is in two pools' files, twice in one, or some pool's overflow number;
/// ErrorCode::unavailable where the disk fails, or there is no stream left.
Result<Layout> prepare_layout(Disk& disk, const DataDirectory& directory, std::size_t shards,
                              const std::function<std::size_t(std::string_view pool_id)>& owner_of,
                              Log& log);

/// The clock of all shards, begun where the newest file of any of them left it. To be called before
/// any of them runs. Blocks.
Result<HoldClock::Base> common_hold_clock(const DataDirectory& directory, const Layout& layout,
                                          SteadyTime now, WallTime wall, const BootTime& boot);

/// The retired streams, in good order: completes erasures, and removes what was not finished. To be
/// called by the one shard that looks after them. ErrorCode::unavailable where the disk fails.
/// Blocks.
Result<std::vector<Layout::Retired>> take_over_retired(Disk& disk, const DataDirectory& directory);

}  // namespace ringmaster::store
