#include "ringmaster/app/shard_profiler.hpp"

#include "ringmaster/app/process_figures.hpp"
#include "ringmaster/app/shard_metrics.hpp"

#include <cstdint>
#include <utility>

namespace ringmaster::app {

ShardProfiler::ShardProfiler(const Parts& parts)
    : parts_(parts),
      started_(parts.clock.wall_now()),
      begin_(parts.clock.steady_now()),
      cores_(usable_cores()) {}

ops::ShardProfile ShardProfiler::take() const {
    ops::ShardProfile profile;
    profile.shard = static_cast<std::uint32_t>(parts_.index);
    profile.started = started_;
    profile.begin = started_;
    profile.end = parts_.clock.wall_now();
    profile.observed = parts_.clock.steady_now() - begin_;
    profile.cores = cores_;
    profile.most_in_flight = parts_.most_in_flight;
    profile.busy = parts_.reactor.lag().sum();
    profile.cpu = read_process_figures().cpu;
    profile.lag = ops::LagCounts(parts_.reactor.lag());
    add_pools(profile);
    profile.shed = parts_.backend.shed_rows();
    if (const auto stats = parts_.backend.redis_stats()) {
        profile.redis = {.servers = stats->servers,
                         .calls = stats->calls,
                         .failed = stats->errors,
                         .connections = {.size = stats->pool.size,
                                         .checkouts = stats->pool.checkouts,
                                         .timeouts = stats->pool.timeouts,
                                         .lent = stats->pool.lent,
                                         .waited = stats->pool.waited},
                         .loads = {}};
        std::vector<ops::ShardProfile::ServerLoad> loads;
        for (auto& load : parts_.backend.redis_loads()) {
            loads.push_back({std::move(load.name), load.observed, load.busy});
        }
        profile.redis->set_loads(std::move(loads));
    }
    for (std::size_t i = 0; i < parts_.requests.endpoints(); ++i) {
        const auto& endpoint = parts_.requests.endpoint(i);
        profile.add_endpoint(endpoint.name, endpoint.times);
    }
    return profile;
}

void ShardProfiler::add_pools(ops::ShardProfile& profile) const {
    std::vector<ops::ShardProfile::PoolRows> pools;
    parts_.catalog.for_each([&](ringpool::PoolIndex index, const ringpool::PoolDefinition& pool) {
        const auto counters = parts_.backend.own_counters(index);
        if (!counters || counters->allocations == 0) return;
        profile.rows += counters->allocations;
        pools.push_back({pool.id, counters->allocations});
    });
    profile.set_pools(std::move(pools));
}

std::string collect_profiles(runtime::Scheduler& scheduler,
                             const std::vector<shard::Shard*>& shards) {
    const Reports profiles = collect_reports(scheduler, shards, &shard::Shard::profile);
    std::string all;
    for (std::size_t i = 0; i < profiles.size(); ++i) {
        if (profiles[i]) {
            all += *profiles[i];
        } else {
            ops::append_missing(all, static_cast<std::uint32_t>(i));
        }
    }
    return all;
}

}  // namespace ringmaster::app
