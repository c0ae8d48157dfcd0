#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/runtime/scheduler.hpp"

namespace ringmaster::runtime {

/// Fibers that wait for the same thing, first come, first served: what Event, Mutex, Semaphore and
/// Gate are made of. Nobody may wait any more when it is destroyed.
class WaitQueue {
  public:
    explicit WaitQueue(Scheduler& scheduler) noexcept : scheduler_(scheduler) {}

    /// Suspends until notified or until `deadline`.
    WakeReason wait(Deadline deadline = {});

    /// Wakes the fiber that has waited longest and whose wait is not over. False where there is
    /// none.
    bool notify_one() noexcept;
    void notify_all() noexcept;

  private:
    struct Waiter : ListHook<WaitQueue> {
        Waker waker;
    };
    Scheduler& scheduler_;
    IntrusiveList<Waiter, WaitQueue> waiters_;
};

}  // namespace ringmaster::runtime
