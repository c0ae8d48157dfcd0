#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/store/number_map.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace ringmaster::store {

/// All that the embedded store keeps in memory: the pools, which number is in which of them, and
/// *strays*, numbers in no pool that somebody has had. Pure.
///
/// A number is in one pool or a stray, never both. Whoever had it keeps it from others until its
/// time is over, whichever way it goes: out of a pool, as a stray, into the same or another pool.
/// (In another pool its session never matches, because that is hashed with the pool's id.)
class Holdings {
  public:
    struct Place {
        ringpool::PoolIndex pool;
        ringpool::SlotIndex slot;
    };

    /// Makes an empty pool of this index, and of all before it that there are not yet; or changes
    /// the rules of the one that is there. Invalidates references to pools.
    void put_pool(ringpool::PoolIndex index, const ringpool::HoldRules& rules);
    /// Forgets the memory and the counters of a pool without numbers.
    void clear_pool(ringpool::PoolIndex index);

    /// Adds a number; where it is a stray, with what that promises. Call settle() of the pool after
    /// the last of a series. Precondition: it is in no pool.
    ringpool::SlotIndex add(ringpool::PoolIndex pool, const ringpool::PoolNumber& number);
    /// Memory for numbers that are to be added, where there is not enough.
    struct Room {
        ringpool::PoolIndex of = 0;
        std::optional<ringpool::RingPool> pool;
        std::optional<NumberMap<Place>> places;
    };
    /// O(n). May run on another thread, while nobody changes which numbers there are, or where.
    Room make_room(ringpool::PoolIndex pool, std::size_t more) const;
    /// Takes the new memory and leaves the old in `room`, to be given back where that may take
    /// time. O(n), but quick.
    void take_room(Room& room);
    /// Takes the number out of its pool; it is a stray if anyone has had it.
    void take_out(Place place);
    /// Makes room for `more` strays.
    void reserve_strays(std::size_t more) { strays_.reserve(strays_.size() + more); }

    /// Takes over what the files say of numbers that are here, and of others as strays.
    void restore(const SlotMap& slots);

    /// Where a number is; null where that is in no pool.
    const Place* place(ringpool::PhoneNumber number) const noexcept { return places_.find(number); }
    /// The slot of a number, in a pool or a stray, or null.
    ringpool::Slot* find(ringpool::PhoneNumber number) noexcept;

    ringpool::RingPool& pool(ringpool::PoolIndex index) noexcept { return pools_[index]; }
    const ringpool::RingPool& pool(ringpool::PoolIndex index) const noexcept {
        return pools_[index];
    }
    /// Ends the session's time with the number in `slot`, and counts it. False where it has none.
    bool release(ringpool::PoolIndex pool, const ringpool::SessionHash& session,
                 ringpool::SlotIndex slot, WallTime now) noexcept;
    ringpool::PoolCounters& counters(ringpool::PoolIndex index) noexcept {
        return counters_[index];
    }

    /// Calls `visit(number, slot)` for each number that anyone has had. Allocates nothing.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const ringpool::RingPool& pool : pools_) {
            for (ringpool::SlotIndex i = 0; i < pool.end_slot(); ++i) {
                if (pool.slot(i).session) visit(pool.number(i).number, pool.slot(i));
            }
        }
        for (const auto& [number, slot] : strays_) visit(number, slot);
    }
    /// Calls `change(slot)` for each number that anyone has had.
    template <class Change>
    void change_each(Change&& change) {
        for (ringpool::RingPool& pool : pools_) {
            for (ringpool::SlotIndex i = 0; i < pool.end_slot(); ++i) {
                if (pool.slot(i).session) change(pool.slot(i));
            }
        }
        for (auto& [number, slot] : strays_) change(slot);
    }
    /// Forgets strays of which `is_over(slot)` is true. O(n).
    template <class Predicate>
    void forget_strays_if(Predicate&& is_over) {
        strays_.erase_if(
            [&](ringpool::PhoneNumber, const ringpool::Slot& slot) { return is_over(slot); });
    }

  private:
    std::vector<ringpool::RingPool> pools_;
    std::vector<ringpool::PoolCounters> counters_;  ///< of the same index
    NumberMap<Place> places_;                       ///< of all numbers of the pools
    SlotMap strays_;
};

}  // namespace ringmaster::store
