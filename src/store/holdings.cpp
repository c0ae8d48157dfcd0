#include "ringmaster/store/holdings.hpp"

#include <algorithm>
#include <cassert>
#include <string>

namespace ringmaster::store {

using ringpool::PhoneNumber;
using ringpool::PoolIndex;

Result<Holdings> Holdings::make(const ringpool::Catalog& catalog,
                                const std::vector<PoolNumbers>& numbers) {
    Holdings holdings;
    holdings.pools_.reserve(catalog.size());
    for (PoolIndex i = 0; i < catalog.size(); ++i) {
        const ringpool::PoolDefinition& pool = catalog.at(i);
        holdings.pools_.emplace_back(
            ringpool::HoldRules{pool.lifetime, pool.cooldown, pool.max_hold});
    }
    for (const PoolNumbers& part : numbers) {
        assert(part.pool < catalog.size());
        ringpool::RingPool& pool = holdings.pools_[part.pool];
        if (part.numbers.size() > ringpool::RingPool::kMaxNumbers - pool.size()) {
            return Error{ErrorCode::invalid,
                         "pool " + catalog.at(part.pool).id + " has more than " +
                             std::to_string(ringpool::RingPool::kMaxNumbers) + " numbers"};
        }
        for (const ringpool::PoolNumber& number : part.numbers) {
            holdings.places_.push_back({number.number, part.pool, pool.add(number)});
        }
    }
    auto& places = holdings.places_;
    std::ranges::sort(places, {}, &Place::number);
    const auto twice = std::ranges::adjacent_find(places, {}, &Place::number);
    if (twice != places.end()) {
        const std::string& one = catalog.at(twice->pool).id;
        const std::string& other = catalog.at((twice + 1)->pool).id;
        return Error{
            ErrorCode::invalid,
            twice->number.e164() + (one == other ? " stands twice in pool " + one
                                                 : " is in two pools: " + one + " and " + other)};
    }
    return holdings;
}

void Holdings::restore(const SlotMap& slots) {
    for (const auto& [number, slot] : slots) {
        const auto place = std::ranges::lower_bound(places_, number, {}, &Place::number);
        if (place != places_.end() && place->number == number) {
            pools_[place->pool].restore(place->slot, slot);
        } else {
            strays_.at(number) = slot;
        }
    }
    for (ringpool::RingPool& pool : pools_) pool.settle();
}

ringpool::Slot* Holdings::find(PhoneNumber number) noexcept {
    const auto place = std::ranges::lower_bound(places_, number, {}, &Place::number);
    if (place == places_.end() || place->number != number) return nullptr;
    return &pools_[place->pool].slot(place->slot);
}

}  // namespace ringmaster::store
