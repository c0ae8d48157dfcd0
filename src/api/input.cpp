#include "ringmaster/api/input.hpp"

#include "ringmaster/api/json_text.hpp"
#include "ringmaster/http/query.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace ringmaster::api {

namespace {

ApiError invalid(std::string message) {
    return {ErrorClass::invalid_input, std::move(message)};
}

std::string quoted(std::string_view text) {
    return "'" + shown(text) + "'";
}

/// Reads a point of time from left to right.
class TimeReader {
  public:
    explicit TimeReader(std::string_view text) noexcept : rest_(text) {}

    std::optional<WallTime> read_unix() {
        constexpr std::size_t kMaxDigits = 12;  // what a year has four digits for has no more
        const std::size_t size = std::min(rest_.find('.'), rest_.size());
        const auto seconds = size <= kMaxDigits ? digits(size) : std::nullopt;
        const auto fraction = milliseconds();
        if (!seconds || !fraction || !rest_.empty()) return std::nullopt;
        return within_bounds(std::chrono::sys_seconds(std::chrono::seconds(*seconds)) + *fraction);
    }

    std::optional<WallTime> read_iso() {
        const auto year = digits(4);
        const auto month = take('-') ? digits(2) : std::nullopt;
        const auto day = take('-') ? digits(2) : std::nullopt;
        const auto hour = take('T') ? digits(2) : std::nullopt;
        const auto minute = take(':') ? digits(2) : std::nullopt;
        const auto second = take(':') ? digits(2) : std::nullopt;
        const auto fraction = milliseconds();
        const auto ahead = offset();
        if (!year || !month || !day || !hour || !minute || !second || !fraction || !ahead ||
            !rest_.empty() || *hour > 23 || *minute > 59 || *second > 59) {
            return std::nullopt;
        }
        const auto date = std::chrono::year(static_cast<int>(*year)) /
                          static_cast<unsigned>(*month) / static_cast<unsigned>(*day);
        if (!date.ok()) return std::nullopt;
        return within_bounds(std::chrono::sys_days(date) + std::chrono::hours(*hour) +
                             std::chrono::minutes(*minute) + std::chrono::seconds(*second) +
                             *fraction - *ahead);
    }

  private:
    static std::optional<WallTime> within_bounds(WallTime time) {
        constexpr WallTime kEnd = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1);
        if (time < WallTime() || time >= kEnd) return std::nullopt;
        return time;
    }

    bool take(char c) noexcept {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }

    std::optional<std::int64_t> digits(std::size_t count) {
        if (count == 0 || rest_.size() < count) return std::nullopt;
        std::int64_t value = 0;
        for (const char c : rest_.substr(0, count)) {
            if (c < '0' || c > '9') return std::nullopt;
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(count);
        return value;
    }

    /// Of the fraction that may follow here.
    std::optional<std::chrono::milliseconds> milliseconds() {
        constexpr std::size_t kMaxDigits = 9;
        if (!take('.')) return std::chrono::milliseconds(0);
        const std::size_t size = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (size == 0 || size > kMaxDigits) return std::nullopt;
        std::string text(rest_.substr(0, size));
        rest_.remove_prefix(size);
        text.resize(3, '0');
        int value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return std::chrono::milliseconds(value);
    }

    /// How far ahead of UTC the clock was.
    std::optional<std::chrono::minutes> offset() {
        if (take('Z')) return std::chrono::minutes(0);
        const bool behind = take('-');
        if (!behind && !take('+') && !take(' ')) return std::nullopt;
        const auto hours = digits(2);
        const auto minutes = take(':') ? digits(2) : std::nullopt;
        if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
        const auto size = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
        return behind ? -size : size;
    }

    std::string_view rest_;
};

}  // namespace

std::string shown(std::string_view text) {
    constexpr std::size_t kShownBytes = 64;
    if (text.size() <= kShownBytes) return std::string(text);
    std::size_t end = kShownBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return std::string(text.substr(0, end)) + "...";
}

ApiError why_refused(std::string_view body, std::string_view refusal) {
    if (const auto fault = find_json_fault(body)) {
        return {ErrorClass::malformed_json, "the body is not JSON: expected " +
                                                std::string(fault->expected) + " at byte " +
                                                std::to_string(fault->offset)};
    }
    if (refusal.empty()) throw std::logic_error("valid JSON was refused");
    return invalid(std::string(refusal));
}

std::optional<ringpool::PhoneNumber> read_e164(std::string_view text, http::Response& response) {
    const auto number = ringpool::PhoneNumber::parse_e164(text);
    if (!number) {
        set_error(response, invalid("the path must end in a number in E.164 form, e.g. "
                                    "/numbers/+18665550142"));
    }
    return number;
}

std::optional<ApiError> read_query(std::string_view query,
                                   std::initializer_list<QueryParameter> parameters) {
    std::string decoded;
    decoded.reserve(query.size());
    http::QueryReader pairs(query);
    while (true) {
        const auto pair = pairs.next(decoded);
        if (!pair) return invalid("the query is malformed: " + pair.error().message);
        if (!*pair) return std::nullopt;
        const auto [name, value] = **pair;
        const auto known = std::ranges::find(parameters, name, &QueryParameter::name);
        if (known == parameters.end()) return invalid(quoted(name) + " is no parameter of this");
        if (known->value) return invalid(quoted(name) + " is given twice");
        known->value = value;
    }
}

Result<std::size_t> read_count(std::string_view name, std::string_view text, std::size_t least,
                               std::size_t most) {
    std::size_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && stop == end && value >= least && value <= most) return value;
    return Error{ErrorCode::invalid, quoted(name) + " is " + quoted(text) + "; expected " +
                                         std::to_string(least) + " to " + std::to_string(most)};
}

Result<WallTime> read_time(std::string_view name, std::string_view text) {
    if (const auto time = TimeReader(text).read_unix()) return *time;
    if (const auto time = TimeReader(text).read_iso()) return *time;
    return Error{ErrorCode::invalid,
                 quoted(name) + " is " + quoted(text) +
                     "; expected Unix seconds, or ISO 8601 like 2026-11-21T17:00:00Z or "
                     "2026-11-21T18:00:00%2B01:00"};
}

}  // namespace ringmaster::api
