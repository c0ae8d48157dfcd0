#include "ringmaster/migrate/directory_target.hpp"

#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/layout.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::migrate {

namespace fs = std::filesystem;

using ringpool::Hold;
using store::JournalPosition;
using store::RecordLink;

namespace {

constexpr std::size_t kFlushBytes = 1u << 20;

store::HoldTimes end_of(const Hold& hold) noexcept {
    return {hold.last_touch, hold.expires_at, hold.free_at};
}

}  // namespace

DirectoryTarget::DirectoryTarget(fs::path root, const Clock& clock, Log& log,
                                 std::uint32_t segment_bytes)
    : root_(std::move(root)),
      unfinished_(root_.string() + ".unfinished"),
      clock_(clock),
      log_(log),
      segment_bytes_(segment_bytes) {}

Result<std::chrono::milliseconds> DirectoryTarget::begin(const ringpool::SessionHasher::Key& secret,
                                                         std::string_view,
                                                         std::chrono::milliseconds ahead) {
    std::error_code error;
    if (fs::exists(root_, error) && !fs::is_empty(root_, error)) {
        return Error{ErrorCode::invalid, root_.string() + " is not empty"};
    }
    // Where this has been begun before, and by whom else but a run of this that is over.
    if (fs::exists(unfinished_, error)) {
        if (auto lock = store::DataDirectory::open(disk_, unfinished_); !lock) return lock.error();
        fs::remove_all(unfinished_, error);
        if (error) return store::disk_error("remove", unfinished_, error);
    }
    auto directory = store::DataDirectory::open(disk_, unfinished_);
    if (!directory) return directory.error();
    directory_ = *std::move(directory);
    hasher_.emplace(secret);
    if (auto written =
            store::replace_file(disk_, unfinished_ / "secret", std::as_bytes(std::span(secret)));
        !written) {
        return written.error();
    }
    const auto first = [](std::string_view) { return std::size_t{0}; };
    const auto layout = store::prepare_layout(disk_, *directory_, 1, first, log_);
    if (!layout) return layout.error();
    stream_ = layout->streams[0];
    next_segment_ = store::first_segment(stream_);
    if (auto laid_out = next_segment(); !laid_out) return laid_out.error();
    return ahead;
}

Result<Target::Resumed> DirectoryTarget::begin_pool(const ringpool::PoolDefinition& pool) {
    pool_ = {pool, {}};
    return Resumed{};
}

Result<void> DirectoryTarget::add(const ringpool::PoolDefinition& pool,
                                  std::span<const NumberImage> numbers, std::uint64_t next) {
    for (const NumberImage& image : numbers) {
        pool_.numbers.push_back({image.number, image.draining});
        if (auto written = write_history(pool, image); !written) return written;
    }
    if (next != 0) return {};
    return store::PoolFiles(disk_, directory_->pools()).save(pool_);
}

Result<void> DirectoryTarget::finish() {
    if (auto sealed = seal_segment(); !sealed) return sealed;
    // The lock goes by the file, and so with it to its new name; but whoever looks for it there
    // must find it free.
    directory_.reset();
    if (auto error = disk_.rename(unfinished_, root_)) {
        return store::disk_error("rename to", root_, error);
    }
    if (auto error = disk_.sync_directory(root_.parent_path())) {
        return store::disk_error("sync", root_.parent_path(), error);
    }
    return {};
}

// All its holds, the oldest first, each linked to the one before; and then what is true now.
Result<void> DirectoryTarget::write_history(const ringpool::PoolDefinition& pool,
                                            const NumberImage& image) {
    RecordLink link = 0;
    for (std::size_t i = image.holds.size(); i-- > 0;) {
        auto position = write_hold(pool, image, i, link);
        if (!position) return position.error();
        link = *position;
    }
    if (!image.slot.session) return {};
    store::AdoptRecord adopt{image.number.number, image.slot};
    adopt.slot.draining = false;
    adopt.slot.record = link;
    if (!image.holds.empty()) {
        adopt.slot.context = store::crc32c(std::as_bytes(std::span(image.holds[0].context)));
    }
    const auto at = place(store::kAdoptRecordBytes);
    if (!at) return at.error();
    store::encode_adopt(*at, adopt);
    return {};
}

Result<JournalPosition> DirectoryTarget::write_hold(const ringpool::PoolDefinition& pool,
                                                    const NumberImage& image, std::size_t index,
                                                    RecordLink previous) {
    const Hold& hold = image.holds[index];
    const bool current = index == 0 && image.slot.session;
    store::HoldRecord record;
    record.number = image.number.number;
    // How it ended is told by the next record.
    record.times = {hold.allocated_at, hold.allocated_at, hold.allocated_at};
    record.allocated_at = record.since = hold.allocated_at;
    record.previous = previous;
    if (index + 1 < image.holds.size()) record.previous_end = end_of(image.holds[index + 1]);
    record.pool_id = hold.pool_id.empty() ? pool.id : hold.pool_id;
    if (hold.session_id) record.session_id = *hold.session_id;
    record.context = hold.context;
    record.session =
        current
            ? image.slot.session
            : hasher_->hash(record.pool_id, {record.session_id, ringpool::Context(record.context)});
    const std::size_t bytes = store::record_bytes(record.payload_bytes());
    const auto at = place(bytes);
    if (!at) return at.error();
    store::encode_hold(*at, record);
    if (hold.detail == Hold::Detail::erased) store::erase_hold(*at, bytes);
    return store::position_at(segment_->header.segment, at->offset);
}

// --- the journal -------------------------------------------------------------------------------

/// Room for a record, in memory. Good until the next call.
Result<store::RecordPlace> DirectoryTarget::place(std::size_t record_bytes) {
    if (offset_ + record_bytes + store::kSealRecordBytes > segment_->bytes) {
        if (auto next = next_segment(); !next) return next.error();
    }
    if (buffer_.size() > kFlushBytes) {
        if (auto flushed = flush(); !flushed) return flushed.error();
    }
    const std::uint32_t offset = offset_;
    buffer_.resize(buffer_.size() + record_bytes);
    offset_ += static_cast<std::uint32_t>(record_bytes);
    return store::RecordPlace{buffer_.data() + buffer_.size() - record_bytes, offset,
                              segment_->header.salt};
}

Result<void> DirectoryTarget::next_segment() {
    if (segment_) {
        if (auto sealed = seal_segment(); !sealed) return sealed;
    }
    const auto base = store::HoldClock::begin(clock_.steady_now(), clock_.wall_now(),
                                              store::BootTime::read(), std::nullopt);
    store::SegmentHeader header;
    header.segment = next_segment_++;
    header.anchor = base.anchor;
    header.durable_before = store::position_at(header.segment, store::SegmentHeader::kBytes);
    auto segment = store::lay_out_segment(
        disk_, {store::stream_path(unfinished_, stream_), segment_bytes_, false}, header);
    if (!segment) return segment.error();
    segment_ = *std::move(segment);
    offset_ = store::SegmentHeader::kBytes;
    return {};
}

Result<void> DirectoryTarget::seal_segment() {
    const std::uint32_t offset = offset_;
    buffer_.resize(buffer_.size() + store::kSealRecordBytes);
    offset_ += store::kSealRecordBytes;
    store::encode_seal(
        {buffer_.data() + buffer_.size() - store::kSealRecordBytes, offset, segment_->header.salt});
    if (auto flushed = flush(); !flushed) return flushed;
    const auto error = disk_.sync(segment_->file.get());
    if (error) return store::disk_error("sync a journal segment in", unfinished_, error);
    return {};
}

Result<void> DirectoryTarget::flush() {
    const auto error = disk_.write_at(segment_->file.get(), buffer_, offset_ - buffer_.size());
    buffer_.clear();
    if (error) return store::disk_error("write a journal segment in", unfinished_, error);
    return {};
}

}  // namespace ringmaster::migrate
