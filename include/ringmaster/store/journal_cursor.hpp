#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/journal_inspection.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// Goes through the records of one stream, oldest first, for who has to look at several streams
/// side by side: keeps a window of the file in memory and not the whole, except where a file does
/// not end in good order and has to be judged. Changes nothing and takes no lock: beside a running
/// daemon it sees a state that the files were in, the newest records perhaps not. Blocks.
class JournalCursor {
  public:
    /// Called for whatever is not in good order; behind damage it goes on with the next segment.
    using OnFinding = std::function<void(const InspectionFinding&)>;

    /// ErrorCode::unavailable where the directory can't be read. A stream that retention has
    /// removed has no records.
    static Result<JournalCursor> open(const std::filesystem::path& root, std::uint32_t stream,
                                      OnFinding on_finding);

    /// Goes to the next record; false where there is none. ErrorCode::unavailable where a file
    /// can't be read.
    Result<bool> next();

    /// Where it stands. Precondition of these: next() was true. The payload is valid until then.
    const RecordView& record() const noexcept { return record_; }
    JournalPosition position() const noexcept { return position_at(segment(), at_); }
    const std::filesystem::path& path() const noexcept { return path_; }
    /// Tells of the record where it stands that it makes no sense.
    void refuse_record() const;

    /// The oldest segment is the first one that the stream has had.
    bool has_begin() const noexcept {
        return !files_.segments.empty() && sequence_of(files_.segments.front()) == 1;
    }
    /// How much has been read, of how much there was when this was opened.
    std::uint64_t done_bytes() const noexcept { return done_bytes_ + offset_; }
    std::uint64_t all_bytes() const noexcept { return all_bytes_; }

  private:
    JournalCursor(std::filesystem::path shard, OnFinding on_finding)
        : shard_(std::move(shard)), on_finding_(std::move(on_finding)) {}

    std::uint32_t segment() const noexcept { return files_.segments[index_]; }
    Result<bool> open_segment();
    void close_segment() noexcept;
    Result<bool> look();
    Result<void> end_unsealed();
    Result<void> fill(std::size_t least_bytes);
    std::span<std::byte> rest() noexcept {
        return std::span(window_).subspan(offset_ - window_begin_);
    }
    void find(bool damage, std::uint64_t offset, std::string what) const;

    std::filesystem::path shard_;
    OnFinding on_finding_;
    ShardFiles files_;
    std::vector<Erasable> pending_;  ///< what the next start will erase
    std::uint64_t all_bytes_ = 0;
    std::uint64_t done_bytes_ = 0;  ///< of the segments before this one

    std::size_t index_ = 0;  ///< of the segment in work
    std::filesystem::path path_;
    UniqueFd file_;
    std::uint32_t salt_ = 0;
    std::vector<std::byte> window_;   ///< of the file
    std::uint32_t window_begin_ = 0;  ///< where
    std::uint32_t offset_ = 0;        ///< of the record to be looked at next
    std::uint32_t at_ = 0;            ///< of the record where it stands
    RecordView record_;
};

}  // namespace ringmaster::store
