#include "ringmaster/store/pool_keeper.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <utility>

namespace ringmaster::store {

using ringpool::NumbersChange;
using ringpool::NumberState;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolIndex;
using ringpool::PoolNumber;
using ringpool::RingPool;
using ringpool::Slot;
using ringpool::SlotIndex;

namespace {

/// So many numbers are changed at a time: some tenths of a millisecond.
constexpr std::size_t kPortion = 2048;

ringpool::HoldRules rules_of(const PoolDefinition& pool) {
    return {pool.lifetime, pool.cooldown, pool.max_hold};
}

Error no_such_pool(std::string_view id) {
    return {ErrorCode::not_found, "there is no pool '" + std::string(id) + "'"};
}

std::string in_pool(std::string_view id) {
    return "pool '" + std::string(id) + "'";
}

NumberState::State state_of(const Slot& slot, WallTime now) noexcept {
    if (slot.eligible_at <= now) return NumberState::State::free;
    return now < slot.expires_at ? NumberState::State::held : NumberState::State::cooling;
}

}  // namespace

/// What is asked for.
struct PoolKeeper::Edit {
    std::vector<PoolNumber> add;
    std::vector<PhoneNumber> remove;
    bool exactly = false;  ///< remove whatever is not in `add`
};

/// What is to be done for that.
struct PoolKeeper::Plan {
    enum class Fate : std::uint8_t {
        stays,
        drains,
        returns,  ///< it drained, and shall no more
        leaves,   ///< it drained until now
    };
    PoolIndex pool;
    std::vector<Fate> fates;             ///< by slot
    std::vector<SlotIndex> draining;     ///< and might have left
    std::vector<PoolNumber> fresh;       ///< to be added
    std::vector<PhoneNumber> elsewhere;  ///< of those, the ones that are in another pool
    std::vector<NumbersChange::Refusal> refused;
    std::size_t leaving = 0;
    Holdings::Room room;
    bool changes_any = false;
};

PoolKeeper::PoolKeeper(runtime::Reactor& reactor, PoolFiles files, ringpool::Catalog& catalog,
                       Holdings& holdings, const HoldClock& clock, runtime::Gate& gate,
                       Limits limits)
    : reactor_(reactor),
      files_(std::move(files)),
      catalog_(catalog),
      holdings_(holdings),
      clock_(clock),
      gate_(gate),
      limits_(limits),
      helper_(reactor, "pools"),
      mutex_(reactor.scheduler()),
      patient_(reactor.scheduler()),
      next_turn_(runtime::Callback::of<&PoolKeeper::wake_the_patient>(*this)) {}

Result<void> PoolKeeper::load(const PoolFiles& files, ringpool::Catalog& catalog,
                              Holdings& holdings) {
    const auto pools = files.load();
    if (!pools) return pools.error();
    const auto damaged = [&](std::string_view id, PhoneNumber number, const std::string& what) {
        return Error{ErrorCode::damaged, "the pool's file " + files.path_of(id).string() + " has " +
                                             number.e164() + ", which " + what};
    };
    for (const StoredPool& pool : *pools) {
        const auto index = catalog.put(pool.definition);
        if (!index) return index.error();
        holdings.put_pool(*index, rules_of(pool.definition));
        auto room = holdings.make_room(*index, pool.numbers.size());
        holdings.take_room(room);
        for (const StoredNumber& stored : pool.numbers) {
            const PhoneNumber number = stored.number.number;
            if (const auto* const place = holdings.place(number)) {
                const std::string& owner = catalog.at(place->pool).id;
                return damaged(pool.definition.id, number, "is in " + in_pool(owner) + " already");
            }
            const SlotIndex slot = holdings.add(*index, stored.number);
            if (stored.draining) holdings.pool(*index).drain(slot);
        }
    }
    for (const StoredPool& pool : *pools) {
        const PhoneNumber number = pool.definition.overflow.number;
        if (const auto* const place = holdings.place(number)) {
            const std::string& owner = catalog.at(place->pool).id;
            return damaged(owner, number,
                           "is the overflow number of " + in_pool(pool.definition.id));
        }
    }
    return {};
}

// --- changes -----------------------------------------------------------------------------------

Result<PoolKeeper::Permit> PoolKeeper::begin() {
    auto pass = gate_.enter();
    if (!pass) return Error{ErrorCode::unavailable, "the store is closed"};
    auto lock = mutex_.lock();
    if (auto sure = make_sure(); !sure) return sure.error();
    return Permit{*std::move(pass), *std::move(lock)};
}

// A file that names numbers which its pool has not, in memory, would forbid them to all others.
Result<void> PoolKeeper::make_sure() {
    if (!unsure_) return {};
    auto done = helper_.run([&] {
        const auto pool = catalog_.find(*unsure_);
        return pool ? files_.save(stored(*pool)) : files_.remove(*unsure_);
    });
    if (done) unsure_.reset();
    return done;
}

Result<bool> PoolKeeper::put_pool(PoolDefinition definition) {
    if (auto good = definition.validate(); !good) return good.error();
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(reactor_.scheduler());
    const auto existing = catalog_.find(definition.id);
    if (existing && catalog_.at(*existing) == definition) return false;
    if (!existing && catalog_.size() >= limits_.max_pools) {
        return Error{ErrorCode::invalid, "there are " + std::to_string(catalog_.size()) +
                                             " pools, and no more are allowed"};
    }
    const PhoneNumber overflow = definition.overflow.number;
    const auto* const place = holdings_.place(overflow);
    if (place != nullptr && !has_left(holdings_.pool(place->pool).slot(place->slot))) {
        return Error{ErrorCode::invalid,
                     "overflow number is " + overflow.e164() +
                         "; expected one that no pool hands out, but it is in " +
                         in_pool(id_of(place->pool))};
    }
    auto written = helper_.run([&] {
        StoredPool pool = existing ? stored(*existing) : StoredPool();
        pool.definition = definition;
        return files_.save(pool);
    });
    if (!written) {
        unsure_ = definition.id;
        return written.error();
    }
    const ringpool::HoldRules rules = rules_of(definition);
    holdings_.put_pool(catalog_.put(std::move(definition)).value(), rules);
    return !existing;
}

Result<void> PoolKeeper::remove_pool(std::string_view id) {
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(reactor_.scheduler());
    const auto pool = catalog_.find(id);
    if (!pool) return no_such_pool(id);
    if (auto removed = helper_.run([&] { return files_.remove(id); }); !removed) {
        unsure_ = id;
        return removed;
    }
    catalog_.remove(*pool);
    holdings_.reserve_strays(holdings_.pool(*pool).size());
    in_portions(holdings_.pool(*pool).end_slot(), [&](std::size_t i) {
        const auto slot = static_cast<SlotIndex>(i);
        if (holdings_.pool(*pool).number(slot).number) holdings_.take_out({*pool, slot});
    });
    holdings_.clear_pool(*pool);
    return {};
}

Result<NumbersChange> PoolKeeper::edit_numbers(std::string_view id, ringpool::NumbersEdit edit) {
    return change(id, {std::move(edit.add), std::move(edit.remove)});
}

Result<NumbersChange> PoolKeeper::set_numbers(std::string_view id, std::vector<PoolNumber> wanted) {
    return change(id, {std::move(wanted), {}, true});
}

Result<NumbersChange> PoolKeeper::change(std::string_view id, const Edit& edit) {
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(reactor_.scheduler());
    const auto pool = catalog_.find(id);
    if (!pool) return no_such_pool(id);
    Plan plan = helper_.run([&] { return make_plan(*pool, edit); });
    const std::vector<PoolIndex> others = look_elsewhere(plan);
    if (!plan.refused.empty()) {
        NumbersChange nothing;
        nothing.refused = std::move(plan.refused);
        return nothing;
    }
    let_leave(plan);
    const std::size_t size = holdings_.pool(*pool).size() - plan.leaving + plan.fresh.size();
    if (size > limits_.max_numbers) {
        return Error{ErrorCode::invalid, in_pool(id) + " would have " + std::to_string(size) +
                                             " numbers; expected at most " +
                                             std::to_string(limits_.max_numbers)};
    }
    if (!plan.changes_any) return NumbersChange();
    for (const PoolIndex other : others) {
        if (auto swept = sweep(other); !swept) return swept.error();
    }
    if (auto written = write(plan); !written) return written.error();
    return apply(plan);
}

// On the helper thread: must not look at how long anything is held.
PoolKeeper::Plan PoolKeeper::make_plan(PoolIndex index, const Edit& edit) const {
    using Fate = Plan::Fate;
    const RingPool& pool = holdings_.pool(index);
    Plan plan;
    plan.pool = index;
    plan.fates.resize(pool.end_slot());

    NumberMap<PoolIndex> overflows;
    catalog_.for_each([&](PoolIndex i, const PoolDefinition& definition) {
        if (definition.overflow.number) overflows.at(definition.overflow.number) = i;
    });
    NumberMap<bool> wanted;
    wanted.reserve(edit.add.size());
    for (const PoolNumber& number : edit.add) {
        if (std::exchange(wanted.at(number.number), true)) continue;
        if (const PoolIndex* const owner = overflows.find(number.number)) {
            plan.refused.push_back(
                {number.number, "it is the overflow number of " + in_pool(id_of(*owner))});
            continue;
        }
        const auto* const place = holdings_.place(number.number);
        if (place != nullptr && place->pool == index) {
            if (pool.slot(place->slot).draining) plan.fates[place->slot] = Fate::returns;
            continue;
        }
        plan.fresh.push_back(number);
        if (place != nullptr) plan.elsewhere.push_back(number.number);
    }
    for (const PhoneNumber number : edit.remove) {
        const auto* const place = holdings_.place(number);
        if (place == nullptr || place->pool != index || wanted.find(number) != nullptr) continue;
        if (!pool.slot(place->slot).draining) plan.fates[place->slot] = Fate::drains;
    }
    plan.changes_any = !plan.fresh.empty();
    for (SlotIndex slot = 0; slot < pool.end_slot(); ++slot) {
        const PhoneNumber number = pool.number(slot).number;
        Fate& fate = plan.fates[slot];
        if (!number) continue;
        if (pool.slot(slot).draining) {
            if (fate == Fate::stays) plan.draining.push_back(slot);
        } else if (edit.exactly && wanted.find(number) == nullptr) {
            fate = Fate::drains;
        }
        plan.changes_any |= fate != Fate::stays;
    }
    return plan;
}

// Refuses what another pool still has; returns the pools of what has left, and must be swept.
std::vector<PoolIndex> PoolKeeper::look_elsewhere(Plan& plan) {
    std::vector<PoolIndex> others;
    in_portions(plan.elsewhere.size(), [&](std::size_t i) {
        const PhoneNumber number = plan.elsewhere[i];
        const Holdings::Place place = *holdings_.place(number);
        const Slot& slot = holdings_.pool(place.pool).slot(place.slot);
        if (has_left(slot)) {
            if (std::ranges::count(others, place.pool) == 0) others.push_back(place.pool);
        } else {
            const std::string pool = in_pool(id_of(place.pool));
            plan.refused.push_back(
                {number, slot.draining ? "it is still held in " + pool + ", which it is to leave"
                                       : "it is in " + pool});
        }
    });
    return others;
}

// Who has left never comes back but by a change, so this stays true.
void PoolKeeper::let_leave(Plan& plan) {
    const RingPool& pool = holdings_.pool(plan.pool);
    in_portions(plan.draining.size(), [&](std::size_t i) {
        const SlotIndex slot = plan.draining[i];
        if (!has_left(pool.slot(slot))) return;
        plan.fates[slot] = Plan::Fate::leaves;
        ++plan.leaving;
    });
}

// A number that is removed drains, as far as the file is concerned, even where nobody has it: by
// the time at which that is written, somebody may.
Result<void> PoolKeeper::write(Plan& plan) {
    using Fate = Plan::Fate;
    auto written = helper_.run([&] {
        const RingPool& pool = holdings_.pool(plan.pool);
        StoredPool result{catalog_.at(plan.pool), {}};
        result.numbers.reserve(pool.size() + plan.fresh.size());
        for (SlotIndex slot = 0; slot < pool.end_slot(); ++slot) {
            const Fate fate = plan.fates[slot];
            const bool draining =
                fate == Fate::drains || (fate == Fate::stays && pool.slot(slot).draining);
            if (fate == Fate::leaves || !pool.number(slot).number) continue;
            result.numbers.push_back({pool.number(slot), draining});
        }
        for (const PoolNumber& number : plan.fresh) result.numbers.push_back({number, false});
        plan.room = holdings_.make_room(plan.pool, plan.fresh.size());
        return files_.save(result);
    });
    if (!written) unsure_ = id_of(plan.pool);
    return written;
}

NumbersChange PoolKeeper::apply(Plan& plan) {
    using Fate = Plan::Fate;
    NumbersChange change;
    holdings_.take_room(plan.room);
    helper_.run([&] { plan.room = {}; });
    in_portions(plan.fates.size(), [&](std::size_t i) {
        const auto slot = static_cast<SlotIndex>(i);
        RingPool& pool = holdings_.pool(plan.pool);
        const PhoneNumber number = pool.number(slot).number;
        switch (plan.fates[i]) {
            case Fate::stays: break;
            case Fate::drains:
                pool.drain(slot);
                (has_left(pool.slot(slot)) ? change.removed : change.draining).push_back(number);
                break;
            case Fate::returns:
                pool.undrain(slot);
                change.added.push_back(number);
                break;
            case Fate::leaves: holdings_.take_out({plan.pool, slot}); break;
        }
    });
    in_portions(plan.fresh.size(), [&](std::size_t i) {
        holdings_.add(plan.pool, plan.fresh[i]);
        change.added.push_back(plan.fresh[i].number);
    });
    holdings_.pool(plan.pool).settle();
    return change;
}

// Lets go of what has left.
Result<void> PoolKeeper::sweep(PoolIndex pool) {
    Plan plan = helper_.run([&] { return make_plan(pool, Edit()); });
    let_leave(plan);
    if (auto written = write(plan); !written) return written;
    apply(plan);
    return {};
}

StoredPool PoolKeeper::stored(PoolIndex index) const {
    const RingPool& pool = holdings_.pool(index);
    StoredPool result{catalog_.at(index), {}};
    result.numbers.reserve(pool.size());
    for (SlotIndex slot = 0; slot < pool.end_slot(); ++slot) {
        if (!pool.number(slot).number) continue;
        result.numbers.push_back({pool.number(slot), pool.slot(slot).draining});
    }
    return result;
}

// --- questions ---------------------------------------------------------------------------------

Result<ringpool::NumberPage> PoolKeeper::numbers(std::string_view id, std::size_t from,
                                                 std::size_t max) {
    assert(max > 0);
    const auto pass = gate_.enter();
    if (!pass) return Error{ErrorCode::unavailable, "the store is closed"};
    const auto index = catalog_.find(id);
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
        if (pool.number(at).number && !has_left(slot)) {
            NumberState& number = page.numbers.emplace_back();
            number.number = pool.number(at);
            number.state = state_of(slot, hold_now());
            number.draining = slot.draining;
            if (number.state != NumberState::State::free) number.free_at = slot.eligible_at + civil;
        }
        if (seen % kPortion == 0) let_others_run();
    }
    return page;
}

Result<ringpool::PoolFigures> PoolKeeper::figures(std::string_view id) {
    const auto pass = gate_.enter();
    if (!pass) return Error{ErrorCode::unavailable, "the store is closed"};
    const auto index = catalog_.find(id);
    if (!index) return no_such_pool(id);
    ringpool::PoolFigures figures;
    in_portions(holdings_.pool(*index).end_slot(), [&](std::size_t i) {
        const RingPool& pool = holdings_.pool(*index);
        const auto at = static_cast<SlotIndex>(i);
        if (at >= pool.end_slot()) return;  // removed meanwhile
        const Slot& slot = pool.slot(at);
        if (!pool.number(at).number || has_left(slot)) return;
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

// --- portions ----------------------------------------------------------------------------------

template <class Step>
void PoolKeeper::in_portions(std::size_t count, Step&& step) {
    for (std::size_t i = 0; i < count; ++i) {
        step(i);
        if ((i + 1) % kPortion == 0) let_others_run();
    }
}

// Until the kernel has been asked for events once more.
void PoolKeeper::let_others_run() {
    reactor_.scheduler().defer_to_next_turn(next_turn_);
    patient_.wait();
}

}  // namespace ringmaster::store
