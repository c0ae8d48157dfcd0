#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/flow/ease_in_gate.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/shard.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// Who is behind a guard: another shard, or Redis. As what its failures are told.
struct Guarded {
    ringpool::OverflowReason slow = ringpool::OverflowReason::owner_slow;
    ringpool::OverflowReason gone = ringpool::OverflowReason::owner_down;
    std::string_view name = "the pool's owner";  ///< for people; must outlive the guard
};

/// A Store that may be slow, hung or gone, behind a gate and a deadline: nobody waits for it longer
/// than that, and nobody waits in vain for one that is known not to answer. Who is not let through
/// is answered at once, with the overflow number: as `gone` says where the last call that ended
/// found the store gone, else as `slow` says. Belongs to one scheduler; no call may be under way
/// when it is destroyed.
class GuardedStore final : public ringpool::Store {
  public:
    /// `options` are the gate's, and its deadline is this store's too; it should be shorter than
    /// that of callers: who gives up before it says nothing about the store. All that is passed by
    /// reference must outlive this. Throws std::invalid_argument as EaseInGate does.
    GuardedStore(ringpool::Store& guarded, const ringpool::Catalog& catalog,
                 runtime::Scheduler& scheduler, const flow::EaseInGateOptions& options,
                 std::uint32_t seed, Guarded who = {});

    /// Suspends as the store behind it does; not at all without a permit of the gate. A batch is
    /// one call, and has failed where one of its rows is answered with `slow` or `gone`.
    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    /// Likewise. ErrorCode::unavailable without a permit, and where the store does not answer;
    /// whether the number was released is not known then.
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    /// Of the store behind it.
    Result<void> ready() const override { return guarded_.ready(); }

    flow::EaseInGate::Stats gate() const noexcept { return gate_.stats(); }
    /// Rows that were answered with `slow` or `gone` since this was made, by the gate or by the
    /// store; of one pool, and of all.
    OverflowCounts overflows(ringpool::PoolIndex pool) const noexcept;
    const OverflowCounts& overflows() const noexcept { return overflows_of_all_; }

  private:
    /// The time of a call, as the gate wants it: never less than one that it was told before.
    SteadyTime not_back(SteadyTime time) noexcept;
    void tell_failure(flow::EaseInGate::Permit& permit, ringpool::OverflowReason reason,
                      Deadline callers, SteadyTime patience) noexcept;
    void tell_success(flow::EaseInGate::Permit& permit) noexcept;
    Error unavailable(std::string_view why) const;
    void refuse(std::span<const ringpool::AllocationRequest> requests,
                std::span<ringpool::Allocation> answers);
    std::optional<ringpool::OverflowReason> count_failed(
        std::span<const ringpool::AllocationRequest> requests,
        std::span<const ringpool::Allocation> answers);
    void count(ringpool::PoolIndex pool, ringpool::OverflowReason reason);

    ringpool::Store& guarded_;
    const ringpool::Catalog& catalog_;
    runtime::Scheduler& scheduler_;
    const std::chrono::milliseconds deadline_;
    const Guarded who_;
    flow::EaseInGate gate_;
    SteadyTime latest_{};  ///< that the gate was told
    /// Why whoever is refused is.
    ringpool::OverflowReason refusal_;
    std::vector<OverflowCounts> overflows_;  ///< by pool; grown where one is counted
    OverflowCounts overflows_of_all_{};
};

}  // namespace ringmaster::shard
