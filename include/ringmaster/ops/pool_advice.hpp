#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ops/demand.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmaster::ops {

/// What advice goes by besides the demand.
struct AdviceBasis {
    std::size_t numbers = 0;  ///< of the pool today, without those that leave it
    std::chrono::seconds lifetime{0};
    std::chrono::seconds cooldown{0};
    /// Demand of less time than this, or than a hold lasts, tells nothing.
    std::chrono::hours least_observed{24};
    std::chrono::hours kept{168};  ///< demand of more is never there
};

/// What a pool had to bear at some hour.
struct HourOfLoad {
    WallTime hour{};               ///< its beginning
    double arrivals_per_hour = 0;  ///< of new sessions, those that found no number among them
    double offered_erlangs = 0;
    double blocking = 0;  ///< the share of arrivals that today's numbers turn away at that load
};

/// How the load of the busiest hour of a day changes from day to day.
struct LoadGrowth {
    double erlangs_per_day = 0;  ///< negative: it falls
    /// Until more than kAlarmBlocking of arrivals find no number if it goes on like that. Nothing
    /// where that is further away than kFarthest, or the growth might well be chance.
    std::optional<double> hours_until_overflow;
};

/// How large a pool should be.
struct PoolSizing {
    /// Shares of arrivals in the busiest hour that may find no number, and how many numbers that
    /// takes.
    static constexpr std::array<double, 3> kBlocking = {0.01, 0.001, 0.0001};
    static constexpr std::array<std::string_view, kBlocking.size()> kBlockingNames = {
        "0.01", "0.001", "0.0001"};
    std::array<std::size_t, kBlocking.size()> numbers{};

    HourOfLoad busiest;
    HourOfLoad usual_peak;   ///< the 95th percentile: one hour in twenty was busier
    double utilisation = 0;  ///< of today's numbers in the busiest hour, from 0 to 1
    /// Numbers to buy: so that 1 % are turned away at most.
    std::size_t missing = 0;
    /// Numbers that can go: with what is left only 0.01 % are turned away. Between the two there is
    /// nothing to do.
    std::size_t spare = 0;
    /// Nothing where there are fewer than kLeastDays whole days.
    std::optional<LoadGrowth> growth;
};

struct PoolAdvice {
    static constexpr double kAlarmBlocking = PoolSizing::kBlocking[0];
    static constexpr std::size_t kLeastDays = 5;
    static constexpr std::chrono::hours kFarthest{24 * 90};

    double observed_hours = 0;
    double needed_hours = 0;    ///< for there to be a sizing
    bool kept_suffices = true;  ///< false: holds last longer than demand is kept
    double requests_per_session = 1;
    double mean_hold_seconds = 0;      ///< for which a session keeps a number from others
    double arrivals = 0;               ///< of all hours
    double turned_away = 0;            ///< the share of these that found no number
    std::uint64_t early_reissues = 0;  ///< of all hours
    std::optional<PoolSizing> sizing;  ///< nothing where too little was observed
};

/// How many numbers a pool needs, from the demand alone: how many are held says nothing of those
/// who were turned away.
///
/// - *Arrivals* are new holds, and those who found no number. A session that is turned away asks
///   again with each page view, so these are the exhausted requests divided by how many requests a
///   session makes (allocations / new holds, of all hours).
/// - The *mean hold* is lifetime + cool-down as they are today, and by how much longer sessions
///   kept their numbers by asking again (extended_ms / new holds, of all hours).
/// - The *offered load* at the end of an hour is that of who came within the last mean hold, or
///   within the hour where holds are shorter. (With holds of a day, who came in the busiest hour is
///   only a small part of who has a number then. This is the modified offered load of Jagerman,
///   1975, with the window in place of the distribution.) Hours of which less than half was
///   observed have none.
///
/// Pure. Takes as long as numbers_for(): not for the reactor's thread where pools are large.
PoolAdvice advise(const PoolDemand& demand, const AdviceBasis& basis);

}  // namespace ringmaster::ops
