#pragma once

#include "ringmaster/app/backend.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/peer_shards.hpp"
#include "ringmaster/app/pool_watch.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/load_watch.hpp"
#include "ringmaster/redis_store/catalog_follower.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/redis_store/redis_history.hpp"
#include "ringmaster/redis_store/redis_pools.hpp"
#include "ringmaster/redis_store/redis_store.hpp"
#include "ringmaster/ringpool/event_ring.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/observed_store.hpp"
#include "ringmaster/shard/own_events.hpp"
#include "ringmaster/shard/own_shard.hpp"
#include "ringmaster/shard/routed_demand.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::app {

/// Redis as the store: every shard of every machine serves all pools, and asks the others of its
/// machine for what they have counted, and for events, only.
class RedisBackend final : public Backend {
  public:
    /// Connects to nothing yet. All that is passed must outlive this.
    RedisBackend(const Config& config, const ShardSetup& setup, runtime::Reactor& reactor,
                 ringpool::Catalog& catalog, Log& log, OwnKnowledge knowledge);
    ~RedisBackend() override;

    ringpool::Store& store() noexcept override { return observed_; }
    ringpool::PoolAdministration& pools() noexcept override { return pools_; }
    ringpool::HoldHistory& history() noexcept override { return history_; }

    /// Waits for Redis for as long as the configuration says.
    Result<void> recover() override;
    /// Changes of pools come by themselves, and an administrator waits for his own.
    void catch_up(Deadline) override {}
    void close() override;

    shard::Shard& own() noexcept override { return own_; }
    const std::vector<shard::Shard*>& all() const noexcept override { return all_; }
    /// Of every pool: what was asked of this shard.
    std::optional<ringpool::PoolCounters> own_counters(ringpool::PoolIndex pool) const override {
        return counters(pool);
    }
    /// What was asked of this machine's shards.
    Result<ops::PoolDemand> demand(std::string_view pool_id) override {
        return demand_of_all_->demand(pool_id);
    }
    std::size_t own_numbers(ringpool::PoolIndex) const override { return 0; }
    /// None: they are all of all shards.
    std::size_t own_numbers() const override { return 0; }
    void add_figures(ShardFigures& figures) override;
    std::uint64_t shed_rows() const override;
    std::optional<redis::ClientStats> redis_stats() const override;
    std::vector<redis::ServerLoad> redis_loads() const override { return load_watch_.loads(); }

  private:
    Result<void> begin_store(Deadline deadline);
    ringpool::PoolCounters counters(ringpool::PoolIndex pool) const;
    std::vector<std::string> all_pools() const;
    PoolStandings counters_of_pools() const;

    const RedisConfig& config_;
    const MetricsConfig& metrics_;
    const shard::ShardIndex self_;
    runtime::Reactor& reactor_;
    const ringpool::Catalog& catalog_;
    Log& log_;
    const std::unique_ptr<redis::Client> client_;
    redis::LoadWatch load_watch_;
    redis_store::FunctionCaller functions_;
    redis_store::CatalogFollower follower_;
    redis_store::RedisStore store_;
    shard::GuardedStore guarded_;
    ringpool::EventRing events_;  ///< of what this process's clients were told
    shard::ObservedStore observed_;
    shard::OwnEvents own_events_;
    redis_store::RedisPools pools_;
    PoolWatch pool_watch_;
    std::optional<ringpool::SessionHasher::Key> secret_;  ///< nothing: not known yet
    ringpool::SessionHasher hasher_;  ///< of history_; with the right key once that is known
    redis_store::RedisHistory history_;
    PeerShards others_;
    shard::OwnShard own_;
    std::vector<shard::Shard*> all_;
    std::unique_ptr<shard::RoutedDemand> demand_of_all_;
};

}  // namespace ringmaster::app
