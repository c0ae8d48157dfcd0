#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/store/neighbours.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// What one shard knows of who had a number.
struct HoldersFound {
    std::vector<ringpool::Hold> holds;  ///< as HoldHistory::holders() has them
    bool in_pool = false;  ///< the number is in one of the shard's pools: nobody knows better
};

/// Requests of a pool that were answered with the overflow number (or refused) by the shard that
/// got them, because the pool's owner was slow or gone; by OverflowReason.
using OverflowCounts = std::array<std::uint64_t, ringpool::kOverflowReasons>;

/// A shard, as the others and it itself can ask it: this process's own, or another one over a
/// socket. All that is asked of pools must be asked of their owner.
///
/// All calls suspend; all of another shard may fail with ErrorCode::timeout at `deadline`,
/// ErrorCode::closed where the shard is gone, and ErrorCode::unavailable where too much is asked of
/// it already. Whether what was asked has been done is not known then.
class Shard {
  public:
    virtual ~Shard() = default;

    /// Of another shard: where it does not answer in time rows are answered with the overflow
    /// number and OverflowReason::owner_slow, where it is gone with owner_down.
    virtual ringpool::Store& store() noexcept = 0;
    /// Of another shard: each call has the deadline that the shard was made with.
    virtual ringpool::PoolAdministration& pools() noexcept = 0;
    virtual ringpool::EventSource& events() noexcept = 0;

    virtual Result<HoldersFound> holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                         std::size_t max, Deadline deadline) = 0;
    /// As HoldHistory::erase(), of what this shard has.
    virtual Result<std::size_t> erase(std::string_view session_id, Deadline deadline) = 0;

    /// As Neighbours::look_up() and sweep(): only while the caller may change pools.
    virtual Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) = 0;
    virtual Result<void> sweep(std::string_view pool_id, Deadline deadline) = 0;

    /// Of a pool of another shard, as counted in this one since it was started.
    virtual Result<OverflowCounts> overflow_counts(std::string_view pool_id, Deadline deadline) = 0;
    /// What came to a pool, by hour, as counted in this shard; empty where there is no such pool.
    virtual Result<std::vector<ops::DemandHour>> demand(std::string_view pool_id,
                                                        Deadline deadline) = 0;
    /// Its metrics, in a form that is not this module's business.
    virtual Result<std::string> report(Deadline deadline) = 0;
    /// What it has measured of itself since its start, as ops::append_profile() writes it.
    virtual Result<std::string> profile(Deadline deadline) = 0;
};

}  // namespace ringmaster::shard
