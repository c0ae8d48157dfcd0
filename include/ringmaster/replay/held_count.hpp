#pragma once

#include "ringmaster/base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::replay {

/// How many numbers of a pool are held, as time goes by, and when that was the most. Numbers are
/// named densely; `now` never goes backwards. A hold that goes on costs O(1), one that begins or
/// ends O(log n).
class HeldCount {
  public:
    /// The number is held, as from now on or before, until `until`.
    void hold(std::uint32_t number, WallTime now, WallTime until);
    void release(std::uint32_t number, WallTime now);
    /// The most is reckoned from now on.
    void start(WallTime now);

    std::size_t most() const noexcept { return most_; }
    WallTime most_at() const noexcept { return most_at_; }

  private:
    struct Number {
        WallTime until{};
        WallTime waits_until{};  ///< of its entry that counts
        bool held = false;
        bool waits = false;  ///< has an entry
    };
    /// An entry is no later than the end of its number's hold: holds that go on leave it alone.
    struct Entry {
        WallTime until;
        std::uint32_t number;
        friend bool operator<(const Entry& a, const Entry& b) noexcept { return a.until > b.until; }
    };
    void expire(WallTime now);
    void wait(std::uint32_t number);

    std::vector<Number> numbers_;
    std::vector<Entry> entries_;  ///< a heap, the earliest in front
    std::size_t held_ = 0;
    std::size_t most_ = 0;
    WallTime most_at_{};
};

}  // namespace ringmaster::replay
