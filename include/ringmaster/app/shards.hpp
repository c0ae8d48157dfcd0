#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/catalog_feed.hpp"
#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/own_shard.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/remote_shard.hpp"
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

/// All shards, as one of them sees them: its own store, the ways to the others, and what makes one
/// of it all. What the endpoints ask for goes through store(), pools() and history(); what other
/// shards ask for, through own(). Belongs to one reactor.
class Shards {
  public:
    /// Recovers the own store; blocks. Throws std::runtime_error where that can't be done. All that
    /// is passed must outlive this. `report` gives the own metrics.
    Shards(const Config& config, const ShardSetup& setup, runtime::Reactor& reactor,
           ringpool::Catalog& catalog, Log& log, std::function<std::string()> report);
    ~Shards();
    Shards(const Shards&) = delete;
    Shards& operator=(const Shards&) = delete;

    ringpool::Store& store() noexcept { return *store_of_all_; }
    ringpool::PoolAdministration& pools() noexcept { return *pools_of_all_; }
    ringpool::HoldHistory& history() noexcept { return *history_of_all_; }
    shard::CatalogFeed& feed() noexcept { return feed_; }
    shard::Shard& own() noexcept { return *own_; }
    store::EmbeddedStore& own_store() noexcept { return *own_store_; }

    /// Another shard, and the gate in front of it.
    struct Other {
        shard::ShardIndex index;
        std::unique_ptr<shard::RemoteShard> remote;
        std::unique_ptr<shard::GuardedStore> guarded;
    };
    const std::vector<Other>& others() const noexcept { return others_; }
    /// By index, the own one among them.
    const std::vector<shard::Shard*>& all() const noexcept { return all_; }

    /// Suspends. Whatever a process left behind that died while it changed pools is found and told
    /// to all. To be called once, before this shard says that it has recovered. Where it can't be
    /// done now, the next change will do it.
    void mend_changes();

  private:
    shard::CatalogFeed::Files definition_files();
    void add_others(const Config& config, const ShardSetup& setup);
    void open_store(const Config& config, const ShardSetup& setup);
    void make_one(const Config& config, std::function<std::string()> report);
    shard::OverflowCounts overflow_counts(std::string_view pool_id) const;

    runtime::Reactor& reactor_;
    ringpool::Catalog& catalog_;
    Log& log_;
    const shard::Placement placement_;
    const shard::ShardIndex self_;
    const store::PoolFiles pool_files_;
    runtime::HelperThread catalog_helper_;
    shard::CatalogFeed feed_;
    std::vector<Other> others_;
    std::vector<shard::Shard*> all_;  ///< the own one is null until it is there
    std::unique_ptr<shard::ShardNeighbours> neighbours_;
    std::unique_ptr<store::EmbeddedStore> own_store_;
    std::unique_ptr<shard::OwnShard> own_;
    std::unique_ptr<shard::RoutedStore> store_of_all_;
    std::unique_ptr<shard::RoutedPools> pools_of_all_;
    std::unique_ptr<shard::RoutedHistory> history_of_all_;
};

}  // namespace ringmaster::app
