#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/runtime/stack_slab.hpp"
#include "ringmaster/runtime/task_times.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/context/fiber.hpp>

namespace ringmaster::runtime {

class Fiber;
class Scheduler;

enum class WakeReason : std::uint8_t {
    notified,   ///< a Waker was used
    timeout,    ///< the deadline of the wait passed first
    cancelled,  ///< the task was; no wait returns this, it throws Cancelled
};

/// Thrown by a wait when the scheduler is destroyed under it, so that what the fiber holds is
/// released. Not a std::exception: let it pass.
struct FiberUnwound {};

/// Thrown by every wait of a task that somebody has cancelled, so that it comes to its end and what
/// it holds is released. Not a std::exception, as nobody but who cancelled has use for it: let it
/// pass.
struct Cancelled {
    std::string reason;  ///< for people
};

/// A ticket to resume one particular wait of one fiber. A value; copies are equal. Using it when
/// that wait is over does nothing, so it need not be taken back. Must not outlive the scheduler.
class Waker {
  public:
    Waker() noexcept = default;
    /// Puts the fiber on the ready queue; it runs in a later step of the turn, never inside this
    /// call. False where the wait is already over. On the scheduler's thread only.
    bool wake() const noexcept;

  private:
    friend class Scheduler;
    Waker(Fiber& fiber, std::uint64_t epoch) noexcept : fiber_(&fiber), epoch_(epoch) {}
    Fiber* fiber_ = nullptr;
    std::uint64_t epoch_ = 0;
};

/// Names one task, from its start to its end. A value; copies are equal. Must not outlive the
/// scheduler.
class Task {
  public:
    /// No task.
    Task() noexcept = default;
    /// Whether it was started: false where there was no fiber for it.
    explicit operator bool() const noexcept { return fiber_ != nullptr; }

    /// Whether it has not ended yet.
    bool is_running() const noexcept;
    /// The wait in which the task is, or else its next one, throws Cancelled, and so does every
    /// later one (see CancellationShield). Of several reasons the first counts. Harmless where the
    /// task has ended. On the scheduler's thread only.
    void cancel(std::string_view reason) const;

  private:
    friend class Scheduler;
    Task(Fiber& fiber, std::uint64_t task) noexcept : fiber_(&fiber), task_(task) {}
    Fiber* fiber_ = nullptr;
    std::uint64_t task_ = 0;
};

/// A stack and what runs on it. A fiber outlives its tasks: at the end of one it waits for the
/// next, so that starting a task costs one switch. Made and owned by the Scheduler.
class Fiber : public ListHook<Scheduler> {
  public:
    /// A task's function is stored in the fiber itself; this is the most that it may capture.
    static constexpr std::size_t kTaskBytes = 96;

    Fiber(Scheduler& scheduler, StackSlab::Stack stack);
    ~Fiber();

    /// What the current task was started as.
    const char* name() const noexcept { return name_; }
    std::size_t index() const noexcept { return stack_.index; }
    std::size_t stack_bytes() const noexcept { return stack_.size; }

  private:
    friend class Scheduler;
    friend class Waker;
    friend class Task;
    friend class CancellationShield;
    friend class Waiting;

    /// Where the C++ runtime keeps the exceptions that are being handled (Itanium C++ ABI,
    /// __cxa_eh_globals). It is per thread, so each fiber needs its own: two that suspend inside
    /// `catch` would otherwise rethrow each other's.
    struct ExceptionState {
        void* caught = nullptr;
        unsigned uncaught = 0;
    };
    enum class State : std::uint8_t { idle, ready, running, waiting };

    template <class Function>
    void assign(Function&& function) {
        using Plain = std::decay_t<Function>;
        static_assert(sizeof(Plain) <= kTaskBytes, "capture less, or a pointer to more");
        static_assert(alignof(Plain) <= alignof(std::max_align_t));
        new (function_) Plain(std::forward<Function>(function));
        call_ = [](void* stored) { std::invoke(*std::launder(static_cast<Plain*>(stored))); };
        destroy_ = [](void* stored) { std::launder(static_cast<Plain*>(stored))->~Plain(); };
    }

    void switch_in() noexcept;   ///< scheduler -> fiber; returns when the fiber leaves again
    void switch_out() noexcept;  ///< fiber -> scheduler
    boost::context::fiber loop(boost::context::fiber&& scheduler) noexcept;
    void run_task() noexcept;
    void on_timeout() noexcept;
    bool must_end() const noexcept { return cancelled_ && shields_ == 0; }
    /// What the task's time is spent on.
    enum class Purpose : std::uint8_t { running, stalled, idle };
    /// And from now on.
    void spend_on(Purpose purpose, SteadyTime now) noexcept {
        const auto spent = now - spent_since_;
        switch (spent_on_) {
            case Purpose::running: times_.running += spent; break;
            case Purpose::stalled: times_.stalled += spent; break;
            case Purpose::idle: times_.waited[static_cast<std::size_t>(waits_for_)] += spent; break;
        }
        spent_on_ = purpose;
        spent_since_ = now;
    }

    Scheduler& scheduler_;
    StackSlab::Stack stack_;
    boost::context::fiber context_;            ///< the fiber, while it is suspended
    boost::context::fiber scheduler_context_;  ///< the scheduler, while the fiber runs
    ExceptionState exceptions_;
    void* fake_stack_ = nullptr;             ///< AddressSanitizer's, while the fiber is suspended
    const void* scheduler_stack_ = nullptr;  ///< likewise, to announce the switch back
    std::size_t scheduler_stack_bytes_ = 0;

    const char* name_ = "";
    Deadline deadline_;
    Timer timeout_;
    std::exception_ptr arm_error_;
    std::uint64_t epoch_ = 0;  ///< counts waits: a Waker of an earlier one is stale
    std::uint64_t task_ = 0;   ///< the scheduler's count when it was started; 0: none
    TaskTimes times_;          ///< up to spent_since_
    Purpose spent_on_ = Purpose::idle;
    WaitsFor waits_for_ = WaitsFor::other;
    SteadyTime spent_since_;
    std::string cancel_reason_;
    bool cancelled_ = false;
    unsigned shields_ = 0;
    State state_ = State::idle;
    WakeReason reason_ = WakeReason::notified;
    void* arming_ = nullptr;  ///< Scheduler::Arming, on this fiber's stack, until it has run
    void (*call_)(void*) = nullptr;
    void (*destroy_)(void*) = nullptr;
    alignas(std::max_align_t) std::byte function_[kTaskBytes];
};

/// While one is in scope, waits of the current task do not throw Cancelled, because what goes on
/// there can't be left half done. May be nested.
class CancellationShield {
  public:
    /// To be made and destroyed in the same fiber.
    explicit CancellationShield(Scheduler& scheduler) noexcept;
    ~CancellationShield() { --fiber_.shields_; }
    CancellationShield(const CancellationShield&) = delete;
    CancellationShield& operator=(const CancellationShield&) = delete;

  private:
    Fiber& fiber_;
};

/// While one is in scope, the current task's waits count as waits for `whom`; of several nested
/// ones the innermost says. Does nothing outside of tasks.
class Waiting {
  public:
    /// To be made and destroyed in the same fiber.
    Waiting(Scheduler& scheduler, WaitsFor whom) noexcept;
    ~Waiting() {
        if (fiber_ != nullptr) fiber_->waits_for_ = before_;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

  private:
    Fiber* const fiber_;
    WaitsFor before_ = WaitsFor::other;
};

}  // namespace ringmaster::runtime
