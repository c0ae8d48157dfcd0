#pragma once

#include "ringmaster/base/result.hpp"

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace ringmaster::app {

/// Forks a process that does `body` and ends with what it returns, as if that was main(). In it all
/// descriptors are closed but the standard streams and those to `keep`. No signal is blocked, and
/// all have their default effect, except that those of a terminal (SIGINT, SIGQUIT, SIGHUP), which
/// come to all its processes, are ignored: the parent has them too, and says what is to be done.
/// `name` is what ps shows. ErrorCode::unavailable where there can't be one more process. To be
/// called while there are no threads.
Result<pid_t> fork_process(const char* name, std::vector<int> keep,
                           const std::function<int()>& body);

/// "has ended with status 1", "was killed by signal 9 (Killed)"; of what waitpid() tells.
std::string how_ended(int wait_status);

}  // namespace ringmaster::app
