#pragma once

#include <cstddef>
#include <string_view>

namespace ringmaster::shard {

/// Names a shard: 0 to count - 1.
using ShardIndex = std::size_t;

/// Which shard owns which pool, by rendezvous hashing (Thaler and Ravishankar, 1998): of all shards
/// the one whose hash together with the pool's id is the greatest. A pure function of the two, the
/// same in every process, version and build; of n shards, one more takes 1/(n+1) of the pools from
/// each, and no others move.
class Placement {
  public:
    static constexpr std::size_t kMaxShards = 256;

    /// Precondition: 1 <= count <= kMaxShards.
    explicit Placement(std::size_t count) noexcept : count_(count) {}

    ShardIndex owner(std::string_view pool_id) const noexcept;
    std::size_t count() const noexcept { return count_; }

  private:
    std::size_t count_;
};

}  // namespace ringmaster::shard
