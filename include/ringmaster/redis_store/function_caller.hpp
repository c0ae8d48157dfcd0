#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis_store/pool_keys.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis_store {

/// A call of one function of the library.
struct FunctionCall {
    std::string function;  ///< without "rm1_"
    std::string pool;      ///< whose keys it gets; empty: those of the registry
    std::vector<std::string> arguments;
    bool repeatable = true;  ///< whether a second time does no harm where the first went unanswered
    bool reads_only = false;  ///< no replica need have anything
    /// What the function said, which may be an error of its own, e.g. NOPOOL.
    Result<redis::Reply> answer = Error{ErrorCode::unavailable, "not called"};
};

struct FunctionCallerOptions {
    std::string prefix = "ringmaster";        ///< of all keys
    std::chrono::milliseconds timeout{5000};  ///< of calls that were given no other deadline
    unsigned replicas = 0;                    ///< that must have a change before it counts
};

/// Calls functions of the library, for what is not allocation. Where a server has lost them, they
/// are loaded and the call is made again.
class FunctionCaller {
  public:
    FunctionCaller(runtime::Scheduler& scheduler, redis::Client& client,
                   FunctionCallerOptions options);

    /// Suspends. Makes all calls side by side. ErrorCode::unavailable or ErrorCode::timeout where
    /// there is no answer; ErrorCode::unavailable also for errors of Redis itself, as when memory
    /// is full or the ACL does not allow it.
    void call(std::span<FunctionCall> calls, Deadline deadline);
    /// Suspends. One call, with options.timeout.
    Result<redis::Reply> call(FunctionCall call);
    Deadline deadline() const;

    /// The name of the registry's channel.
    const std::string& channel() const noexcept { return registry_.channel; }
    redis::Client& client() noexcept { return client_; }

  private:
    void call_some(std::span<FunctionCall* const> calls, Deadline deadline);

    runtime::Scheduler& scheduler_;
    redis::Client& client_;
    const FunctionCallerOptions options_;
    const RegistryKeys registry_;
};

/// Where the function did not say what it should have.
Error unexpected_answer(std::string_view function);

}  // namespace ringmaster::redis_store
