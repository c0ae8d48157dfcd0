#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/redis_store/number_record.hpp"
#include "ringmaster/ringpool/hold_history.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ringmaster::redis_store {

/// Makes holds of what one pool knows of one number, latest first.
class HoldWalk {
  public:
    /// Up to `max` holds, which is not 0, that began at `at` or before.
    HoldWalk(std::string pool_id, WallTime at, std::size_t max)
        : pool_id_(std::move(pool_id)), at_(at), max_(max) {}

    /// First of all, where the pool has a state of the number.
    void take(const NumberRecord& record);
    void take(const PastRecord& record);
    /// Whether all that was asked for is known, so that no more need be read.
    bool full() const noexcept { return holds_.size() == max_; }
    /// Ends it.
    std::vector<ringpool::Hold> holds() &&;

  private:
    template <class Record>
    void begin(const Record& record);
    void choose(const HolderRecord& holder);
    void finish();

    const std::string pool_id_;
    const WallTime at_;
    const std::size_t max_;
    std::optional<ringpool::Hold> current_;  ///< may have had another context before
    std::vector<ringpool::Hold> holds_;
};

}  // namespace ringmaster::redis_store
