#include "ringmaster/ops/pool_advice.hpp"

#include "ringmaster/ops/erlang.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ringmaster::ops {
namespace {

constexpr double kHourSeconds = 3600;
constexpr double kHourMs = 3'600'000;
/// Of an hour's load, and of a day's busiest one: the part that must have been observed.
constexpr double kLeastOfWindow = 0.5;
constexpr double kLeastHoursOfDay = 20;
constexpr double kPercentile = 0.95;
/// A slope of fewer of its standard errors is taken for chance.
constexpr double kSignificant = 3;

DemandHour sum_of(const PoolDemand& demand) {
    DemandHour sum;
    for (const DemandHour& hour : demand.hours()) {
        sum.observed_ms += hour.observed_ms;
        sum.allocations += hour.allocations;
        sum.new_holds += hour.new_holds;
        sum.exhausted += hour.exhausted;
        sum.early_reissues += hour.early_reissues;
        sum.extended_ms += hour.extended_ms;
    }
    return sum;
}

double ratio(double part, double whole) noexcept {
    return whole > 0 ? part / whole : 0;
}

/// The load at the end of an hour.
struct Load {
    std::int64_t hour;
    double arrivals_per_second;
    double erlangs;
};

class Reckoning {
  public:
    Reckoning(const PoolDemand& demand, const AdviceBasis& basis)
        : demand_(demand), basis_(basis), sum_(sum_of(demand)) {
        if (sum_.new_holds > 0) {
            const auto holds = static_cast<double>(sum_.new_holds);
            requests_per_session_ = std::max(1.0, static_cast<double>(sum_.allocations) / holds);
            extended_s_ = static_cast<double>(sum_.extended_ms) / 1000 / holds;
        }
        const auto promised = static_cast<double>((basis.lifetime + basis.cooldown).count());
        hold_s_ = std::max(1.0, promised + extended_s_);
    }

    PoolAdvice advice() const {
        PoolAdvice advice;
        const double hold_hours = hold_s_ / kHourSeconds;
        advice.observed_hours = static_cast<double>(sum_.observed_ms) / kHourMs;
        advice.needed_hours =
            std::max(static_cast<double>(basis_.least_observed.count()), hold_hours);
        advice.kept_suffices = advice.needed_hours <= static_cast<double>(basis_.kept.count());
        advice.requests_per_session = requests_per_session_;
        advice.mean_hold_seconds = hold_s_;
        advice.arrivals = arrivals(sum_);
        advice.turned_away = ratio(blocked(sum_), advice.arrivals);
        advice.early_reissues = sum_.early_reissues;
        if (advice.observed_hours < advice.needed_hours) return advice;
        const std::vector<Load> loads = all_loads();
        if (!loads.empty()) advice.sizing = sizing(loads);
        return advice;
    }

  private:
    double blocked(const DemandHour& hour) const noexcept {
        return static_cast<double>(hour.exhausted) / requests_per_session_;
    }
    double arrivals(const DemandHour& hour) const noexcept {
        return static_cast<double>(hour.new_holds) + blocked(hour);
    }

    /// One for each hour of which enough is known.
    std::vector<Load> all_loads() const {
        std::vector<Load> loads;
        for (std::size_t i = 0; i < demand_.hours().size(); ++i) {
            if (const auto load = load_at(i)) loads.push_back(*load);
        }
        return loads;
    }
    std::optional<Load> load_at(std::size_t last) const {
        const double window_hours = std::max(1.0, hold_s_ / kHourSeconds);
        double came = 0;
        double observed_s = 0;
        const auto& hours = demand_.hours();
        for (std::size_t i = last + 1; i-- > 0;) {
            // Of the first hour in the window only its last part counts.
            const double part =
                std::min(1.0, window_hours - static_cast<double>(hours[last].hour - hours[i].hour));
            if (part <= 0) break;
            came += part * arrivals(hours[i]);
            observed_s += part * static_cast<double>(hours[i].observed_ms) / 1000;
        }
        if (observed_s < kLeastOfWindow * window_hours * kHourSeconds) return std::nullopt;
        const double rate = came / observed_s;
        return Load{hours[last].hour, rate, rate * hold_s_};
    }

    HourOfLoad told(const Load& load) const {
        return {.hour = WallTime(std::chrono::hours(load.hour)),
                .arrivals_per_hour = load.arrivals_per_second * kHourSeconds,
                .offered_erlangs = load.erlangs,
                .blocking = erlang_b(load.erlangs, basis_.numbers)};
    }

    PoolSizing sizing(const std::vector<Load>& loads) const {
        std::vector<Load> by_load = loads;
        std::ranges::stable_sort(by_load, {}, &Load::erlangs);
        const auto rank =
            static_cast<std::size_t>(std::ceil(kPercentile * static_cast<double>(by_load.size())));
        PoolSizing sizing;
        sizing.busiest = told(by_load.back());
        sizing.usual_peak = told(by_load[rank - 1]);
        const double offered = sizing.busiest.offered_erlangs;
        for (std::size_t i = 0; i < PoolSizing::kBlocking.size(); ++i) {
            sizing.numbers[i] =
                numbers_for(offered, PoolSizing::kBlocking[i]).value_or(kMostNumbers);
        }
        sizing.utilisation =
            ratio(offered * (1 - sizing.busiest.blocking), static_cast<double>(basis_.numbers));
        const std::size_t enough = sizing.numbers.front();
        const std::size_t plenty = sizing.numbers.back();
        sizing.missing = enough > basis_.numbers ? enough - basis_.numbers : 0;
        sizing.spare = basis_.numbers > plenty ? basis_.numbers - plenty : 0;
        sizing.growth = growth(loads);
        if (sizing.growth && sizing.busiest.blocking > PoolAdvice::kAlarmBlocking) {
            sizing.growth->hours_until_overflow = 0;
        }
        return sizing;
    }

    // Days are counted backwards from the newest hour, so that none is cut off by midnight.
    std::optional<LoadGrowth> growth(const std::vector<Load>& loads) const {
        struct Day {
            double observed_hours = 0;
            double busiest = 0;
        };
        const std::int64_t newest = demand_.hours().back().hour;
        const auto day_of = [&](std::int64_t hour) {
            return static_cast<std::size_t>((newest - hour) / 24);
        };
        std::vector<Day> days(day_of(demand_.hours().front().hour) + 1);
        for (const DemandHour& hour : demand_.hours()) {
            days[day_of(hour.hour)].observed_hours +=
                static_cast<double>(hour.observed_ms) / kHourMs;
        }
        for (const Load& load : loads) {
            double& busiest = days[day_of(load.hour)].busiest;
            busiest = std::max(busiest, load.erlangs);
        }
        std::vector<Point> points;
        for (std::size_t age = 0; age < days.size(); ++age) {
            if (days[age].observed_hours < kLeastHoursOfDay) continue;
            points.push_back({-static_cast<double>(age), days[age].busiest});
        }
        if (points.size() < PoolAdvice::kLeastDays) return std::nullopt;
        return extrapolate(fit(points));
    }

    struct Point {
        double day;  ///< 0 is the newest
        double erlangs;
    };
    struct Line {
        double now;    ///< on day 0
        double slope;  ///< a day
        double slope_error;
    };
    /// Least squares. Precondition: more than two points.
    static Line fit(const std::vector<Point>& points) {
        const auto n = static_cast<double>(points.size());
        double x = 0;
        double y = 0;
        for (const Point& p : points) {
            x += p.day / n;
            y += p.erlangs / n;
        }
        double xx = 0;
        double xy = 0;
        for (const Point& p : points) {
            xx += (p.day - x) * (p.day - x);
            xy += (p.day - x) * (p.erlangs - y);
        }
        const double slope = xy / xx;
        double residue = 0;
        for (const Point& p : points) {
            const double off = p.erlangs - (y + slope * (p.day - x));
            residue += off * off;
        }
        return {y - slope * x, slope, std::sqrt(residue / (n - 2) / xx)};
    }

    LoadGrowth extrapolate(const Line& line) const {
        LoadGrowth growth{.erlangs_per_day = line.slope, .hours_until_overflow = std::nullopt};
        const double room = offered_for(basis_.numbers, PoolAdvice::kAlarmBlocking) - line.now;
        if (line.slope <= 0 || line.slope < kSignificant * line.slope_error) return growth;
        const double hours = std::max(0.0, room / line.slope * 24);
        if (hours <= static_cast<double>(PoolAdvice::kFarthest.count())) {
            growth.hours_until_overflow = hours;
        }
        return growth;
    }

    const PoolDemand& demand_;
    const AdviceBasis& basis_;
    const DemandHour sum_;
    double requests_per_session_ = 1;
    double extended_s_ = 0;
    double hold_s_ = 0;
};

}  // namespace

PoolAdvice advise(const PoolDemand& demand, const AdviceBasis& basis) {
    return Reckoning(demand, basis).advice();
}

}  // namespace ringmaster::ops
