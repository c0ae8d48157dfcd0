#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// Where the store's files lie, and what they are called:
///
///     <root>/lock                       locked while a process uses the directory
///     <root>/secret                     the key of the session hashes
///     <root>/layout                     which shard writes which stream; see layout.hpp
///     <root>/pools/<id>.pool            see pool_files.hpp
///     <root>/shard-<stream>/journal-<segment id>.log
///     <root>/shard-<stream>/snapshot-<segment id>-<offset>.dat
///     <root>/shard-<stream>/erasure.dat what is being erased; see erasure.hpp
///     <root>/.../....tmp                not finished; removed at the next start
///
/// One process opens the directory, and has it together with its children: the lock is theirs, too,
/// and is given up when the last of them has ended or destroyed this.
class DataDirectory {
  public:
    /// Makes the directories, durably, and locks the root. ErrorCode::unavailable where another
    /// process has it. Blocks.
    static Result<DataDirectory> open(Disk& disk, const std::filesystem::path& root);
    /// Takes over a directory that is open, and `lock_fd`, in a program that was started by the one
    /// which had it. ErrorCode::invalid, and the descriptor is closed, where it does not lock
    /// `root`. Blocks.
    static Result<DataDirectory> adopt(const std::filesystem::path& root, int lock_fd);

    /// The key of the session hashes; drawn at random where there is none yet. `may_create` is
    /// false where there is data that was hashed with a key: then its absence is
    /// ErrorCode::damaged.
    Result<ringpool::SessionHasher::Key> secret(Disk& disk, bool may_create) const;

    const std::filesystem::path& root() const noexcept { return root_; }
    const std::filesystem::path& pools() const noexcept { return pools_; }
    /// What adopt() takes; close-on-exec. Owned by this.
    int lock_fd() const noexcept { return lock_.get(); }

  private:
    DataDirectory(std::filesystem::path root, UniqueFd lock);

    std::filesystem::path root_;
    std::filesystem::path pools_;
    UniqueFd lock_;
};

/// Where the files of a stream lie in a data directory.
std::filesystem::path stream_path(const std::filesystem::path& root, std::uint32_t stream);
/// Where a segment lies, of whichever stream it is.
std::filesystem::path find_segment(const std::filesystem::path& root, std::uint32_t segment);

/// Where the files lie in a stream's directory.
std::filesystem::path segment_path(const std::filesystem::path& shard, std::uint32_t segment);
std::filesystem::path snapshot_path(const std::filesystem::path& shard, JournalPosition position);
std::filesystem::path erasure_path(const std::filesystem::path& shard);
/// The same, while it is being written.
std::filesystem::path unfinished(std::filesystem::path path);

/// The inverse: nothing where `name` is not that of a stream's directory, a segment, or a snapshot.
std::optional<std::uint32_t> parse_stream_name(std::string_view name) noexcept;
std::optional<std::uint32_t> parse_segment_name(std::string_view name) noexcept;
std::optional<JournalPosition> parse_snapshot_name(std::string_view name) noexcept;

/// The streams that have a directory, in ascending order.
Result<std::vector<std::uint32_t>> list_streams(const std::filesystem::path& root);

/// What lies in a stream's directory, each in ascending order.
struct ShardFiles {
    std::vector<std::uint32_t> segments;
    std::vector<JournalPosition> snapshots;
    std::vector<std::filesystem::path> unfinished;
};
Result<ShardFiles> list_shard(const std::filesystem::path& shard);

/// Makes a directory, and those above it, durably.
Result<void> make_directory(Disk& disk, const std::filesystem::path& path);
/// Writes a file, durably, in place of any that was there: whole, or it has not happened. What is
/// left of one that has not lies at unfinished().
Result<void> replace_file(Disk& disk, const std::filesystem::path& path,
                          std::span<const std::byte> bytes);

}  // namespace ringmaster::store
