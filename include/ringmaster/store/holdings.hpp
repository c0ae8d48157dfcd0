#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <vector>

namespace ringmaster::store {

/// Which numbers a pool has.
struct PoolNumbers {
    ringpool::PoolIndex pool = 0;
    std::vector<ringpool::PoolNumber> numbers;
};

/// All that the embedded store keeps in memory: the pools and, for as long as a promise binds them,
/// numbers that are in none. Pure.
class Holdings {
  public:
    /// Makes the pools of `catalog`, which must outlive this; one that is not in `numbers` is
    /// empty. ErrorCode::invalid, naming them, where a number is in two pools, or twice in one.
    static Result<Holdings> make(const ringpool::Catalog& catalog,
                                 const std::vector<PoolNumbers>& numbers);

    /// Takes over what the files say. A hold protects its number whatever pool that is in now, even
    /// though its session, which was hashed with the old pool's id, never matches there.
    void restore(const SlotMap& slots);

    ringpool::RingPool& pool(ringpool::PoolIndex index) noexcept { return pools_[index]; }
    const ringpool::RingPool& pool(ringpool::PoolIndex index) const noexcept {
        return pools_[index];
    }
    /// The slot of a number that is in a pool, or null.
    ringpool::Slot* find(ringpool::PhoneNumber number) noexcept;

    /// Calls `visit(number, slot)` for each number that anyone has had, but for those in no pool
    /// whose time is over at `now`. Allocates nothing.
    template <class Visit>
    void for_each(WallTime now, Visit&& visit) const {
        for (const ringpool::RingPool& pool : pools_) {
            for (ringpool::SlotIndex i = 0; i < pool.size(); ++i) {
                if (pool.slot(i).session) visit(pool.number(i).number, pool.slot(i));
            }
        }
        for (const auto& [number, slot] : strays_) {
            if (slot.eligible_at > now) visit(number, slot);
        }
    }
    /// Calls `change(slot)` for each number of the pools that anyone has had.
    template <class Change>
    void change_each(Change&& change) {
        for (ringpool::RingPool& pool : pools_) {
            for (ringpool::SlotIndex i = 0; i < pool.size(); ++i) {
                if (pool.slot(i).session) change(pool.slot(i));
            }
        }
    }

  private:
    struct Place {
        ringpool::PhoneNumber number;
        ringpool::PoolIndex pool;
        ringpool::SlotIndex slot;
    };

    std::vector<ringpool::RingPool> pools_;
    std::vector<Place> places_;  ///< of all numbers of the pools, by number
    SlotMap strays_;             ///< numbers that are in no pool
};

}  // namespace ringmaster::store
