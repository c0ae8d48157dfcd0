#pragma once

#include "ringmaster/base/clock.hpp"

namespace ringmaster::runtime {

/// Where the time of a task has gone so far: the three sum up to its age.
struct TaskTimes {
    SteadyTime::duration running{};  ///< it had the thread
    SteadyTime::duration idle{};     ///< it waited for something: I/O, a lock, a time
    SteadyTime::duration stalled{};  ///< it could have gone on, but others had the thread
};

}  // namespace ringmaster::runtime
