#pragma once

#include "ringmaster/api/number_streams.hpp"
#include "ringmaster/app/pool_watch.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/http/middleware/request_meter.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/ops/pool_advice.hpp"
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
#include <string_view>
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
    /// Answers that are open without end.
    struct Streams {
        std::string_view endpoint;
        std::size_t open;
    };
    /// What a pool has to bear, where that is known.
    struct Load {
        std::string pool;
        ops::PoolSizing sizing;
    };
    shard::ShardIndex index;
    WallTime started;
    bool ready;  ///< as /readyz says
    const http::Server& server;
    std::size_t max_connections;
    const http::RequestMeter& requests;
    const runtime::Reactor& reactor;
    const shard::PeerService& service;
    std::vector<Streams> streams;
    const api::NumberStreamStats& number_streams;
    ringpool::PoolCounters counters;  ///< of all pools of this shard
    PoolStandings pools;
    std::vector<Load> loads;
    bool tells_numbers;  ///< of pools; no other shard tells those of the same
    std::vector<Peer> peers;
    std::vector<Gate> gates;
    std::optional<redis::ClientStats> redis;
};

/// The metrics of this shard, in Prometheus' format, each labelled with the shard. Does not
/// suspend.
std::string write_report(const ShardFigures& figures);

/// Suspends. What each of the shards answers when it is asked for its report, or its profile, by
/// index; nothing of one that has not answered within kReportTimeout.
inline constexpr std::chrono::milliseconds kReportTimeout{500};
using Reports = std::vector<std::optional<std::string>>;
using ShardQuestion = Result<std::string> (shard::Shard::*)(Deadline);
Reports collect_reports(runtime::Scheduler& scheduler, const std::vector<shard::Shard*>& shards,
                        ShardQuestion question);

/// The metrics of all shards as one text, and whether each of them is up: `ringmaster_shard_up` is
/// 0 where it has not answered.
std::string merge_reports(Reports reports, const shard::SharedPage& page);

}  // namespace ringmaster::app
