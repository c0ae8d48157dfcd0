#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// Containers within containers; more is refused.
inline constexpr std::size_t kMaxJsonDepth = 32;

/// Where and why a text is not JSON.
struct JsonFault {
    std::size_t offset;         ///< of the first byte that can't be; the size where more must come
    std::string_view expected;  ///< what should have been there; a literal
};

/// The first fault of `text` as one JSON value in UTF-8 (RFC 8259), or nothing. Stricter than the
/// RFC in two points: escapes must not name half a surrogate pair, and depth has a bound. Slow and
/// exact: for telling a client what is wrong with a body that JsonTokens has refused.
std::optional<JsonFault> find_json_fault(std::string_view text);

/// Whether all of `text` is one number (RFC 8259, 6).
bool is_json_number(std::string_view text) noexcept;

/// Appends what the inside of a JSON string stands for, which is never longer than itself. False
/// where an escape is malformed; then what has been appended means nothing.
bool append_unescaped(std::string& out, std::string_view raw);

}  // namespace ringmaster::api
