#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/replay/distinct_count.hpp"
#include "ringmaster/replay/request_log.hpp"
#include "ringmaster/replay/tally.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::replay {

/// What is to be other than it was. Nothing: as it was.
struct Changes {
    std::optional<std::uint32_t> numbers{};          ///< of each pool; 1 to RingPool::kMaxNumbers
    std::optional<std::uint32_t> numbers_percent{};  ///< of those it had; at least one is left
    std::optional<std::chrono::milliseconds> lifetime{};
    std::optional<std::chrono::milliseconds> cooldown{};
    std::optional<std::chrono::milliseconds> max_hold{};  ///< zero: no limit
};

/// What would have happened in an hour.
struct HourFigures {
    WallTime hour{};  ///< its begin
    std::uint64_t requests = 0;
    std::uint64_t overflows = 0;
    friend bool operator==(const HourFigures&, const HourFigures&) noexcept = default;
};

struct PoolReport {
    std::string id;
    bool deleted = false;    ///< there is no such pool any more
    std::uint32_t gone = 0;  ///< see RecordedPool
    std::uint64_t sessions = 0;
    bool sessions_exact = true;      ///< else an estimate, see DistinctCount
    Figures recorded;                ///< as it was: what the journal says itself
    Figures replayed;                ///< what would have happened
    std::vector<HourFigures> hours;  ///< those in which there were requests, in order
};

/// Has the recorded requests of one pool answered by an allocator of its own, which begins with
/// numbers that nobody has had.
///
/// Where no other is wanted, a rule is the one that was in force at the time: requests in
/// the journal tell lifetime and cool-down, from the first one on that was answered by them. The
/// journal does not tell max_hold: that is the one the pool has today.
class PoolReplay {
  public:
    /// `pool` as it stands before the first request.
    PoolReplay(const RecordedPool& pool, const Changes& changes);

    /// The next request of this pool. `numbers`: how many the pool has had so far.
    void apply(const RecordedRequest& request, std::uint32_t numbers);
    /// What came before is not counted.
    void start(WallTime now);
    /// `pool` as it stands behind the last request.
    PoolReport report(const RecordedPool& pool) const;

  private:
    std::uint32_t wanted(std::uint32_t recorded) const noexcept;
    void add_numbers(std::uint32_t recorded);
    void learn_rules(const RecordedRequest& request);
    void count_recorded(const RecordedRequest& request);
    void ask(const RecordedRequest& request);
    void give_back(const RecordedRequest& request);

    Changes changes_;
    ringpool::HoldRules recorded_rules_;
    ringpool::RingPool pool_;
    DistinctCount sessions_;
    Tally recorded_;
    Tally replayed_;
    std::vector<HourFigures> hours_;
};

}  // namespace ringmaster::replay
