#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::migrate {

/// A Redis without pools. What is imported is seen by daemons when all of it is there. A run that
/// was interrupted is gone on with: pools that are complete are passed over, and so are numbers
/// that are there. All calls suspend.
class RedisTarget final : public Target {
  public:
    /// All must outlive this.
    RedisTarget(runtime::Scheduler& scheduler, redis_store::FunctionCaller& functions)
        : scheduler_(scheduler), functions_(functions) {}

    /// ErrorCode::invalid where there are pools, sessions of other daemons, or an unfinished import
    /// of something else.
    Result<std::chrono::milliseconds> begin(const ringpool::SessionHasher::Key& secret,
                                            std::string_view fingerprint,
                                            std::chrono::milliseconds ahead) override;
    Result<Resumed> begin_pool(const ringpool::PoolDefinition& pool) override;
    Result<void> add(const ringpool::PoolDefinition& pool, std::span<const NumberImage> numbers,
                     std::uint64_t next) override;
    Result<void> finish() override;

  private:
    Result<std::chrono::milliseconds> server_ahead();
    Result<void> call_all(std::vector<redis_store::FunctionCall>& calls);
    Result<void> claim(const std::string& pool_id, std::span<const NumberImage> numbers);

    struct Begun {
        std::string id;
        std::string version;
    };
    runtime::Scheduler& scheduler_;
    redis_store::FunctionCaller& functions_;
    std::vector<Begun> pools_;
};

}  // namespace ringmaster::migrate
