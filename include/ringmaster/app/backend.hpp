#pragma once

#include "ringmaster/app/shard_metrics.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/redis/load_watch.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/shard/shard.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// What the others can ask a shard besides what is in its store; these don't suspend.
struct OwnKnowledge {
    std::function<std::vector<ops::DemandHour>(std::string_view pool_id)> demand;
    std::function<std::string()> report;   ///< its metrics
    std::function<std::string()> profile;  ///< as ops::append_profile() writes it
};

/// Where a shard's numbers come from: its own memory and those of the other shards, or Redis. What
/// the endpoints ask for goes through store(), pools() and history(); what other shards ask for,
/// through own(). Belongs to one reactor.
class Backend {
  public:
    virtual ~Backend() = default;

    virtual ringpool::Store& store() noexcept = 0;
    virtual ringpool::PoolAdministration& pools() noexcept = 0;
    virtual ringpool::HoldHistory& history() noexcept = 0;

    /// Suspends. To be called once, before this shard says that it has recovered: afterwards the
    /// catalog is whole. Where it fails the shard can't start.
    virtual Result<void> recover() = 0;
    /// Suspends where somebody has changed pools: until the catalog knows of all changes that this
    /// machine's clients have been told of, or `deadline` has passed; then it goes on with the old
    /// one.
    virtual void catch_up(Deadline deadline) = 0;
    /// Suspends. Ends what is under way and makes durable what is to be.
    virtual void close() = 0;

    /// This process's shard, as others see it.
    virtual shard::Shard& own() noexcept = 0;
    /// All shards by index, the own one among them.
    virtual const std::vector<shard::Shard*>& all() const noexcept = 0;
    /// What has been counted of a pool in this process; nothing where another one has the pool.
    virtual std::optional<ringpool::PoolCounters> own_counters(ringpool::PoolIndex pool) const = 0;
    /// Suspends. What is known of the demand for a pool, see shard::RoutedDemand.
    virtual Result<ops::PoolDemand> demand(std::string_view pool_id) = 0;
    /// How many numbers a pool has of which there are own_counters(); 0 where they are not here.
    virtual std::size_t own_numbers(ringpool::PoolIndex pool) const = 0;
    /// How many numbers this process alone looks after.
    virtual std::size_t own_numbers() const = 0;
    /// Suspends. Fills in what the backend knows.
    virtual void add_figures(ShardFigures& figures) = 0;
    /// Rows that this process has answered with the overflow number although their pool may have
    /// had one for them: the store, or the shard that has the pool, was slow or away.
    virtual std::uint64_t shed_rows() const = 0;
    /// Of Redis, where that is the store.
    virtual std::optional<redis::ClientStats> redis_stats() const = 0;
    /// Of its servers; empty where something else is the store.
    virtual std::vector<redis::ServerLoad> redis_loads() const = 0;
};

}  // namespace ringmaster::app
