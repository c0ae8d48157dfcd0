#include "ringmaster/app/redis_backend.hpp"

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/redis_store/open_store.hpp"

#include <cstdint>
#include <numeric>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {

using ringpool::EventType;
using ringpool::OverflowReason;

namespace {

constexpr std::size_t kUnavailable = static_cast<std::size_t>(OverflowReason::store_unavailable);

/// Of the walks past all pools, which are all daemons' load on one Redis.
constexpr unsigned kRestFactor = 50;

redis::ClientOptions client_options(const Config& config, shard::ShardIndex self) {
    redis::ClientOptions options = config.redis.client;
    options.client_name = "ringmaster-" + std::to_string(self);
    return options;
}

redis_store::RedisStoreOptions store_options(const Config& config) {
    return {.prefix = config.redis.prefix,
            .history = config.store.history,
            .wait_replicas = config.redis.wait_replicas};
}

// Processes of one shard come one after the other.
std::uint64_t life(const runtime::Scheduler& scheduler) noexcept {
    return static_cast<std::uint64_t>(scheduler.wall_now().time_since_epoch().count());
}

// Gates that tripped together must not come back together.
std::uint32_t seed_of(shard::ShardIndex self) noexcept {
    return static_cast<std::uint32_t>(getpid()) * 65'537u + static_cast<std::uint32_t>(self);
}

}  // namespace

RedisBackend::RedisBackend(const Config& config, const ShardSetup& setup, runtime::Reactor& reactor,
                           ringpool::Catalog& catalog, Log& log, OwnKnowledge knowledge)
    : config_(config.redis),
      metrics_(config.metrics),
      self_(setup.index),
      reactor_(reactor),
      catalog_(catalog),
      log_(log),
      client_(redis::make_client(reactor, client_options(config, setup.index), log)),
      load_watch_(reactor.scheduler(), *client_),
      functions_(reactor.scheduler(), *client_,
                 {.prefix = config.redis.prefix,
                  .timeout = config.redis.admin_deadline,
                  .replicas = config.redis.wait_replicas}),
      follower_(reactor, functions_, catalog, log,
                {.catalog_period = config.redis.catalog_period,
                 .lost = [this](Deadline deadline) { return begin_store(deadline); }}),
      store_({.client = *client_,
              .catalog = catalog,
              .scheduler = reactor.scheduler(),
              .log = log,
              .version = [this](ringpool::PoolIndex i) { return follower_.version(i); },
              .look_again = [this](ringpool::PoolIndex i) { follower_.look_again(i); }},
             {}, store_options(config)),
      guarded_(store_, catalog, reactor.scheduler(), config.redis.gate, seed_of(setup.index),
               {.slow = OverflowReason::store_unavailable,
                .gone = OverflowReason::store_unavailable,
                .name = "Redis"}),
      events_({EventType::allocation, EventType::overflow, EventType::release}, {EventType::touch},
              config.events.hub.max_buffer_bytes),
      observed_(guarded_, catalog, reactor.scheduler(), events_),
      own_events_(reactor.scheduler(), events_, life(reactor.scheduler())),
      pools_({.reactor = reactor,
              .functions = functions_,
              .follower = follower_,
              .catalog = catalog,
              .counters = [this](ringpool::PoolIndex i) { return counters(i); }},
             {.max_pools = config.store.max_pools, .max_numbers = config.store.max_numbers}),
      pool_watch_(reactor.scheduler(), pools_, [this] { return all_pools(); },
                  {.max_pools = config.metrics.max_pools, .rest_factor = kRestFactor}),
      hasher_({}),
      history_({.reactor = reactor,
                .functions = functions_,
                .hasher = hasher_,
                .history = config.store.history,
                .released = [this](std::string_view id) { store_.count_release(id); }}),
      others_(make_peer_shards(config, setup, reactor, catalog, log)),
      own_({.store = guarded_,
            .pools = pools_,
            .history = history_,
            .events = own_events_,
            .look_up = [](auto) { return std::vector<store::NumberKnowledge>(); },
            .sweep_left = [](auto) { return Result<void>(); },
            .has_number = [](auto) { return false; },
            .overflow_counts = [](auto) { return shard::OverflowCounts{}; },
            .demand = std::move(knowledge.demand),
            .report = std::move(knowledge.report),
            .profile = std::move(knowledge.profile)}),
      all_(setup.peers.size()) {
    all_[setup.index] = &own_;
    for (const PeerShard& other : others_) all_[other.index] = other.remote.get();
    std::vector<shard::ShardIndex> everybody(all_.size());
    std::iota(everybody.begin(), everybody.end(), shard::ShardIndex{0});
    demand_of_all_ = std::make_unique<shard::RoutedDemand>(
        reactor.scheduler(), all_, [everybody](auto) { return everybody; },
        config.peers.admin_deadline);
}

RedisBackend::~RedisBackend() = default;

Result<void> RedisBackend::recover() {
    const Deadline deadline = Deadline::at(reactor_.scheduler().now() + config_.start_timeout);
    if (auto begun = begin_store(deadline); !begun) {
        return Error{begun.error().code, "Redis: " + begun.error().message};
    }
    if (auto started = follower_.start(deadline); !started) {
        return Error{started.error().code, "Redis: " + started.error().message};
    }
    if (auto started = load_watch_.start(); !started) return started;
    log_.info("the store is " + config_.client.url.text());
    return {};
}

// Where Redis has lost everything, the daemons that go on must agree with those that come: all
// offer the secret that they have.
Result<void> RedisBackend::begin_store(Deadline deadline) {
    auto secret = redis_store::open_store(functions_, deadline, secret_);
    if (!secret) return secret.error();
    secret_ = *secret;
    store_.set_secret(*secret);
    hasher_ = ringpool::SessionHasher(*secret);
    return {};
}

void RedisBackend::close() {
    load_watch_.stop();
    pool_watch_.close();
    pools_.close();
    history_.close();
    follower_.stop();
    client_->stop();
}

// What failed on the way is counted by the gate, so as not to be counted twice.
ringpool::PoolCounters RedisBackend::counters(ringpool::PoolIndex pool) const {
    ringpool::PoolCounters counters = store_.counters(pool);
    counters.overflows[kUnavailable] = guarded_.overflows(pool)[kUnavailable];
    return counters;
}

std::vector<std::string> RedisBackend::all_pools() const {
    std::vector<std::string> ids;
    catalog_.for_each(
        [&](ringpool::PoolIndex, const ringpool::PoolDefinition& pool) { ids.push_back(pool.id); });
    return ids;
}

PoolStandings RedisBackend::counters_of_pools() const {
    PoolStandings standings;
    catalog_.for_each([&](ringpool::PoolIndex index, const ringpool::PoolDefinition& pool) {
        ringpool::PoolFigures figures;
        figures.counters = counters(index);
        standings.add(pool.id, figures, metrics_.max_pools);
    });
    return standings;
}

std::optional<redis::ClientStats> RedisBackend::redis_stats() const {
    return client_->stats();
}

std::uint64_t RedisBackend::shed_rows() const {
    return ringpool::shed_of(guarded_.overflows());
}

void RedisBackend::add_figures(ShardFigures& figures) {
    // Pools are the same for all shards, so one of them is enough to ask Redis for how they stand.
    figures.tells_numbers = self_ == 0;
    figures.pools = figures.tells_numbers ? pool_watch_.look() : counters_of_pools();
    figures.counters = store_.all_counters();
    figures.counters.overflows[kUnavailable] = 0;
    for (const PeerShard& other : others_) {
        figures.peers.push_back({std::to_string(other.index), *other.remote});
    }
    figures.gates.push_back({"redis", guarded_});
    figures.redis = redis_stats();
}

}  // namespace ringmaster::app
