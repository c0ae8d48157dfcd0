#pragma once

#include "ringmaster/base/clock.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace ringmaster::runtime {

/// Whom a task waits for when it is idle.
enum class WaitsFor : std::uint8_t {
    other,   ///< a client, a time, a lock, or nobody has said
    disk,    ///< this process's own writing
    peer,    ///< another process of the same program
    server,  ///< a program of somebody else
};
inline constexpr std::size_t kWaitsFor = 4;

/// Where the time of a task has gone so far: the parts sum up to its age, exactly.
///
/// The clock is read once for each switch, because a reading costs a third of one. So a task that
/// another fiber wakes counts as stalled from the moment when that one got the thread, not from
/// the call that woke it.
struct TaskTimes {
    using Duration = SteadyTime::duration;

    Duration running{};  ///< it had the thread
    Duration stalled{};  ///< it could have gone on, but others had the thread
    /// It waited, by WaitsFor, as Waiting says.
    std::array<Duration, kWaitsFor> waited{};

    Duration waited_for(WaitsFor whom) const noexcept {
        return waited[static_cast<std::size_t>(whom)];
    }
    /// It waited, for whomever.
    Duration idle() const noexcept {
        Duration sum{};
        for (const Duration part : waited) sum += part;
        return sum;
    }
    Duration all() const noexcept { return running + stalled + idle(); }

    TaskTimes& operator+=(const TaskTimes& other) noexcept {
        running = saturating_sum(running, other.running);
        stalled = saturating_sum(stalled, other.stalled);
        for (std::size_t i = 0; i < kWaitsFor; ++i) {
            waited[i] = saturating_sum(waited[i], other.waited[i]);
        }
        return *this;
    }
    TaskTimes& operator-=(const TaskTimes& other) noexcept {
        running -= other.running;
        stalled -= other.stalled;
        for (std::size_t i = 0; i < kWaitsFor; ++i) waited[i] -= other.waited[i];
        return *this;
    }
    friend TaskTimes operator-(TaskTimes a, const TaskTimes& b) noexcept { return a -= b; }
    friend bool operator==(const TaskTimes&, const TaskTimes&) noexcept = default;
};

}  // namespace ringmaster::runtime
