#pragma once

#include <chrono>
#include <ctime>

namespace ringmaster {

/// A point on the monotonic clock: for deadlines and durations. Means nothing in another process.
using SteadyTime = std::chrono::steady_clock::time_point;
/// A point of civil time (UTC), in milliseconds: for people, headers and files.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// a + b, or the longest duration of that sign where the sum is longer: 292 years of waiting are
/// together in four months where a thousand wait.
constexpr std::chrono::nanoseconds saturating_sum(std::chrono::nanoseconds a,
                                                  std::chrono::nanoseconds b) noexcept {
    std::chrono::nanoseconds::rep sum = 0;
    if (!__builtin_add_overflow(a.count(), b.count(), &sum)) return std::chrono::nanoseconds(sum);
    return a.count() < 0 ? std::chrono::nanoseconds::min() : std::chrono::nanoseconds::max();
}

/// Where time comes from. The operating system's clock stands behind an interface so that tests
/// can move time themselves instead of sleeping.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual SteadyTime steady_now() const noexcept = 0;
    virtual WallTime wall_now() const noexcept = 0;
};

/// CLOCK_MONOTONIC and CLOCK_REALTIME_COARSE: civil time is told to people in seconds, so the
/// kernel's tick (1 to 10 ms) is fine enough for it, and reading that costs next to nothing.
class SystemClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override { return std::chrono::steady_clock::now(); }
    WallTime wall_now() const noexcept override {
        timespec now{};
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        return std::chrono::floor<std::chrono::milliseconds>(
            std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(now.tv_sec) +
                                                            std::chrono::nanoseconds(now.tv_nsec)));
    }
};

/// Stands still until it is told to move. The wall clock can be set apart from the steady one, as
/// an administrator or NTP does.
class FakeClock final : public Clock {
  public:
    SteadyTime steady_now() const noexcept override { return steady_; }
    WallTime wall_now() const noexcept override { return wall_; }

    /// Both clocks go on by `step`, which must not be negative.
    void advance(std::chrono::milliseconds step) noexcept {
        steady_ += step;
        wall_ += step;
    }
    /// Only the wall clock jumps.
    void set_wall(WallTime time) noexcept { wall_ = time; }

  private:
    SteadyTime steady_{std::chrono::hours(1)};
    WallTime wall_{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
};

}  // namespace ringmaster
