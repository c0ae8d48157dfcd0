#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ringmaster::ringpool {

/// Whoever a number is handed to: a visitor id or, where none is given, the set of context
/// parameters itself. A view; owns nothing.
struct Session {
    std::optional<std::string_view> id;  ///< an empty id is an id
    Context context;
};

/// "Give this session a number of this pool." The key has been checked by whoever made this.
struct AllocationRequest {
    PoolIndex pool = 0;
    Session session;
    /// Who has been there all the time asks again: where the session has a number, the context with
    /// which it last asked stays in force, and this one is for the number that it may get instead.
    bool keeps_context = false;
};

/// Why an overflow number was handed out.
enum class OverflowReason : std::uint8_t { exhausted, owner_slow, owner_down, store_unavailable };
inline constexpr std::size_t kOverflowReasons = 4;

/// The word that the HTTP interface uses, e.g. "exhausted".
std::string_view to_string(OverflowReason reason) noexcept;

/// The answer to one AllocationRequest.
struct Allocation {
    enum class Outcome : std::uint8_t {
        allocated,  ///< number, formatted and expires_at are set
        overflow,   ///< number and formatted are the pool's overflow number; reason is set
        refused,    ///< the pool allows no overflow; reason is set
    };
    Outcome outcome = Outcome::refused;
    OverflowReason reason = OverflowReason::store_unavailable;
    bool is_new = false;  ///< allocated, and the hold begins now; other shards' answers don't tell
    PhoneNumber number;
    FormattedNumber formatted;
    WallTime expires_at{};  ///< the session keeps the number at least until then
};

/// The answer where no number of the pool itself can be had.
Allocation overflow_allocation(const PoolDefinition& pool, OverflowReason reason) noexcept;

/// Who holds which number. The one interface that the API knows; embedded, Redis, peer, guarded
/// and routed stores all are one. Not thread-safe: belongs to one reactor.
class Store {
  public:
    virtual ~Store() = default;

    /// Suspends. Answers `requests[i]` in `answers[i]` (the spans are of equal size, and what they
    /// refer to must stay until the call returns). Returns only when every `allocated` answer is as
    /// durable as the configuration promises, or when `deadline` has passed: rows that could not be
    /// made durable by then are answered with the overflow number. Never throws for a failed disk,
    /// peer or network.
    virtual void allocate(std::span<const AllocationRequest> requests,
                          std::span<Allocation> answers, Deadline deadline) = 0;

    /// Suspends. The session gives `number` back; its cool-down starts. ErrorCode::not_found where
    /// the session does not hold it now, ErrorCode::unavailable where it could not be written, or
    /// where it is not known whether it was: then it may have been given back.
    virtual Result<void> release(PoolIndex pool, PhoneNumber number, const Session& session,
                                 Deadline deadline) = 0;

    /// Whether allocations can be made durable at the moment; the text says why not. Does not
    /// suspend.
    virtual Result<void> ready() const = 0;
};

}  // namespace ringmaster::ringpool
