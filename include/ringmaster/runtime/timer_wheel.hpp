#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/runtime/callback.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace ringmaster::runtime {

/// One thing to be done once at a given time. Belongs to whoever waits; leaves the wheel when it is
/// destroyed. Fires on the scheduler's stack.
class Timer : public ListHook<class TimerWheel> {
  public:
    explicit Timer(Callback on_expiry) noexcept : on_expiry_(on_expiry) {}
    /// Harmless where it is not scheduled.
    void cancel() noexcept { unlink(); }
    bool scheduled() const noexcept { return is_linked(); }

  private:
    friend class TimerWheel;
    Callback on_expiry_;
    std::uint64_t tick_ = 0;
};

/// All timers of one reactor: a hierarchical timing wheel (Varghese and Lauck, 1987, scheme 7) of
/// six levels with 64 slots each and a resolution of 1 ms. To schedule and to cancel is O(1), and
/// an expiry costs a list walk, so that a million pings every 15 s are no heap of a million.
///
/// A timer never fires early, and late by less than the resolution plus the time until advance() is
/// called. Timers of one millisecond fire in the order in which they reached their slot. A timer
/// more than 2.1 years ahead is carried along, and still fires at its own time.
class TimerWheel {
  public:
    using Tick = std::chrono::milliseconds;

    explicit TimerWheel(SteadyTime start) noexcept : start_(start) {}

    /// (Re)schedules `timer`. A time that has passed means the next advance().
    void schedule(Timer& timer, SteadyTime when) noexcept;

    /// Fires every timer whose time has come by `now`, which must not go backwards. Callbacks may
    /// schedule, cancel and destroy any timer; one that is scheduled for the past fires in the next
    /// call. Whether any has fired.
    bool advance(SteadyTime now);

    /// A time that is not later than the earliest expiry, and at most one slot width earlier;
    /// nothing where no timer is scheduled.
    std::optional<SteadyTime> next_expiry() noexcept;

  private:
    using List = IntrusiveList<Timer, TimerWheel>;
    static constexpr unsigned kLevels = 6;
    static constexpr unsigned kSlotBits = 6;
    static constexpr unsigned kSlots = 1u << kSlotBits;
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    static constexpr std::uint64_t kUnknown = kNone - 1;

    void place(Timer& timer) noexcept;
    void cascade_into_now() noexcept;
    bool fire_overdue();
    std::uint64_t next_tick() noexcept;
    std::optional<unsigned> first_occupied(unsigned level, unsigned from) noexcept;

    SteadyTime start_;
    std::uint64_t now_ = 0;  ///< every tick up to and including this one has been fired
    std::array<std::array<List, kSlots>, kLevels> slots_;
    List overdue_;  ///< scheduled for a time that had passed already
    /// A set bit: the slot may hold timers. Cleared when it is found empty, not on every cancel.
    std::array<std::uint64_t, kLevels> maybe_occupied_{};
    /// What next_tick() would say, or less; kUnknown after an advance(). It is asked for far more
    /// often than time moves on.
    std::uint64_t next_tick_ = kUnknown;
};

}  // namespace ringmaster::runtime
