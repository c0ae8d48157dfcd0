#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ringpool {

/// A session's time with a number: what a call is attributed to.
struct Hold {
    enum class Detail : std::uint8_t {
        known,
        erased,  ///< at the session's wish: session_id and context are empty
        lost,    ///< never reached the disk, which had failed: the same, and pool_id too
    };
    Detail detail = Detail::known;
    std::string pool_id;
    /// Nothing: the context is the session.
    std::optional<std::string> session_id;
    /// In canonical form. Where it changed while the hold went on: the one at the time asked for,
    /// else the last one.
    std::string context;
    WallTime allocated_at{};  ///< when it began
    WallTime last_touch{};    ///< of the whole hold, as far as is known today
    WallTime expires_at{};    ///< its end; where it was released, when
    WallTime free_at{};       ///< the end of its cool-down

    enum class State : std::uint8_t { held, cooling, past };
    /// As it was, or will be, at that time. Precondition: allocated_at <= at.
    State state_at(WallTime at) const noexcept;
};

/// "held", "cooling" or "past".
std::string_view to_string(Hold::State state) noexcept;

/// Who held which number at which time, for as long as the store's history goes back. Times are
/// civil time by today's clock: where the clock has been set in the meantime, they are shifted with
/// it, so that how long ago something was is always right.
class HoldHistory {
  public:
    virtual ~HoldHistory() = default;

    /// Suspends. The sessions that had `number` at `at` and before, newest first, at most `max`,
    /// one entry for each hold. So the first is who had it then or, where nobody did, the last one
    /// before. Nothing for `at`: until now. Empty where nobody had it, or not within the history.
    /// ErrorCode::timeout at `deadline`, ErrorCode::unavailable where the disk fails,
    /// ErrorCode::damaged where a record is, with file and offset.
    virtual Result<std::vector<Hold>> holders(PhoneNumber number, std::optional<WallTime> at,
                                              std::size_t max, Deadline deadline) = 0;

    /// Suspends, for as long as it takes to read all of the history. Releases whatever the session
    /// with this id holds, in any pool, and overwrites its id and contexts wherever they are
    /// stored. Returns how many records were erased; 0 where there was none (any more). Where it
    /// fails, nothing has been erased, or all of it will have been after the next start. Once begun
    /// it goes on even where the calling task is cancelled.
    /// ErrorCode::unavailable and ErrorCode::damaged as above.
    virtual Result<std::size_t> erase(std::string_view session_id) = 0;
};

}  // namespace ringmaster::ringpool
