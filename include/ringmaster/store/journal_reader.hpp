#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// How the journal's files are read. All of it blocks, and none of it changes anything.
namespace ringmaster::store {

/// ErrorCode::damaged with file, offset, and what is wrong there.
Error damage(const std::filesystem::path& path, std::uint64_t offset, std::string_view what);

/// The header of a segment, of whose file `bytes` are the first. ErrorCode::damaged where it is.
Result<SegmentHeader> read_header(const std::filesystem::path& path, std::uint32_t id,
                                  std::span<const std::byte> bytes);

/// Whether a segment, whose file is not there, is older than all that are in its stream's
/// directory, which may be gone itself: retention has removed it.
bool was_removed(const std::filesystem::path& shard, std::uint32_t segment);

/// A segment, read into memory whole.
class LoadedSegment {
  public:
    /// ErrorCode::damaged where its header is, ErrorCode::unavailable where it can't be read.
    static Result<LoadedSegment> load(const std::filesystem::path& shard, std::uint32_t id);

    const std::filesystem::path& path() const noexcept { return path_; }
    const SegmentHeader& header() const noexcept { return header_; }
    std::uint32_t id() const noexcept { return header_.segment; }
    std::size_t size() const noexcept { return bytes_.size(); }
    /// From there to the end.
    std::span<const std::byte> from(std::size_t offset) const noexcept {
        return std::span(bytes_).subspan(std::min(offset, bytes_.size()));
    }
    /// What stands at `offset`, a multiple of 8.
    RecordView record_at(std::uint32_t offset) const noexcept {
        return read_record(from(offset), offset, header_.salt);
    }
    /// Behind the last byte at or after `offset` that is not zero; `offset` where there is none.
    std::size_t used_end(std::size_t offset) const noexcept;
    /// From which position on nothing in front of this segment is to be trusted; nothing where it
    /// does not begin behind a gap.
    std::optional<JournalPosition> gap_in_front() const noexcept;

    /// Where something in it can be changed before it is looked at.
    std::span<std::byte> bytes() noexcept { return bytes_; }

  private:
    std::filesystem::path path_;
    std::vector<std::byte> bytes_;
    SegmentHeader header_;
};

/// What to make of a segment that stops making sense, at a position P, without having been sealed.
struct Tail {
    /// A record behind P, or a later segment's header, says that P had been on the disk.
    bool damage = false;
    /// The journal was given up somewhere behind P when the disk failed, and went on in a later
    /// segment behind a snapshot.
    bool given_up = false;
    bool went_on = false;        ///< and something was written there
    std::size_t lost_bytes = 0;  ///< how many there are from P on, later segments' included
};
/// `offset` is that of P. The segments that follow have the ids up to `end`, which is not among
/// them.
Result<Tail> judge_tail(const std::filesystem::path& shard, const LoadedSegment& segment,
                        std::uint32_t offset, std::uint32_t end);

/// Reads single records of all streams of a data directory. Keeps the file of the latest open.
/// Belongs to one thread at a time.
class RecordReader {
  public:
    explicit RecordReader(std::filesystem::path root) : root_(std::move(root)) {}

    /// The hold record at a position; its texts are valid until the next call. Nothing where it
    /// stood in a segment that retention has removed. ErrorCode::damaged where there is no such
    /// record, with file and offset; ErrorCode::unavailable where the file can't be read.
    Result<std::optional<HoldRecord>> read_hold(JournalPosition position);

  private:
    Result<bool> open(std::uint32_t segment);
    Result<void> read(std::uint32_t offset, std::size_t bytes);

    const std::filesystem::path root_;
    std::filesystem::path path_;
    UniqueFd file_;
    std::optional<SegmentHeader> header_;  ///< of the segment that is open
    std::vector<std::byte> buffer_;
};

}  // namespace ringmaster::store
