#pragma once

#include "ringmaster/base/clock.hpp"

#include <atomic>
#include <optional>

namespace ringmaster::runtime {

/// What the thread of a scheduler is at, and since when: told by that thread, at each switch, at
/// the cost of two plain stores; read by any, and by signal handlers.
class Heartbeat {
  public:
    /// From `since` on it has been in the fiber of this name, or, where null, in a callback.
    void busy(SteadyTime since, const char* fiber) noexcept {
        since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
        fiber_.store(fiber, std::memory_order_release);
    }
    /// It waits for the kernel.
    void pause() noexcept { since_.store(kPaused, std::memory_order_relaxed); }

    /// Since when it has been at the same thing; nothing while it waits for the kernel.
    std::optional<SteadyTime> since() const noexcept {
        const Count since = since_.load(std::memory_order_relaxed);
        if (since == kPaused) return std::nullopt;
        return SteadyTime(SteadyTime::duration(since));
    }
    /// What it is at; of the same time as since() where that is the same before and after.
    const char* fiber() const noexcept { return fiber_.load(std::memory_order_acquire); }

  private:
    using Count = SteadyTime::rep;
    static constexpr Count kPaused = SteadyTime::min().time_since_epoch().count();
    static_assert(std::atomic<Count>::is_always_lock_free);

    std::atomic<Count> since_{kPaused};
    std::atomic<const char*> fiber_{nullptr};
};

}  // namespace ringmaster::runtime
