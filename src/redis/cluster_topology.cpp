#include "cluster_topology.hpp"

#include <string>
#include <utility>

namespace ringmaster::redis {
ClusterTopology::ClusterTopology(Inquiry& inquiry, std::vector<ServerAddress> seeds)
    : inquiry_(inquiry), seeds_(std::move(seeds)) {}

const ServerAddress* ClusterTopology::find(std::string_view key) const {
    if (!key.empty()) return map_.primary(key_slot(key));
    return map_.primaries().empty() ? nullptr : &map_.primaries().front();
}

std::vector<ServerAddress> ClusterTopology::map_nodes() const {
    std::vector<ServerAddress> nodes = map_.primaries();
    nodes.insert(nodes.end(), map_.replicas().begin(), map_.replicas().end());
    return nodes;
}

Result<bool> ClusterTopology::refresh(Deadline deadline) {
    static const Command kSlotsQuestion{"CLUSTER", "SLOTS"};
    static const Command kStateQuestion{"CLUSTER", "INFO"};
    std::vector<ServerAddress> nodes = map_nodes();
    for (const ServerAddress& seed : seeds_) {
        if (!map_.has(seed)) nodes.push_back(seed);
    }
    std::string why;
    for (const ServerAddress& node : inquiry_.in_turn(std::move(nodes))) {
        const auto reply = inquiry_.ask(node, kSlotsQuestion, deadline);
        auto map = reply ? SlotMap::from_reply(*reply, node) : reply.error();
        if (map) {
            const bool changed = *map != map_;
            map_ = *std::move(map);
            if (!is_down_) return changed;
            const auto state = inquiry_.ask(node, kStateQuestion, deadline);
            is_down_ = !state || !is_state_ok(*state);
            return changed || !is_down_;
        }
        if (reply) inquiry_.distrust(node);
        why += why.empty() ? "" : "; ";
        why += (reply ? node.text() + ": " : "") + map.error().message;
    }
    return Error{ErrorCode::unavailable, "no node of the cluster tells its slots: " + why};
}

Result<ServerAddress> ClusterTopology::next_to_hear() {
    const std::vector<ServerAddress> nodes = is_known() ? map_nodes() : seeds_;
    return nodes[hearing_turn_++ % nodes.size()];
}

}  // namespace ringmaster::redis
