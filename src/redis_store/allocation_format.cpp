#include "ringmaster/redis_store/allocation_format.hpp"

#include <algorithm>
#include <charconv>

#include "little_endian.hpp"

namespace ringmaster::redis_store {

using ringpool::PhoneNumber;

namespace {

constexpr std::uint64_t kMostDigits = 999'999'999'999'999;  // 15 of them, ITU-T E.164
/// Lua's numbers are exact so far; and times past it, some 285,000 years away, are none.
constexpr std::uint64_t kMostMilliseconds = std::uint64_t{1} << 53;

/// On top of a holder's first length.
constexpr std::uint64_t kKeepsContext = std::uint64_t{1} << 31;

WallTime time_of(std::uint64_t milliseconds) noexcept {
    return WallTime(std::chrono::milliseconds(milliseconds));
}

/// No number where they are not digits, and nothing else, of one.
PhoneNumber number_of(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, value);
    const bool good = error == std::errc() && rest == end && value <= kMostDigits;
    return PhoneNumber::from_digits(good ? value : 0);
}

}  // namespace

void append_session(std::string& out, const ringpool::SessionHash& session) {
    append_number(out, session.low, 8);
    append_number(out, session.high, 8);
}

void append_holder(std::string& out, const ringpool::Session& session, bool keeps_context) {
    const std::uint64_t kept = keeps_context ? kKeepsContext : 0;
    if (session.id) {
        append_number(out, kept + session.id->size() + 1, 4);
        out += '\1';
        out += *session.id;
    } else {
        append_number(out, kept, 4);
    }
    out += session.context.bytes();
}

std::optional<AllocationAnswer> AllocationAnswer::read(std::string_view bytes, std::size_t rows) {
    AllocationAnswer answer;
    ByteReader in(bytes);
    answer.version_ = in.number(8);
    const std::uint64_t now = in.number(8);
    if (!in.complete() || now >= kMostMilliseconds) return std::nullopt;
    answer.now_ = time_of(now);
    answer.rest_ = in.rest();
    AllocationAnswer look = answer;
    for (std::size_t i = 0; i < rows; ++i) {
        if (!look.is_good(look.next())) return std::nullopt;
    }
    if (!look.rest_.empty()) return std::nullopt;
    return answer;
}

AllocatedRow AllocationAnswer::next() {
    ByteReader in(rest_);
    AllocatedRow row;
    row.outcome = static_cast<AllocatedRow::Outcome>(in.number(1));
    if (row.outcome != AllocatedRow::Outcome::exhausted) {
        row.expires_at = time_of(std::min(in.number(8), kMostMilliseconds));
        row.number = number_of(in.text(in.number(1)));
        const std::string_view formatted = in.text(in.number(1));
        complete_ = complete_ && formatted.size() <= ringpool::FormattedNumber::kCapacity;
        row.formatted = ringpool::FormattedNumber(formatted);
    }
    complete_ = complete_ && in.complete();
    rest_ = in.rest();
    return row;
}

bool AllocationAnswer::is_good(const AllocatedRow& row) const noexcept {
    using enum AllocatedRow::Outcome;
    if (!complete_) return false;
    switch (row.outcome) {
        case exhausted: return true;
        case new_hold:
        case early_reissue:
        case refreshed:
        case capped:
            return row.number && row.expires_at > now_ &&
                   row.expires_at < time_of(kMostMilliseconds);
    }
    return false;
}

}  // namespace ringmaster::redis_store
