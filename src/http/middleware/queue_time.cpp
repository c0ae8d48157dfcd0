#include "ringmaster/http/middleware/queue_time.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

using std::chrono::nanoseconds;

/// What one unit is, where so many units have passed since the epoch. Between the years 1973 and
/// 5138 no two are of one size.
constexpr std::int64_t unit_ns(std::uint64_t units) noexcept {
    if (units < 100'000'000'000) return 1'000'000'000;
    if (units < 100'000'000'000'000) return 1'000'000;
    if (units < 100'000'000'000'000'000) return 1'000;
    return 1;
}

/// Since the epoch.
std::optional<nanoseconds> parse_time(std::string_view text) noexcept {
    if (text.starts_with("t=")) text.remove_prefix(2);
    std::uint64_t whole = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), whole);
    if (fault != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));

    const std::int64_t unit = unit_ns(whole);
    constexpr std::uint64_t kLatestNs = 9'000'000'000'000'000'000;  // still fits, with a fraction
    if (whole > kLatestNs / static_cast<std::uint64_t>(unit)) return std::nullopt;
    std::int64_t ns = static_cast<std::int64_t>(whole) * unit;
    if (text.empty()) return nanoseconds(ns);

    if (text.front() != '.' || text.size() == 1) return std::nullopt;
    std::int64_t place = unit;
    for (const char c : text.substr(1)) {
        if (!is_digit(c)) return std::nullopt;
        place /= 10;
        ns += (c - '0') * place;
    }
    return nanoseconds(ns);
}

}  // namespace

std::optional<std::chrono::microseconds> time_since_request_start(std::string_view value,
                                                                  WallTime now) noexcept {
    const auto start = parse_time(value);
    if (!start) return std::nullopt;
    const nanoseconds queued = now.time_since_epoch() - *start;
    if (queued < -kMaxClockSkew || queued > kMaxQueueTime) return std::nullopt;
    return std::chrono::floor<std::chrono::microseconds>(std::max(queued, nanoseconds(0)));
}

Middleware queue_time(Clock& clock) {
    return [&clock](RequestHandler next) -> RequestHandler {
        return [&clock, next = std::move(next)](Request& request, Response& response) {
            if (const auto start = request.header("X-Request-Start")) {
                const auto queued = time_since_request_start(*start, clock.wall_now());
                if (queued) request.set_queue_time(*queued);
            }
            next(request, response);
        };
    };
}

}  // namespace ringmaster::http
