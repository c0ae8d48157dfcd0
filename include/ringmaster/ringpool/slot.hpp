#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/session_hash.hpp"

#include <cstdint>

namespace ringmaster::ringpool {

/// Names a number within its pool: dense, in the order in which the numbers were added.
using SlotIndex = std::uint32_t;
inline constexpr SlotIndex kNoSlot = 0xffffffff;

/// Who has one number of a pool: one cache line. Times are those of the store's clock, which never
/// goes backwards. Both ends of a hold are kept, not reckoned from last_touch, so that a change of
/// the pool's rules alters nothing that was promised before.
struct alignas(64) Slot {
    SessionHash session;      ///< last holder; zero = never held
    WallTime allocated_at{};  ///< when the current or last hold began
    WallTime last_touch{};    ///< when its clock last started anew
    WallTime expires_at{};    ///< until then the hold goes on; where released, when it was
    WallTime eligible_at{};   ///< from then on (the cool-down later) others may get it; 0 = always
    std::uint64_t record =
        0;  ///< journal position of its latest full record; 0 = none. The store's.
    std::uint32_t context = 0;  ///< checksum of the context in that record. The store's.
    bool draining = false;      ///< goes to no new session; has left the pool from eligible_at on
};
static_assert(sizeof(Slot) == 64);

}  // namespace ringmaster::ringpool
