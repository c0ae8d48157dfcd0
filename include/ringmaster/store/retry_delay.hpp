#pragma once

#include <algorithm>
#include <chrono>

namespace ringmaster::store {

/// How long to leave a disk alone that just failed: 250 ms, doubling to 5 s.
class RetryDelay {
  public:
    std::chrono::milliseconds next() noexcept {
        const auto delay = delay_;
        delay_ = std::min(2 * delay_, kMost);
        return delay;
    }
    void reset() noexcept { delay_ = kLeast; }

  private:
    static constexpr std::chrono::milliseconds kLeast{250};
    static constexpr std::chrono::milliseconds kMost{5000};
    std::chrono::milliseconds delay_ = kLeast;
};

}  // namespace ringmaster::store
