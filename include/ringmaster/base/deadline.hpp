#pragma once

#include "ringmaster/base/clock.hpp"

#include <algorithm>

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
    /// Zero where it has passed.
    SteadyTime::duration remaining(SteadyTime now) const noexcept {
        return expired(now) ? SteadyTime::duration::zero() : time_ - now;
    }
    /// The sooner of the two.
    friend Deadline earlier(Deadline a, Deadline b) noexcept {
        return Deadline(std::min(a.time_, b.time_));
    }

  private:
    constexpr explicit Deadline(SteadyTime time) noexcept : time_(time) {}
    SteadyTime time_ = SteadyTime::max();
};

}  // namespace ringmaster
