#include "ringmaster/store/segment_supply.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/retry_delay.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <sys/random.h>
#include <utility>
#include <vector>

namespace ringmaster::store {

namespace {

std::error_code fill_with_zeros(Disk& disk, int file, std::uint64_t from, std::uint64_t to) {
    const std::vector<std::byte> zeros(std::size_t{1} << 20);
    while (from < to) {
        const auto bytes = std::min<std::uint64_t>(zeros.size(), to - from);
        if (const auto error = disk.write_at(file, std::span(zeros).first(bytes), from)) {
            return error;
        }
        from += bytes;
    }
    return {};
}

}  // namespace

Result<Segment> lay_out_segment(Disk& disk, const SegmentShape& shape,
                                const SegmentHeader& header) {
    Segment segment;
    segment.bytes = shape.bytes;
    segment.header = header;
    std::uint32_t& salt = segment.header.salt;
    const auto path = segment_path(shape.directory, header.segment);
    const auto draft = unfinished(path);
    if (sequence_of(header.segment) == 0) {
        return Error{ErrorCode::unavailable,
                     "lay out another journal segment in " + shape.directory.string() +
                         ": it has had as many as there can be; a restart begins another journal"};
    }
    if (::getrandom(&salt, sizeof(salt), 0) != static_cast<ssize_t>(sizeof(salt))) {
        return disk_error("draw random bytes for", path, {errno, std::generic_category()});
    }
    std::array<std::byte, SegmentHeader::kBytes> bytes;
    segment.header.encode(bytes);

    auto error = disk.create(draft, segment.file);
    const int file = segment.file.get();
    if (!error) error = disk.allocate(file, shape.bytes);
    if (!error && shape.fill) error = fill_with_zeros(disk, file, bytes.size(), shape.bytes);
    if (!error) error = disk.write_at(file, bytes, 0);
    if (!error) error = disk.sync(file);
    if (!error) error = disk.rename(draft, path);
    if (!error) error = disk.sync_directory(shape.directory);
    if (error) {
        // What there is of it may be what the disk lacks room for.
        disk.remove(draft);
        return disk_error("lay out", path, error);
    }
    return segment;
}

SegmentSupply::SegmentSupply(runtime::Reactor& reactor, runtime::HelperThread& helper, Disk& disk,
                             SegmentShape shape, std::uint32_t first, MakeHeader make_header,
                             Log& log)
    : reactor_(reactor),
      helper_(helper),
      disk_(disk),
      shape_(std::move(shape)),
      make_header_(std::move(make_header)),
      log_(log),
      next_id_(first),
      taken_(reactor.scheduler()),
      laid_out_(reactor.scheduler()) {}

void SegmentSupply::run() {
    RetryDelay retry;
    while (!stopping_) {
        if (next_) {
            taken_.wait();
            continue;
        }
        const SegmentHeader header = make_header_(next_id_);
        auto made = helper_.run([&] { return lay_out_segment(disk_, shape_, header); });
        if (made) {
            if (failure_) log_.info("store: journal segments can be laid out again");
            failure_.reset();
            retry.reset();
            next_ = *std::move(made);
            ++next_id_;
            laid_out_.notify_all();
            continue;
        }
        if (!failure_) log_.error("store: can't " + made.error().message + "; trying on");
        failure_ = made.error();
        laid_out_.notify_all();
        taken_.wait(Deadline::at(reactor_.scheduler().now() + retry.next()));
    }
}

void SegmentSupply::stop() noexcept {
    stopping_ = true;
    taken_.notify_all();
}

std::optional<Segment> SegmentSupply::take() noexcept {
    std::optional<Segment> segment = std::exchange(next_, std::nullopt);
    if (segment) taken_.notify_all();
    return segment;
}

void SegmentSupply::wait(Deadline deadline) {
    if (!next_ && !failure_) laid_out_.wait(deadline);
}

}  // namespace ringmaster::store
