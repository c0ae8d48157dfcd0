#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/shard/shard.hpp"
#include "ringmaster/store/neighbours.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::shard {

/// This process's shard: what its store has, and what this process alone knows. Asked by itself, as
/// one of all shards, and by the others.
class OwnShard final : public Shard {
  public:
    /// What there is to ask. All of it must outlive the shard.
    struct Parts {
        ringpool::Store& store;
        ringpool::PoolAdministration& pools;
        ringpool::HoldHistory& history;
        ringpool::EventSource& events;
        // Of the store:
        std::function<Result<std::vector<store::NumberKnowledge>>(
            std::span<const ringpool::PhoneNumber>)>
            look_up;
        std::function<Result<void>(std::string_view pool_id)> sweep_left;
        /// Whether it is in one of the store's pools; does not suspend.
        std::function<bool(ringpool::PhoneNumber)> has_number;
        // Of the process:
        /// Does not suspend.
        std::function<OverflowCounts(std::string_view pool_id)> overflow_counts;
        std::function<std::vector<ops::DemandHour>(std::string_view pool_id)> demand;
        std::function<std::string()> report;
        std::function<std::string()> profile;
    };
    explicit OwnShard(Parts parts) : parts_(std::move(parts)) {}

    ringpool::Store& store() noexcept override { return parts_.store; }
    ringpool::PoolAdministration& pools() noexcept override { return parts_.pools; }
    ringpool::EventSource& events() noexcept override { return parts_.events; }

    Result<HoldersFound> holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                 std::size_t max, Deadline deadline) override;
    /// Goes on for as long as it takes: it is no use to leave it half done.
    Result<std::size_t> erase(std::string_view session_id, Deadline deadline) override;

    Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) override;
    Result<void> sweep(std::string_view pool_id, Deadline deadline) override;

    Result<OverflowCounts> overflow_counts(std::string_view pool_id, Deadline deadline) override;
    Result<std::vector<ops::DemandHour>> demand(std::string_view pool_id,
                                                Deadline deadline) override;
    Result<std::string> report(Deadline deadline) override;
    Result<std::string> profile(Deadline deadline) override;

  private:
    const Parts parts_;
};

}  // namespace ringmaster::shard
