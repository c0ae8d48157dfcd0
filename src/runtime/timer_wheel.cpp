#include "ringmaster/runtime/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace ringmaster::runtime {

void TimerWheel::schedule(Timer& timer, SteadyTime when) noexcept {
    timer.unlink();
    const auto since_start = std::chrono::ceil<Tick>(when - start_).count();
    timer.tick_ = since_start < 0 ? 0 : static_cast<std::uint64_t>(since_start);
    if (timer.tick_ <= now_) {
        overdue_.push_back(timer);
    } else {
        place(timer);
        if (next_tick_ != kUnknown) next_tick_ = std::min(next_tick_, timer.tick_);
    }
}

// A timer belongs to the level of the highest digit (in base kSlots) in which its tick differs from
// the present one. So everything of level L lies ahead within the present turn of level L + 1, and
// a slot's timers move down exactly when time reaches the slot.
void TimerWheel::place(Timer& timer) noexcept {
    const std::uint64_t differing = timer.tick_ ^ now_;
    auto level = static_cast<unsigned>(std::bit_width(differing | 1) - 1) / kSlotBits;
    auto slot = static_cast<unsigned>(timer.tick_ >> (level * kSlotBits)) % kSlots;
    if (level >= kLevels) {
        // Beyond the last level's present turn, which therefore wraps around; where it is beyond
        // that too, as far ahead as it reaches: when that slot comes, the timer is placed anew.
        level = kLevels - 1;
        const std::uint64_t digit = now_ >> (level * kSlotBits);
        const std::uint64_t ahead = (timer.tick_ >> (level * kSlotBits)) - digit;
        slot = static_cast<unsigned>(digit + std::min<std::uint64_t>(ahead, kSlots - 1)) % kSlots;
    }
    slots_[level][slot].push_back(timer);
    maybe_occupied_[level] |= std::uint64_t{1} << slot;
}

bool TimerWheel::advance(SteadyTime now) {
    bool fired = fire_overdue();
    const auto since_start = std::chrono::floor<Tick>(now - start_).count();
    const std::uint64_t target = since_start < 0 ? 0 : static_cast<std::uint64_t>(since_start);
    while (now_ < target) {
        next_tick_ = kUnknown;
        const std::uint64_t next = next_tick();
        if (next > target) {
            now_ = target;
            break;
        }
        now_ = next;
        cascade_into_now();
        overdue_.splice_back(slots_[0][now_ % kSlots]);
        fired |= fire_overdue();
    }
    return fired;
}

void TimerWheel::cascade_into_now() noexcept {
    for (unsigned level = kLevels - 1; level > 0; --level) {
        const unsigned shift = level * kSlotBits;
        if (now_ % (std::uint64_t{1} << shift) != 0) continue;
        List moving;
        moving.splice_back(slots_[level][(now_ >> shift) % kSlots]);
        while (Timer* timer = moving.pop_front()) place(*timer);
    }
}

bool TimerWheel::fire_overdue() {
    if (overdue_.empty()) return false;
    // What callbacks add to overdue_ waits for the next call; what a throwing callback leaves
    // behind must not be lost.
    struct Batch {
        List timers;
        List& rest;
        ~Batch() { rest.splice_back(timers); }
    } batch{{}, overdue_};
    batch.timers.splice_back(overdue_);
    while (Timer* timer = batch.timers.pop_front()) timer->on_expiry_();
    return true;
}

std::optional<SteadyTime> TimerWheel::next_expiry() noexcept {
    if (!overdue_.empty()) return start_ + Tick(now_);
    if (next_tick_ == kUnknown) next_tick_ = next_tick();
    if (next_tick_ == kNone) return std::nullopt;
    return start_ + Tick(next_tick_);
}

/// When the next slot that holds timers is reached; kNone where there is none.
std::uint64_t TimerWheel::next_tick() noexcept {
    std::uint64_t earliest = kNone;
    for (unsigned level = 0; level < kLevels; ++level) {
        const unsigned shift = level * kSlotBits;
        const std::uint64_t digit = (now_ >> shift) % kSlots;
        const std::uint64_t turn_begin = (now_ >> shift) - digit;
        auto slot = first_occupied(level, static_cast<unsigned>(digit) + 1);
        std::uint64_t begin = 0;
        if (slot) {
            begin = (turn_begin + *slot) << shift;
        } else if (level == kLevels - 1 && (slot = first_occupied(level, 0))) {
            // Only the last level wraps around: nothing above it holds what lies beyond its turn.
            begin = (turn_begin + kSlots + *slot) << shift;
        } else {
            continue;
        }
        earliest = std::min(earliest, begin);
    }
    return earliest;
}

std::optional<unsigned> TimerWheel::first_occupied(unsigned level, unsigned from) noexcept {
    std::uint64_t& mask = maybe_occupied_[level];
    while (from < kSlots) {
        const std::uint64_t candidates = mask & (~std::uint64_t{0} << from);
        if (candidates == 0) return std::nullopt;
        const auto slot = static_cast<unsigned>(std::countr_zero(candidates));
        if (!slots_[level][slot].empty()) return slot;
        mask &= ~(std::uint64_t{1} << slot);
    }
    return std::nullopt;
}

}  // namespace ringmaster::runtime
