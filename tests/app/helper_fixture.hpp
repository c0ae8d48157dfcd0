#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>

#include "app/collected_log.hpp"
#include "app/scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {

/// For what writes files on a helper thread: time is the test's, but the files are real ones.
class HelperTest : public testing::Test {
  protected:
    void advance(std::chrono::milliseconds time) {
        clock_.advance(time);
        reactor_.enter([] {});
        settle();
    }
    void settle() {
        do {
            reactor_.context().restart();
        } while (reactor_.context().poll() > 0);
    }
    /// What the helper had to do when this was called is done, and whoever waited for it goes on.
    void wait_for_helper() {
        bool done = false;
        reactor_.enter([&] {
            reactor_.scheduler().spawn("wait", [&] {
                helper_.run([] {});
                done = true;
            });
        });
        poll_until([&] { return done; });
        settle();
    }
    /// The helper has a thread of its own.
    template <class Condition>
    void poll_until(Condition&& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), end);
            reactor_.context().restart();
            reactor_.context().run_for(std::chrono::milliseconds(1));
        }
    }

    ScratchDirectory scratch_;
    FakeClock clock_;
    CollectedLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {.max_fibers = 16}};
    runtime::HelperThread helper_{reactor_, "test-helper"};
};

}  // namespace ringmaster::app
