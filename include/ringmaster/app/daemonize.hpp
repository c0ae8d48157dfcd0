#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/base/result.hpp"

#include <optional>
#include <string_view>

namespace ringmaster::app {

/// The way to become a daemon without a service manager: the process that was started waits until
/// the daemon is ready or has failed, and ends as that did. What a daemon says before that goes to
/// the standard error of who started it.
class Daemonizer {
  public:
    /// Forks twice, so that the daemon has no terminal and can't get one, goes to the root
    /// directory and closes the standard streams. Returns in the daemon; in the process that was
    /// started it does not return. ErrorCode::unavailable where it can't fork. Blocks. To be called
    /// while there are no threads.
    static Result<Daemonizer> fork();
    Daemonizer(Daemonizer&& other) noexcept;
    Daemonizer& operator=(Daemonizer&&) = delete;
    /// The one that waits takes it as a failure where it has not been told.
    ~Daemonizer();

    /// What the process that was started shall end with, and write before. Only the first time
    /// counts.
    void tell(ExitCode status, std::string_view text) noexcept;

  private:
    explicit Daemonizer(int fd) noexcept : fd_(fd) {}

    int fd_;
};

}  // namespace ringmaster::app
