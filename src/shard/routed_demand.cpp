#include "ringmaster/shard/routed_demand.hpp"

#include <utility>

#include "ask_all.hpp"

namespace ringmaster::shard {

RoutedDemand::RoutedDemand(runtime::Scheduler& scheduler, std::vector<Shard*> shards,
                           WhoCounts who_counts, std::chrono::milliseconds timeout)
    : scheduler_(scheduler),
      shards_(std::move(shards)),
      who_counts_(std::move(who_counts)),
      timeout_(timeout) {}

Result<ops::PoolDemand> RoutedDemand::demand(std::string_view pool_id) {
    const Deadline deadline = Deadline::at(scheduler_.now() + timeout_);
    const std::vector<ShardIndex> counting = who_counts_(pool_id);
    const auto answers = ask_all(scheduler_, counting, [&](ShardIndex shard) {
        return shards_[shard]->demand(pool_id, deadline);
    });
    ops::PoolDemand sum;
    for (std::size_t i = 0; i < counting.size(); ++i) {
        if (!answers[i]) return error_of(counting[i], answers[i].error());
        sum.add_beside(ops::PoolDemand(*answers[i]));
    }
    return sum;
}

}  // namespace ringmaster::shard
