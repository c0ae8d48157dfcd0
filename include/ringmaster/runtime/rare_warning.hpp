#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace ringmaster::runtime {

/// Tells what may go wrong many times a second, but the same thing over again only once a minute.
class RareWarning {
  public:
    RareWarning(Scheduler& scheduler, Log& log) noexcept : scheduler_(scheduler), log_(log) {}

    void tell(std::string text) {
        const SteadyTime now = scheduler_.now();
        if (text == told_ && now < told_at_ + kTellEvery) return;
        told_ = std::move(text);
        told_at_ = now;
        log_.warning(told_);
    }

  private:
    static constexpr std::chrono::minutes kTellEvery{1};
    Scheduler& scheduler_;
    Log& log_;
    std::string told_;
    SteadyTime told_at_{};
};

}  // namespace ringmaster::runtime
