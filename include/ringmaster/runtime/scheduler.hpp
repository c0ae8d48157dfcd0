#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/callback.hpp"
#include "ringmaster/runtime/fiber.hpp"
#include "ringmaster/runtime/heartbeat.hpp"
#include "ringmaster/runtime/stack_slab.hpp"
#include "ringmaster/runtime/task_times.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringmaster::runtime {

struct SchedulerLimits {
    std::size_t max_fibers = 1024;           ///< tasks at one time; the next one is refused
    std::size_t stack_bytes = 64 * 1024;     ///< of each fiber
    std::size_t max_resumes_per_turn = 256;  ///< then the reactor looks for I/O again
};

/// Something to be done once at the end of the current turn, after the fibers that are ready have
/// run: what many of them ask for is then done for all at once (one write to the journal, one send
/// per connection).
class Deferred : public ListHook<class Scheduler> {
  public:
    explicit Deferred(Callback run) noexcept : run_(run) {}

  private:
    friend class Scheduler;
    Callback run_;
};

/// Runs fibers: who is ready, who waits, what time it is. Knows nothing of sockets; the Reactor
/// drives it from the kernel's events, a test drives it by hand with a fake clock.
///
/// One thread only. A *turn* is: ready fibers are resumed in the order in which they became ready,
/// then the deferred callbacks run, and so again until nothing is left or the turn's budget is used
/// up. Time stands still within a turn.
class Scheduler {
  public:
    /// `clock`, `log` and `errors` must outlive the scheduler.
    Scheduler(Clock& clock, ErrorReporter& errors, SchedulerLimits limits);
    /// Unwinds the fibers that still wait, the ones started last first: suspend() throws
    /// FiberUnwound in each.
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    /// Runs `function` in a fiber of its own and returns when it has ended or first suspends. Must
    /// not be called from a fiber. False (and `function` untouched) where max_fibers are in use.
    /// `name` must be a literal: it stands in reports. What `function` throws is reported under an
    /// error handle.
    template <class Function>
    bool run(const char* name, Function&& function, Deadline deadline = {}) {
        Fiber* fiber = take(name, deadline);
        if (fiber == nullptr) return false;
        fiber->assign(std::forward<Function>(function));
        resume(*fiber);
        return true;
    }
    /// As run(), but the fiber starts with the next turn. May be called from a fiber. No task where
    /// max_fibers are in use.
    template <class Function>
    Task spawn(const char* name, Function&& function, Deadline deadline = {}) {
        precise_now();  // or the task would be as old as what the caller does already
        Fiber* fiber = take(name, deadline);
        if (fiber == nullptr) return {};
        fiber->assign(std::forward<Function>(function));
        ready_.push_back(*fiber);
        return Task(*fiber, fiber->task_);
    }

    /// Suspends. Leaves the current fiber, then calls `arm(Waker)` on the scheduler's stack:
    /// nothing can wake the fiber before it is really suspended, so no wake-up is lost. Returns why
    /// it was resumed: `notified`, or `timeout` at `deadline`. What `arm` throws is thrown here;
    /// Cancelled, where somebody cancels the task.
    template <class Arm>
    WakeReason suspend(Arm&& arm, Deadline deadline = {}) {
        using Plain = std::remove_reference_t<Arm>;
        return suspend_with({[](void* a, Waker waker) { (*static_cast<Plain*>(a))(waker); },
                             const_cast<std::remove_const_t<Plain>*>(std::addressof(arm))},
                            deadline);
    }
    /// Suspends until `when`.
    void sleep_until(SteadyTime when) {
        suspend([](Waker) {}, Deadline::at(when));
    }
    /// Suspends. Lets every other ready fiber run first.
    void yield() {
        suspend([](Waker waker) { waker.wake(); });
    }

    /// The fiber that is running, or null on the scheduler's own stack.
    Fiber* current() const noexcept { return current_; }
    /// The task that is running; none on the scheduler's own stack.
    Task current_task() const noexcept {
        return current_ != nullptr ? Task(*current_, current_->task_) : Task();
    }
    /// The deadline that the current fiber was given at its start; never, outside of fibers.
    Deadline deadline() const noexcept {
        return current_ != nullptr ? current_->deadline_ : Deadline::never();
    }

    /// Of the current task, up to now: reads the clock. Zeros, outside of fibers.
    TaskTimes task_times() const noexcept;

    /// The time of this turn.
    SteadyTime now() const noexcept { return now_; }
    /// The time that it really is: reads the clock. now() stays as it is.
    SteadyTime precise_now() noexcept { return latest_reading_ = clock_.steady_now(); }
    WallTime wall_now() const noexcept { return wall_now_; }
    /// Reads the clocks: time goes on. Called at each entry from outside.
    void update_time() noexcept;

    TimerWheel& timers() noexcept { return timers_; }
    /// Runs `deferred` at the end of this turn; harmless where it is already waiting.
    void defer(Deferred& deferred) noexcept {
        if (!deferred.is_linked()) deferred_.push_back(deferred);
    }

    /// As defer(), but not before the kernel has been asked for events once more: for work that is
    /// cut into portions so that others get their share.
    void defer_to_next_turn(Deferred& deferred) noexcept {
        if (!deferred.is_linked()) next_turn_.push_back(deferred);
    }

    /// Fires due timers and runs one turn. True where more is ready, because the budget was used
    /// up.
    bool turn();
    /// Whether there is anything for turn() to do besides timers.
    bool has_ready() const noexcept {
        return !ready_.empty() || !deferred_.empty() || !next_turn_.empty();
    }

    /// Tasks started and not ended.
    std::size_t fibers_in_use() const noexcept { return in_use_; }
    ErrorReporter& errors() noexcept { return errors_; }
    /// What the thread is at. Whoever calls this scheduler from outside says when it is at nothing.
    Heartbeat& heartbeat() noexcept { return heartbeat_; }

    /// The fiber into whose stack guard `address` falls, or null. Async-signal-safe.
    const Fiber* overflowed(const void* address) const noexcept;

  private:
    friend class Waker;
    friend class Task;
    friend class Fiber;
    struct Arming {
        void (*call)(void*, Waker);
        void* arm;
    };

    Fiber* take(const char* name, Deadline deadline);
    void resume(Fiber& fiber);
    void arm(Fiber& fiber);
    void begin_callbacks() noexcept { heartbeat_.busy(precise_now(), nullptr); }
    WakeReason suspend_with(Arming arming, Deadline deadline);
    void make_ready(Fiber& fiber, WakeReason reason) noexcept;
    std::size_t run_deferred();
    void finished(Fiber& fiber) noexcept;

    Clock& clock_;
    ErrorReporter& errors_;
    const std::size_t max_resumes_per_turn_;
    SteadyTime now_;
    WallTime wall_now_;
    SteadyTime latest_reading_;  ///< of the clock, for whatever reason
    Heartbeat heartbeat_;
    TimerWheel timers_;
    StackSlab stacks_;
    std::vector<std::unique_ptr<Fiber>> fibers_;  ///< by stack index; made when first needed
    std::vector<Fiber*> idle_;                    ///< last in, first out
    IntrusiveList<Fiber, Scheduler> ready_;
    IntrusiveList<Deferred, Scheduler> deferred_;
    IntrusiveList<Deferred, Scheduler> next_turn_;
    Fiber* current_ = nullptr;
    std::size_t in_use_ = 0;
    std::uint64_t tasks_started_ = 0;
    bool unwinding_ = false;
};

}  // namespace ringmaster::runtime
