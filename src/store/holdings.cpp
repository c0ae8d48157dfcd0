#include "ringmaster/store/holdings.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ringmaster::store {

using ringpool::PhoneNumber;
using ringpool::PoolIndex;
using ringpool::RingPool;
using ringpool::Slot;

void Holdings::put_pool(PoolIndex index, const ringpool::HoldRules& rules) {
    while (pools_.size() <= index) pools_.emplace_back(rules);
    counters_.resize(pools_.size());
    here_.resize(pools_.size());
    here_[index] = true;
    pools_[index].change_rules(rules);
}

void Holdings::clear_pool(PoolIndex index) {
    assert(pools_[index].size() == 0);
    pools_[index] = RingPool(pools_[index].rules());
    counters_[index] = {};
}

ringpool::SlotIndex Holdings::add(PoolIndex pool, const ringpool::PoolNumber& number) {
    assert(place(number.number) == nullptr);
    const ringpool::SlotIndex slot = pools_[pool].add(number);
    places_.at(number.number) = {pool, slot};
    if (const Slot* const stray = strays_.find(number.number)) {
        pools_[pool].restore(slot, *stray);
        strays_.erase(number.number);
    }
    return slot;
}

Holdings::Room Holdings::make_room(PoolIndex index, std::size_t more) const {
    Room room;
    room.of = index;
    const RingPool& pool = pools_[index];
    const std::size_t size = pool.size() + more;
    if (size > pool.capacity()) {
        const std::size_t least = pool.capacity() + pool.capacity() / 4;  // not anew each time
        room.pool = RingPool::with_room_for(std::max(size, least));
    }
    if (!places_.has_room_for(places_.size() + more)) {
        room.places = places_;
        room.places->reserve(places_.size() + more);
    }
    return room;
}

void Holdings::take_room(Room& room) {
    if (room.pool) pools_[room.of].grow_into(*room.pool);
    if (room.places) std::swap(places_, *room.places);
}

void Holdings::take_out(Place place) {
    RingPool& pool = pools_[place.pool];
    const PhoneNumber number = pool.number(place.slot).number;
    const Slot state = pool.take_out(place.slot);
    places_.erase(number);
    if (state.session) strays_.at(number) = state;
}

void Holdings::restore(const SlotMap& slots) {
    for (const auto& [number, slot] : slots) {
        if (const Place* const here = place(number)) {
            pools_[here->pool].restore(here->slot, slot);
        } else {
            strays_.at(number) = slot;
        }
    }
    for (RingPool& pool : pools_) pool.settle();
}

bool Holdings::release(PoolIndex pool, const ringpool::SessionHash& session,
                       ringpool::SlotIndex slot, WallTime now) noexcept {
    const WallTime before = slot == ringpool::kNoSlot ? now : pools_[pool].slot(slot).eligible_at;
    if (!pools_[pool].release(session, slot, now)) return false;
    ++counters_[pool].releases;
    counters_[pool].extended_ms += (pools_[pool].slot(slot).eligible_at - before).count();
    return true;
}

const Slot* Holdings::find(PhoneNumber number) const noexcept {
    if (const Place* const here = place(number)) return &pools_[here->pool].slot(here->slot);
    return strays_.find(number);
}

ringpool::PoolCounters Holdings::all_counters() const noexcept {
    ringpool::PoolCounters sum;
    for (const ringpool::PoolCounters& of_one : counters_) sum += of_one;
    return sum;
}

}  // namespace ringmaster::store
