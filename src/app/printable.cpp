#include "ringmaster/app/printable.hpp"

#include <algorithm>
#include <cstdint>

namespace ringmaster::app {
namespace {

void append_escaped(std::string& out, unsigned char byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    switch (byte) {
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: out.append("\\x").append({kHex[byte >> 4], kHex[byte & 15]});
    }
}

/// The size of the UTF-8 sequence of a printable character that `text` begins with; 0 where it
/// begins with none (RFC 3629, 4: the ranges of the second byte exclude overlong forms, surrogates
/// and what lies past U+10FFFF).
std::size_t printable_sequence(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;

    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return 0;
    }
    std::uint8_t least = 0x80;
    std::uint8_t most = 0xBF;
    switch (first) {
        case 0xC2: least = 0xA0; break;  // U+0080 to U+009F are control characters
        case 0xE0: least = 0xA0; break;
        case 0xED: most = 0x9F; break;
        case 0xF0: least = 0x90; break;
        case 0xF4: most = 0x8F; break;
        default: break;
    }
    return byte(1) >= least && byte(1) <= most ? size : 0;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max_bytes) {
    std::size_t shown = std::min(text.size(), max_bytes);
    // Not in the middle of a character.
    while (shown > 0 && shown < text.size() && (text[shown] & 0xC0) == 0x80) --shown;

    std::string out;
    out.reserve(shown + 3);
    for (std::string_view rest = text.substr(0, shown); !rest.empty();) {
        const std::size_t size = printable_sequence(rest);
        if (size == 0) {
            append_escaped(out, static_cast<unsigned char>(rest[0]));
        } else {
            out.append(rest.substr(0, size));
        }
        rest.remove_prefix(std::max<std::size_t>(size, 1));
    }
    if (shown < text.size()) out += "...";
    return out;
}

}  // namespace ringmaster::app
