#pragma once

#include "ringmaster/ringpool/slot.hpp"
#include "ringmaster/store/number_map.hpp"

namespace ringmaster::store {

/// Numbers and who has them, without any pool: what a snapshot and a journal amount to.
using SlotMap = NumberMap<ringpool::Slot>;

}  // namespace ringmaster::store
