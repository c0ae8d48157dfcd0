#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace ringmaster::store {

/// How long the machine has been up, sleep included, and which of its boots this is.
struct BootTime {
    std::chrono::milliseconds since_boot{};
    std::array<std::uint8_t, 16> boot_id{};

    /// Of this machine. All zero bytes as the id, where the kernel does not tell it.
    static BootTime read() noexcept;
};

/// The store's own time: looks like civil time, but never goes backwards and does not follow jumps
/// of the wall clock, across restarts within one boot too, because promises are made in it that an
/// administrator who sets the clock must neither break nor prolong. Drifts from civil time as far
/// as the wall clock was moved; after a boot it starts from the wall clock, or where it was left if
/// that is later.
class HoldClock {
  public:
    /// `last` is the newest anchor on the disk, `latest` the latest time in any record.
    HoldClock(SteadyTime now, WallTime wall, const BootTime& boot,
              const std::optional<TimeAnchor>& last, WallTime latest) noexcept;

    WallTime at(SteadyTime now) const noexcept {
        return start_.hold_time + std::chrono::floor<std::chrono::milliseconds>(now - steady_);
    }
    /// For the header of a file that is written at `now`.
    TimeAnchor anchor(SteadyTime now) const noexcept;

  private:
    SteadyTime steady_;
    TimeAnchor start_;
};

}  // namespace ringmaster::store
