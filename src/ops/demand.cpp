#include "ringmaster/ops/demand.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "line_reading.hpp"

namespace ringmaster::ops {

using ringpool::OverflowReason;
using ringpool::PoolCounters;

namespace {

constexpr std::string_view kMagic = "ringmaster demand 1";
constexpr std::string_view kTitles =
    "hour observed_ms allocations new_holds exhausted early_reissues extended_ms";

std::uint64_t exhausted(const PoolCounters& counters) noexcept {
    return counters.overflows[static_cast<std::size_t>(OverflowReason::exhausted)];
}

bool began_anew(const PoolCounters& before, const PoolCounters& after) noexcept {
    return after.new_holds < before.new_holds || exhausted(after) < exhausted(before) ||
           after.early_reissues < before.early_reissues;
}

void add_counts(DemandHour& sum, const DemandHour& more) noexcept {
    sum.allocations += more.allocations;
    sum.new_holds += more.new_holds;
    sum.exhausted += more.exhausted;
    sum.early_reissues += more.early_reissues;
    sum.extended_ms += more.extended_ms;
}

std::optional<DemandHour> read_hour(std::string_view line) noexcept {
    // So that sums over all hours stay within 64 bits.
    constexpr std::uint64_t kMost = 1ull << 48;
    DemandHour hour;
    const bool read = take_number(line, hour.hour) && take_number(line, hour.observed_ms) &&
                      take_number(line, hour.allocations) && take_number(line, hour.new_holds) &&
                      take_number(line, hour.exhausted) && take_number(line, hour.early_reissues) &&
                      take_number(line, hour.extended_ms) && line.empty();
    constexpr auto kMostExtended = static_cast<std::int64_t>(kMost);
    const bool good = read && hour.hour >= 0 && hour.hour < (1ll << 32) &&
                      std::max({hour.observed_ms, hour.allocations, hour.new_holds, hour.exhausted,
                                hour.early_reissues}) < kMost &&
                      hour.extended_ms > -kMostExtended && hour.extended_ms < kMostExtended;
    return good ? std::optional(hour) : std::nullopt;
}

Error damaged(std::size_t line, std::string_view expected) {
    return {ErrorCode::damaged,
            "line " + std::to_string(line) + ": expected " + std::string(expected)};
}

}  // namespace

PoolDemand::PoolDemand(const std::vector<DemandHour>& hours) {
    for (const DemandHour& hour : hours) {
        DemandHour& here = at(hour.hour);
        here.observed_ms += hour.observed_ms;
        add_counts(here, hour);
    }
}

DemandHour& PoolDemand::at(std::int64_t hour) {
    const auto place = std::ranges::lower_bound(hours_, hour, {}, &DemandHour::hour);
    if (place != hours_.end() && place->hour == hour) return *place;
    return *hours_.insert(place, DemandHour{.hour = hour});
}

void PoolDemand::add_sample(const PoolCounters& before, const PoolCounters& after, WallTime now,
                            std::chrono::milliseconds elapsed) {
    const PoolCounters base = began_anew(before, after) ? PoolCounters() : before;
    const WallTime middle = now - elapsed / 2;
    DemandHour& here =
        at(std::chrono::floor<std::chrono::hours>(middle.time_since_epoch()).count());
    here.observed_ms += static_cast<std::uint64_t>(elapsed.count());
    // Those of which it turned out that they were not durable have been taken back.
    here.allocations +=
        after.allocations > base.allocations ? after.allocations - base.allocations : 0;
    here.new_holds += after.new_holds - base.new_holds;
    here.exhausted += exhausted(after) - exhausted(base);
    here.early_reissues += after.early_reissues - base.early_reissues;
    here.extended_ms += after.extended_ms - base.extended_ms;
}

void PoolDemand::add_beside(const PoolDemand& other) {
    for (const DemandHour& hour : other.hours_) {
        DemandHour& here = at(hour.hour);
        here.observed_ms = std::max(here.observed_ms, hour.observed_ms);
        add_counts(here, hour);
    }
}

void PoolDemand::keep(std::size_t max_hours) {
    if (hours_.empty()) return;
    const std::int64_t oldest = hours_.back().hour - static_cast<std::int64_t>(max_hours);
    std::erase_if(hours_, [&](const DemandHour& hour) { return hour.hour <= oldest; });
}

std::string encode_demand(const PoolDemand& demand) {
    std::string out;
    out.append(kMagic).append("\n").append(kTitles).append("\n");
    for (const DemandHour& h : demand.hours()) {
        out += std::to_string(h.hour);
        for (const std::uint64_t count :
             {h.observed_ms, h.allocations, h.new_holds, h.exhausted, h.early_reissues}) {
            out.append(" ").append(std::to_string(count));
        }
        out.append(" ").append(std::to_string(h.extended_ms)).append("\n");
    }
    return out.append("end ").append(std::to_string(demand.hours().size())).append("\n");
}

Result<PoolDemand> decode_demand(std::string_view text) {
    if (take_line(text) != kMagic) return damaged(1, kMagic);
    if (take_line(text) != kTitles) return damaged(2, kTitles);
    std::vector<DemandHour> hours;
    while (hours.size() <= kMostDemandHours) {
        const std::size_t number = hours.size() + 3;
        const auto line = take_line(text);
        if (!line) return damaged(number, "more of it");
        if (*line == "end " + std::to_string(hours.size())) {
            if (!text.empty()) return damaged(number + 1, "nothing");
            return PoolDemand(hours);
        }
        const auto hour = read_hour(*line);
        if (!hour) return damaged(number, "an hour's seven numbers, or the end");
        if (!hours.empty() && hour->hour <= hours.back().hour) {
            return damaged(number, "a later hour");
        }
        hours.push_back(*hour);
    }
    return damaged(kMostDemandHours + 3, "no more hours");
}

}  // namespace ringmaster::ops
