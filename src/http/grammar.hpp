#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

/// What the sources of this module share of HTTP's grammar. All of its own words are ASCII, so
/// nothing here looks at a locale.
namespace ringmaster::http {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}
/// The control characters that may stand nowhere in a head: all, HTAB too.
constexpr bool is_control(char c) noexcept {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// 0 to 15, or -1.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// Letters, digits and the given marks: one look into a table for each character.
class CharacterSet {
  public:
    constexpr explicit CharacterSet(std::string_view marks) noexcept {
        for (unsigned c = 0; c < 256; ++c) {
            const char character = static_cast<char>(c);
            contains_[c] =
                is_alpha(character) || is_digit(character) || marks.find(character) != marks.npos;
        }
    }
    constexpr bool contains(char c) const noexcept {
        return contains_[static_cast<unsigned char>(c)];
    }

  private:
    std::array<bool, 256> contains_{};
};

/// A token of RFC 9110, 5.6.2: method and field names.
inline bool is_token(std::string_view text) noexcept {
    static constexpr CharacterSet kToken("!#$%&'*+-.^_`|~");
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return kToken.contains(c); });
}

/// Whether it can stand in a request line as it is: the origin-form, percent-encoded.
inline bool is_target(std::string_view text) noexcept {
    return text.starts_with('/') && std::all_of(text.begin(), text.end(), [](char c) {
               return c > ' ' && c != 0x7f && static_cast<unsigned char>(c) < 0x80;
           });
}

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

inline bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
               return to_lower(x) == to_lower(y);
           });
}

inline std::string_view trim_blanks(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// uri-host [":" port] (RFC 3986, 3.2.2 and 3.2.3), without user information.
inline bool is_authority(std::string_view text) noexcept {
    std::size_t i = 0;
    if (!text.empty() && text.front() == '[') {
        const std::size_t end = text.find(']');
        if (end == text.npos || end < 3) return false;
        for (i = 1; i < end; ++i) {
            if (hex_value(text[i]) < 0 && text[i] != ':' && text[i] != '.') return false;
        }
        ++i;
    } else {
        if (!text.empty() && text.front() == ':') return false;
        static constexpr CharacterSet kName("-._~!$&'()*+,;=");
        for (; i < text.size() && text[i] != ':'; ++i) {
            if (kName.contains(text[i])) continue;
            if (text[i] != '%' || text.size() - i < 3 || hex_value(text[i + 1]) < 0 ||
                hex_value(text[i + 2]) < 0) {
                return false;
            }
            i += 2;
        }
    }
    if (i == text.size()) return true;
    const std::string_view port = text.substr(i + 1);
    if (text[i] != ':' || port.size() > 5) return false;
    unsigned number = 0;
    for (const char c : port) {
        if (!is_digit(c)) return false;
        number = number * 10 + static_cast<unsigned>(c - '0');
    }
    return number <= 65535;
}

/// Calls `visit` with each member of a comma-separated list, empty ones too.
template <class Visit>
void for_each_member(std::string_view list, Visit&& visit) {
    while (true) {
        const std::size_t comma = list.find(',');
        visit(trim_blanks(list.substr(0, comma)));
        if (comma == list.npos) return;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace ringmaster::http
