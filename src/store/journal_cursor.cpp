#include "ringmaster/store/journal_cursor.hpp"

#include "ringmaster/store/journal_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kWindowBytes = 256u << 10;

}  // namespace

Result<JournalCursor> JournalCursor::open(const fs::path& root, std::uint32_t stream,
                                          OnFinding on_finding) {
    JournalCursor cursor(stream_path(root, stream), std::move(on_finding));
    auto files = list_shard(cursor.shard_);
    std::error_code error;
    // A daemon that runs removes retired ones as it goes.
    if (!files && !fs::exists(cursor.shard_, error)) return cursor;
    if (!files) return files.error();
    cursor.files_ = *std::move(files);
    auto pending = pending_erasure(cursor.shard_);
    if (pending) {
        cursor.pending_ = *std::move(pending);
    } else {
        cursor.path_ = erasure_path(cursor.shard_);
        cursor.find(true, 0, "the list of what is to be erased is damaged");
    }
    for (const std::uint32_t id : cursor.files_.segments) {
        const auto bytes = fs::file_size(segment_path(cursor.shard_, id), error);
        if (!error) cursor.all_bytes_ += bytes;
    }
    return cursor;
}

void JournalCursor::find(bool damage, std::uint64_t offset, std::string what) const {
    if (on_finding_) on_finding_({damage, path_, offset, std::move(what)});
}

void JournalCursor::refuse_record() const {
    find(true, at_, "a record without sense");
}

Result<bool> JournalCursor::next() {
    while (index_ < files_.segments.size()) {
        if (file_.get() < 0) {
            const auto opened = open_segment();
            if (!opened) return opened.error();
            if (!*opened) continue;
        }
        auto found = look();
        // While it was looked at, a daemon that runs may have written more, or half of it.
        if (found && !*found) {
            window_.clear();
            found = look();
        }
        if (!found) return found.error();
        if (!*found) {
            if (auto done = end_unsealed(); !done) return done.error();
            close_segment();
        } else if (record_.type == RecordType::seal) {
            close_segment();
        } else {
            return true;
        }
    }
    return false;
}

// False where there is none to be read, and then goes on to the next one.
Result<bool> JournalCursor::open_segment() {
    path_ = segment_path(shard_, segment());
    if (index_ > 0) {
        for (std::uint32_t id = files_.segments[index_ - 1] + 1; id < segment(); ++id) {
            if (on_finding_) on_finding_({true, segment_path(shard_, id), 0, "it is missing"});
        }
    }
    file_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    const std::error_code error(errno, std::generic_category());
    if (file_.get() < 0) {
        if (!was_removed(shard_, segment())) return disk_error("open", path_, error);
        close_segment();
        return false;
    }
    offset_ = 0;
    window_.clear();
    if (auto done = fill(SegmentHeader::kBytes); !done) return done.error();
    const auto header = read_header(path_, segment(), window_);
    if (!header) {
        find(true, 0, header.error().message);
        close_segment();
        return false;
    }
    salt_ = header->salt;
    offset_ = SegmentHeader::kBytes;
    return true;
}

void JournalCursor::close_segment() noexcept {
    std::error_code error;
    const auto bytes = fs::file_size(path_, error);
    if (!error) done_bytes_ += bytes;
    file_ = UniqueFd();
    offset_ = 0;
    ++index_;
}

// The window begins where the next record does, and has so many bytes, or up to the file's end.
Result<void> JournalCursor::fill(std::size_t least_bytes) {
    window_.resize(std::max(kWindowBytes, least_bytes));
    window_begin_ = offset_;
    return read_at(file_.get(), path_, window_begin_, window_);
}

// What stands at offset_; goes behind it where that is a record.
Result<bool> JournalCursor::look() {
    if (window_.empty() || rest().size() < kRecordHeaderBytes) {
        if (auto done = fill(kRecordHeaderBytes); !done) return done.error();
    }
    if (rest().size() >= kRecordHeaderBytes) {
        const std::size_t bytes = claimed_record_bytes(rest());
        if (bytes > rest().size()) {
            if (auto done = fill(bytes); !done) return done.error();
        }
    }
    const JournalPosition position = position_at(segment(), offset_);
    // As the next start would leave it.
    if (!pending_.empty()) {
        const auto erasable = std::ranges::lower_bound(pending_, position, {}, &Erasable::position);
        if (erasable != pending_.end() && erasable->position == position) {
            erase_in(rest(), offset_, salt_, erasable->erased_crc);
        }
    }
    record_ = read_record(rest(), offset_, salt_);
    if (record_.kind != RecordView::Kind::record) return false;
    at_ = offset_;
    offset_ += record_.bytes;
    return true;
}

Result<void> JournalCursor::end_unsealed() {
    const auto loaded = LoadedSegment::load(shard_, segment());
    if (!loaded) {
        if (was_removed(shard_, segment())) return {};
        if (loaded.error().code != ErrorCode::damaged) return loaded.error();
        find(true, 0, loaded.error().message);
        return {};
    }
    const auto finding = find_at_end(shard_, files_, *loaded, offset_);
    if (!finding) return finding.error();
    if (*finding && on_finding_) on_finding_(**finding);
    return {};
}

}  // namespace ringmaster::store
