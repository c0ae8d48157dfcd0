#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/store/number_map.hpp"
#include "ringmaster/store/slot_map.hpp"

#include <cassert>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// Of what an operator says about a pool, what the allocator needs.
inline ringpool::HoldRules rules_of(const ringpool::PoolDefinition& pool) noexcept {
    return {pool.lifetime, pool.cooldown, pool.max_hold};
}

/// Whether a number has left its pool: it was draining, and its time is over.
inline bool has_left(const ringpool::Slot& slot, WallTime now) noexcept {
    return slot.draining && slot.eligible_at <= now;
}

/// All that the embedded store keeps in memory: this process's pools, which number is in which of
/// them, and *strays*, numbers in none of them that somebody has had. Pure.
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

    /// Makes an empty pool of this index, or changes the rules of the one that is there.
    /// Invalidates references to pools.
    void put_pool(ringpool::PoolIndex index, const ringpool::HoldRules& rules);
    /// Whether put_pool() has ever made it. The catalog knows others besides, whose numbers are
    /// other processes': nothing else here may be asked of those.
    bool has_pool(ringpool::PoolIndex index) const noexcept {
        return index < here_.size() && here_[index];
    }
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
    /// Takes over what another process knows of a number. Precondition: it is in no pool.
    void put_stray(ringpool::PhoneNumber number, const ringpool::Slot& slot) {
        assert(slot.session && place(number) == nullptr);
        strays_.at(number) = slot;
    }
    /// Makes room for `more` strays.
    void reserve_strays(std::size_t more) { strays_.reserve(strays_.size() + more); }

    /// Takes over what the files say of numbers that are here, and of others as strays.
    void restore(const SlotMap& slots);

    /// Where a number is; null where that is in no pool.
    const Place* place(ringpool::PhoneNumber number) const noexcept { return places_.find(number); }
    /// The slot of a number, in a pool or a stray, or null.
    const ringpool::Slot* find(ringpool::PhoneNumber number) const noexcept;
    ringpool::Slot* find(ringpool::PhoneNumber number) noexcept {
        return const_cast<ringpool::Slot*>(std::as_const(*this).find(number));
    }

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
    const ringpool::PoolCounters& counters(ringpool::PoolIndex index) const noexcept {
        return counters_[index];
    }

    /// Of all pools together.
    ringpool::PoolCounters all_counters() const noexcept;

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
    std::vector<ringpool::RingPool> pools_;         ///< those that are not here are empty
    std::vector<ringpool::PoolCounters> counters_;  ///< of the same index
    std::vector<bool> here_;                        ///< of the same index
    NumberMap<Place> places_;                       ///< of all numbers of the pools
    SlotMap strays_;
};

}  // namespace ringmaster::store
