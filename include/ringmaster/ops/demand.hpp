#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ops {

/// What came to one pool within one hour of UTC.
struct DemandHour {
    std::int64_t hour = 0;  ///< since the epoch
    /// For how long it was watched: less than an hour where the daemon did not run, or the hour is
    /// not over; more by the length of a sample at most.
    std::uint64_t observed_ms = 0;
    // As in PoolCounters:
    std::uint64_t allocations = 0;
    std::uint64_t new_holds = 0;
    std::uint64_t exhausted = 0;
    std::uint64_t early_reissues = 0;
    std::int64_t extended_ms = 0;

    friend bool operator==(const DemandHour&, const DemandHour&) noexcept = default;
};

/// The demand for one pool's numbers, hour by hour. A value; belongs to whoever has it.
class PoolDemand {
  public:
    PoolDemand() = default;
    /// Hours in any order; those of the same hour are added up.
    explicit PoolDemand(const std::vector<DemandHour>& hours);

    /// Adds what came within `elapsed` before `now`: by how much `after` is more than `before`.
    /// Counters that went down began anew meanwhile. All of it is put down to the hour in which the
    /// middle of that time lies.
    void add_sample(const ringpool::PoolCounters& before, const ringpool::PoolCounters& after,
                    WallTime now, std::chrono::milliseconds elapsed);
    /// Adds what somebody else has seen of the same pool at the same time.
    void add_beside(const PoolDemand& other);
    /// Forgets all but the newest hour and those within `max_hours` up to it.
    void keep(std::size_t max_hours);

    /// In order; hours that nobody has watched are missing.
    const std::vector<DemandHour>& hours() const noexcept { return hours_; }

  private:
    DemandHour& at(std::int64_t hour);

    std::vector<DemandHour> hours_;
};

/// Demand as a file for people and programs:
///
///     ringmaster demand 1
///     hour observed_ms allocations new_holds exhausted early_reissues extended_ms
///     498789 3600000 120 80 0 0 90000
///     ...
///     end 168
///
/// with a line for each hour, in order, and their number at the end, so that a torn file shows.
std::string encode_demand(const PoolDemand& demand);
/// ErrorCode::damaged, with what is wrong, where it is not exactly that, or has more hours than
/// kMostDemandHours.
Result<PoolDemand> decode_demand(std::string_view text);
inline constexpr std::size_t kMostDemandHours = 24 * 92;

}  // namespace ringmaster::ops
