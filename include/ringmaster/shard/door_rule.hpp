#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/shard/placement.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ringmaster::shard {

/// Whose doors (public sockets) a shard holds open besides its own. The kernel goes on sending new
/// connections to the door of a shard that hangs, where nobody would answer them; so the next one
/// that lives accepts them: of shards 0, 1, 2, ..., after the last of which comes 0 again. A shard
/// lives as long as its heartbeat, the time at which its loop turned last, is not older than
/// takeover_after. Nobody is judged or ended; two who see different things both hold the door
/// open, for a moment, and nothing is lost by it.
///
/// Without I/O, and without a state.
class DoorRule {
  public:
    /// Precondition: self < count.
    DoorRule(ShardIndex self, std::size_t count, std::chrono::milliseconds takeover_after) noexcept
        : self_(self), count_(count), takeover_after_(takeover_after) {}

    /// Whether this shard is to accept for shard `i`, another one. `heartbeats_ns[k]` is that of
    /// shard k, in nanoseconds of `now`'s clock; 0: it has none. This shard itself lives, whatever
    /// its own is.
    bool holds(ShardIndex i, std::span<const std::int64_t> heartbeats_ns,
               SteadyTime now) const noexcept;

  private:
    const ShardIndex self_;
    const std::size_t count_;
    const std::chrono::nanoseconds takeover_after_;
};

}  // namespace ringmaster::shard
