#pragma once

namespace ringmaster::app {

/// What the process ends with, for scripts and service managers.
enum ExitCode : int {
    kDone = 0,
    kFailed = 1,  ///< bad configuration, can't start, or stopped before it had drained
    kUsage = 2,   ///< the command line is wrong
};

/// The command `ringmaster`: reads the command line and does what it says.
ExitCode run(int argc, const char* const* argv);

}  // namespace ringmaster::app
