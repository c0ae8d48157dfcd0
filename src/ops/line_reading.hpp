#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>

/// For files of lines, each of which is words and numbers with one blank between.
namespace ringmaster::ops {

/// Takes the next line, without its end; nothing where there is no whole one.
inline std::optional<std::string_view> take_line(std::string_view& rest) noexcept {
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) return std::nullopt;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return line;
}

/// Takes a number and the blank or the end behind it.
template <class T>
bool take_number(std::string_view& line, T& value) noexcept {
    const char* const end = line.data() + line.size();
    const auto read = std::from_chars(line.data(), end, value);
    if (read.ec != std::errc() || (read.ptr != end && *read.ptr != ' ')) return false;
    line.remove_prefix(static_cast<std::size_t>(read.ptr - line.data()) +
                       (read.ptr == end ? 0 : 1));
    return true;
}

/// Takes this word and the blank or the end behind it.
inline bool take_word(std::string_view& line, std::string_view word) noexcept {
    if (!line.starts_with(word)) return false;
    if (line.size() > word.size() && line[word.size()] != ' ') return false;
    line.remove_prefix(word.size() + (line.size() > word.size() ? 1 : 0));
    return true;
}

}  // namespace ringmaster::ops
