#include "ringmaster/shard/door_keeper.hpp"

#include <utility>

namespace ringmaster::shard {

DoorKeeper::DoorKeeper(runtime::Scheduler& scheduler, SharedPage& page, ShardIndex self,
                       std::chrono::milliseconds takeover_after, OnDoor on_door)
    : scheduler_(scheduler),
      page_(page),
      self_(self),
      rule_(self, page.shard_count(), takeover_after),
      on_door_(std::move(on_door)),
      heartbeats_ns_(page.shard_count()),
      open_(page.shard_count()),
      timer_(runtime::Callback::of<&DoorKeeper::look>(*this)) {}

// The own heartbeat first, so that a process that has stood still gets its door back; what the
// others' say is their doing, and so nobody seems dead because this one was away. `now` is read
// before them: none of them is then older than it really is.
void DoorKeeper::look() {
    const SteadyTime now = scheduler_.precise_now();
    timer_.cancel();
    scheduler_.timers().schedule(timer_, now + kPeriod);
    page_.shard(self_).heartbeat_ns.store(std::chrono::nanoseconds(now.time_since_epoch()).count(),
                                          std::memory_order_relaxed);
    for (ShardIndex i = 0; i < heartbeats_ns_.size(); ++i) {
        heartbeats_ns_[i] = page_.shard(i).heartbeat_ns.load(std::memory_order_relaxed);
    }
    for (ShardIndex i = 0; i < heartbeats_ns_.size(); ++i) {
        if (i != self_) set(i, rule_.holds(i, heartbeats_ns_, now));
    }
}

void DoorKeeper::set(ShardIndex shard, bool open) {
    if (open_[shard] == open) return;
    on_door_(shard, open);
    open_[shard] = open;
}

void DoorKeeper::stop() {
    timer_.cancel();
    for (ShardIndex i = 0; i < open_.size(); ++i) set(i, false);
    page_.shard(self_).heartbeat_ns.store(0, std::memory_order_relaxed);
}

}  // namespace ringmaster::shard
