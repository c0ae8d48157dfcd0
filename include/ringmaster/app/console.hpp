#pragma once

#include "ringmaster/app/cli.hpp"
#include "ringmaster/base/result.hpp"

#include <cstdint>
#include <ostream>
#include <string_view>

namespace ringmaster::app {

/// Where a command writes what it found out, and what went wrong.
struct Console {
    std::ostream& out;
    std::ostream& err;
    bool watched = false;  ///< `err` is a terminal, so that somebody may want to see progress
};

/// Tells what went wrong. The exit status that says so, too: kNotFound, or kFailed.
ExitCode fail(Console& console, const Error& error);

/// Tells on a terminal how far something has come: one line, written over, and taken away at the
/// end. Where nobody watches it does nothing.
class Progress {
  public:
    /// `doing` must outlive it: "importing".
    Progress(Console& console, std::string_view doing) : console_(console), doing_(doing) {}
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void show(std::uint64_t done, std::uint64_t all);

  private:
    Console& console_;
    std::string_view doing_;
    std::uint64_t shown_percent_ = 101;  ///< more than there are: nothing has been shown
};

}  // namespace ringmaster::app
