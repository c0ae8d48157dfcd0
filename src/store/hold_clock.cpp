#include "ringmaster/store/hold_clock.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <time.h>

namespace ringmaster::store {

namespace {

constexpr std::array<std::uint8_t, 16> kUnknownBoot{};

// "4bd1d1b0-6d5e-4d3c-..." as 16 bytes.
std::array<std::uint8_t, 16> parse_boot_id(const std::string& text) noexcept {
    std::array<std::uint8_t, 16> id{};
    std::size_t digits = 0;
    for (const char c : text) {
        const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0) continue;
        if (digits == 2 * id.size()) return kUnknownBoot;
        id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] << 4 | value);
        ++digits;
    }
    return digits == 2 * id.size() ? id : kUnknownBoot;
}

}  // namespace

BootTime BootTime::read() noexcept {
    BootTime boot;
    timespec since_boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
    boot.since_boot = std::chrono::seconds(since_boot.tv_sec) +
                      std::chrono::milliseconds(since_boot.tv_nsec / 1'000'000);
    try {
        std::string text;
        std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
        boot.boot_id = parse_boot_id(text);
    } catch (...) {
    }
    return boot;
}

HoldClock::Base HoldClock::begin(SteadyTime now, WallTime wall, const BootTime& boot,
                                 const std::optional<TimeAnchor>& last) noexcept {
    Base base{now, {wall, boot.since_boot, boot.boot_id}};
    if (!last) return base;
    WallTime& time = base.anchor.hold_time;
    if (last->boot_id == boot.boot_id && boot.boot_id != kUnknownBoot &&
        boot.since_boot >= last->since_boot) {
        time = last->hold_time + (boot.since_boot - last->since_boot);
    }
    time = std::max(time, last->hold_time);
    return base;
}

// While a process lives, all clocks go on with the steady one. Should the machine sleep, time
// stands still for the store, and the next begin makes up for it.
TimeAnchor HoldClock::anchor(SteadyTime now) const noexcept {
    return {at(now), base_.anchor.since_boot + elapsed(now), base_.anchor.boot_id};
}

void HoldClock::catch_up(SteadyTime now, WallTime latest) noexcept {
    const std::int64_t needed = (latest - base_.anchor.hold_time - elapsed(now)).count();
    std::int64_t ahead = ahead_ms_->load(std::memory_order_relaxed);
    while (ahead < needed && !ahead_ms_->compare_exchange_weak(ahead, needed)) {
    }
}

}  // namespace ringmaster::store
