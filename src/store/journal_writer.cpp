#include "ringmaster/store/journal_writer.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace {

constexpr std::chrono::seconds kSyncInterval{1};
// How far the disk may lag behind, in segments, before who wants another one has to wait.
constexpr std::size_t kMaxLeftSegments = 4;

JournalPosition begin_of(const Segment& segment) noexcept {
    return position_at(segment.header.segment, SegmentHeader::kBytes);
}

Error timed_out() {
    return {ErrorCode::timeout, "the journal was not written in time"};
}

}  // namespace

JournalWriter::JournalWriter(runtime::Reactor& reactor, runtime::HelperThread& sync_helper,
                             Disk& disk, SegmentSupply& supply, Fsync fsync, Segment first,
                             runtime::Callback on_failure)
    : reactor_(reactor),
      sync_helper_(sync_helper),
      disk_(disk),
      supply_(supply),
      fsync_(fsync),
      on_failure_(on_failure),
      max_reserve_bytes_(first.bytes - SegmentHeader::kBytes - kGapRecordBytes - kSyncRecordBytes -
                         kSealRecordBytes),
      flush_at_end_of_turn_(runtime::Callback::of<&JournalWriter::flush>(*this)),
      segment_(std::move(first)),
      buffer_offset_(SegmentHeader::kBytes),
      written_(begin_of(segment_)),
      durable_(written_),
      durable_told_(written_),
      written_waiters_(reactor.scheduler()),
      durable_waiters_(reactor.scheduler()),
      sync_work_(reactor.scheduler()),
      sync_ended_(reactor.scheduler()) {}

void JournalWriter::run() {
    while (!stopping_) {
        if (sync_due()) {
            sync_once();
        } else if (fsync_ == Fsync::everysec && !failure_ && durable_ < written_) {
            sync_work_.wait(Deadline::at(unsynced_since_ + kSyncInterval));
        } else {
            sync_work_.wait();
        }
    }
}

void JournalWriter::stop() noexcept {
    stopping_ = true;
    sync_work_.notify_all();
}

bool JournalWriter::sync_due() const noexcept {
    if (failure_ || durable_ >= written_) return false;
    switch (fsync_) {
        case Fsync::always: return true;
        case Fsync::everysec:
            if (reactor_.scheduler().now() >= unsynced_since_ + kSyncInterval) return true;
            break;
        case Fsync::never: break;
    }
    return sync_asked_ > durable_ || !left_.empty();
}

void JournalWriter::sync_once() {
    // Others write on meanwhile, and may leave the current segment: its descriptor then moves to
    // left_, and stays open until a later sync.
    const JournalPosition target = written_;
    const std::vector<Segment> left = std::move(left_);
    left_.clear();
    const int current = segment_.file.get();
    unsynced_since_ = reactor_.scheduler().now();
    syncing_ = true;
    const std::error_code error = sync_helper_.run([&] {
        for (const Segment& segment : left) {
            if (const auto failed = disk_.sync(segment.file.get())) return failed;
        }
        return disk_.sync(current);
    });
    syncing_ = false;
    sync_ended_.notify_all();
    if (error) {
        fail({ErrorCode::unavailable, "sync the journal: " + error.message()});
        return;
    }
    durable_ = target;
    durable_waiters_.notify_all();
}

void JournalWriter::fail(Error error) {
    if (failure_) return;
    committed_before_failure_ = committed();
    failure_ = std::move(error);
    ++failures_;
    written_waiters_.notify_all();
    durable_waiters_.notify_all();
    on_failure_();
}

// Once the next segment is there, all is well again, even if nobody has asked for room since.
Result<void> JournalWriter::ready() const {
    if (failure_) return *failure_;
    if (starved_ && supply_.failure()) return *supply_.failure();
    return {};
}

bool JournalWriter::fits(std::size_t bytes) const noexcept {
    return offset_of(end()) + bytes + kSyncRecordBytes + kSealRecordBytes <= segment_.bytes;
}

Result<void> JournalWriter::reserve(std::size_t bytes, Deadline deadline) {
    assert(bytes <= max_reserve_bytes_);
    const runtime::Waiting waiting(reactor_.scheduler(), runtime::WaitsFor::disk);
    while (true) {
        if (failure_) return *failure_;
        if (fits(bytes)) break;
        if (left_.size() < kMaxLeftSegments) {
            if (auto next = supply_.take()) {
                change_segment(*std::move(next));
                continue;
            }
            if (supply_.failure()) {
                starved_ = true;
                return *supply_.failure();
            }
            supply_.wait(deadline);
        } else {
            durable_waiters_.wait(deadline);
        }
        if (deadline.expired(reactor_.scheduler().now())) return timed_out();
    }
    // Now, while memory is as the journal says: there is no way back where a record finds no room.
    const std::size_t most = buffer_.size() + bytes + kSyncRecordBytes + kSealRecordBytes;
    if (most > buffer_.capacity()) buffer_.reserve(std::max(most, 2 * buffer_.capacity()));
    if (buffer_.empty() && durable_told_ < durable_) {
        const RecordPlace place = grow(kSyncRecordBytes);
        encode_sync(place, durable_);
        durable_told_ = durable_;
    }
    return {};
}

// Room for one more record, at the end of the buffer.
RecordPlace JournalWriter::grow(std::size_t bytes) {
    const std::uint32_t offset = offset_of(end());
    const std::size_t before = buffer_.size();
    buffer_.resize(before + bytes);
    appended_bytes_ += bytes;
    reactor_.scheduler().defer(flush_at_end_of_turn_);
    return {buffer_.data() + before, offset, segment_.header.salt};
}

JournalPosition JournalWriter::append_hold(const HoldRecord& record) {
    const JournalPosition position = end();
    encode_hold(grow(record_bytes(record.payload_bytes())), record);
    assert(offset_of(end()) + kSealRecordBytes <= segment_.bytes);
    return position;
}

void JournalWriter::append_times(RecordType type, const TimesRecord& record) {
    encode_times(grow(kTimesRecordBytes), type, record);
    assert(offset_of(end()) + kSealRecordBytes <= segment_.bytes);
}

void JournalWriter::append_adopt(const AdoptRecord& record) {
    encode_adopt(grow(kAdoptRecordBytes), record);
    assert(offset_of(end()) + kSealRecordBytes <= segment_.bytes);
}

void JournalWriter::flush() noexcept {
    if (buffer_.empty() || failure_) return;
    if (const auto error = disk_.write_at(segment_.file.get(), buffer_, buffer_offset_)) {
        fail({ErrorCode::unavailable, "write to the journal: " + error.message()});
        return;
    }
    const bool was_synced = durable_ == written_;
    if (was_synced) unsynced_since_ = reactor_.scheduler().now();
    buffer_offset_ += static_cast<std::uint32_t>(buffer_.size());
    buffer_.clear();
    written_ = end();
    written_waiters_.notify_all();
    if (was_synced || fsync_ == Fsync::always) sync_work_.notify_all();
}

void JournalWriter::change_segment(Segment next) {
    encode_seal(grow(kSealRecordBytes));
    flush();
    if (failure_) return;
    left_.push_back(std::exchange(segment_, std::move(next)));
    buffer_offset_ = SegmentHeader::kBytes;
    written_ = begin_of(segment_);
    starved_ = false;
    sync_work_.notify_all();
}

Result<void> JournalWriter::wait_for(runtime::WaitQueue& waiters, const JournalPosition& reached,
                                     Deadline deadline) {
    const runtime::Waiting waiting(reactor_.scheduler(), runtime::WaitsFor::disk);
    const JournalPosition target = end();
    const std::uint64_t failures = failures_;
    if (failure_) return *failure_;
    while (reached < target) {
        const auto reason = waiters.wait(deadline);
        // After a failure positions go on elsewhere: that they are reached says nothing of this
        // one.
        if (failures_ != failures) {
            return Error{ErrorCode::unavailable, "the journal could not be written"};
        }
        if (reason == runtime::WakeReason::timeout && reached < target) return timed_out();
    }
    return {};
}

Result<void> JournalWriter::commit(Deadline deadline) {
    if (fsync_ == Fsync::always) return wait_for(durable_waiters_, durable_, deadline);
    return wait_for(written_waiters_, written_, deadline);
}

Result<void> JournalWriter::sync(Deadline deadline) {
    flush();
    sync_asked_ = std::max(sync_asked_, end());
    sync_work_.notify_all();
    return wait_for(durable_waiters_, durable_, deadline);
}

Result<void> JournalWriter::seal() {
    if (failure_) return *failure_;
    encode_seal(grow(kSealRecordBytes));
    flush();
    if (failure_) return *failure_;
    if (const auto error = disk_.truncate(segment_.file.get(), buffer_offset_)) {
        return Error{ErrorCode::unavailable, "shorten the journal: " + error.message()};
    }
    return sync(Deadline::never());
}

void JournalWriter::begin_anew(Segment segment) {
    assert(failure_);
    while (syncing_) sync_ended_.wait();
    segment_ = std::move(segment);
    left_.clear();
    buffer_.clear();
    buffer_offset_ = SegmentHeader::kBytes + kGapRecordBytes;
    written_ = end();
    sync_asked_ = 0;
}

Result<void> JournalWriter::record_gap() {
    std::array<std::byte, kGapRecordBytes> bytes;
    encode_gap({bytes.data(), SegmentHeader::kBytes, segment_.header.salt}, durable_);
    const int file = segment_.file.get();
    const std::error_code error = sync_helper_.run([&] {
        const auto failed = disk_.write_at(file, bytes, SegmentHeader::kBytes);
        return failed ? failed : disk_.sync(file);
    });
    if (error) return Error{ErrorCode::unavailable, "begin the journal anew: " + error.message()};
    return {};
}

// Not sooner: what claims that all in front of here is durable would turn a torn tail into damage.
void JournalWriter::resume() noexcept {
    durable_ = durable_told_ = written_;
    failure_.reset();
}

}  // namespace ringmaster::store
