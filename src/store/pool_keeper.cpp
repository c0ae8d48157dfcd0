#include "ringmaster/store/pool_keeper.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

namespace ringmaster::store {

using ringpool::NumbersChange;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolIndex;
using ringpool::PoolNumber;
using ringpool::RingPool;
using ringpool::Slot;
using ringpool::SlotIndex;

namespace {

std::string in_pool(std::string_view id) {
    return "pool '" + std::string(id) + "'";
}

Error closed() {
    return {ErrorCode::unavailable, "the store is closed"};
}

Error taken_overflow(PhoneNumber number, std::string_view pool) {
    return {ErrorCode::invalid, "overflow number is " + number.e164() +
                                    "; expected one that no pool hands out, but it is in " +
                                    in_pool(pool)};
}

NumbersChange::Refusal taken(PhoneNumber number, bool draining, std::string_view pool) {
    return {number, draining ? "it is still held in " + in_pool(pool) + ", which it is to leave"
                             : "it is in " + in_pool(pool)};
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
    std::vector<PoolIndex> left_here;    ///< pools that must be swept, because some have left them
    std::set<std::string, std::less<>> left_there;  ///< likewise, of other processes
    std::vector<NumberKnowledge> promised;          ///< of the fresh ones, by other processes
    std::vector<NumbersChange::Refusal> refused;
    std::size_t leaving = 0;
    Holdings::Room room;
    bool changes_any = false;
};

PoolKeeper::PoolKeeper(Parts parts, Limits limits)
    : parts_(std::move(parts)),
      limits_(limits),
      helper_(parts_.reactor, "pools"),
      portions_(parts_.reactor),
      inspection_(parts_.reactor, parts_.catalog, parts_.holdings, parts_.clock, portions_),
      turn_(parts_.reactor.scheduler()),
      mutex_(parts_.reactor.scheduler()) {}

// --- changes -----------------------------------------------------------------------------------

Result<void> PoolKeeper::check_owner(std::string_view id) const {
    if (parts_.neighbours.owns(id)) return {};
    return Error{ErrorCode::unavailable, in_pool(id) + " belongs to another shard"};
}

Result<PoolKeeper::Permit> PoolKeeper::begin(std::string_view id) {
    if (auto mine = check_owner(id); !mine) return mine.error();
    auto pass = parts_.gate.enter();
    if (!pass) return closed();
    auto turn = turn_.lock();
    auto among_neighbours = parts_.neighbours.begin_change();
    if (!among_neighbours) return among_neighbours.error();
    auto lock = mutex_.lock();
    if (auto sure = make_sure(); !sure) return sure.error();
    return Permit{*std::move(pass), *std::move(turn), *std::move(among_neighbours),
                  *std::move(lock)};
}

// A file that names numbers which its pool has not, in memory, would forbid them to all others. Or
// it may have another definition, which other processes have read.
Result<void> PoolKeeper::make_sure() {
    if (!unsure_) return {};
    const auto pool = inspection_.find(*unsure_);
    std::optional<PoolDefinition> definition;
    if (pool) definition = parts_.catalog.at(*pool);
    auto done = helper_.run([&] {
        return pool ? parts_.files.save({*std::move(definition), stored_numbers(*pool)})
                    : parts_.files.remove(*unsure_);
    });
    if (!done) return done;
    parts_.neighbours.announce(*unsure_);
    unsure_.reset();
    return {};
}

Result<bool> PoolKeeper::put_pool(PoolDefinition definition) {
    if (auto good = definition.validate(); !good) return good.error();
    const auto permit = begin(definition.id);
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    ringpool::Catalog& catalog = parts_.catalog;
    const auto existing = inspection_.find(definition.id);
    if (existing && catalog.at(*existing) == definition) return false;
    if (!existing && catalog.size() >= limits_.max_pools) {
        return Error{ErrorCode::invalid, "there are " + std::to_string(catalog.size()) +
                                             " pools, and no more are allowed"};
    }
    const PhoneNumber overflow = definition.overflow.number;
    if (overflow && !(existing && catalog.at(*existing).overflow.number == overflow)) {
        if (auto claimed = claim_overflow(overflow); !claimed) return claimed.error();
    }
    auto written = helper_.run([&] {
        std::vector<StoredNumber> numbers;
        if (existing) numbers = stored_numbers(*existing);
        return parts_.files.save({definition, std::move(numbers)});
    });
    parts_.neighbours.announce(definition.id);
    if (!written) {
        unsure_ = definition.id;
        return written.error();
    }
    const ringpool::HoldRules rules = rules_of(definition);
    parts_.holdings.put_pool(catalog.put(std::move(definition)).value(), rules);
    return !existing;
}

// No pool's file may name it. Where it has left its pool, it is time that it leaves that file too.
Result<void> PoolKeeper::claim_overflow(PhoneNumber number) {
    if (const auto* const place = parts_.holdings.place(number)) {
        const PoolIndex pool = place->pool;
        if (!left_already(parts_.holdings.pool(pool).slot(place->slot))) {
            return taken_overflow(number, id_of(pool));
        }
        if (auto swept = sweep(pool); !swept) return swept;
    }
    const auto known = parts_.neighbours.look_up({&number, 1});
    if (!known) return known.error();
    for (const NumberKnowledge& there : *known) {
        if (there.pool.empty()) continue;
        if (!there.has_left) return taken_overflow(number, there.pool);
        if (auto swept = parts_.neighbours.sweep(there.pool); !swept) return swept;
    }
    return {};
}

Result<void> PoolKeeper::remove_pool(std::string_view id) {
    const auto permit = begin(id);
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    const auto pool = inspection_.find(id);
    if (!pool) return no_such_pool(id);
    auto removed = helper_.run([&] { return parts_.files.remove(id); });
    parts_.neighbours.announce(id);
    if (!removed) {
        unsure_ = id;
        return removed;
    }
    Holdings& holdings = parts_.holdings;
    parts_.catalog.remove(*pool);
    holdings.reserve_strays(holdings.pool(*pool).size());
    portions_.for_each(holdings.pool(*pool).end_slot(), [&](std::size_t i) {
        const auto slot = static_cast<SlotIndex>(i);
        if (holdings.pool(*pool).number(slot).number) holdings.take_out({*pool, slot});
    });
    holdings.clear_pool(*pool);
    return {};
}

Result<NumbersChange> PoolKeeper::edit_numbers(std::string_view id, ringpool::NumbersEdit edit) {
    return change(id, {std::move(edit.add), std::move(edit.remove)});
}

Result<NumbersChange> PoolKeeper::set_numbers(std::string_view id, std::vector<PoolNumber> wanted) {
    return change(id, {std::move(wanted), {}, true});
}

Result<NumbersChange> PoolKeeper::change(std::string_view id, const Edit& edit) {
    const auto permit = begin(id);
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    const auto pool = inspection_.find(id);
    if (!pool) return no_such_pool(id);
    const NumberMap<std::string> overflows = overflow_numbers();
    Plan plan = helper_.run([&] { return make_plan(*pool, edit, overflows); });
    look_elsewhere(plan);
    if (auto asked = ask_neighbours(plan); !asked) return asked.error();
    if (!plan.refused.empty()) {
        NumbersChange nothing;
        nothing.refused = std::move(plan.refused);
        return nothing;
    }
    let_leave(plan);
    const std::size_t size = parts_.holdings.pool(*pool).size() - plan.leaving + plan.fresh.size();
    if (size > limits_.max_numbers) {
        return Error{ErrorCode::invalid, in_pool(id) + " would have " + std::to_string(size) +
                                             " numbers; expected at most " +
                                             std::to_string(limits_.max_numbers)};
    }
    if (!plan.changes_any) return NumbersChange();
    if (auto ours = take_over(plan); !ours) return ours.error();
    if (auto written = write(plan); !written) return written.error();
    return apply(plan);
}

// The overflow numbers of all pools, with the ids of those.
NumberMap<std::string> PoolKeeper::overflow_numbers() const {
    NumberMap<std::string> overflows;
    overflows.reserve(parts_.catalog.size());
    parts_.catalog.for_each([&](PoolIndex, const PoolDefinition& definition) {
        const PhoneNumber number = definition.overflow.number;
        if (number) overflows.at(number) = definition.id;
    });
    return overflows;
}

// On the helper thread: must not look at how long anything is held, nor at the catalog.
PoolKeeper::Plan PoolKeeper::make_plan(PoolIndex index, const Edit& edit,
                                       const NumberMap<std::string>& overflows) const {
    using Fate = Plan::Fate;
    const RingPool& pool = parts_.holdings.pool(index);
    Plan plan;
    plan.pool = index;
    plan.fates.resize(pool.end_slot());

    NumberMap<bool> wanted;
    wanted.reserve(edit.add.size());
    for (const PoolNumber& number : edit.add) {
        if (std::exchange(wanted.at(number.number), true)) continue;
        if (const std::string* const owner = overflows.find(number.number)) {
            plan.refused.push_back(
                {number.number, "it is the overflow number of " + in_pool(*owner)});
            continue;
        }
        const auto* const place = parts_.holdings.place(number.number);
        if (place != nullptr && place->pool == index) {
            if (pool.slot(place->slot).draining) plan.fates[place->slot] = Fate::returns;
            continue;
        }
        plan.fresh.push_back(number);
        if (place != nullptr) plan.elsewhere.push_back(number.number);
    }
    for (const PhoneNumber number : edit.remove) {
        const auto* const place = parts_.holdings.place(number);
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

// Refuses what another pool of this process still has.
void PoolKeeper::look_elsewhere(Plan& plan) {
    portions_.for_each(plan.elsewhere.size(), [&](std::size_t i) {
        const PhoneNumber number = plan.elsewhere[i];
        const Holdings::Place place = *parts_.holdings.place(number);
        const Slot& slot = parts_.holdings.pool(place.pool).slot(place.slot);
        if (!left_already(slot)) {
            plan.refused.push_back(taken(number, slot.draining, id_of(place.pool)));
        } else if (std::ranges::count(plan.left_here, place.pool) == 0) {
            plan.left_here.push_back(place.pool);
        }
    });
}

// Refuses what a pool of another process still has.
Result<void> PoolKeeper::ask_neighbours(Plan& plan) {
    std::vector<PhoneNumber> portion;
    for (std::size_t asked = 0; asked < plan.fresh.size(); asked += portion.size()) {
        portion.clear();
        const auto rest = std::span(plan.fresh).subspan(asked);
        for (const PoolNumber& fresh : rest.first(std::min(rest.size(), Neighbours::kMaxLookUp))) {
            portion.push_back(fresh.number);
        }
        auto known = parts_.neighbours.look_up(portion);
        if (!known) return known.error();
        for (NumberKnowledge& there : *known) {
            if (!there.pool.empty() && !there.has_left) {
                plan.refused.push_back(taken(there.number, there.draining, there.pool));
                continue;
            }
            if (!there.pool.empty()) plan.left_there.insert(there.pool);
            if (there.slot.session) plan.promised.push_back(std::move(there));
        }
        portions_.pause();
    }
    return {};
}

// First what has left its pool leaves that pool's file. Then it is in no pool, nobody gets it, and
// what was promised of it can be made this process's to keep, before any crash can find it here.
Result<void> PoolKeeper::take_over(const Plan& plan) {
    for (const PoolIndex pool : plan.left_here) {
        if (auto swept = sweep(pool); !swept) return swept;
    }
    for (const std::string& pool : plan.left_there) {
        if (auto swept = parts_.neighbours.sweep(pool); !swept) return swept;
    }
    return plan.promised.empty() ? Result<void>() : parts_.adopt(plan.promised);
}

// Who has left never comes back but by a change, so this stays true.
void PoolKeeper::let_leave(Plan& plan) {
    const RingPool& pool = parts_.holdings.pool(plan.pool);
    portions_.for_each(plan.draining.size(), [&](std::size_t i) {
        const SlotIndex slot = plan.draining[i];
        if (!left_already(pool.slot(slot))) return;
        plan.fates[slot] = Plan::Fate::leaves;
        ++plan.leaving;
    });
}

// A number that is removed drains, as far as the file is concerned, even where nobody has it: by
// the time at which that is written, somebody may.
Result<void> PoolKeeper::write(Plan& plan) {
    using Fate = Plan::Fate;
    StoredPool result{parts_.catalog.at(plan.pool), {}};
    auto written = helper_.run([&] {
        const RingPool& pool = parts_.holdings.pool(plan.pool);
        result.numbers.reserve(pool.size() + plan.fresh.size());
        for (SlotIndex slot = 0; slot < pool.end_slot(); ++slot) {
            const Fate fate = plan.fates[slot];
            const bool draining =
                fate == Fate::drains || (fate == Fate::stays && pool.slot(slot).draining);
            if (fate == Fate::leaves || !pool.number(slot).number) continue;
            result.numbers.push_back({pool.number(slot), draining});
        }
        for (const PoolNumber& number : plan.fresh) result.numbers.push_back({number, false});
        plan.room = parts_.holdings.make_room(plan.pool, plan.fresh.size());
        return parts_.files.save(result);
    });
    if (!written) unsure_ = id_of(plan.pool);
    return written;
}

NumbersChange PoolKeeper::apply(Plan& plan) {
    using Fate = Plan::Fate;
    Holdings& holdings = parts_.holdings;
    NumbersChange change;
    holdings.take_room(plan.room);
    helper_.run([&] { plan.room = {}; });
    portions_.for_each(plan.fates.size(), [&](std::size_t i) {
        const auto slot = static_cast<SlotIndex>(i);
        RingPool& pool = holdings.pool(plan.pool);
        const PhoneNumber number = pool.number(slot).number;
        switch (plan.fates[i]) {
            case Fate::stays: break;
            case Fate::drains:
                pool.drain(slot);
                (left_already(pool.slot(slot)) ? change.removed : change.draining)
                    .push_back(number);
                break;
            case Fate::returns:
                pool.undrain(slot);
                change.added.push_back(number);
                break;
            case Fate::leaves: holdings.take_out({plan.pool, slot}); break;
        }
    });
    portions_.for_each(plan.fresh.size(), [&](std::size_t i) {
        holdings.add(plan.pool, plan.fresh[i]);
        change.added.push_back(plan.fresh[i].number);
    });
    holdings.pool(plan.pool).settle();
    return change;
}

// Lets go of what has left.
Result<void> PoolKeeper::sweep(PoolIndex pool) {
    Plan plan = helper_.run([&] { return make_plan(pool, Edit(), {}); });
    let_leave(plan);
    if (plan.leaving == 0) return {};
    if (auto written = write(plan); !written) return written;
    apply(plan);
    return {};
}

std::vector<StoredNumber> PoolKeeper::stored_numbers(PoolIndex index) const {
    const RingPool& pool = parts_.holdings.pool(index);
    std::vector<StoredNumber> numbers;
    numbers.reserve(pool.size());
    for (SlotIndex slot = 0; slot < pool.end_slot(); ++slot) {
        if (!pool.number(slot).number) continue;
        numbers.push_back({pool.number(slot), pool.slot(slot).draining});
    }
    return numbers;
}

// --- questions ---------------------------------------------------------------------------------

Result<ringpool::NumberPage> PoolKeeper::numbers(std::string_view id, std::size_t from,
                                                 std::size_t max) {
    const auto pass = parts_.gate.enter();
    if (!pass) return closed();
    return inspection_.numbers(id, from, max);
}

Result<ringpool::PoolFigures> PoolKeeper::figures(std::string_view id) {
    const auto pass = parts_.gate.enter();
    if (!pass) return closed();
    return inspection_.figures(id);
}

// --- what other processes ask ------------------------------------------------------------------

Result<PoolKeeper::Visit> PoolKeeper::visit() {
    auto pass = parts_.gate.enter();
    if (!pass) return closed();
    auto lock = mutex_.lock();
    if (!unsure_) return Visit{*std::move(pass), *std::move(lock)};
    if (auto sure = make_sure(); !sure) return sure.error();
    return Error{ErrorCode::unavailable, "a pool's file has only now been put right; try again"};
}

Result<std::vector<NumberKnowledge>> PoolKeeper::look_up(std::span<const PhoneNumber> numbers) {
    const auto inside = visit();
    if (!inside) return inside.error();
    return inspection_.look_up(numbers);
}

Result<void> PoolKeeper::sweep_left(std::string_view id) {
    if (auto mine = check_owner(id); !mine) return mine;
    const auto inside = visit();
    if (!inside) return inside.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    const auto pool = inspection_.find(id);
    return pool ? sweep(*pool) : Result<void>();
}

}  // namespace ringmaster::store
