#pragma once

#include "ringmaster/redis/cluster_replies.hpp"

#include <cstddef>
#include <vector>

#include "inquiry.hpp"
#include "topology.hpp"

namespace ringmaster::redis {

/// A cluster: each slot has its primary. Any node is asked for the map of slots.
class ClusterTopology final : public Topology {
  public:
    /// `seeds` are asked too, whether they are in the map or not. At least one.
    ClusterTopology(Inquiry& inquiry, std::vector<ServerAddress> seeds);

    const ServerAddress* find(std::string_view key) const override;
    const std::vector<ServerAddress>& primaries() const override { return map_.primaries(); }
    void move(const Redirect& redirect) override { map_.move(redirect.slot, redirect.to); }
    Result<bool> refresh(Deadline deadline) override;
    void set_down() override { is_down_ = true; }
    bool is_down() const override { return is_down_; }
    Result<ServerAddress> next_to_hear() override;
    bool is_heard_at(const ServerAddress& server) const override {
        return !is_known() || map_.has(server);
    }

  private:
    bool is_known() const noexcept { return !map_.primaries().empty(); }
    std::vector<ServerAddress> map_nodes() const;

    Inquiry& inquiry_;
    const std::vector<ServerAddress> seeds_;
    SlotMap map_;
    bool is_down_ = false;
    std::size_t hearing_turn_ = 0;
};

}  // namespace ringmaster::redis
