#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/shard_process.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/remote_shard.hpp"

#include <memory>
#include <vector>

namespace ringmaster::app {

/// Another shard of this machine.
struct PeerShard {
    shard::ShardIndex index;
    std::unique_ptr<shard::RemoteShard> remote;
};
using PeerShards = std::vector<PeerShard>;

/// All shards but the own one, by index. They are connected to when something is asked of them. All
/// that is passed must outlive them.
PeerShards make_peer_shards(const Config& config, const ShardSetup& setup,
                            runtime::Reactor& reactor, const ringpool::Catalog& catalog, Log& log);

}  // namespace ringmaster::app
