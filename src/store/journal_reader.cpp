#include "ringmaster/store/journal_reader.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

// Most records are shorter, and come with one call.
constexpr std::size_t kFirstRead = 512;

}  // namespace

Error damage(const fs::path& path, std::uint64_t offset, std::string_view what) {
    return {ErrorCode::damaged, path.string() + " is damaged at offset " + std::to_string(offset) +
                                    ": " + std::string(what)};
}

Result<SegmentHeader> read_header(const fs::path& path, std::uint32_t id,
                                  std::span<const std::byte> bytes) {
    auto header = SegmentHeader::decode(bytes);
    if (!header) return damage(path, 0, "it " + header.error().message);
    if (header->segment != id) return damage(path, 0, "it is the file of another segment");
    return header;
}

bool was_removed(const fs::path& shard, std::uint32_t segment) {
    std::error_code error;
    if (!fs::exists(shard, error)) return !error;
    const auto files = list_shard(shard);
    return files && (files->segments.empty() || segment < files->segments.front());
}

Result<LoadedSegment> LoadedSegment::load(const fs::path& shard, std::uint32_t id) {
    LoadedSegment segment;
    segment.path_ = segment_path(shard, id);
    auto bytes = read_file(segment.path_);
    if (!bytes) return bytes.error();
    segment.bytes_ = *std::move(bytes);
    const auto header = read_header(segment.path_, id, segment.bytes_);
    if (!header) return header.error();
    segment.header_ = *header;
    return segment;
}

std::size_t LoadedSegment::used_end(std::size_t offset) const noexcept {
    std::size_t end = bytes_.size();
    while (end > offset && bytes_[end - 1] == std::byte{}) --end;
    return std::max(end, offset);
}

std::optional<JournalPosition> LoadedSegment::gap_in_front() const noexcept {
    const RecordView first = record_at(SegmentHeader::kBytes);
    if (first.kind != RecordView::Kind::record || first.type != RecordType::gap) return {};
    return decode_position(first.payload);
}

Result<Tail> judge_tail(const fs::path& shard, const LoadedSegment& segment, std::uint32_t offset,
                        std::uint32_t end) {
    constexpr auto kBegin = static_cast<std::uint32_t>(SegmentHeader::kBytes);
    const JournalPosition at = position_at(segment.id(), offset);
    JournalPosition claim = find_durable_claim(segment.from(offset), offset, segment.header().salt);
    Tail tail;
    tail.lost_bytes = segment.used_end(offset) - offset;
    for (std::uint32_t id = segment.id() + 1; id < end && !tail.given_up; ++id) {
        const auto later = LoadedSegment::load(shard, id);
        if (!later) return later.error();
        claim = std::max(claim, later->header().durable_before);
        if (const auto trusted_before = later->gap_in_front()) {
            // What is said behind it of what is in front of it does not hold for this tail.
            claim = std::max(claim, *trusted_before);
            tail.given_up = true;
            tail.went_on = later->record_at(kBegin + kGapRecordBytes).kind != RecordView::Kind::end;
        } else {
            claim = std::max(claim,
                             find_durable_claim(later->from(kBegin), kBegin, later->header().salt));
            tail.lost_bytes += later->used_end(kBegin) - kBegin;
        }
    }
    tail.damage = claim > at;
    return tail;
}

// True where it is open, false where retention has removed it.
Result<bool> RecordReader::open(std::uint32_t segment) {
    if (header_ && header_->segment == segment) return true;
    header_.reset();
    path_ = find_segment(root_, segment);
    file_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (file_.get() < 0) {
        const std::error_code reason(errno, std::generic_category());
        if (reason != std::errc::no_such_file_or_directory) {
            return disk_error("open", path_, reason);
        }
        if (was_removed(path_.parent_path(), segment)) return false;
        return Error{ErrorCode::damaged, path_.string() + " is missing"};
    }
    if (auto done = read(0, SegmentHeader::kBytes); !done) return done.error();
    const auto header = read_header(path_, segment, buffer_);
    if (!header) return header.error();
    header_ = *header;
    return true;
}

// As much of it as there is.
Result<void> RecordReader::read(std::uint32_t offset, std::size_t bytes) {
    buffer_.resize(bytes);
    return read_at(file_.get(), path_, offset, buffer_);
}

Result<std::optional<HoldRecord>> RecordReader::read_hold(JournalPosition position) {
    const auto there = open(segment_of(position));
    if (!there) return there.error();
    if (!*there) return std::optional<HoldRecord>();
    const std::uint32_t offset = offset_of(position);
    if (auto done = read(offset, kFirstRead); !done) return done.error();
    if (buffer_.size() >= kRecordHeaderBytes) {
        const std::size_t bytes = claimed_record_bytes(buffer_);
        if (bytes > buffer_.size()) {
            if (auto done = read(offset, bytes); !done) return done.error();
        }
    }
    const RecordView record = read_record(buffer_, offset, header_->salt);
    if (record.kind != RecordView::Kind::record) {
        return damage(path_, offset, "no valid record stands there");
    }
    auto hold = record.type == RecordType::hold ? HoldRecord::decode(record.payload) : std::nullopt;
    if (!hold) return damage(path_, offset, "another record than that of a hold");
    return hold;
}

}  // namespace ringmaster::store
