#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis_store {

/// The history that Redis keeps beside the pools. The registry knows which pools a number was in;
/// each of those knows its own holds of it, and they are put together here. Times are those of the
/// servers' clocks.
class RedisHistory final : public ringpool::HoldHistory {
  public:
    /// What it works with. Everything must outlive this.
    struct Parts {
        runtime::Reactor& reactor;
        FunctionCaller& functions;
        ringpool::SessionHasher& hasher;
        /// How long holds are told of after their end; what is older may be there still.
        std::chrono::milliseconds history;
        /// Told for each hold that erase() has released, with the pool's id. May be empty.
        std::function<void(std::string_view pool_id)> released;
    };
    explicit RedisHistory(Parts parts);

    /// Suspends until the calls under way have ended. From now on all fail with ErrorCode::closed.
    void close() { gate_.close(); }

    Result<std::vector<ringpool::Hold>> holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at, std::size_t max,
                                                Deadline deadline) override;

    /// In steps, between which others are served. Where it fails, some of the records have been
    /// erased; called again, it erases the rest.
    Result<std::size_t> erase(std::string_view session_id) override;

  private:
    const Parts parts_;
    runtime::Gate gate_;
    runtime::Mutex erasing_;  ///< one erasure after the other
};

}  // namespace ringmaster::redis_store
