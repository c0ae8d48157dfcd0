#pragma once

#include "ringmaster/store/bytes.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A shard's directory as the input of the fuzz target `journal`.
///
/// The first byte's lowest bit asks for checksums to be mended. Then, for each file: kind u8 (odd
/// for a snapshot), sequence number i8 (so that both ends of a stream are near), for a snapshot its
/// offset u16, then size u16 and so many bytes, or as many as there are. All are of stream 0.
namespace ringmaster::fuzz {

struct JournalFile {
    bool is_snapshot = false;
    store::JournalPosition position = 0;  ///< of a segment, its begin
    std::vector<std::byte> bytes;

    std::uint32_t segment() const noexcept { return store::segment_of(position); }
    std::filesystem::path path(const std::filesystem::path& shard) const {
        return is_snapshot ? store::snapshot_path(shard, position)
                           : store::segment_path(shard, segment());
    }
};

struct JournalInput {
    bool mend_checksums = false;
    std::vector<JournalFile> files;
};

inline JournalInput parse_journal_input(std::span<const std::byte> rest) {
    constexpr std::size_t kMostFiles = 8;
    JournalInput input;
    const auto take = [&](std::size_t size) {
        const auto taken = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(taken.size());
        return taken;
    };
    const auto number = [&](std::size_t size) {
        std::uint32_t value = 0;
        std::ranges::copy(take(size), std::as_writable_bytes(std::span(&value, 1)).begin());
        return value;
    };
    input.mend_checksums = (number(1) & 1) != 0;
    while (!rest.empty() && input.files.size() < kMostFiles) {
        JournalFile file;
        file.is_snapshot = (number(1) & 1) != 0;
        const auto sequence = static_cast<std::uint32_t>(static_cast<std::int8_t>(number(1)));
        const std::uint32_t segment = store::sequence_of(sequence);
        file.position = store::position_at(segment, file.is_snapshot ? number(2) : 0);
        const auto bytes = take(number(2));
        file.bytes.assign(bytes.begin(), bytes.end());
        input.files.push_back(std::move(file));
    }
    return input;
}

/// The files of `shard`, without the zeros at the end of segments.
inline std::string make_journal_input(const std::filesystem::path& shard, bool mend_checksums) {
    std::string input(1, mend_checksums ? '\1' : '\0');
    const auto put = [&](std::size_t value, int size) {
        for (; size > 0; --size, value >>= 8) input += static_cast<char>(value);
    };
    for (const auto& entry : std::filesystem::directory_iterator(shard)) {
        const std::string name = entry.path().filename().string();
        const auto segment = store::parse_segment_name(name);
        const auto snapshot = store::parse_snapshot_name(name);
        if (!segment && !snapshot) continue;
        std::ifstream in(entry.path(), std::ios::binary);
        std::string bytes(std::istreambuf_iterator<char>(in), {});
        if (segment) bytes.erase(bytes.find_last_not_of('\0') + 1);
        put(snapshot ? 1 : 0, 1);
        put(segment ? *segment : store::segment_of(*snapshot), 1);
        if (snapshot) put(store::offset_of(*snapshot), 2);
        put(bytes.size(), 2);
        input += bytes;
    }
    return input;
}

}  // namespace ringmaster::fuzz
