#pragma once

#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"
#include "ringmaster/shard/door_rule.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

namespace ringmaster::shard {

/// Shows the other shards that this one lives, and holds the doors of those open that do not: see
/// DoorRule. Belongs to one scheduler, on a timer of it.
class DoorKeeper {
  public:
    static constexpr std::chrono::milliseconds kPeriod{25};
    /// Accept from the socket of this shard, another one, from now on; or no longer.
    using OnDoor = std::function<void(ShardIndex shard, bool open)>;

    /// The references must outlive this. `on_door` is called on the scheduler's stack, and must not
    /// suspend; where it throws, which is reported, it is called again after kPeriod.
    DoorKeeper(runtime::Scheduler& scheduler, SharedPage& page, ShardIndex self,
               std::chrono::milliseconds takeover_after, OnDoor on_door);
    ~DoorKeeper() { timer_.cancel(); }
    DoorKeeper(const DoorKeeper&) = delete;
    DoorKeeper& operator=(const DoorKeeper&) = delete;

    /// From now on, beginning at once. To be called when this shard accepts from its own socket.
    void start() { look(); }
    /// Closes the other shards' doors, and leaves its own to the next one without the delay that a
    /// shard gets that hangs. To be called when this shard no longer accepts. Harmless where it was
    /// not started.
    void stop();

  private:
    void look();
    void set(ShardIndex shard, bool open);

    runtime::Scheduler& scheduler_;
    SharedPage& page_;
    const ShardIndex self_;
    const DoorRule rule_;
    const OnDoor on_door_;
    std::vector<std::int64_t> heartbeats_ns_;
    std::vector<bool> open_;  ///< by shard; never the own one
    runtime::Timer timer_;
};

}  // namespace ringmaster::shard
