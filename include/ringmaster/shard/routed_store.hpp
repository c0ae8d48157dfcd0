#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/placement.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ringmaster::shard {

/// All shards' stores as one: each row of a batch is answered by its pool's owner.
///
/// A batch of one owner goes to it as it is. Of any other the own part stays in the caller's fiber,
/// and those of other shards go side by side with it, in fibers of their own; where fibers are
/// short, one after the other. Nothing that refers to the caller's spans is left when the call
/// returns or throws; where the calling task is cancelled, so are its parts. A call allocates no
/// memory once some like it have been made.
///
/// What a store throws (it should not) is thrown when all parts have ended, and the answers mean
/// nothing then; where several throw, the others go to the log.
class RoutedStore final : public ringpool::Store {
  public:
    /// `stores[i]` is that of shard i; the one of `self` is this process's own. All that is passed
    /// by reference must outlive this.
    RoutedStore(runtime::Scheduler& scheduler, const ringpool::Catalog& catalog,
                const Placement& placement, ShardIndex self, std::vector<ringpool::Store*> stores);
    ~RoutedStore() override;

    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    /// Of this process's own store: without it the others still get its numbers.
    Result<void> ready() const override { return stores_[self_]->ready(); }

  private:
    class Split;
    class Lease;

    /// A load, but where a pool is new.
    ShardIndex owner_of(ringpool::PoolIndex pool) {
        if (pool >= owners_.size()) learn_owners();
        return owners_[pool];
    }
    void learn_owners();

    runtime::Scheduler& scheduler_;
    const ringpool::Catalog& catalog_;
    const Placement placement_;
    const ShardIndex self_;
    const std::vector<ringpool::Store*> stores_;
    /// By pool. An index is of one id for good, so this never changes but by growing.
    std::vector<std::uint8_t> owners_;
    std::vector<std::unique_ptr<Split>> idle_;  ///< capacity reserved at construction
};

}  // namespace ringmaster::shard
