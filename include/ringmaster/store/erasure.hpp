#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/journal_format.hpp"
#include "ringmaster/store/journal_reader.hpp"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

/// How what a session is known by is erased from the journal: its id and its contexts, which stand
/// in hold records and nowhere else (snapshots, memory and all other records have a keyed hash of
/// the session only). First all of its records are found; then their positions are put on a list,
/// <shard>/erasure.dat, durably; then the records are overwritten in place; then the list is
/// removed. A crash in front of the list changes nothing, and after it the next start goes on. Each
/// stream is erased from on its own, and `shard` is its directory.
///
/// The list, little endian: 0 "RMERASE\n", 8 version u32, 12 crc of the rest u32, 16 how many u64,
/// and for each record: position u64, and u32 its checksum once it is erased, so that a record
/// which was torn in the middle can be made whole, and its wholeness be known.
///
/// Everything here blocks.
namespace ringmaster::store {

/// A record that is to be erased.
struct Erasable {
    JournalPosition position = 0;
    std::uint32_t erased_crc = 0;
    ringpool::PhoneNumber number;  ///< not on the list
};

/// Appends to `found` the session's records in a segment, up to position `end`, that are not erased
/// yet. A tail that was given up when the disk failed may have parts of records in it and is
/// overwritten with zeros here and now. ErrorCode::damaged, with file and offset, where the segment
/// is; then it is not known what else stands there. Nothing is found in one that retention has
/// removed.
Result<void> find_erasable(Disk& disk, const std::filesystem::path& shard, std::uint32_t segment,
                           std::string_view session_id, JournalPosition end,
                           std::vector<Erasable>& found);

/// Writes the list.
Result<void> begin_erasure(Disk& disk, const std::filesystem::path& shard,
                           const std::vector<Erasable>& records);
/// Erases what is on the list, if there is one, and removes it. ErrorCode::unavailable where the
/// disk fails: to be called again. ErrorCode::damaged where the list is, or a record on it.
Result<void> finish_erasure(Disk& disk, const std::filesystem::path& shard);

/// What is on the list, if there is one, in order of position.
Result<std::vector<Erasable>> pending_erasure(const std::filesystem::path& shard);
/// Erases a record in memory: `record` are the bytes from it on. Nothing else is changed. False
/// where what stands there can't be made the record that it is to become.
bool erase_in(std::span<std::byte> record, std::uint32_t offset, std::uint32_t salt,
              std::uint32_t erased_crc) noexcept;

}  // namespace ringmaster::store
