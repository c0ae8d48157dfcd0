#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What shards say to each other, version 1. Integers are little endian; times are milliseconds of
/// civil time, i64.
///
/// Both sides begin with a greeting, without waiting for the other's:
///
///     0  "RMSH"
///     4  version    u32  another one is refused: the two may come from different builds
///
/// Frames follow, the side that has connected sending calls, and the other one an answer to each,
/// in whatever order they become ready:
///
///     0  length     u32  of the payload
///     4  type       u8   CallType, in an answer that of the call
///     5  flags      u8   1 answer, 2 failed
///     6  0          u16
///     8  call       u64  the caller's name for the call; its answer bears the same
///     16 deadline   i64  until when the caller waits for the answer, in ns of the monotonic clock,
///                        which is the same in all processes of a boot; 2^63 - 1: for ever. In an
///                        answer 0
///     24 payload
///
/// A call that is read after its deadline is not carried out: a shard that has hung must not hand
/// out numbers, when it goes on, of which nobody will be told.
///
/// The payload of an `allocate` call is its rows, one behind the other. Pools are named by their
/// ids, since each process has indices of its own:
///
///     0  pool id length u8, 1 flags u8 (1: there is a session id, 2: it keeps its context), 2
///     session id length u16, 4 context length u32, 8 pool id, session id, context
///
/// and that of its answer a row for each of them, in order:
///
///     0  number u64, 8 expires_at i64, 16 outcome u8 (Allocation::Outcome; 3: the pool is not
///     known), 17 reason u8, 18 length of the formatted number u8, 19 formatted number, with zeros
///     behind it 23 bytes
///
/// The payloads of other calls and of their answers are the values of peer_messages.hpp. That of a
/// failed answer is the ErrorCode u8, and the rest is the text.
///
/// All of this decodes whatever bytes come: what is not in the format is refused.
namespace ringmaster::shard {

inline constexpr std::uint32_t kPeerVersion = 1;
inline constexpr std::size_t kGreetingBytes = 8;

std::string greeting();
/// ErrorCode::damaged, with what is wrong. Precondition: kGreetingBytes of them.
Result<void> check_greeting(std::string_view bytes);

enum class CallType : std::uint8_t {
    allocate = 1,
    release,
    holders,
    erase,
    put_pool,
    remove_pool,
    edit_numbers,
    set_numbers,
    numbers,
    figures,
    overflow_counts,
    look_up,
    sweep,
    report,
    events,
    demand,
    profile,
};

/// What stands in front of each payload.
struct FrameHead {
    static constexpr std::size_t kBytes = 24;

    std::uint32_t payload_bytes = 0;
    std::int64_t deadline_ns = 0;
    std::uint64_t call = 0;
    CallType type = CallType::allocate;
    bool answer = false;
    bool failed = false;

    static std::int64_t ns_of(Deadline deadline) noexcept;
    Deadline deadline() const noexcept;

    /// `out` has room for kBytes.
    void encode(char* out) const noexcept;
    /// Nothing where it is none. Precondition: kBytes of them.
    static std::optional<FrameHead> decode(std::string_view bytes) noexcept;
    friend bool operator==(const FrameHead&, const FrameHead&) noexcept = default;
};

struct FrameLimits {
    std::size_t max_payload_bytes = std::size_t{64} << 20;
    /// Of edit_numbers, set_numbers and their answers, which may be all of a pool.
    std::size_t max_numbers_bytes = std::size_t{1} << 30;

    std::size_t max_bytes(CallType type) const noexcept {
        const bool numbers = type == CallType::edit_numbers || type == CallType::set_numbers;
        return numbers ? max_numbers_bytes : max_payload_bytes;
    }
};

/// A row of an allocate call. Views of the payload.
struct RequestRow {
    static constexpr std::size_t kFixedBytes = 8;
    static constexpr std::size_t kMaxSessionBytes = 0xffff;
    std::string_view pool_id;  ///< at most 255 bytes
    ringpool::Session session;
    bool keeps_context = false;

    std::size_t bytes() const noexcept {
        return kFixedBytes + pool_id.size() + session.id.value_or("").size() +
               session.context.bytes().size();
    }
    /// Precondition: a session id has at most kMaxSessionBytes.
    void append_to(std::string& out) const;
    /// Takes the row with which `rest` begins off it. Nothing where none does.
    static std::optional<RequestRow> take(std::string_view& rest) noexcept;
};

/// A row of the answer to an allocate call.
struct AnswerRow {
    static constexpr std::size_t kBytes = 19 + ringpool::FormattedNumber::kCapacity;
    enum class Kind : std::uint8_t {
        answered,
        unknown_pool,  ///< the allocation is left alone
        invalid,       ///< the same
    };

    static void append(std::string& out, const ringpool::Allocation& allocation);
    static void append_unknown_pool(std::string& out);
    /// Reads the kBytes at `row`.
    static Kind decode(const char* row, ringpool::Allocation& allocation) noexcept;
};

/// As the payload of a failed answer.
void append_error(std::string& out, const Error& error);
Error decode_error(std::string_view payload);

/// Whether a time is one of the years 1 to 10000 or so: the others are nobody's, and would overflow
/// when they are reckoned with.
bool is_reasonable(WallTime time) noexcept;

}  // namespace ringmaster::shard
