#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// Where the store's files lie, and what they are called:
///
///     <root>/lock                       locked while a process uses the directory
///     <root>/secret                     the key of the session hashes
///     <root>/pools/<id>.pool            see pool_files.hpp
///     <root>/shard-0/journal-<segment id>.log
///     <root>/shard-0/snapshot-<segment id>-<offset>.dat
///     <root>/shard-0/erasure.dat        what is being erased; see erasure.hpp
///     <root>/.../....tmp                not finished; removed at the next start
class DataDirectory {
  public:
    /// Makes the directories, durably, and locks the root until destruction. ErrorCode::unavailable
    /// where another process has it. Blocks.
    static Result<DataDirectory> open(Disk& disk, const std::filesystem::path& root);

    /// The key of the session hashes; drawn at random where there is none yet. `may_create` is
    /// false where there is data that was hashed with a key: then its absence is
    /// ErrorCode::damaged.
    Result<ringpool::SessionHasher::Key> secret(Disk& disk, bool may_create) const;

    const std::filesystem::path& shard() const noexcept { return shard_; }
    const std::filesystem::path& pools() const noexcept { return pools_; }

  private:
    DataDirectory(std::filesystem::path root, UniqueFd lock);

    std::filesystem::path root_;
    std::filesystem::path shard_;
    std::filesystem::path pools_;
    UniqueFd lock_;
};

/// Where a shard's files lie in a data directory.
std::filesystem::path shard_path(const std::filesystem::path& root);
std::filesystem::path segment_path(const std::filesystem::path& shard, std::uint32_t segment);
std::filesystem::path snapshot_path(const std::filesystem::path& shard, JournalPosition position);
std::filesystem::path erasure_path(const std::filesystem::path& shard);
/// The same, while it is being written.
std::filesystem::path unfinished(std::filesystem::path path);

/// The inverse: nothing where `name` is not that of a segment, or of a snapshot.
std::optional<std::uint32_t> parse_segment_name(std::string_view name) noexcept;
std::optional<JournalPosition> parse_snapshot_name(std::string_view name) noexcept;

/// What lies in a shard's directory, each in ascending order.
struct ShardFiles {
    std::vector<std::uint32_t> segments;
    std::vector<JournalPosition> snapshots;
    std::vector<std::filesystem::path> unfinished;
};
Result<ShardFiles> list_shard(const std::filesystem::path& shard);

}  // namespace ringmaster::store
