#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/hold_history.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace ringmaster::migrate {

/// The pools that Redis has. All calls suspend.
class RedisSource final : public Source {
  public:
    /// `secret` is what open_store() has returned. All must outlive this.
    RedisSource(redis_store::FunctionCaller& functions, ringpool::HoldHistory& history,
                const ringpool::SessionHasher::Key& secret)
        : functions_(functions), history_(history), secret_(secret) {}

    Result<ringpool::SessionHasher::Key> secret() override { return secret_; }
    /// What takes it over is begun anew each time.
    std::string fingerprint() const override { return {}; }
    /// The store's own time is civil, by the servers' clocks.
    std::chrono::milliseconds ahead() const noexcept override { return ahead_; }
    void set_ahead(std::chrono::milliseconds ahead) noexcept override { ahead_ = ahead; }
    Result<std::vector<ringpool::PoolDefinition>> pools() override;
    Result<Page> numbers(const ringpool::PoolDefinition& pool, std::uint64_t from) override;

  private:
    Result<NumberImage> image_of(std::string_view digits, std::string_view state);

    redis_store::FunctionCaller& functions_;
    ringpool::HoldHistory& history_;
    const ringpool::SessionHasher::Key secret_;
    std::chrono::milliseconds ahead_{0};
};

}  // namespace ringmaster::migrate
