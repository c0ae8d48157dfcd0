#include "ringmaster/shard/peer_format.hpp"

#include "ringmaster/store/bytes.hpp"

#include <cassert>
#include <cstring>

namespace ringmaster::shard {

using ringpool::Allocation;
using ringpool::Context;
using ringpool::FormattedNumber;
using ringpool::PhoneNumber;

namespace {

constexpr std::string_view kMagic = "RMSH";
constexpr std::uint8_t kAnswer = 1;
constexpr std::uint8_t kFailed = 2;
constexpr std::uint8_t kHasSessionId = 1;
constexpr std::uint8_t kKeepsContext = 2;

// Where what stands in the row of an answer.
constexpr std::size_t kExpiresAt = 8;
constexpr std::size_t kOutcome = 16;
constexpr std::size_t kReason = 17;
constexpr std::size_t kTextLength = 18;
constexpr std::size_t kText = 19;
constexpr std::uint8_t kUnknownPool = 3;
static_assert(static_cast<std::uint8_t>(Allocation::Outcome::refused) < kUnknownPool);

template <class T>
void put(char* out, T value) noexcept {
    store::store_at(reinterpret_cast<std::byte*>(out), value);
}
template <class T>
T get(const char* in) noexcept {
    return store::load_at<T>(reinterpret_cast<const std::byte*>(in));
}

char* put_text(char* out, std::string_view text) noexcept {
    // An empty view may have no address, and memcpy wants one all the same.
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

/// The next `bytes` of `out`, zeros, to be written to.
char* grow(std::string& out, std::size_t bytes) {
    out.resize(out.size() + bytes);
    return out.data() + out.size() - bytes;
}

}  // namespace

std::string greeting() {
    std::string bytes(kMagic);
    put(grow(bytes, sizeof kPeerVersion), kPeerVersion);
    return bytes;
}

Result<void> check_greeting(std::string_view bytes) {
    if (!bytes.starts_with(kMagic)) {
        return Error{ErrorCode::damaged, "the other side of the connection is no shard"};
    }
    const auto version = get<std::uint32_t>(bytes.data() + kMagic.size());
    if (version == kPeerVersion) return {};
    return Error{ErrorCode::damaged, "the other shard speaks version " + std::to_string(version) +
                                         " of the shards' protocol, and this one version " +
                                         std::to_string(kPeerVersion)};
}

void FrameHead::encode(char* out) const noexcept {
    put(out, payload_bytes);
    put(out + 4, type);
    put(out + 5, static_cast<std::uint8_t>((answer ? kAnswer : 0u) | (failed ? kFailed : 0u)));
    put(out + 6, std::uint16_t{0});
    put(out + 8, call);
    put(out + 16, deadline_ns);
}

// The steady clock counts nanoseconds, and has its epoch at the boot.
std::int64_t FrameHead::ns_of(Deadline deadline) noexcept {
    return std::chrono::nanoseconds(deadline.time().time_since_epoch()).count();
}

Deadline FrameHead::deadline() const noexcept {
    return Deadline::at(SteadyTime(std::chrono::nanoseconds(deadline_ns)));
}

std::optional<FrameHead> FrameHead::decode(std::string_view bytes) noexcept {
    const char* const at = bytes.data();
    const auto type = get<std::uint8_t>(at + 4);
    const auto flags = get<std::uint8_t>(at + 5);
    const bool known = type >= static_cast<std::uint8_t>(CallType::allocate) &&
                       type <= static_cast<std::uint8_t>(CallType::profile);
    // Only answers fail.
    if (!known || flags > (kAnswer | kFailed) || flags == kFailed ||
        get<std::uint16_t>(at + 6) != 0) {
        return std::nullopt;
    }
    FrameHead head;
    head.payload_bytes = get<std::uint32_t>(at);
    head.call = get<std::uint64_t>(at + 8);
    head.deadline_ns = get<std::int64_t>(at + 16);
    head.type = static_cast<CallType>(type);
    head.answer = (flags & kAnswer) != 0;
    head.failed = (flags & kFailed) != 0;
    return head;
}

void RequestRow::append_to(std::string& out) const {
    const std::string_view session_id = session.id.value_or("");
    const std::string_view context = session.context.bytes();
    assert(pool_id.size() <= 0xff && session_id.size() <= kMaxSessionBytes);
    char* const at = grow(out, bytes());
    put(at, static_cast<std::uint8_t>(pool_id.size()));
    const int flags = (session.id ? kHasSessionId : 0) | (keeps_context ? kKeepsContext : 0);
    put(at + 1, static_cast<std::uint8_t>(flags));
    put(at + 2, static_cast<std::uint16_t>(session_id.size()));
    put(at + 4, static_cast<std::uint32_t>(context.size()));
    put_text(put_text(put_text(at + kFixedBytes, pool_id), session_id), context);
}

std::optional<RequestRow> RequestRow::take(std::string_view& rest) noexcept {
    if (rest.size() < kFixedBytes) return std::nullopt;
    const std::size_t pool_bytes = get<std::uint8_t>(rest.data());
    const auto flags = get<std::uint8_t>(rest.data() + 1);
    const std::size_t session_bytes = get<std::uint16_t>(rest.data() + 2);
    const std::size_t context_bytes = get<std::uint32_t>(rest.data() + 4);
    if (rest.size() - kFixedBytes < pool_bytes + session_bytes + context_bytes ||
        flags > (kHasSessionId | kKeepsContext) ||
        ((flags & kHasSessionId) == 0 && session_bytes > 0)) {
        return std::nullopt;
    }
    RequestRow row;
    row.pool_id = rest.substr(kFixedBytes, pool_bytes);
    row.keeps_context = (flags & kKeepsContext) != 0;
    if ((flags & kHasSessionId) != 0)
        row.session.id = rest.substr(kFixedBytes + pool_bytes, session_bytes);
    const std::string_view context =
        rest.substr(kFixedBytes + pool_bytes + session_bytes, context_bytes);
    if (!Context::is_canonical(context)) return std::nullopt;
    row.session.context = Context(context);
    rest.remove_prefix(kFixedBytes + pool_bytes + session_bytes + context_bytes);
    return row;
}

void AnswerRow::append(std::string& out, const Allocation& allocation) {
    const std::string_view text = allocation.formatted.view();
    char* const at = grow(out, kBytes);
    put(at, allocation.number.digits());
    put(at + kExpiresAt, std::int64_t{allocation.expires_at.time_since_epoch().count()});
    put(at + kOutcome, allocation.outcome);
    put(at + kReason, allocation.reason);
    put(at + kTextLength, static_cast<std::uint8_t>(text.size()));
    put_text(at + kText, text);
}

void AnswerRow::append_unknown_pool(std::string& out) {
    put(grow(out, kBytes) + kOutcome, kUnknownPool);
}

AnswerRow::Kind AnswerRow::decode(const char* row, Allocation& allocation) noexcept {
    const auto outcome = get<std::uint8_t>(row + kOutcome);
    const auto reason = get<std::uint8_t>(row + kReason);
    const std::size_t text_bytes = get<std::uint8_t>(row + kTextLength);
    if (outcome == kUnknownPool) return Kind::unknown_pool;
    const WallTime expires_at(std::chrono::milliseconds(get<std::int64_t>(row + kExpiresAt)));
    if (outcome > kUnknownPool || reason >= ringpool::kOverflowReasons ||
        text_bytes > FormattedNumber::kCapacity || !is_reasonable(expires_at)) {
        return Kind::invalid;
    }
    allocation.outcome = static_cast<Allocation::Outcome>(outcome);
    allocation.reason = static_cast<ringpool::OverflowReason>(reason);
    allocation.number = PhoneNumber::from_digits(get<std::uint64_t>(row));
    allocation.formatted = FormattedNumber(std::string_view(row + kText, text_bytes));
    allocation.expires_at = expires_at;
    return Kind::answered;
}

void append_error(std::string& out, const Error& error) {
    out += static_cast<char>(error.code);
    out += error.message;
}

Error decode_error(std::string_view payload) {
    if (payload.empty() ||
        static_cast<unsigned char>(payload[0]) > static_cast<unsigned char>(ErrorCode::damaged)) {
        return {ErrorCode::damaged, "the other shard tells an error that is not known"};
    }
    return {static_cast<ErrorCode>(payload[0]), std::string(payload.substr(1))};
}

bool is_reasonable(WallTime time) noexcept {
    constexpr std::int64_t kMost = std::int64_t{1} << 48;
    const std::int64_t ms = time.time_since_epoch().count();
    return ms >= -kMost && ms <= kMost;
}

}  // namespace ringmaster::shard
