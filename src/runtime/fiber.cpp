#include "ringmaster/runtime/fiber.hpp"

#include "ringmaster/base/address_sanitizer.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstring>
#include <cxxabi.h>
#include <memory>
#include <utility>

#include <boost/context/preallocated.hpp>
#include <boost/context/stack_context.hpp>

#ifdef RINGMASTER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace ringmaster::runtime {
namespace {

// AddressSanitizer must be told of every change of stack, or it takes the new one for a corruption
// of the old. Without it these two vanish.
void announce_switch([[maybe_unused]] void** save_fake_stack,
                     [[maybe_unused]] const void* target_bottom,
                     [[maybe_unused]] std::size_t target_bytes) noexcept {
#ifdef RINGMASTER_ASAN
    __sanitizer_start_switch_fiber(save_fake_stack, target_bottom, target_bytes);
#endif
}
void complete_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** from_bottom,
                     [[maybe_unused]] std::size_t* from_bytes) noexcept {
#ifdef RINGMASTER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, from_bottom, from_bytes);
#endif
}

// The stack belongs to the StackSlab; Boost.Context only borrows it.
struct BorrowedStack {
    static boost::context::stack_context allocate() { return {}; }
    static void deallocate(boost::context::stack_context&) noexcept {}
};

}  // namespace

bool Waker::wake() const noexcept {
    if (fiber_ == nullptr || fiber_->epoch_ != epoch_ || fiber_->state_ != Fiber::State::waiting) {
        return false;
    }
    fiber_->scheduler_.make_ready(*fiber_, WakeReason::notified);
    return true;
}

bool Task::is_running() const noexcept {
    return fiber_ != nullptr && fiber_->task_ == task_;
}

void Task::cancel(std::string_view reason) const {
    if (!is_running() || fiber_->cancelled_) return;
    fiber_->cancel_reason_ = reason;
    fiber_->cancelled_ = true;
    // One that was woken before it gets what it was woken for, a permit perhaps, and ends with its
    // next wait.
    if (fiber_->state_ == Fiber::State::waiting && fiber_->must_end()) {
        fiber_->scheduler_.make_ready(*fiber_, WakeReason::cancelled);
    }
}

CancellationShield::CancellationShield(Scheduler& scheduler) noexcept
    : fiber_(*scheduler.current()) {
    ++fiber_.shields_;
}

Waiting::Waiting(Scheduler& scheduler, WaitsFor whom) noexcept : fiber_(scheduler.current()) {
    if (fiber_ != nullptr) before_ = std::exchange(fiber_->waits_for_, whom);
}

Fiber::Fiber(Scheduler& scheduler, StackSlab::Stack stack)
    : scheduler_(scheduler), stack_(stack), timeout_(Callback::of<&Fiber::on_timeout>(*this)) {
    boost::context::stack_context borrowed;
    borrowed.sp = stack.bottom + stack.size;
    borrowed.size = stack.size;
    context_ = boost::context::fiber(
        std::allocator_arg, boost::context::preallocated(borrowed.sp, borrowed.size, borrowed),
        BorrowedStack{}, [this](boost::context::fiber&& from) { return loop(std::move(from)); });
}

// The scheduler has unwound the task before; here only the idle loop is left to end.
Fiber::~Fiber() {
    call_ = nullptr;
    switch_in();
}

void Fiber::switch_in() noexcept {
    // The runtime's structure is opaque, but its layout is fixed by the ABI.
    auto* globals = reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
    const ExceptionState outer = std::exchange(*globals, exceptions_);
    void* fake_stack = nullptr;
    announce_switch(&fake_stack, stack_.bottom, stack_.size);
    context_ = std::move(context_).resume();
    complete_switch(fake_stack, nullptr, nullptr);
    exceptions_ = std::exchange(*globals, outer);
}

void Fiber::switch_out() noexcept {
    announce_switch(&fake_stack_, scheduler_stack_, scheduler_stack_bytes_);
    scheduler_context_ = std::move(scheduler_context_).resume();
    complete_switch(fake_stack_, &scheduler_stack_, &scheduler_stack_bytes_);
}

boost::context::fiber Fiber::loop(boost::context::fiber&& scheduler) noexcept {
    complete_switch(nullptr, &scheduler_stack_, &scheduler_stack_bytes_);
    scheduler_context_ = std::move(scheduler);
    while (call_ != nullptr) {
        run_task();
        switch_out();
    }
    announce_switch(nullptr, scheduler_stack_, scheduler_stack_bytes_);  // never to return
    return std::move(scheduler_context_);
}

void Fiber::run_task() noexcept {
    try {
        if (!scheduler_.unwinding_) call_(function_);
    } catch (const FiberUnwound&) {
        // The scheduler is being destroyed; it asked for this.
    } catch (const Cancelled&) {
        // So did who cancelled the task.
    } catch (...) {
        scheduler_.errors().report(name_, std::current_exception());
    }
    destroy_(function_);
    scheduler_.finished(*this);
}

void Fiber::on_timeout() noexcept {
    scheduler_.make_ready(*this, WakeReason::timeout);
}

}  // namespace ringmaster::runtime
