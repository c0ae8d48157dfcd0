#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

namespace ringmaster::store {

/// A segment that is laid out and has nothing in it but its header.
struct Segment {
    UniqueFd file;
    SegmentHeader header;
    std::uint64_t bytes = 0;
};

/// How segments are made.
struct SegmentShape {
    std::filesystem::path directory;
    std::uint32_t bytes = 0;
    /// Whether to write all of it beforehand: fdatasync over blocks that have been written takes
    /// half as long as over blocks that were only set aside.
    bool fill = false;
};

/// Makes the file of a segment, header included, durably, and only then gives it its name.
/// ErrorCode::unavailable where the disk fails, or the stream has had as many segments as there are
/// ids. Blocks.
Result<Segment> lay_out_segment(Disk& disk, const SegmentShape& shape, const SegmentHeader& header);

/// Keeps the next segment of the journal laid out in advance, on a helper thread, so that whoever
/// comes to the end of one need not wait for the disk. Where it can't, it says so in the log once,
/// and tries again until it can.
class SegmentSupply {
  public:
    /// Says what stands in the header of the segment with the given id but for its salt. Called on
    /// the reactor's thread.
    using MakeHeader = std::function<SegmentHeader(std::uint32_t segment)>;

    SegmentSupply(runtime::Reactor& reactor, runtime::HelperThread& helper, Disk& disk,
                  SegmentShape shape, std::uint32_t first, MakeHeader make_header, Log& log);

    /// Suspends. Lays out segments as they are taken, until stop(). To be run in a fiber of its
    /// own.
    void run();
    /// Makes run() return, but does not wait for that.
    void stop() noexcept;

    /// The next segment, or nothing where it is not laid out yet. Does not suspend.
    std::optional<Segment> take() noexcept;
    /// Suspends until take() has something, or failure() has, or until `deadline`.
    void wait(Deadline deadline);
    /// Why the last attempt failed; nothing while all is well.
    const std::optional<Error>& failure() const noexcept { return failure_; }

  private:
    runtime::Reactor& reactor_;
    runtime::HelperThread& helper_;
    Disk& disk_;
    const SegmentShape shape_;
    const MakeHeader make_header_;
    Log& log_;

    std::uint32_t next_id_;
    std::optional<Segment> next_;
    std::optional<Error> failure_;
    bool stopping_ = false;
    runtime::WaitQueue taken_;     ///< run() waits here for something to do
    runtime::WaitQueue laid_out_;  ///< and others for what it did
};

}  // namespace ringmaster::store
