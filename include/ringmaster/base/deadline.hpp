#pragma once

#include "ringmaster/base/clock.hpp"

namespace ringmaster {

/// The moment at which a caller stops waiting. A value that is handed down unchanged, so that the
/// sum of all waits of a request stays within what its caller allowed.
class Deadline {
  public:
    /// Never expires.
    constexpr Deadline() noexcept = default;
    static constexpr Deadline never() noexcept { return {}; }
    static constexpr Deadline at(SteadyTime time) noexcept { return Deadline(time); }

    bool is_never() const noexcept { return time_ == SteadyTime::max(); }
    bool expired(SteadyTime now) const noexcept { return now >= time_; }
    SteadyTime time() const noexcept { return time_; }

  private:
    constexpr explicit Deadline(SteadyTime time) noexcept : time_(time) {}
    SteadyTime time_ = SteadyTime::max();
};

}  // namespace ringmaster
