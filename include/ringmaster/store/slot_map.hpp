#pragma once

#include "ringmaster/ringpool/slot.hpp"
#include "ringmaster/store/number_map.hpp"

namespace ringmaster::store {

/// Numbers and who has them, without any pool: what a snapshot and a journal amount to.
using SlotMap = NumberMap<ringpool::Slot>;

/// Of two that know of one number: whether `a` is to be believed. The one touched last; where that
/// does not tell, the one that keeps the number from others for longer.
inline bool is_newer(const ringpool::Slot& a, const ringpool::Slot& b) noexcept {
    if (a.last_touch != b.last_touch) return a.last_touch > b.last_touch;
    return a.eligible_at > b.eligible_at;
}

}  // namespace ringmaster::store
