#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ringmaster::app {

/// How the pools of a shard stand, as far as they are told one by one.
struct PoolStandings {
    struct Pool {
        std::string id;
        ringpool::PoolFigures figures;
    };
    std::vector<Pool> pools;
    std::size_t left_out = 0;       ///< how many there are besides
    ringpool::PoolFigures of_rest;  ///< of those, together

    /// One more; by itself where fewer than `max_pools` are yet.
    void add(const std::string& id, const ringpool::PoolFigures& figures, std::size_t max_pools);
};

/// Keeps what metrics tell of pools. To find out how they stand takes a walk past all their
/// numbers (or some calls to Redis), so that is done by one fiber for all who ask, and for no more
/// than a small part of the time: of pools that are walked through quickly everybody gets how they
/// stand now, of large ones how they stood when the last walk ended. Belongs to one scheduler.
class PoolWatch {
  public:
    struct Options {
        std::size_t max_pools = 0;  ///< told one by one
        /// After a walk there is none for so many times as long as it took.
        unsigned rest_factor = 10;
        std::chrono::milliseconds patience{100};  ///< for a walk; then the last one is told
    };
    /// `ids` gives those of the pools that are watched, the ones to be told first. All that is
    /// passed by reference must outlive this.
    PoolWatch(runtime::Scheduler& scheduler, ringpool::PoolAdministration& pools,
              std::function<std::vector<std::string>()> ids, Options options);

    /// Suspends. Nothing where the first walk has not ended within the patience, or the store did
    /// not answer in the last one.
    PoolStandings look();
    /// Suspends. Ends a walk; afterwards there is none.
    void close();

  private:
    void walk();

    runtime::Scheduler& scheduler_;
    ringpool::PoolAdministration& pools_;
    const std::function<std::vector<std::string>()> ids_;
    const Options options_;
    PoolStandings standings_;  ///< of the last walk
    SteadyTime rest_until_ = SteadyTime::min();
    bool walking_ = false;
    bool closed_ = false;
    runtime::WaitQueue walked_;
};

}  // namespace ringmaster::app
