#include "ringmaster/shard/routed_pools.hpp"

#include <cassert>
#include <utility>

#include "ask_all.hpp"

namespace ringmaster::shard {
namespace {

constexpr std::string_view kMayBeMade = "; the change may have been made";

}  // namespace

RoutedPools::RoutedPools(runtime::Scheduler& scheduler, const Placement& placement,
                         std::vector<Shard*> shards, CatchUp catch_up)
    : scheduler_(scheduler),
      placement_(placement),
      shards_(std::move(shards)),
      catch_up_(std::move(catch_up)) {
    assert(shards_.size() == placement.count());
}

// What an owner that does answer has to say is passed on as it is.
template <class Call>
auto RoutedPools::ask_owner(std::string_view id, std::string_view consequence, Call&& call) {
    const ShardIndex owner = placement_.owner(id);
    auto answer = call(shards_[owner]->pools());
    if (!answer) {
        const ErrorCode code = answer.error().code;
        if (code == ErrorCode::timeout || code == ErrorCode::closed) {
            answer = error_of(owner, answer.error(), consequence);
        }
    }
    return answer;
}

Result<bool> RoutedPools::put_pool(ringpool::PoolDefinition definition) {
    const std::string id = definition.id;
    auto created = ask_owner(id, kMayBeMade, [&](ringpool::PoolAdministration& owner) {
        return owner.put_pool(std::move(definition));
    });
    if (!created) return created;
    if (auto known = catch_up_(); !known) return known.error();
    return created;
}

Result<void> RoutedPools::remove_pool(std::string_view id) {
    auto removed = ask_owner(
        id, kMayBeMade, [&](ringpool::PoolAdministration& owner) { return owner.remove_pool(id); });
    return removed ? catch_up_() : removed;
}

Result<ringpool::NumbersChange> RoutedPools::edit_numbers(std::string_view id,
                                                          ringpool::NumbersEdit edit) {
    return ask_owner(id, kMayBeMade, [&](ringpool::PoolAdministration& owner) {
        return owner.edit_numbers(id, std::move(edit));
    });
}

Result<ringpool::NumbersChange> RoutedPools::set_numbers(std::string_view id,
                                                         std::vector<ringpool::PoolNumber> wanted) {
    return ask_owner(id, kMayBeMade, [&](ringpool::PoolAdministration& owner) {
        return owner.set_numbers(id, std::move(wanted));
    });
}

Result<ringpool::NumberPage> RoutedPools::numbers(std::string_view id, std::size_t from,
                                                  std::size_t max) {
    return ask_owner(
        id, {}, [&](ringpool::PoolAdministration& owner) { return owner.numbers(id, from, max); });
}

Result<ringpool::PoolFigures> RoutedPools::figures(std::string_view id) {
    auto figures =
        ask_owner(id, {}, [&](ringpool::PoolAdministration& owner) { return owner.figures(id); });
    if (!figures) return figures;
    const auto others = all_but(placement_.owner(id), shards_.size());
    const Deadline deadline = Deadline::at(scheduler_.now() + kPatience);
    const auto counts = ask_all(scheduler_, others, [&](ShardIndex shard) {
        return shards_[shard]->overflow_counts(id, deadline);
    });
    for (const Result<OverflowCounts>& counted : counts) {
        if (!counted) continue;
        for (std::size_t reason = 0; reason < counted->size(); ++reason) {
            figures->counters.overflows[reason] += (*counted)[reason];
        }
    }
    return figures;
}

}  // namespace ringmaster::shard
