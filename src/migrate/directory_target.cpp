#include "ringmaster/migrate/directory_target.hpp"

#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/layout.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

namespace ringmaster::migrate {

namespace fs = std::filesystem;

using ringpool::Hold;
using store::JournalPosition;
using store::RecordLink;

namespace {

constexpr std::size_t kFlushBytes = 1u << 20;
constexpr std::string_view kMarkVersion = "ringmaster migration 1";

fs::path mark_path(const fs::path& unfinished) {
    return unfinished / "migration";
}

store::HoldTimes end_of(const Hold& hold) noexcept {
    return {hold.last_touch, hold.expires_at, hold.free_at};
}

}  // namespace

DirectoryTarget::DirectoryTarget(store::Disk& disk, fs::path root, const Clock& clock, Log& log,
                                 std::uint32_t segment_bytes)
    : root_(std::move(root)),
      unfinished_(root_.string() + ".unfinished"),
      clock_(clock),
      log_(log),
      segment_bytes_(segment_bytes),
      disk_(disk) {}

Result<std::chrono::milliseconds> DirectoryTarget::begin(const ringpool::SessionHasher::Key& secret,
                                                         std::string_view fingerprint,
                                                         std::chrono::milliseconds ahead) {
    std::error_code error;
    if (fs::exists(root_, error) && !fs::is_empty(root_, error)) {
        return Error{ErrorCode::invalid, root_.string() + " is not empty"};
    }
    mark_ = {};
    mark_.fingerprint = fingerprint;
    mark_.ahead = ahead;
    hasher_.emplace(secret);
    const auto goes_on = open_unfinished();
    if (!goes_on) return goes_on.error();
    if (!*goes_on) {
        if (auto written = store::replace_file(disk_, unfinished_ / "secret",
                                               std::as_bytes(std::span(secret)));
            !written) {
            return written.error();
        }
    }
    const auto first = [](std::string_view) { return std::size_t{0}; };
    const auto layout = store::prepare_layout(disk_, *directory_, 1, first, log_);
    if (!layout) return layout.error();
    stream_ = layout->streams[0];
    if (auto ready = *goes_on ? go_on_with_journal() : begin_journal(); !ready) {
        return ready.error();
    }
    return mark_.ahead;
}

/// The directory, locked. Whether there is something in it to go on with; else it is empty.
Result<bool> DirectoryTarget::open_unfinished() {
    std::error_code error;
    if (fs::exists(unfinished_, error)) {
        // Whoever has begun it may be at it still.
        auto locked = store::DataDirectory::open(disk_, unfinished_);
        if (!locked) return locked.error();
        if (auto mark = read_mark(unfinished_); mark && mark->fingerprint == mark_.fingerprint) {
            mark_ = *std::move(mark);
            directory_ = *std::move(locked);
            return true;
        }
        fs::remove_all(unfinished_, error);
        if (error) return store::disk_error("remove", unfinished_, error);
    }
    auto directory = store::DataDirectory::open(disk_, unfinished_);
    if (!directory) return directory.error();
    directory_ = *std::move(directory);
    return false;
}

Result<Target::Resumed> DirectoryTarget::begin_pool(const ringpool::PoolDefinition& pool) {
    pool_ = {pool, {}};
    mark_.pool = pool.id;
    mark_.from = position();
    return Resumed{.complete = is_finished(pool.id)};
}

Result<void> DirectoryTarget::add(const ringpool::PoolDefinition& pool,
                                  std::span<const NumberImage> numbers, std::uint64_t next) {
    for (const NumberImage& image : numbers) {
        pool_.numbers.push_back({image.number, image.draining});
        if (auto written = write_history(pool, image); !written) return written;
    }
    if (next != 0) return {};
    return finish_pool();
}

Result<void> DirectoryTarget::finish_pool() {
    if (auto synced = sync(); !synced) return synced;
    mark_.to = position();
    if (auto marked = write_mark(); !marked) return marked;
    return store::PoolFiles(disk_, directory_->pools()).save(pool_);
}

bool DirectoryTarget::is_finished(std::string_view pool_id) const {
    std::error_code error;
    return fs::exists(store::PoolFiles(disk_, directory_->pools()).path_of(pool_id), error);
}

Result<void> DirectoryTarget::finish() {
    if (auto sealed = seal_segment(); !sealed) return sealed;
    if (auto error = disk_.remove(mark_path(unfinished_))) {
        return store::disk_error("remove", mark_path(unfinished_), error);
    }
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

// --- what an interrupted run has left ----------------------------------------------------------

Result<void> DirectoryTarget::write_mark() const {
    const std::string text = std::string(kMarkVersion) + "\n" + mark_.fingerprint + "\n" +
                             std::to_string(mark_.ahead.count()) + "\n" + mark_.pool + "\n" +
                             std::to_string(mark_.from) + "\n" + std::to_string(mark_.to) + "\n";
    return store::replace_file(disk_, mark_path(unfinished_), std::as_bytes(std::span(text)));
}

/// Nothing where there is none that this program has written: then all is begun anew.
std::optional<DirectoryTarget::Mark> DirectoryTarget::read_mark(const fs::path& unfinished) {
    std::ifstream file(mark_path(unfinished));
    std::string version;
    Mark mark;
    std::int64_t ahead = 0;
    const bool whole = std::getline(file, version) && version == kMarkVersion &&
                       std::getline(file, mark.fingerprint) && file >> ahead &&
                       file.get() == '\n' && std::getline(file, mark.pool) &&
                       file >> mark.from >> mark.to;
    if (!whole) return std::nullopt;
    mark.ahead = std::chrono::milliseconds(ahead);
    return mark;
}

Result<void> DirectoryTarget::begin_journal() {
    next_segment_ = store::first_segment(stream_);
    if (auto laid_out = next_segment(); !laid_out) return laid_out;
    mark_.from = mark_.to = position();
    return write_mark();
}

/// Behind what it says of the last pool that was finished; what follows there is cut off.
Result<void> DirectoryTarget::go_on_with_journal() {
    const bool finished = !mark_.pool.empty() && is_finished(mark_.pool);
    const JournalPosition end = finished ? mark_.to : mark_.from;
    const fs::path stream = store::stream_path(unfinished_, stream_);
    auto files = store::list_shard(stream);
    if (!files) return files.error();
    for (const std::uint32_t segment : files->segments) {
        if (segment <= store::segment_of(end)) continue;
        const fs::path path = store::segment_path(stream, segment);
        if (auto error = disk_.remove(path)) return store::disk_error("remove", path, error);
    }
    next_segment_ = store::segment_of(end) + 1;

    const fs::path path = store::segment_path(stream, store::segment_of(end));
    const auto head = store::read_file(path, store::SegmentHeader::kBytes);
    if (!head) return head.error();
    const auto header = store::SegmentHeader::decode(*head);
    if (!header) return header.error();
    segment_.emplace();
    segment_->header = *header;
    segment_->bytes = segment_bytes_;
    offset_ = store::offset_of(end);
    auto error = disk_.open(path, segment_->file);
    const int file = segment_->file.get();
    if (!error) error = disk_.truncate(file, offset_);
    if (!error) error = disk_.allocate(file, segment_bytes_);
    if (!error) error = disk_.sync(file);
    if (error) return store::disk_error("cut off", path, error);
    if (finished) log_.info("going on behind pool " + mark_.pool);
    return {};
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
    return sync();
}

Result<void> DirectoryTarget::sync() {
    if (auto flushed = flush(); !flushed) return flushed;
    const auto error = disk_.sync(segment_->file.get());
    if (error) return store::disk_error("sync a journal segment in", unfinished_, error);
    return {};
}

JournalPosition DirectoryTarget::position() const noexcept {
    return store::position_at(segment_->header.segment, offset_);
}

Result<void> DirectoryTarget::flush() {
    const auto error = disk_.write_at(segment_->file.get(), buffer_, offset_ - buffer_.size());
    buffer_.clear();
    if (error) return store::disk_error("write a journal segment in", unfinished_, error);
    return {};
}

}  // namespace ringmaster::migrate
