#include "ringmaster/app/embedded_backend.hpp"

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

EmbeddedBackend::EmbeddedBackend(const Config& config, const ShardSetup& setup,
                                 runtime::Reactor& reactor, ringpool::Catalog& catalog, Log& log,
                                 OwnKnowledge knowledge)
    : reactor_(reactor),
      catalog_(catalog),
      log_(log),
      placement_(setup.peers.size()),
      self_(setup.index),
      pool_files_(the_disk(), setup.directory->pools()),
      catalog_helper_(reactor, "catalog"),
      feed_(reactor.scheduler(), *setup.page, catalog, placement_, self_, definition_files()),
      others_(make_peer_shards(config, setup, reactor, catalog, log)),
      all_(setup.peers.size()),
      overflows_({ringpool::EventType::overflow}, {}, config.events.hub.max_buffer_bytes) {
    guard_others(config);
    open_store(config, setup);
    make_one(config, std::move(knowledge));
    pool_watch_ = std::make_unique<PoolWatch>(
        reactor.scheduler(), own_store_->pools(), [this] { return own_pools(); },
        PoolWatch::Options{.max_pools = config.metrics.max_pools});
}

EmbeddedBackend::~EmbeddedBackend() = default;

shard::CatalogFeed::Files EmbeddedBackend::definition_files() {
    return {.load =
                [this](std::string_view id) {
                    return catalog_helper_.run([&] { return pool_files_.load_definition(id); });
                },
            .list = [this] { return catalog_helper_.run([&] { return pool_files_.list(); }); }};
}

void EmbeddedBackend::guard_others(const Config& config) {
    for (const PeerShard& other : others_) {
        gates_.push_back(std::make_unique<shard::GuardedStore>(
            other.remote->store(), catalog_, reactor_.scheduler(), config.peers.gate,
            seed_of(self_, other.index)));
        all_[other.index] = other.remote.get();
    }
}

void EmbeddedBackend::open_store(const Config& config, const ShardSetup& setup) {
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

void EmbeddedBackend::make_one(const Config& config, OwnKnowledge knowledge) {
    own_events_ =
        std::make_unique<shard::OwnEvents>(reactor_.scheduler(), overflows_, own_store_->events());
    own_ = std::make_unique<shard::OwnShard>(shard::OwnShard::Parts{
        .store = *own_store_,
        .pools = own_store_->pools(),
        .history = own_store_->history(),
        .events = *own_events_,
        .look_up =
            [this](std::span<const ringpool::PhoneNumber> numbers) {
                return own_store_->pools().look_up(numbers);
            },
        .sweep_left = [this](std::string_view id) { return own_store_->pools().sweep_left(id); },
        .has_number =
            [this](ringpool::PhoneNumber number) { return own_store_->has_number(number); },
        .overflow_counts = [this](std::string_view id) { return overflow_counts(id); },
        .demand = std::move(knowledge.demand),
        .report = std::move(knowledge.report),
        .profile = std::move(knowledge.profile)});
    all_[self_] = own_.get();

    std::vector<ringpool::Store*> stores(all_.size(), own_store_.get());
    for (std::size_t i = 0; i < others_.size(); ++i) stores[others_[i].index] = gates_[i].get();
    store_of_all_ = std::make_unique<shard::RoutedStore>(reactor_.scheduler(), catalog_, placement_,
                                                         self_, std::move(stores));
    observed_ = std::make_unique<shard::ObservedStore>(*store_of_all_, catalog_,
                                                       reactor_.scheduler(), overflows_);
    pools_of_all_ = std::make_unique<shard::RoutedPools>(
        reactor_.scheduler(), placement_, all_,
        [this] { return feed_.catch_up(reactor_.scheduler().deadline()); });
    history_of_all_ = std::make_unique<shard::RoutedHistory>(reactor_.scheduler(), all_,
                                                             config.peers.admin_deadline);
    demand_of_all_ = std::make_unique<shard::RoutedDemand>(
        reactor_.scheduler(), all_,
        [this](std::string_view id) { return std::vector{placement_.owner(id)}; },
        config.peers.admin_deadline);
}

shard::OverflowCounts EmbeddedBackend::overflow_counts(std::string_view pool_id) const {
    shard::OverflowCounts counts{};
    const auto pool = catalog_.find(pool_id);
    if (!pool) return counts;
    for (const auto& gate : gates_) {
        const shard::OverflowCounts more = gate->overflows(*pool);
        for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more[i];
    }
    return counts;
}

Result<void> EmbeddedBackend::recover() {
    const auto permit = neighbours_->begin_change();
    if (!permit) log_.warning("changes of pools were not looked at: " + permit.error().message);
    return {};
}

// So that nobody is answered by a catalog that another shard has changed. Where its files can't be
// read, what was known before is better than nothing for all pools.
void EmbeddedBackend::catch_up(Deadline deadline) {
    if (feed_.current()) return;
    const auto done = feed_.catch_up(deadline);
    if (done || done.error().message == catalog_problem_) return;
    catalog_problem_ = done.error().message;
    log_.error("changes of pools can't be read, and what was known before is served: " +
               catalog_problem_);
}

void EmbeddedBackend::close() {
    pool_watch_->close();
    own_store_->close();
}

std::vector<std::string> EmbeddedBackend::own_pools() const {
    std::vector<std::string> ids;
    catalog_.for_each([&](ringpool::PoolIndex index, const ringpool::PoolDefinition& pool) {
        if (own_store_->has_pool(index)) ids.push_back(pool.id);
    });
    return ids;
}

std::optional<ringpool::PoolCounters> EmbeddedBackend::own_counters(
    ringpool::PoolIndex pool) const {
    if (!own_store_->has_pool(pool)) return std::nullopt;
    return own_store_->counters(pool);
}

std::size_t EmbeddedBackend::own_numbers(ringpool::PoolIndex pool) const {
    return own_store_->has_pool(pool) ? own_store_->pool(pool).size() : 0;
}

std::size_t EmbeddedBackend::own_numbers() const {
    std::size_t numbers = 0;
    catalog_.for_each([&](ringpool::PoolIndex index, const ringpool::PoolDefinition&) {
        numbers += own_numbers(index);
    });
    return numbers;
}

std::uint64_t EmbeddedBackend::shed_rows() const {
    std::uint64_t rows = ringpool::shed_of(own_store_->counters().overflows);
    for (const auto& gate : gates_) rows += ringpool::shed_of(gate->overflows());
    return rows;
}

void EmbeddedBackend::add_figures(ShardFigures& figures) {
    figures.pools = pool_watch_->look();
    figures.tells_numbers = true;
    figures.counters = own_store_->counters();
    for (std::size_t i = 0; i < others_.size(); ++i) {
        const std::string index = std::to_string(others_[i].index);
        figures.peers.push_back({index, *others_[i].remote});
        figures.gates.push_back({index, *gates_[i]});
    }
}

}  // namespace ringmaster::app
