#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shard.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// All shards' pools as one: each call goes to the pool's owner. When a change returns, this
/// process's catalog has it too. Where the owner does not answer in time, or is gone, the error is
/// ErrorCode::unavailable and says which shard it is; a change may have been made all the same
/// then.
class RoutedPools final : public ringpool::PoolAdministration {
  public:
    /// For how long figures() waits for what other shards than the owner have to add to them.
    static constexpr std::chrono::milliseconds kPatience{200};

    /// Suspends. Brings this process's catalog up to date.
    using CatchUp = std::function<Result<void>()>;

    /// `shards[i]` is shard i. All that is passed by reference, and the shards, must outlive this.
    RoutedPools(runtime::Scheduler& scheduler, const Placement& placement,
                std::vector<Shard*> shards, CatchUp catch_up);

    Result<bool> put_pool(ringpool::PoolDefinition definition) override;
    Result<void> remove_pool(std::string_view id) override;
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override;
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override;
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override;
    /// With the requests that other shards answered without the owner. Those of a shard that does
    /// not answer in time are left out.
    Result<ringpool::PoolFigures> figures(std::string_view id) override;

  private:
    template <class Call>
    auto ask_owner(std::string_view id, std::string_view consequence, Call&& call);

    runtime::Scheduler& scheduler_;
    const Placement placement_;
    const std::vector<Shard*> shards_;
    const CatchUp catch_up_;
};

}  // namespace ringmaster::shard
