#pragma once

#include "ringmaster/app/backend.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/http/middleware/request_meter.hpp"
#include "ringmaster/ops/shard_profile.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/shard.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace ringmaster::app {

/// What this shard has measured of itself.
class ShardProfiler {
  public:
    struct Parts {
        shard::ShardIndex index;
        Clock& clock;
        runtime::Reactor& reactor;
        const ringpool::Catalog& catalog;
        const Backend& backend;
        const http::RequestMeter& requests;
        std::size_t most_in_flight;
    };
    /// What is passed by reference must outlive this. The shard begins now.
    explicit ShardProfiler(const Parts& parts);

    /// Since then. Does not suspend; takes some tens of microseconds, and more with many pools.
    ops::ShardProfile take() const;

  private:
    void add_pools(ops::ShardProfile& profile) const;

    const Parts parts_;
    const WallTime started_;
    const SteadyTime begin_;
    const std::size_t cores_;
};

/// Suspends. The profiles of all these shards, or that they are missing, as ops::decode_profiles()
/// reads them: of those that have not answered within kReportTimeout.
std::string collect_profiles(runtime::Scheduler& scheduler,
                             const std::vector<shard::Shard*>& shards);

}  // namespace ringmaster::app
