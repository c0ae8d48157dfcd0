#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/store/disk.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The format of a pool's file, version 1: a header of 24 bytes, the definition, and then 32 bytes
/// for each number. Integers are little endian.
///
///      0 "RMPOOLS\n"   8 version u32   12 crc of all that follows u32
///     16 number of numbers u32   20 bytes of the definition u32
///
///     the definition: 0 lifetime, 4 cooldown, 8 max_hold, seconds u32 each; 12 flags u32
///     (1 = overflow is allowed); 16 the overflow number, as below; 48 id, name, key, tracking_url
///     and default_region, each a length u32 and as many bytes
///
///     a number: 0 digits u64; 8 bytes of its text u8, plus 128 where it is draining; 9 its text,
///     filled up with zeros
namespace ringmaster::store {

/// A number of a pool, as its file has it. Where it is draining, and its time over, it has left.
struct StoredNumber {
    ringpool::PoolNumber number;
    bool draining = false;
};

/// All that a pool's file says.
struct StoredPool {
    ringpool::PoolDefinition definition;
    std::vector<StoredNumber> numbers;
};

std::vector<std::byte> encode_pool(const StoredPool& pool);
/// ErrorCode::damaged, with what is wrong.
Result<StoredPool> decode_pool(std::span<const std::byte> bytes);

/// The pools on the disk, "<id>.pool" for each: a change of one pool replaces one file, and so is
/// whole or has not happened. Several processes may share the directory where each file is written
/// by one of them only: who reads finds what was there before a change or after it. Everything
/// blocks.
class PoolFiles {
  public:
    /// `directory` must be there; `disk` must outlive this.
    PoolFiles(Disk& disk, std::filesystem::path directory);

    /// Whose file a process writes, by id.
    using IsMine = std::function<bool(std::string_view id)>;

    /// All pools, in order of id. Removes what was not finished; so only for who is alone.
    /// ErrorCode::damaged, with the file and what is wrong, where one is; ErrorCode::unavailable
    /// where the disk fails.
    Result<std::vector<StoredPool>> load() const;

    /// The ids of all pools, in order.
    Result<std::vector<std::string>> list() const;
    /// Removes what was not finished of these pools' files.
    Result<void> remove_unfinished(const IsMine& is_mine) const;
    /// One pool. Errors as above, and ErrorCode::not_found where there is no such file.
    Result<StoredPool> load(std::string_view id) const;
    /// The same, in one small read whatever the number of numbers. Does not notice all damage: a
    /// checksum over the whole file takes the whole file.
    Result<ringpool::PoolDefinition> load_definition(std::string_view id) const;

    /// Writes the file of this pool anew, durably. ErrorCode::unavailable where the disk fails:
    /// then the file is the one before or, at worst, the new one.
    Result<void> save(const StoredPool& pool) const;
    /// Removes the file of this pool, if there is one, durably. ErrorCode::unavailable as above.
    Result<void> remove(std::string_view id) const;

    std::filesystem::path path_of(std::string_view id) const;

  private:
    Result<std::vector<std::byte>> read(std::string_view id, std::size_t max_bytes) const;
    template <class Visit>
    Result<void> for_each_name(Visit&& visit) const;

    Disk& disk_;
    const std::filesystem::path directory_;
};

}  // namespace ringmaster::store
