#include "ringmaster/runtime/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

namespace ringmaster::runtime {

Scheduler::Scheduler(Clock& clock, ErrorReporter& errors, SchedulerLimits limits)
    : clock_(clock),
      errors_(errors),
      max_resumes_per_turn_(limits.max_resumes_per_turn),
      now_(clock.steady_now()),
      wall_now_(clock.wall_now()),
      latest_reading_(now_),
      timers_(now_),
      stacks_(limits.stack_bytes, limits.max_fibers) {
    fibers_.reserve(limits.max_fibers);
    idle_.reserve(limits.max_fibers);
}

// The youngest first: what one task has started may use what lies on its stack.
Scheduler::~Scheduler() {
    unwinding_ = true;
    std::vector<Fiber*> unfinished;
    for (const auto& fiber : fibers_) {
        if (fiber->state_ != Fiber::State::idle) unfinished.push_back(fiber.get());
    }
    std::ranges::sort(unfinished, std::ranges::greater(), &Fiber::task_);
    for (Fiber* const fiber : unfinished) {
        fiber->timeout_.cancel();
        fiber->unlink();
        resume(*fiber);
        assert(fiber->state_ == Fiber::State::idle);
    }
}

TaskTimes Scheduler::task_times() const noexcept {
    if (current_ == nullptr) return {};
    TaskTimes times = current_->times_;
    times.running += clock_.steady_now() - current_->spent_since_;
    return times;
}

void Scheduler::update_time() noexcept {
    now_ = precise_now();
    wall_now_ = clock_.wall_now();
}

Fiber* Scheduler::take(const char* name, Deadline deadline) {
    if (unwinding_) return nullptr;
    Fiber* fiber = nullptr;
    if (!idle_.empty()) {
        fiber = idle_.back();
        idle_.pop_back();
    } else {
        const auto stack = stacks_.take();
        if (!stack) return nullptr;
        fiber = fibers_.emplace_back(std::make_unique<Fiber>(*this, *stack)).get();
    }
    ++in_use_;
    fiber->name_ = name;
    fiber->deadline_ = deadline;
    fiber->state_ = Fiber::State::ready;
    fiber->task_ = ++tasks_started_;
    fiber->times_ = {};
    fiber->spent_on_ = Fiber::Purpose::stalled;
    fiber->waits_for_ = WaitsFor::other;
    fiber->spent_since_ = latest_reading_;
    return fiber;
}

void Scheduler::finished(Fiber& fiber) noexcept {
    fiber.state_ = Fiber::State::idle;
    fiber.name_ = "";
    fiber.task_ = 0;
    fiber.cancelled_ = false;
    idle_.push_back(&fiber);
    --in_use_;
}

void Scheduler::resume(Fiber& fiber) {
    assert(current_ == nullptr);
    heartbeat_.busy(latest_reading_, fiber.name_);
    fiber.spend_on(Fiber::Purpose::running, latest_reading_);
    current_ = &fiber;
    fiber.state_ = Fiber::State::running;
    fiber.switch_in();
    current_ = nullptr;
    if (fiber.state_ == Fiber::State::waiting) arm(fiber);
    begin_callbacks();
    const bool waits = fiber.state_ == Fiber::State::waiting;
    fiber.spend_on(waits ? Fiber::Purpose::idle : Fiber::Purpose::stalled, latest_reading_);
}

void Scheduler::arm(Fiber& fiber) {
    const Arming arming = *static_cast<const Arming*>(std::exchange(fiber.arming_, nullptr));
    const Waker waker(fiber, fiber.epoch_);
    try {
        arming.call(arming.arm, waker);
    } catch (...) {
        fiber.arm_error_ = std::current_exception();
        waker.wake();
    }
}

WakeReason Scheduler::suspend_with(Arming arming, Deadline deadline) {
    assert(current_ != nullptr && "only a fiber can suspend");
    Fiber& fiber = *current_;
    if (unwinding_) throw FiberUnwound{};
    if (fiber.must_end()) throw Cancelled{fiber.cancel_reason_};
    fiber.state_ = Fiber::State::waiting;
    fiber.arming_ = &arming;
    if (!deadline.is_never()) timers_.schedule(fiber.timeout_, deadline.time());
    fiber.switch_out();
    if (unwinding_) throw FiberUnwound{};
    if (fiber.arm_error_) std::rethrow_exception(std::exchange(fiber.arm_error_, nullptr));
    if (fiber.reason_ == WakeReason::cancelled) throw Cancelled{fiber.cancel_reason_};
    return fiber.reason_;
}

void Scheduler::make_ready(Fiber& fiber, WakeReason reason) noexcept {
    assert(fiber.state_ == Fiber::State::waiting);
    // While it is being armed, which is work that it wants done, its time still is `running`.
    if (fiber.spent_on_ == Fiber::Purpose::idle) {
        fiber.spend_on(Fiber::Purpose::stalled, latest_reading_);
    }
    ++fiber.epoch_;
    fiber.timeout_.cancel();
    fiber.state_ = Fiber::State::ready;
    fiber.reason_ = reason;
    ready_.push_back(fiber);
}

bool Scheduler::turn() {
    deferred_.splice_back(next_turn_);
    if (timers_.advance(now_)) begin_callbacks();
    std::size_t budget = max_resumes_per_turn_;
    do {
        while (budget > 0) {
            Fiber* fiber = ready_.pop_front();
            if (fiber == nullptr) break;
            --budget;
            resume(*fiber);
        }
        const std::size_t ran = run_deferred();
        if (ran > 0) begin_callbacks();
        budget -= ran < budget ? ran : budget;
    } while (budget > 0 && !(ready_.empty() && deferred_.empty()));
    return has_ready();
}

// What a callback defers anew is left for the next round.
std::size_t Scheduler::run_deferred() {
    struct Batch {
        IntrusiveList<Deferred, Scheduler> callbacks;
        IntrusiveList<Deferred, Scheduler>& rest;
        ~Batch() { rest.splice_back(callbacks); }  // where one throws, the others still run
    } batch{{}, deferred_};
    batch.callbacks.splice_back(deferred_);
    std::size_t ran = 0;
    while (Deferred* deferred = batch.callbacks.pop_front()) {
        ++ran;
        deferred->run_();
    }
    return ran;
}

const Fiber* Scheduler::overflowed(const void* address) const noexcept {
    const auto index = stacks_.overflowed(address);
    return index && *index < fibers_.size() ? fibers_[*index].get() : nullptr;
}

}  // namespace ringmaster::runtime
