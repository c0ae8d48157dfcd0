#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/runtime/stack_slab.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include <boost/context/fiber.hpp>

namespace ringmaster::runtime {

class Fiber;
class Scheduler;

enum class WakeReason : std::uint8_t {
    notified,  ///< a Waker was used
    timeout,   ///< the deadline of the wait passed first
};

/// Thrown by a wait when the scheduler is destroyed under it, so that what the fiber holds is
/// released. Not a std::exception: let it pass.
struct FiberUnwound {};

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

/// A stack and what runs on it. A fiber outlives its tasks: at the end of one it waits for the
/// next, so that starting a task costs one switch. Made and owned by the Scheduler.
class Fiber : public ListHook<Scheduler> {
  public:
    /// A task is stored in the fiber itself; this is the most that it may capture.
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

    /// Where the C++ runtime keeps the exceptions that are being handled (Itanium C++ ABI,
    /// __cxa_eh_globals). It is per thread, so each fiber needs its own: two that suspend inside
    /// `catch` would otherwise rethrow each other's.
    struct ExceptionState {
        void* caught = nullptr;
        unsigned uncaught = 0;
    };
    enum class State : std::uint8_t { idle, ready, running, waiting };

    template <class Task>
    void assign(Task&& task) {
        using Plain = std::decay_t<Task>;
        static_assert(sizeof(Plain) <= kTaskBytes, "capture less, or a pointer to more");
        static_assert(alignof(Plain) <= alignof(std::max_align_t));
        new (task_) Plain(std::forward<Task>(task));
        call_task_ = [](void* stored) { std::invoke(*std::launder(static_cast<Plain*>(stored))); };
        destroy_task_ = [](void* stored) { std::launder(static_cast<Plain*>(stored))->~Plain(); };
    }

    void switch_in() noexcept;   ///< scheduler -> fiber; returns when the fiber leaves again
    void switch_out() noexcept;  ///< fiber -> scheduler
    boost::context::fiber loop(boost::context::fiber&& scheduler) noexcept;
    void run_task() noexcept;
    void on_timeout() noexcept;

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
    State state_ = State::idle;
    WakeReason reason_ = WakeReason::notified;
    void* arming_ = nullptr;  ///< Scheduler::Arming, on this fiber's stack, until it has run
    void (*call_task_)(void*) = nullptr;
    void (*destroy_task_)(void*) = nullptr;
    alignas(std::max_align_t) std::byte task_[kTaskBytes];
};

}  // namespace ringmaster::runtime
