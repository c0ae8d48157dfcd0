#include "ringmaster/app/table.hpp"

#include "ringmaster/app/printable.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ringmaster::app {
namespace {

/// In characters, each of which is taken to be as wide as the others.
std::size_t width(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
    assert(cells.size() == columns_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::string> titles;
    std::vector<std::size_t> widths;
    for (const Column& column : columns_) {
        titles.push_back(column.title);
        widths.push_back(width(column.title));
    }
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    }
    std::string out;
    const auto append = [&](const std::vector<std::string>& row) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - width(row[i]), ' ');
            const bool right = columns_[i].align == Align::right;
            out += (i > 0 ? "  " : "") + (right ? padding + row[i] : row[i] + padding);
        }
        out.erase(out.find_last_not_of(' ') + 1);
        out += '\n';
    };
    if (titles != std::vector<std::string>(titles.size())) append(titles);
    for (const auto& row : rows_) append(row);
    return out;
}

std::string with_thousands(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, ",");
    return text;
}

std::string human_time(std::string_view utc) {
    constexpr std::string_view kExample = "2026-11-21T17:31:05";
    if (utc.size() <= kExample.size() || utc[10] != 'T' || utc.back() != 'Z') {
        return std::string(utc);
    }
    std::string text(utc.substr(0, kExample.size()));
    text[10] = ' ';
    return text + " UTC";
}

std::string human_duration(std::uint64_t seconds) {
    const auto both = [](std::uint64_t large, const char* large_unit, std::uint64_t small,
                         const char* small_unit) {
        const std::string text = std::to_string(large) + large_unit;
        return small == 0 ? text : text + " " + std::to_string(small) + small_unit;
    };
    if (seconds < 60) return std::to_string(seconds) + " s";
    if (seconds < 3600) return both(seconds / 60, " min", seconds % 60, " s");
    if (seconds < 86'400) return both(seconds / 3600, " h", seconds % 3600 / 60, " min");
    return both(seconds / 86'400, " days", seconds % 86'400 / 3600, " h");
}

}  // namespace ringmaster::app
