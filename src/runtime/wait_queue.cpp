#include "ringmaster/runtime/wait_queue.hpp"

namespace ringmaster::runtime {

WakeReason WaitQueue::wait(Deadline deadline) {
    // Lives on the fiber's stack; its hook leaves the queue however the wait ends.
    Waiter waiter;
    return scheduler_.suspend(
        [&](Waker waker) {
            waiter.waker = waker;
            waiters_.push_back(waiter);
        },
        deadline);
}

bool WaitQueue::notify_one() noexcept {
    while (Waiter* waiter = waiters_.pop_front()) {
        // One that timed out in this turn is still listed, and must not swallow the notification.
        if (waiter->waker.wake()) return true;
    }
    return false;
}

void WaitQueue::notify_all() noexcept {
    while (notify_one()) {
    }
}

}  // namespace ringmaster::runtime
