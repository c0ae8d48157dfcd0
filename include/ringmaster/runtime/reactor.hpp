#pragma once

#include "ringmaster/base/histogram.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <optional>
#include <utility>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace ringmaster::runtime {

/// Joins a Scheduler to the kernel's events: one thread, one io_context. Whatever Asio calls must
/// go through enter(), so that time, turns, timers and exceptions are dealt with in one place.
class Reactor {
  public:
    /// The executor for sockets: the concrete one, because any_io_executor costs an allocation and
    /// a virtual call for each operation.
    using Executor = boost::asio::io_context::executor_type;

    Reactor(Clock& clock, ErrorReporter& errors, SchedulerLimits limits);

    Scheduler& scheduler() noexcept { return scheduler_; }
    boost::asio::io_context& context() noexcept { return context_; }

    /// Runs until stop(). Returns at once where stop() has been called before.
    void run();
    /// Makes run() return after the current callback. On the reactor's thread, or by post().
    void stop() { context_.stop(); }

    /// Calls `function()` from the reactor's loop. From any thread.
    template <class Function>
    void post(Function&& function) {
        boost::asio::post(context_, [this, function = std::forward<Function>(function)]() mutable {
            enter(function);
        });
    }

    /// Calls `callback()` as the outermost frame on the reactor's stack: time goes on before it,
    /// what it throws is reported, and afterwards the fibers that it made ready get their turn.
    template <class Callback>
    void enter(Callback&& callback) noexcept {
        begin_callback();
        try {
            callback();
        } catch (...) {
            scheduler_.errors().report("reactor callback", std::current_exception());
        }
        end_callback();
    }

    /// For how long the kernel's next event had to wait, each time: from a callback to the end of
    /// the turn that it has brought about, since no other event gets its callback before that. A
    /// callback that brings about none is counted by itself: where Asio calls several such in a
    /// row, it lets nobody see whether it has asked the kernel in between, and to find out would
    /// cost a system call for each. So `count` and `sum` tell of all that has run, and what held
    /// the thread long stands there in full.
    const Histogram& lag() const noexcept { return lag_; }

  private:
    void begin_callback() noexcept;
    void end_callback() noexcept;
    void end_stretch() noexcept;
    void arrange_next_turn() noexcept;
    void run_turn() noexcept;
    void arm_timer(SteadyTime when);

    using AsioTimer = boost::asio::basic_waitable_timer<
        std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

    boost::asio::io_context context_;
    Scheduler scheduler_;
    AsioTimer timer_;
    SteadyTime timer_expiry_ = SteadyTime::max();  ///< of timer_; max: it is not armed
    bool turn_posted_ = false;
    std::optional<SteadyTime> stretch_begin_;  ///< of what lag() counts as one
    Histogram lag_;
};

}  // namespace ringmaster::runtime
