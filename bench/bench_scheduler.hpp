#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/scheduler.hpp"

namespace ringmaster::runtime {

/// A scheduler without a reactor: the benchmark makes the turns. With the clock of the system,
/// because reading it is a part of what a switch costs.
struct BenchScheduler {
    explicit BenchScheduler(SchedulerLimits limits = {}) : scheduler(clock, errors, limits) {}

    /// Makes turns until no fiber is left.
    void finish() {
        while (scheduler.fibers_in_use() > 0) {
            scheduler.update_time();
            scheduler.turn();
        }
    }

    SystemClock clock;
    NullLog log;
    ErrorReporter errors{log};
    Scheduler scheduler;
};

}  // namespace ringmaster::runtime
