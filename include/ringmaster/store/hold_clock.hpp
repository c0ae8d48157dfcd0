#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <type_traits>

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
///
/// Promises move from shard to shard, so the clock is the same one in all processes that have a
/// data directory: each goes by the same Base, and by how much the clock is ahead of that, which is
/// in memory that they share.
class HoldClock {
  public:
    /// Where the clock began. Means the same in all processes, as long as the machine is up.
    struct Base {
        SteadyTime steady;
        TimeAnchor anchor;  ///< at that time
    };
    /// A clock that begins now. `last` is the newest anchor on the disk.
    static Base begin(SteadyTime now, WallTime wall, const BootTime& boot,
                      const std::optional<TimeAnchor>& last) noexcept;

    /// `ahead_ms` is 0 when the first of the processes starts, and outlives this.
    HoldClock(const Base& base, std::atomic<std::int64_t>& ahead_ms) noexcept
        : base_(base), ahead_ms_(&ahead_ms) {}

    WallTime at(SteadyTime now) const noexcept {
        return base_.anchor.hold_time + elapsed(now) +
               std::chrono::milliseconds(ahead_ms_->load(std::memory_order_relaxed));
    }
    /// For the header of a file that is written at `now`.
    TimeAnchor anchor(SteadyTime now) const noexcept;
    /// Goes ahead, in all processes, where it is not at `latest` yet.
    void catch_up(SteadyTime now, WallTime latest) noexcept;

  private:
    std::chrono::milliseconds elapsed(SteadyTime now) const noexcept {
        return std::chrono::floor<std::chrono::milliseconds>(now - base_.steady);
    }

    Base base_;
    std::atomic<std::int64_t>* ahead_ms_;
};
static_assert(std::is_trivially_copyable_v<HoldClock::Base>);

}  // namespace ringmaster::store
