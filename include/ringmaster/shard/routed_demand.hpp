#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shard.hpp"

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// What all shards together know of the demand for a pool's numbers.
class RoutedDemand {
  public:
    /// The shards that count what is asked of this pool: its owner, or, where any shard serves any
    /// pool, all of them.
    using WhoCounts = std::function<std::vector<ShardIndex>(std::string_view pool_id)>;

    /// `shards[i]` is shard i. The scheduler and the shards must outlive this.
    RoutedDemand(runtime::Scheduler& scheduler, std::vector<Shard*> shards, WhoCounts who_counts,
                 std::chrono::milliseconds timeout);

    /// Suspends, for `timeout` at most. Empty where there is no such pool. Where a shard that
    /// counts is silent or gone the error is ErrorCode::unavailable and names it: half of the
    /// demand would be bad advice.
    Result<ops::PoolDemand> demand(std::string_view pool_id);

  private:
    runtime::Scheduler& scheduler_;
    const std::vector<Shard*> shards_;
    const WhoCounts who_counts_;
    const std::chrono::milliseconds timeout_;
};

}  // namespace ringmaster::shard
