#include "ringmaster/shard/door_rule.hpp"

namespace ringmaster::shard {

bool DoorRule::holds(ShardIndex i, std::span<const std::int64_t> heartbeats_ns,
                     SteadyTime now) const noexcept {
    const auto lives = [&](ShardIndex shard) {
        const std::int64_t beat = heartbeats_ns[shard];
        return beat != 0 &&
               now.time_since_epoch() - std::chrono::nanoseconds(beat) <= takeover_after_;
    };
    // All from i up to this one must be gone.
    for (ShardIndex shard = i; shard != self_; shard = (shard + 1) % count_) {
        if (lives(shard)) return false;
    }
    return true;
}

}  // namespace ringmaster::shard
