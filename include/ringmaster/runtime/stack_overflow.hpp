#pragma once

#include "ringmaster/runtime/scheduler.hpp"

namespace ringmaster::runtime {

/// From now on a fiber that overflows its stack is reported on stderr, by name, before the process
/// dies of the SIGSEGV as it would have; other faults die as before. For the calling thread, which
/// must be the one that runs `scheduler`, and until the object is destroyed. One per process,
/// because signal handlers are per process.
class StackOverflowReporter {
  public:
    explicit StackOverflowReporter(const Scheduler& scheduler);
    ~StackOverflowReporter();
    StackOverflowReporter(const StackOverflowReporter&) = delete;
    StackOverflowReporter& operator=(const StackOverflowReporter&) = delete;
};

}  // namespace ringmaster::runtime
