#pragma once

namespace ringmaster::app {

/// What the process ends with, for scripts and service managers.
enum ExitCode : int {
    kDone = 0,
    kFailed = 1,    ///< whatever is not one of the others
    kUsage = 2,     ///< the command line is wrong
    kNotFound = 3,  ///< what was named (a pool, a number's holder) is not there
};

/// The command `ringmaster`: reads the command line and does what it says.
ExitCode run(int argc, const char* const* argv);

}  // namespace ringmaster::app
