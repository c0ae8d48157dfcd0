#include "ringmaster/app/peer_shards.hpp"

#include "ringmaster/shard/peer_link.hpp"

#include <string>

namespace ringmaster::app {

PeerShards make_peer_shards(const Config& config, const ShardSetup& setup,
                            runtime::Reactor& reactor, const ringpool::Catalog& catalog, Log& log) {
    PeerShards peers;
    for (shard::ShardIndex i = 0; i < setup.peers.size(); ++i) {
        if (i == setup.index) continue;
        shard::RemoteShardOptions options;
        options.link.peer = "shard " + std::to_string(i);
        options.store.max_call_rows = config.peers.max_call_rows;
        options.store.max_calls_under_way = config.peers.max_parts_under_way;
        options.pools_timeout = config.peers.admin_deadline;
        peers.push_back(
            {i, std::make_unique<shard::RemoteShard>(reactor, log, catalog, options,
                                                     shard::connect_to(setup.peers[i]))});
    }
    return peers;
}

}  // namespace ringmaster::app
