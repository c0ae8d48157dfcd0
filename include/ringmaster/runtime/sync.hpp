#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cassert>
#include <cstddef>
#include <optional>
#include <utility>

/// Synchronisation between the fibers of one scheduler. None of it is for threads, none of it may
/// be destroyed while a fiber waits for it, and all of it serves waiters in the order in which they
/// came.
namespace ringmaster::runtime {

/// A condition that holds or does not. Everyone who waits goes on when it is set.
class Event {
  public:
    explicit Event(Scheduler& scheduler) noexcept : waiters_(scheduler) {}

    void set() noexcept {
        is_set_ = true;
        waiters_.notify_all();
    }
    void reset() noexcept { is_set_ = false; }
    bool is_set() const noexcept { return is_set_; }
    /// Suspends, unless it is set. False where `deadline` passed first.
    bool wait(Deadline deadline = {}) {
        return is_set_ || waiters_.wait(deadline) == WakeReason::notified;
    }

  private:
    WaitQueue waiters_;
    bool is_set_ = false;
};

/// A number of permits. A permit given back goes straight to the fiber that has waited longest, so
/// that nobody who comes later can overtake it.
class Semaphore {
  public:
    Semaphore(Scheduler& scheduler, std::size_t permits) noexcept
        : waiters_(scheduler), available_(permits) {}

    /// Suspends where no permit is free. False where `deadline` passed first.
    bool acquire(Deadline deadline = {}) {
        if (try_acquire()) return true;
        return waiters_.wait(deadline) == WakeReason::notified;
    }
    bool try_acquire() noexcept {
        if (available_ == 0) return false;
        --available_;
        return true;
    }
    void release() noexcept {
        if (!waiters_.notify_one()) ++available_;
    }
    std::size_t available() const noexcept { return available_; }

  private:
    WaitQueue waiters_;
    std::size_t available_;
};

/// Mutual exclusion across suspensions. (Between two suspensions a fiber is alone anyway.) Not
/// recursive.
class Mutex {
  public:
    explicit Mutex(Scheduler& scheduler) noexcept : semaphore_(scheduler, 1) {}

    /// Releases at the end of its scope.
    class Lock {
      public:
        explicit Lock(Mutex& mutex) noexcept : mutex_(&mutex) {}
        Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
        Lock& operator=(Lock&&) = delete;
        ~Lock() {
            if (mutex_ != nullptr) mutex_->semaphore_.release();
        }

      private:
        Mutex* mutex_;
    };

    /// Suspends while another fiber holds it. Nothing where `deadline` passed first.
    [[nodiscard]] std::optional<Lock> lock(Deadline deadline = {}) {
        if (!semaphore_.acquire(deadline)) return std::nullopt;
        return Lock(*this);
    }

  private:
    friend class ConditionVariable;
    Semaphore semaphore_;
};

/// Where fibers that hold a Mutex wait for what it protects to change.
class ConditionVariable {
  public:
    explicit ConditionVariable(Scheduler& scheduler) noexcept
        : scheduler_(scheduler), waiters_(scheduler) {}

    /// Suspends. Lets go of `mutex`, which the caller holds, waits to be notified, and takes it
    /// again before it returns or throws, however long that takes. False where `deadline` passed
    /// first. There are no spurious wake-ups, but what was waited for may have changed again by
    /// then: look, and wait again.
    bool wait(Mutex& mutex, Deadline deadline = {});

    void notify_one() noexcept { waiters_.notify_one(); }
    void notify_all() noexcept { waiters_.notify_all(); }

  private:
    Scheduler& scheduler_;
    WaitQueue waiters_;
};

/// Lets work in until it is closed, then waits for the work inside to end: graceful draining. What
/// runs inside may use what the owner of the gate destroys after close() has returned.
class Gate {
  public:
    explicit Gate(Scheduler& scheduler) noexcept : waiters_(scheduler) {}
    ~Gate() { assert(inside_ == 0); }

    /// Keeps the gate from completing its close. Movable.
    class Pass {
      public:
        Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        Pass& operator=(Pass&&) = delete;
        ~Pass() {
            if (gate_ != nullptr) gate_->leave();
        }

      private:
        friend class Gate;
        explicit Pass(Gate& gate) noexcept : gate_(&gate) { ++gate.inside_; }
        Gate* gate_;
    };

    /// Nothing where the gate is closed. Does not suspend.
    [[nodiscard]] std::optional<Pass> enter() noexcept {
        if (closed_) return std::nullopt;
        return Pass(*this);
    }
    /// Suspends. Lets nobody in any more, and returns when all have left; false where `deadline`
    /// passed first (the gate stays closed). May be called again.
    bool close(Deadline deadline = {}) {
        closed_ = true;
        return inside_ == 0 || waiters_.wait(deadline) == WakeReason::notified;
    }
    bool closed() const noexcept { return closed_; }

  private:
    void leave() noexcept {
        if (--inside_ == 0 && closed_) waiters_.notify_all();
    }

    WaitQueue waiters_;
    std::size_t inside_ = 0;
    bool closed_ = false;
};

}  // namespace ringmaster::runtime
