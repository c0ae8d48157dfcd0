#pragma once

#include "ringmaster/base/byte_block.hpp"
#include "ringmaster/base/clock.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

/// How texts are written for programs: the parts that more than one module needs.
namespace ringmaster {

/// What stands at the front of some text.
struct Utf8Sequence {
    std::size_t size;  ///< of a character, or of the longest beginning of one
    bool valid;
};
/// Precondition: `text` is not empty.
Utf8Sequence first_utf8_sequence(std::string_view text) noexcept;
bool is_utf8(std::string_view text) noexcept;

/// Appends `text` as a JSON string with its quotes (RFC 8259, 7). Bytes that are not UTF-8 become
/// U+FFFD, one for each longest beginning of a character.
void append_json_string(std::string& out, std::string_view text);

/// Whether a byte can't stand in a JSON string, or only after a look at it.
constexpr bool is_json_special(char c) noexcept {
    return c < ' ' || c == '"' || c == '\\';  // what is not ASCII is negative
}
static_assert(is_json_special('\x80'));

/// Whether `text` is a JSON string with nothing but quotes put around it: ASCII without escapes.
inline bool is_plain_json(std::string_view text) noexcept {
    if (text.size() < ByteBlock::kSize) return std::ranges::none_of(text, is_json_special);
    const char* const last = text.data() + text.size() - ByteBlock::kSize;
    bool special = ByteBlock(last).has_json_special();
    for (const char* at = text.data(); at < last; at += ByteBlock::kSize) {
        special |= ByteBlock(at).has_json_special();
    }
    return !special;
}

/// Writes the last `digits` decimal digits, with leading zeros, and returns their end.
inline char* write_digits(char* to, unsigned value, int digits) noexcept {
    for (int i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
    return to + digits;
}

inline constexpr std::size_t kUtcBytes = 20;
/// Writes kUtcBytes as ISO 8601 has it, e.g. "2026-11-21T17:31:05Z". For the years 0 to 9999.
void write_utc(char* to, std::chrono::sys_seconds time) noexcept;
/// Appends the same with milliseconds: "2026-11-21T17:31:05.250Z".
void append_utc(std::string& out, WallTime time);

}  // namespace ringmaster
