#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/catalog_follower.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis_store {

/// The pools that Redis has, which any process on any machine may change at any time. In this
/// process changes are made one after the other; against the others they are kept right by the
/// order of their steps, and begin again where somebody was quicker: functions/registry.lua says
/// how. Where a process dies in between, the change is whole or undone, and whoever comes next
/// finds nothing in the way.
///
/// An edit of more than Limits::max_edit numbers is made in portions of that size: it may stop
/// between two of them, with an error that says so, and be seen half made meanwhile. Called again,
/// it goes on.
///
/// A change counts as soon as Redis has it, and is in this process's catalog before the call
/// returns. Where Redis does not answer, ErrorCode::unavailable leaves open whether it has made it.
class RedisPools final : public ringpool::PoolAdministration {
  public:
    struct Limits {
        std::size_t max_pools = 10'000;
        std::size_t max_numbers = ringpool::RingPool::kMaxNumbers;  ///< of one pool
        std::size_t max_edit = 10'000;  ///< numbers added and removed at once
    };
    /// What it works with. Everything must outlive this.
    struct Parts {
        runtime::Reactor& reactor;
        FunctionCaller& functions;
        CatalogFollower& follower;
        const ringpool::Catalog& catalog;
        /// What this process has counted of a pool.
        std::function<ringpool::PoolCounters(ringpool::PoolIndex)> counters;
    };
    RedisPools(Parts parts, Limits limits);

    /// Suspends until the calls under way have ended. From now on all fail with
    /// ErrorCode::unavailable.
    void close() { gate_.close(); }

    Result<bool> put_pool(ringpool::PoolDefinition definition) override;
    Result<void> remove_pool(std::string_view id) override;
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override;
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override;
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override;
    Result<ringpool::PoolFigures> figures(std::string_view id) override;

  private:
    /// The right to make a change.
    struct Permit {
        runtime::Gate::Pass pass;
        runtime::Mutex::Lock turn;
    };
    Result<Permit> begin();
    Result<bool> is_settled(const ringpool::PoolDefinition& definition, std::uint64_t version);
    Result<std::uint64_t> claim_overflow(const ringpool::PoolDefinition& definition,
                                         const std::string& least);
    Result<void> free_for_overflow(ringpool::PhoneNumber number, std::string_view entry);
    Result<bool> publish(const std::string& id, std::uint64_t version, bool live);
    template <class Make>
    Result<ringpool::NumbersChange> change(std::string_view id, Make&& make);

    const Parts parts_;
    const Limits limits_;
    runtime::Gate gate_;
    runtime::Mutex mutex_;
    std::minstd_rand random_;
};

}  // namespace ringmaster::redis_store
