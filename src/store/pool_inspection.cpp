#include "ringmaster/store/pool_inspection.hpp"

#include <cassert>
#include <string>
#include <utility>

namespace ringmaster::store {

using ringpool::NumberState;
using ringpool::PhoneNumber;
using ringpool::PoolIndex;
using ringpool::RingPool;
using ringpool::Slot;
using ringpool::SlotIndex;

namespace {

NumberState::State state_of(const Slot& slot, WallTime now) noexcept {
    if (slot.eligible_at <= now) return NumberState::State::free;
    return now < slot.expires_at ? NumberState::State::held : NumberState::State::cooling;
}

}  // namespace

Error no_such_pool(std::string_view id) {
    return {ErrorCode::not_found, "there is no pool '" + std::string(id) + "'"};
}

std::optional<PoolIndex> PoolInspection::find(std::string_view id) const {
    const auto index = catalog_.find(id);
    return index && holdings_.has_pool(*index) ? index : std::nullopt;
}

Result<ringpool::NumberPage> PoolInspection::numbers(std::string_view id, std::size_t from,
                                                     std::size_t max) const {
    assert(max > 0);
    const auto index = find(id);
    if (!index) return no_such_pool(id);
    ringpool::NumberPage page;
    const auto civil = reactor_.scheduler().wall_now() - hold_now();
    std::size_t i = from;
    for (std::size_t seen = 1; i < holdings_.pool(*index).end_slot(); ++i, ++seen) {
        if (page.numbers.size() == max) {
            page.next = i;
            break;
        }
        const RingPool& pool = holdings_.pool(*index);
        const auto at = static_cast<SlotIndex>(i);
        const Slot& slot = pool.slot(at);
        if (pool.number(at).number && !has_left(slot, hold_now())) {
            NumberState& number = page.numbers.emplace_back();
            number.number = pool.number(at);
            number.state = state_of(slot, hold_now());
            number.draining = slot.draining;
            if (number.state != NumberState::State::free) number.free_at = slot.eligible_at + civil;
        }
        if (seen % Portions::kSteps == 0) portions_.pause();
    }
    return page;
}

Result<ringpool::PoolFigures> PoolInspection::figures(std::string_view id) const {
    const auto index = find(id);
    if (!index) return no_such_pool(id);
    ringpool::PoolFigures figures;
    portions_.for_each(holdings_.pool(*index).end_slot(), [&](std::size_t i) {
        const RingPool& pool = holdings_.pool(*index);
        const auto at = static_cast<SlotIndex>(i);
        if (at >= pool.end_slot()) return;  // removed meanwhile
        const Slot& slot = pool.slot(at);
        if (!pool.number(at).number || has_left(slot, hold_now())) return;
        ++figures.numbers;
        if (slot.draining) ++figures.draining;
        switch (state_of(slot, hold_now())) {
            case NumberState::State::free: ++figures.free; break;
            case NumberState::State::held: ++figures.held; break;
            case NumberState::State::cooling: ++figures.cooling; break;
        }
    });
    figures.counters = holdings_.counters(*index);
    return figures;
}

std::vector<NumberKnowledge> PoolInspection::look_up(std::span<const PhoneNumber> numbers) const {
    std::vector<NumberKnowledge> result;
    portions_.for_each(numbers.size(), [&](std::size_t i) {
        const Slot* const slot = std::as_const(holdings_).find(numbers[i]);
        if (slot == nullptr) return;
        NumberKnowledge& known = result.emplace_back();
        known.number = numbers[i];
        known.slot = *slot;
        known.slot.draining = false;  // which is the pool's business, and not a promise
        if (const auto* const place = holdings_.place(numbers[i])) {
            known.pool = catalog_.at(place->pool).id;
            known.draining = slot->draining;
            known.has_left = has_left(*slot, hold_now());
        }
    });
    return result;
}

}  // namespace ringmaster::store
