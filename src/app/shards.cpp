#include "ringmaster/app/shards.hpp"

#include "ringmaster/store/disk.hpp"

#include <stdexcept>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {

using shard::ShardIndex;

namespace {

store::Disk& the_disk() {
    static store::Disk disk;  // has no state
    return disk;
}

/// Gates that tripped together must not come back together.
std::uint32_t seed_of(ShardIndex self, ShardIndex other) noexcept {
    return static_cast<std::uint32_t>(getpid()) * 65'537u +
           static_cast<std::uint32_t>(self * shard::Placement::kMaxShards + other);
}

}  // namespace

Shards::Shards(const Config& config, const ShardSetup& setup, runtime::Reactor& reactor,
               ringpool::Catalog& catalog, Log& log, std::function<std::string()> report)
    : reactor_(reactor),
      catalog_(catalog),
      log_(log),
      placement_(setup.peers.size()),
      self_(setup.index),
      pool_files_(the_disk(), setup.directory->pools()),
      catalog_helper_(reactor, "catalog"),
      feed_(reactor.scheduler(), *setup.page, catalog, placement_, self_, definition_files()),
      all_(setup.peers.size()) {
    add_others(config, setup);
    open_store(config, setup);
    make_one(config, std::move(report));
}

Shards::~Shards() = default;

shard::CatalogFeed::Files Shards::definition_files() {
    return {.load =
                [this](std::string_view id) {
                    return catalog_helper_.run([&] { return pool_files_.load_definition(id); });
                },
            .list = [this] { return catalog_helper_.run([&] { return pool_files_.list(); }); }};
}

void Shards::add_others(const Config& config, const ShardSetup& setup) {
    for (ShardIndex i = 0; i < setup.peers.size(); ++i) {
        if (i == self_) continue;
        shard::RemoteShardOptions options;
        options.link.peer = "shard " + std::to_string(i);
        options.store.max_call_rows = config.peers.max_call_rows;
        options.store.max_calls_under_way = config.peers.max_parts_under_way;
        options.pools_timeout = config.peers.admin_deadline;
        auto remote = std::make_unique<shard::RemoteShard>(reactor_, log_, catalog_, options,
                                                           shard::connect_to(setup.peers[i]));
        auto guarded = std::make_unique<shard::GuardedStore>(
            remote->store(), catalog_, reactor_.scheduler(), config.peers.gate, seed_of(self_, i));
        all_[i] = remote.get();
        others_.push_back({i, std::move(remote), std::move(guarded)});
    }
}

void Shards::open_store(const Config& config, const ShardSetup& setup) {
    neighbours_ = std::make_unique<shard::ShardNeighbours>(
        reactor_.scheduler(), placement_, self_, all_, feed_,
        shard::ShardNeighbours::Options{.lock_file = setup.directory->pools() / "lock"});
    auto& shared = setup.page->contents();
    auto opened = store::EmbeddedStore::open(reactor_, catalog_, config.store, log_, the_disk(),
                                             {.directory = setup.directory,
                                              .stream = setup.stream,
                                              .first = self_ == 0,
                                              .clock = shared.hold_clock,
                                              .ahead_ms = &shared.hold_clock_ahead_ms,
                                              .neighbours = neighbours_.get()});
    if (!opened) throw std::runtime_error(opened.error().message);
    own_store_ = *std::move(opened);
}

void Shards::make_one(const Config& config, std::function<std::string()> report) {
    own_ = std::make_unique<shard::OwnShard>(shard::OwnShard::Parts{
        .store = *own_store_,
        .pools = own_store_->pools(),
        .history = own_store_->history(),
        .look_up =
            [this](std::span<const ringpool::PhoneNumber> numbers) {
                return own_store_->pools().look_up(numbers);
            },
        .sweep_left = [this](std::string_view id) { return own_store_->pools().sweep_left(id); },
        .has_number =
            [this](ringpool::PhoneNumber number) { return own_store_->has_number(number); },
        .overflow_counts = [this](std::string_view id) { return overflow_counts(id); },
        .report = std::move(report)});
    all_[self_] = own_.get();

    std::vector<ringpool::Store*> stores(all_.size(), own_store_.get());
    for (const Other& other : others_) stores[other.index] = other.guarded.get();
    store_of_all_ = std::make_unique<shard::RoutedStore>(reactor_.scheduler(), catalog_, placement_,
                                                         self_, std::move(stores));
    pools_of_all_ = std::make_unique<shard::RoutedPools>(
        reactor_.scheduler(), placement_, all_,
        [this] { return feed_.catch_up(reactor_.scheduler().deadline()); });
    history_of_all_ = std::make_unique<shard::RoutedHistory>(reactor_.scheduler(), all_,
                                                             config.peers.admin_deadline);
}

shard::OverflowCounts Shards::overflow_counts(std::string_view pool_id) const {
    shard::OverflowCounts counts{};
    const auto pool = catalog_.find(pool_id);
    if (!pool) return counts;
    for (const Other& other : others_) {
        const shard::OverflowCounts more = other.guarded->overflows(*pool);
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more[i];
    }
    return counts;
}

void Shards::mend_changes() {
    const auto permit = neighbours_->begin_change();
    if (!permit) log_.warning("changes of pools were not looked at: " + permit.error().message);
}

}  // namespace ringmaster::app
