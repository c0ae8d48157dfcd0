#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/callback.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/wait_queue.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/segment_supply.hpp"

#include <cassert>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ringmaster::store {

/// When what was written is forced to the disk. A crash of the process alone loses nothing in any
/// case; this is about power cuts.
enum class Fsync : std::uint8_t {
    always,    ///< before commit() returns
    everysec,  ///< within about a second
    never,     ///< when the kernel sees fit, and at the end of each segment
};

/// The end of the journal at which records are added. Records collect in memory during a turn of
/// the reactor and are written with one call at its end; then those who wait for it go on together.
/// Syncs run on a helper thread, one at a time, each for all who wait when it starts.
///
/// After a failed write or sync nothing more goes to that segment: failure() is set, and every
/// reserve() and commit() fails at once until begin_anew() and resume().
class JournalWriter {
  public:
    /// `first` is a fresh segment. `on_failure` is called once for each failure, from within
    /// whatever found it, and must not suspend.
    JournalWriter(runtime::Reactor& reactor, runtime::HelperThread& sync_helper, Disk& disk,
                  SegmentSupply& supply, Fsync fsync, Segment first, runtime::Callback on_failure);

    /// Suspends. Syncs what is written as `fsync` says, until stop(). To be run in a fiber of its
    /// own.
    void run();
    /// Makes run() return, but does not wait for that.
    void stop() noexcept;

    /// The most that reserve() can be asked for.
    std::size_t max_reserve_bytes() const noexcept { return max_reserve_bytes_; }
    /// Suspends where a new segment is needed and is not laid out yet. On success, records of
    /// `bytes` in all may be appended until the caller suspends, which then allocates no memory.
    Result<void> reserve(std::size_t bytes, Deadline deadline);
    /// Returns the record's position.
    JournalPosition append_hold(const HoldRecord& record);
    void append_times(RecordType type, const TimesRecord& record);
    void append_adopt(const AdoptRecord& record);

    /// Writes what was appended now, not at the end of the turn.
    void flush() noexcept;

    /// Suspends until all that was appended before is written, and with Fsync::always on the disk.
    Result<void> commit(Deadline deadline);
    /// Suspends until all that was appended before is on the disk, whatever the configuration.
    Result<void> sync(Deadline deadline);
    /// Suspends. Marks the journal as left in good order, gives back the room that was laid out in
    /// vain, and syncs. Nothing may be appended afterwards.
    Result<void> seal();

    /// Where the next record will stand.
    JournalPosition end() const noexcept {
        return position_at(segment_.header.segment,
                           buffer_offset_ + static_cast<std::uint32_t>(buffer_.size()));
    }
    /// Everything in front of this is on the disk.
    JournalPosition durable() const noexcept { return durable_; }
    /// For everything in front of this commit() has returned, or will. Stays where it is from a
    /// failure up to resume().
    JournalPosition committed() const noexcept {
        if (failure_) return committed_before_failure_;
        return fsync_ == Fsync::always ? durable_ : written_;
    }
    /// How much was appended since the process started.
    std::uint64_t appended_bytes() const noexcept { return appended_bytes_; }

    /// Whether records can be appended and written, and if not, why.
    Result<void> ready() const;
    /// What went wrong with a write or a sync.
    const std::optional<Error>& failure() const noexcept { return failure_; }
    /// Visits the hold records that failed to be written, in order. Precondition: failure().
    template <class Visit>
    void for_each_unwritten_hold(Visit&& visit) const {
        for (std::size_t at = 0; at < buffer_.size();) {
            const std::uint32_t offset = buffer_offset_ + static_cast<std::uint32_t>(at);
            const RecordView view =
                read_record(std::span(buffer_).subspan(at), offset, segment_.header.salt);
            assert(view.kind == RecordView::Kind::record);
            if (view.type == RecordType::hold) {
                visit(position_at(segment_.header.segment, offset),
                      *HoldRecord::decode(view.payload));
            }
            at += view.bytes;
        }
    }
    /// Suspends while a sync is under way. Gives up what failed, and will go on in `segment`, in
    /// which a gap record is to come first. Precondition: failure().
    void begin_anew(Segment segment);
    /// Suspends. Writes and syncs that record; may be called again where it failed.
    Result<void> record_gap();
    /// Service resumes. What begin_anew() gave up must be on the disk in another form by now.
    void resume() noexcept;

  private:
    bool fits(std::size_t bytes) const noexcept;
    RecordPlace grow(std::size_t bytes);
    void change_segment(Segment next);
    bool sync_due() const noexcept;
    void sync_once();
    void fail(Error error);
    Result<void> wait_for(runtime::WaitQueue& waiters, const JournalPosition& reached,
                          Deadline deadline);

    runtime::Reactor& reactor_;
    runtime::HelperThread& sync_helper_;
    Disk& disk_;
    SegmentSupply& supply_;
    const Fsync fsync_;
    const runtime::Callback on_failure_;
    const std::size_t max_reserve_bytes_;
    runtime::Deferred flush_at_end_of_turn_;

    Segment segment_;
    std::vector<std::byte> buffer_;  ///< appended and not written
    std::uint32_t buffer_offset_;    ///< where in the segment it will stand
    std::vector<Segment> left_;  ///< segments that were left, and are not wholly on the disk yet
    std::uint64_t appended_bytes_ = 0;

    JournalPosition written_;
    JournalPosition durable_;
    JournalPosition durable_told_;    ///< by a record in the journal
    JournalPosition sync_asked_ = 0;  ///< by sync()
    SteadyTime unsynced_since_{};
    bool syncing_ = false;
    bool stopping_ = false;
    bool starved_ = false;  ///< a reserve() failed because there is no next segment
    std::optional<Error> failure_;
    std::uint64_t failures_ = 0;
    JournalPosition committed_before_failure_ = 0;

    runtime::WaitQueue written_waiters_;
    runtime::WaitQueue durable_waiters_;
    runtime::WaitQueue sync_work_;  ///< run() waits here
    runtime::WaitQueue sync_ended_;
};

}  // namespace ringmaster::store
