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

HoldClock::HoldClock(SteadyTime now, WallTime wall, const BootTime& boot,
                     const std::optional<TimeAnchor>& last, WallTime latest) noexcept
    : steady_(now), start_{wall, boot.since_boot, boot.boot_id} {
    if (last) {
        if (last->boot_id == boot.boot_id && boot.boot_id != kUnknownBoot &&
            boot.since_boot >= last->since_boot) {
            start_.hold_time = last->hold_time + (boot.since_boot - last->since_boot);
        }
        start_.hold_time = std::max(start_.hold_time, last->hold_time);
    }
    start_.hold_time = std::max(start_.hold_time, latest);
}

// While the process lives, both clocks go on with the steady one. Should the machine sleep, time
// stands still for the store, and the next start makes up for it.
TimeAnchor HoldClock::anchor(SteadyTime now) const noexcept {
    const auto gone = std::chrono::floor<std::chrono::milliseconds>(now - steady_);
    return {start_.hold_time + gone, start_.since_boot + gone, start_.boot_id};
}

}  // namespace ringmaster::store
