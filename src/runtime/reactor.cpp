#include "ringmaster/runtime/reactor.hpp"

namespace ringmaster::runtime {

// Only one thread does I/O; others may only post, for which the scheduler's own lock is enough.
Reactor::Reactor(Clock& clock, ErrorReporter& errors, SchedulerLimits limits)
    : context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      scheduler_(clock, errors, limits),
      timer_(context_) {}

void Reactor::run() {
    const auto stay = boost::asio::make_work_guard(context_);
    context_.run();
}

void Reactor::begin_callback() noexcept {
    scheduler_.update_time();
    scheduler_.heartbeat().busy(scheduler_.now(), nullptr);
    if (!stretch_begin_) stretch_begin_ = scheduler_.now();
}

void Reactor::end_callback() noexcept {
    arrange_next_turn();
    if (!turn_posted_) end_stretch();
    scheduler_.heartbeat().pause();
}

void Reactor::end_stretch() noexcept {
    lag_.record(scheduler_.precise_now() - *stretch_begin_);
    stretch_begin_.reset();
}

// A turn is posted behind the events that the kernel has reported in the same batch, so that what
// all of them ask for is done together; and it is posted only where something waits for it: a
// request that never suspends costs no turn.
void Reactor::arrange_next_turn() noexcept {
    if (turn_posted_) return;
    const auto next = scheduler_.timers().next_expiry();
    if (scheduler_.has_ready() || (next && *next <= scheduler_.now())) {
        turn_posted_ = true;
        boost::asio::post(context_, [this] { run_turn(); });
    } else if (next && *next < timer_expiry_) {
        arm_timer(*next);
    }
}

void Reactor::run_turn() noexcept {
    turn_posted_ = false;
    enter([this] { scheduler_.turn(); });
    // Asio asks the kernel before the turn that is left for later.
    if (turn_posted_) end_stretch();
}

// Only ever moved to an earlier time: one that fires too early finds nothing to do and is set
// anew, which is far rarer than timers that are cancelled.
void Reactor::arm_timer(SteadyTime when) {
    timer_expiry_ = when;
    timer_.expires_after(when - scheduler_.now());
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;  // moved to an earlier time
        timer_expiry_ = SteadyTime::max();
        enter([] {});
    });
}

}  // namespace ringmaster::runtime
