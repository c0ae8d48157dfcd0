#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shard.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// All shards' histories as one. Nobody can tell from a number whose it is, so all are asked, side
/// by side.
class RoutedHistory final : public ringpool::HoldHistory {
  public:
    /// `shards[i]` is shard i. The scheduler and the shards must outlive this.
    RoutedHistory(runtime::Scheduler& scheduler, std::vector<Shard*> shards,
                  std::chrono::milliseconds erase_timeout);

    /// Suspends. What the shard says that has the number in a pool, as soon as it has said it.
    /// Where none has, that of the shard whose first hold began last: one that has let the number
    /// go knows what it was before. A shard that fails or is silent matters only then: the error
    /// names it, and is ErrorCode::unavailable where it is silent.
    Result<std::vector<ringpool::Hold>> holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at, std::size_t max,
                                                Deadline deadline) override;

    /// Suspends, for erase_timeout at most. The sum of all. Where one fails, or is silent, the
    /// error names it; the others may have erased what they have, and asking again does the rest.
    Result<std::size_t> erase(std::string_view session_id) override;

  private:
    runtime::Scheduler& scheduler_;
    const std::vector<Shard*> shards_;
    const std::chrono::milliseconds erase_timeout_;
};

}  // namespace ringmaster::shard
