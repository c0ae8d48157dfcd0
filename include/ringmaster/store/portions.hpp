#pragma once

#include "ringmaster/runtime/callback.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cstddef>

namespace ringmaster::store {

/// Cuts long work on the reactor into portions, so that requests are served all the while. May be
/// used by several fibers at once.
class Portions {
  public:
    /// So many steps at a time: some tenths of a millisecond.
    static constexpr std::size_t kSteps = 2048;

    explicit Portions(runtime::Reactor& reactor)
        : reactor_(reactor),
          patient_(reactor.scheduler()),
          next_turn_(runtime::Callback::of<&Portions::wake_the_patient>(*this)) {}

    /// Suspends after each portion; so not at all where there are less than kSteps. Calls `step(i)`
    /// for each i below `count`.
    template <class Step>
    void for_each(std::size_t count, Step&& step) {
        for (std::size_t i = 0; i < count; ++i) {
            step(i);
            if ((i + 1) % kSteps == 0) pause();
        }
    }
    /// Suspends until the kernel has been asked for events once more.
    void pause() {
        reactor_.scheduler().defer_to_next_turn(next_turn_);
        patient_.wait();
    }

  private:
    void wake_the_patient() noexcept { patient_.notify_all(); }

    runtime::Reactor& reactor_;
    runtime::WaitQueue patient_;  ///< who has let others run
    runtime::Deferred next_turn_;
};

}  // namespace ringmaster::store
