#include "ringmaster/runtime/sync.hpp"

#include <exception>

namespace ringmaster::runtime {

bool ConditionVariable::wait(Mutex& mutex, Deadline deadline) {
    mutex.semaphore_.release();
    WakeReason reason{};
    std::exception_ptr error;
    try {
        reason = waiters_.wait(deadline);
    } catch (...) {
        error = std::current_exception();
    }
    // Not in the handler: to wait there would hold the exception for as long.
    const CancellationShield shield(scheduler_);
    mutex.semaphore_.acquire();
    if (error) std::rethrow_exception(error);
    return reason == WakeReason::notified;
}

}  // namespace ringmaster::runtime
