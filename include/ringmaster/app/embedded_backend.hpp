#pragma once

#include "ringmaster/app/backend.hpp"
#include "ringmaster/app/config.hpp"
#include "ringmaster/app/peer_shards.hpp"
#include "ringmaster/app/pool_watch.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/ringpool/event_ring.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/catalog_feed.hpp"
#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/observed_store.hpp"
#include "ringmaster/shard/own_events.hpp"
#include "ringmaster/shard/own_shard.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/routed_demand.hpp"
#include "ringmaster/shard/routed_history.hpp"
#include "ringmaster/shard/routed_pools.hpp"
#include "ringmaster/shard/routed_store.hpp"
#include "ringmaster/shard/shard.hpp"
#include "ringmaster/shard/shard_neighbours.hpp"
#include "ringmaster/store/embedded_store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// The embedded store: each shard has some of the pools, and what makes one of all shards is here.
class EmbeddedBackend final : public Backend {
  public:
    /// Recovers the own store; blocks. Throws std::runtime_error where that can't be done. All that
    /// is passed must outlive this.
    EmbeddedBackend(const Config& config, const ShardSetup& setup, runtime::Reactor& reactor,
                    ringpool::Catalog& catalog, Log& log, OwnKnowledge knowledge);
    ~EmbeddedBackend() override;

    ringpool::Store& store() noexcept override { return *observed_; }
    ringpool::PoolAdministration& pools() noexcept override { return *pools_of_all_; }
    ringpool::HoldHistory& history() noexcept override { return *history_of_all_; }

    /// Whatever a process left behind that died while it changed pools is found and told to all.
    /// Where it can't be done now, the next change will do it.
    Result<void> recover() override;
    void catch_up(Deadline deadline) override;
    void close() override;

    shard::Shard& own() noexcept override { return *own_; }
    const std::vector<shard::Shard*>& all() const noexcept override { return all_; }
    std::optional<ringpool::PoolCounters> own_counters(ringpool::PoolIndex pool) const override;
    Result<ops::PoolDemand> demand(std::string_view pool_id) override {
        return demand_of_all_->demand(pool_id);
    }
    std::size_t own_numbers(ringpool::PoolIndex pool) const override;
    std::size_t own_numbers() const override;
    void add_figures(ShardFigures& figures) override;
    std::uint64_t shed_rows() const override;
    std::optional<redis::ClientStats> redis_stats() const override { return std::nullopt; }
    std::vector<redis::ServerLoad> redis_loads() const override { return {}; }

  private:
    shard::CatalogFeed::Files definition_files();
    void guard_others(const Config& config);
    void open_store(const Config& config, const ShardSetup& setup);
    void make_one(const Config& config, OwnKnowledge knowledge);
    shard::OverflowCounts overflow_counts(std::string_view pool_id) const;
    std::vector<std::string> own_pools() const;

    runtime::Reactor& reactor_;
    ringpool::Catalog& catalog_;
    Log& log_;
    const shard::Placement placement_;
    const shard::ShardIndex self_;
    const store::PoolFiles pool_files_;
    runtime::HelperThread catalog_helper_;
    shard::CatalogFeed feed_;
    PeerShards others_;
    std::vector<std::unique_ptr<shard::GuardedStore>> gates_;  ///< as others_ are
    std::vector<shard::Shard*> all_;  ///< the own one is null until it is there
    std::string catalog_problem_;     ///< that was told last
    std::unique_ptr<shard::ShardNeighbours> neighbours_;
    std::unique_ptr<store::EmbeddedStore> own_store_;
    std::unique_ptr<PoolWatch> pool_watch_;
    ringpool::EventRing overflows_;  ///< that this process's clients were told
    std::unique_ptr<shard::OwnEvents> own_events_;
    std::unique_ptr<shard::OwnShard> own_;
    std::unique_ptr<shard::RoutedStore> store_of_all_;
    std::unique_ptr<shard::ObservedStore> observed_;
    std::unique_ptr<shard::RoutedPools> pools_of_all_;
    std::unique_ptr<shard::RoutedHistory> history_of_all_;
    std::unique_ptr<shard::RoutedDemand> demand_of_all_;
};

}  // namespace ringmaster::app
