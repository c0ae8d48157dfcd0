#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis_store/function_library.hpp"
#include "ringmaster/redis_store/pool_keys.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/rare_warning.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis_store {

struct RedisStoreOptions {
    std::string prefix = "ringmaster";                          ///< of all keys
    std::chrono::milliseconds history = std::chrono::days(90);  ///< how long holds are told of
    std::size_t max_rows_per_call = 1000;  ///< larger batches are split; 1 to 1000
    unsigned wait_replicas = 0;            ///< that must have a change before it is answered
};

/// The numbers of all pools, in Redis, where any process on any machine hands them out.
///
/// The rows of one pool are one call of a function (functions/allocate.lua), which Redis carries
/// out as a whole, and all calls of a batch leave together. A call that was not answered in time
/// may have been carried out nevertheless: its rows get overflow numbers, and the sessions have
/// numbers that they were not told of, which they get when they ask again.
///
/// Times are the server's: what is answered is how long from now, by this process's clock. Where
/// Redis has lost the functions, they are loaded and the call is made again. A batch allocates no
/// memory of its own once some like it have been made.
class RedisStore final : public ringpool::Store {
  public:
    /// What it works with. Everything must outlive this.
    struct Parts {
        redis::Client& client;
        const ringpool::Catalog& catalog;
        runtime::Scheduler& scheduler;
        Log& log;
        /// Of the definition in the catalog.
        std::function<std::uint64_t(ringpool::PoolIndex)> version;
        /// A pool has answered that it is gone, or has another version: at each such answer. Must
        /// not suspend.
        std::function<void(ringpool::PoolIndex)> look_again;
    };
    RedisStore(Parts parts, const ringpool::SessionHasher::Key& secret, RedisStoreOptions options);
    ~RedisStore() override;

    /// To be called before the first request where the right one was not known yet.
    void set_secret(const ringpool::SessionHasher::Key& secret) {
        hasher_ = ringpool::SessionHasher(secret);
    }

    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    /// Where the answer got lost, it is asked again, and may be ErrorCode::not_found then.
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    Result<void> ready() const override { return parts_.client.ready(); }

    /// What this process has done.
    ringpool::PoolCounters counters(ringpool::PoolIndex pool) const noexcept {
        return pool < counters_.size() ? counters_[pool] : ringpool::PoolCounters();
    }
    /// Somebody else has ended a hold in the pool with this id: an erasure.
    void count_release(std::string_view pool_id);
    /// Of all pools together.
    ringpool::PoolCounters all_counters() const noexcept;

  private:
    class Batch;
    class Lease;

    void learn_pools();
    void call(std::span<redis::Call> calls, Deadline deadline);
    void call_once(std::span<redis::Call> calls, Deadline deadline);

    const Parts parts_;
    const RedisStoreOptions options_;
    const std::string history_ms_;
    ringpool::SessionHasher hasher_;
    LibraryLoader library_;
    runtime::RareWarning warning_;
    std::vector<std::unique_ptr<const PoolKeys>> keys_;  ///< by pool
    std::vector<ringpool::PoolCounters> counters_;       ///< of the same index
    std::vector<std::uint32_t> groups_;                  ///< of the same index, while dividing
    std::vector<std::unique_ptr<Batch>> idle_;           ///< capacity reserved at construction
};

}  // namespace ringmaster::redis_store
