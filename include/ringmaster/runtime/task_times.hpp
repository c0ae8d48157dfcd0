#pragma once

#include "ringmaster/base/clock.hpp"

namespace ringmaster::runtime {

/// Where the time of a task has gone so far: the three sum up to its age, exactly.
///
/// The clock is read once for each switch, because a reading costs a third of one. So a task that
/// another fiber wakes counts as stalled from the moment when that one got the thread, not from
/// the call that woke it.
struct TaskTimes {
    SteadyTime::duration running{};  ///< it had the thread
    SteadyTime::duration idle{};     ///< it waited for something: I/O, a lock, a time
    SteadyTime::duration stalled{};  ///< it could have gone on, but others had the thread
};

}  // namespace ringmaster::runtime
