#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <string>
#include <vector>

namespace ringmaster::runtime {

class CollectingLog final : public Log {
  public:
    void write(LogLevel, std::string_view message) noexcept override {
        lines.emplace_back(message);
    }
    std::vector<std::string> lines;
};

/// A scheduler without a reactor: the test makes the turns and moves the time.
struct ManualScheduler {
    explicit ManualScheduler(SchedulerLimits limits = {.max_fibers = 64})
        : scheduler(clock, errors, limits) {}

    /// Turns until nothing is ready.
    void settle() {
        scheduler.update_time();
        while (scheduler.turn()) {
        }
    }
    void advance(std::chrono::milliseconds step) {
        clock.advance(step);
        settle();
    }
    template <class Task>
    void spawn(Task&& task) {
        if (!scheduler.spawn("test", std::forward<Task>(task)))
            throw std::runtime_error("no fiber");
    }
    Deadline in(std::chrono::milliseconds time) { return Deadline::at(scheduler.now() + time); }

    FakeClock clock;
    CollectingLog log;
    ErrorReporter errors{log};
    Scheduler scheduler;
};

}  // namespace ringmaster::runtime
