#include "ringmaster/store/erasure.hpp"

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

namespace {

constexpr std::array<char, 8> kMagic = {'R', 'M', 'E', 'R', 'A', 'S', 'E', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kEntryBytes = 12;

Error damaged_list(const fs::path& path) {
    return {ErrorCode::damaged, path.string() + " is damaged: an erasure can't be completed"};
}

// Which checksum the record will have. `record` are all of its bytes.
std::uint32_t crc_once_erased(std::span<const std::byte> record, std::uint32_t offset,
                              std::uint32_t salt) {
    std::vector<std::byte> copy(record.begin(), record.end());
    return erase_hold({copy.data(), offset, salt}, copy.size()).value();
}

Result<void> clear_tail(Disk& disk, const LoadedSegment& segment, std::uint32_t offset) {
    const std::vector<std::byte> zeros(segment.used_end(offset) - offset);
    if (zeros.empty()) return {};
    UniqueFd file;
    auto error = disk.open(segment.path(), file);
    if (!error) error = disk.write_at(file.get(), zeros, offset);
    if (!error) error = disk.sync(file.get());
    return error ? Result<void>(disk_error("clear the end of", segment.path(), error))
                 : Result<void>();
}

// Erases the listed records of one segment.
Result<void> erase_records(Disk& disk, const fs::path& shard, std::span<const Erasable> records) {
    const std::uint32_t id = segment_of(records.front().position);
    auto segment = LoadedSegment::load(shard, id);
    if (!segment) return was_removed(shard, id) ? Result<void>() : segment.error();
    UniqueFd file;
    auto error = disk.open(segment->path(), file);
    for (const Erasable& record : records) {
        if (error) break;
        const std::uint32_t offset = offset_of(record.position);
        const auto bytes = segment->bytes().subspan(std::min<std::size_t>(offset, segment->size()));
        if (!erase_in(bytes, offset, segment->header().salt, record.erased_crc)) {
            return damage(segment->path(), offset, "the record that is to be erased is not there");
        }
        error = disk.write_at(file.get(), bytes.first(claimed_record_bytes(bytes)), offset);
    }
    if (!error) error = disk.sync(file.get());
    if (error) return disk_error("erase from", segment->path(), error);
    return {};
}

}  // namespace

Result<void> find_erasable(Disk& disk, const fs::path& shard, std::uint32_t id,
                           std::string_view session_id, JournalPosition end,
                           std::vector<Erasable>& found) {
    const auto segment = LoadedSegment::load(shard, id);
    if (!segment) return was_removed(shard, id) ? Result<void>() : segment.error();
    const std::uint32_t salt = segment->header().salt;
    std::uint32_t offset = SegmentHeader::kBytes;
    while (position_at(id, offset) != end) {
        const RecordView record = segment->record_at(offset);
        if (record.kind != RecordView::Kind::record) {
            const auto tail = judge_tail(shard, *segment, offset, segment_of(end) + 1);
            if (!tail) return tail.error();
            if (tail->given_up && !tail->damage) return clear_tail(disk, *segment, offset);
            return damage(segment->path(), offset, "no valid record stands there");
        }
        if (record.type == RecordType::hold) {
            const auto hold = HoldRecord::decode(record.payload);
            if (!hold) return damage(segment->path(), offset, "a hold record without sense");
            if (!hold->erased && hold->session_id == session_id) {
                const auto bytes = segment->from(offset).first(record.bytes);
                found.push_back(
                    {position_at(id, offset), crc_once_erased(bytes, offset, salt), hold->number});
            }
        }
        if (record.type == RecordType::seal) break;
        offset += record.bytes;
    }
    return {};
}

Result<void> begin_erasure(Disk& disk, const fs::path& shard,
                           const std::vector<Erasable>& records) {
    std::vector<std::byte> bytes(kHeaderBytes + kEntryBytes * records.size());
    std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
    store_at(bytes.data() + 8, kVersion);
    store_at<std::uint64_t>(bytes.data() + 16, records.size());
    std::byte* out = bytes.data() + kHeaderBytes;
    for (const Erasable& record : records) {
        store_at(out, record.position);
        store_at(out + 8, record.erased_crc);
        out += kEntryBytes;
    }
    store_at(bytes.data() + 12, crc32c(std::span<const std::byte>(bytes).subspan(16)));

    return replace_file(disk, erasure_path(shard), bytes);
}

Result<std::vector<Erasable>> pending_erasure(const fs::path& shard) {
    const fs::path path = erasure_path(shard);
    std::vector<Erasable> records;
    std::error_code error;
    if (!fs::exists(path, error)) return records;
    const auto bytes = read_file(path);
    if (!bytes) return bytes.error();
    if (bytes->size() < kHeaderBytes || (bytes->size() - kHeaderBytes) % kEntryBytes != 0 ||
        std::memcmp(bytes->data(), kMagic.data(), kMagic.size()) != 0 ||
        load_at<std::uint32_t>(bytes->data() + 8) != kVersion ||
        load_at<std::uint32_t>(bytes->data() + 12) != crc32c(std::span(*bytes).subspan(16)) ||
        load_at<std::uint64_t>(bytes->data() + 16) !=
            (bytes->size() - kHeaderBytes) / kEntryBytes) {
        return damaged_list(path);
    }
    for (std::size_t at = kHeaderBytes; at < bytes->size(); at += kEntryBytes) {
        records.push_back({load_at<JournalPosition>(bytes->data() + at),
                           load_at<std::uint32_t>(bytes->data() + at + 8),
                           {}});
    }
    return records;
}

bool erase_in(std::span<std::byte> record, std::uint32_t offset, std::uint32_t salt,
              std::uint32_t erased_crc) noexcept {
    if (record.size() < kRecordHeaderBytes) return false;
    const std::size_t bytes = claimed_record_bytes(record);
    if (bytes > record.size()) return false;
    return erase_hold({record.data(), offset, salt}, bytes) == erased_crc;
}

Result<void> finish_erasure(Disk& disk, const fs::path& shard) {
    const fs::path path = erasure_path(shard);
    std::error_code error;
    if (!fs::exists(path, error)) return {};
    // The next record may be in another segment.
    const auto records = pending_erasure(shard);
    if (!records) return records.error();
    for (auto begin = records->begin(); begin != records->end();) {
        const std::uint32_t id = segment_of(begin->position);
        const auto end = std::find_if(begin, records->end(), [&](const Erasable& record) {
            return segment_of(record.position) != id;
        });
        if (auto done = erase_records(disk, shard, {begin, end}); !done) return done;
        begin = end;
    }
    error = disk.remove(path);
    if (!error) error = disk.sync_directory(shard);
    if (error) return disk_error("remove", path, error);
    return {};
}

}  // namespace ringmaster::store
