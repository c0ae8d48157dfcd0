#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <system_error>
#include <vector>

/// The format of a snapshot, version 1: a header of 80 bytes and then entries of 72 bytes, one for
/// each number that anyone has had. Integers are little endian.
///
///      0 "RMSNAPS\n"   8 version u32   12 crc of the rest of the header u32
///     16 position from which to replay the journal u64
///     24 hold time i64   32 ms since boot i64   40 boot id, 16 bytes
///     56 number of entries u64   64 crc of all entries u32   68 zero u32   72 oldest record u64
///
///     an entry: 0 number u64, 8 session hash 16 bytes, 24 allocated_at i64, 32 last_touch i64,
///     40 expires_at i64, 48 eligible_at i64, 56 record u64, 64 context hash u32, 68 zero u32
namespace ringmaster::store {

struct SnapshotHeader {
    static constexpr std::size_t kBytes = 80;
    JournalPosition position = 0;
    TimeAnchor anchor;
    std::uint64_t count = 0;  ///< this and the rest: set by SnapshotWriter
    std::uint32_t entries_crc = 0;
    /// The least record, of those in the stream, of all numbers that a promise bound at the time of
    /// the snapshot.
    JournalPosition oldest_record = UINT64_MAX;

    void encode(std::span<std::byte, kBytes> out) const noexcept;
    /// ErrorCode::damaged, with what is wrong.
    static Result<SnapshotHeader> decode(std::span<const std::byte> bytes);
};

/// Writes a snapshot into an empty file. Does not allocate after construction, and so works in a
/// forked child. Errors are kept until finish().
class SnapshotWriter {
  public:
    SnapshotWriter(Disk& disk, int file, const SnapshotHeader& header);

    void add(ringpool::PhoneNumber number, const ringpool::Slot& slot) noexcept;
    /// Writes what is left and the header, and syncs.
    std::error_code finish() noexcept;

  private:
    void flush() noexcept;

    Disk& disk_;
    const int file_;
    std::vector<std::byte> buffer_;
    std::size_t used_ = 0;
    std::uint64_t offset_ = SnapshotHeader::kBytes;
    SnapshotHeader header_;
    std::error_code error_;
};

/// Puts the entries of a snapshot into `slots`, which must be empty. ErrorCode::damaged with what
/// is wrong, and then `slots` is still empty.
Result<SnapshotHeader> decode_snapshot(std::span<const std::byte> bytes, SlotMap& slots);

/// Takes snapshots: a forked child writes what stood in memory at the fork, and this process goes
/// on.
class Snapshotter {
  public:
    Snapshotter(runtime::Reactor& reactor, runtime::HelperThread& helper, Disk& disk,
                std::filesystem::path directory);

    /// Suspends. Writes `holdings` as they are when `make_header()` is called, which is right
    /// before the fork. Gives the file its name only after `before_publishing()`, which may
    /// suspend, has succeeded. Not to be called while a call is under way.
    Result<void> take(const Holdings& holdings, const std::function<SnapshotHeader()>& make_header,
                      const std::function<Result<void>()>& before_publishing);

  private:
    std::error_code wait_for_child(int pid);

    runtime::Reactor& reactor_;
    runtime::HelperThread& helper_;
    Disk& disk_;
    const std::filesystem::path directory_;
};

}  // namespace ringmaster::store
