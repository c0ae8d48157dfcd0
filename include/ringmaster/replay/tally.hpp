#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/replay/held_count.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::replay {

/// How a pool fared.
struct Figures {
    std::uint32_t numbers = 0;
    ringpool::HoldRules rules{};  ///< those that were in force last
    std::uint64_t holds = 0;      ///< requests with which a hold began
    std::uint64_t touches = 0;    ///< those with which one went on
    std::uint64_t releases = 0;
    std::uint64_t overflows = 0;       ///< requests for which there was no number
    std::uint64_t reissues = 0;        ///< holds of a number that another session had last
    std::uint64_t early_reissues = 0;  ///< as PoolCounters::early_reissues
    std::uint64_t most_held = 0;       ///< numbers, at one time
    WallTime most_held_at{};           ///< when that was so first
    std::uint32_t never_used = 0;      ///< numbers that nobody asked for or was given
    friend bool operator==(const Figures&, const Figures&) noexcept = default;
};

/// Counts what happens in a pool. Time never goes backwards; numbers are named densely.
class Tally {
  public:
    struct Hold {
        std::uint32_t number;
        WallTime until;
        bool begins;
        bool reissued = false;
        bool early = false;
    };
    void hold(const Hold& hold, WallTime now);
    void release(std::uint32_t number, WallTime now);
    void overflow() noexcept { ++figures_.overflows; }
    /// Counts from now on, and forgets what was counted, but not who has what.
    void start(WallTime now);

    Figures figures(std::uint32_t numbers, const ringpool::HoldRules& rules) const;

  private:
    Figures figures_;  ///< but for numbers, rules, most held and never used
    HeldCount held_;
    std::vector<bool> used_;
    std::uint32_t used_count_ = 0;
};

}  // namespace ringmaster::replay
