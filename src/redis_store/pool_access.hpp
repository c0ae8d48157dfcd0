#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace ringmaster::redis_store {

std::string in_pool(std::string_view id);  ///< "pool 'id'"
Error no_such_pool(std::string_view id);

/// What a pool says of itself.
struct PoolState {
    std::string definition;  ///< as it is stored
    std::uint64_t version = 0;
    std::uint64_t epoch = 0;
    std::size_t numbers = 0;  ///< with those that have drained
};

/// Suspends. Nothing where there is no such pool.
Result<std::optional<PoolState>> look_at_pool(FunctionCaller& functions, const std::string& id);

/// Suspends. Calls `visit` for up to `max` numbers from `from` on; returns where to go on, 0 where
/// there are no more. May be 1000 at most. ErrorCode::not_found where there is no such pool.
Result<std::size_t> visit_members(FunctionCaller& functions, const std::string& id,
                                  std::size_t from, std::size_t max,
                                  const std::function<void(const ringpool::NumberState&)>& visit);
inline constexpr std::size_t kMembersAtOnce = 1000;

/// Suspends. Takes out all numbers that have drained; returns how many.
Result<std::size_t> sweep_pool(FunctionCaller& functions, const std::string& id);

/// Tries something that others may thwart by doing the same, as often as makes sense.
class Tries {
  public:
    static constexpr unsigned kMost = 30;

    Tries(runtime::Scheduler& scheduler, std::minstd_rand& random) noexcept
        : scheduler_(scheduler), random_(random) {}

    /// Suspends, but for the first time, for a while that none of the others knows. False where it
    /// has been tried often enough.
    bool next();
    /// As if none had been made yet.
    void start_anew() noexcept { count_ = 0; }
    static Error failure();

  private:
    runtime::Scheduler& scheduler_;
    std::minstd_rand& random_;
    unsigned count_ = 0;
};

/// Suspends at every so many steps of a long loop, so that others get their share.
class Breath {
  public:
    static constexpr std::size_t kSteps = 4096;

    explicit Breath(runtime::Scheduler& scheduler) noexcept : scheduler_(scheduler) {}
    void step() {
        if (++steps_ % kSteps == 0) scheduler_.sleep_until(scheduler_.now());
    }

  private:
    runtime::Scheduler& scheduler_;
    std::size_t steps_ = 0;
};

}  // namespace ringmaster::redis_store
