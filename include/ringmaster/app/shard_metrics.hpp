#pragma once

#include "ringmaster/http/server.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/guarded_store.hpp"
#include "ringmaster/shard/peer_service.hpp"
#include "ringmaster/shard/remote_shard.hpp"
#include "ringmaster/shard/shard.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::app {

/// What one shard's metrics are made of. References must stay valid as long as it is used.
struct ShardFigures {
    /// Another shard, as this one sees it.
    struct Peer {
        std::string name;  ///< its index
        const shard::RemoteShard& remote;
    };
    /// What stands in front of another owner of numbers.
    struct Gate {
        std::string owner;  ///< a shard's index, or "redis"
        const shard::GuardedStore& guarded;
    };
    shard::ShardIndex index;
    const http::Server& server;
    const runtime::Reactor& reactor;
    const shard::PeerService& service;
    ringpool::PoolCounters counters;  ///< of all pools of this shard
    std::vector<Peer> peers;
    std::vector<Gate> gates;
    std::optional<redis::ClientStats> redis;
};

/// The metrics of this shard, in Prometheus' format, each labelled with the shard. Does not
/// suspend.
std::string write_report(const ShardFigures& figures);

/// Suspends. The metrics of all shards, and whether each of them is up: `ringmaster_shard_up` is 0
/// where it has not answered within kReportTimeout.
inline constexpr std::chrono::milliseconds kReportTimeout{500};
std::string collect_reports(runtime::Scheduler& scheduler, const shard::SharedPage& page,
                            const std::vector<shard::Shard*>& shards);

}  // namespace ringmaster::app
