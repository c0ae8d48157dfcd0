#include "ringmaster/ringpool/events.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <system_error>

namespace ringmaster::ringpool {

namespace {

constexpr std::string_view kUnknown = "x";

void append_hex(std::string& out, std::uint64_t value) {
    char digits[16];
    const auto [end, error] = std::to_chars(digits, std::end(digits), value, 16);
    out.append(digits, end);
}

bool parse_hex(std::string_view text, std::uint64_t& value) noexcept {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, 16);
    return error == std::errc() && rest == end;
}

}  // namespace

std::string_view to_string(EventType type) noexcept {
    switch (type) {
        case EventType::allocation: return "allocation";
        case EventType::touch: return "touch";
        case EventType::overflow: return "overflow";
        case EventType::release: return "release";
        case EventType::lost: return "lost";
    }
    return "unknown";
}

std::string to_text(const EventPositions& positions) {
    std::string text;
    for (const auto& position : positions) {
        if (!text.empty()) text += ',';
        if (position) {
            append_hex(text, position->journal);
            text += '-';
            append_hex(text, position->number);
        } else {
            text += kUnknown;
        }
    }
    return text;
}

std::optional<EventPositions> parse_event_positions(std::string_view text, std::size_t most) {
    EventPositions positions;
    while (true) {
        if (positions.size() == most) return std::nullopt;
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view one = text.substr(0, comma);
        const std::size_t dash = one.find('-');
        EventPosition position;
        if (one == kUnknown) {
            positions.emplace_back();
        } else if (dash != one.npos && parse_hex(one.substr(0, dash), position.journal) &&
                   parse_hex(one.substr(dash + 1), position.number)) {
            positions.emplace_back(position);
        } else {
            return std::nullopt;
        }
        if (comma == text.size()) return positions;
        text.remove_prefix(comma + 1);
    }
}

Event lost_events(EventTypes types, std::optional<std::uint64_t> count, EventPosition position,
                  WallTime time) {
    Event event;
    event.position = position;
    event.time = time;
    event.lost = types;
    event.count = count;
    return event;
}

}  // namespace ringmaster::ringpool
