#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/event_ring.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <span>

namespace ringmaster::shard {

/// A Store whose answers are seen by whoever reads events: those of the types that the ring is for.
/// To be the one that this process's clients ask, so that each answer is seen in one process only.
class ObservedStore final : public ringpool::Store {
  public:
    /// All must outlive this.
    ObservedStore(ringpool::Store& observed, const ringpool::Catalog& catalog,
                  const runtime::Scheduler& scheduler, ringpool::EventRing& ring) noexcept
        : observed_(observed), catalog_(catalog), scheduler_(scheduler), ring_(ring) {}

    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    Result<void> ready() const override { return observed_.ready(); }

  private:
    ringpool::Event event(ringpool::EventType type, ringpool::PoolIndex pool,
                          ringpool::PhoneNumber number, const ringpool::Session& session) const;

    ringpool::Store& observed_;
    const ringpool::Catalog& catalog_;
    const runtime::Scheduler& scheduler_;
    ringpool::EventRing& ring_;
};

}  // namespace ringmaster::shard
