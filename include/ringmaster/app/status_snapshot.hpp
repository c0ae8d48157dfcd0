#pragma once

#include "ringmaster/app/shard_metrics.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/metrics_reading.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <memory>
#include <string>
#include <vector>

namespace ringmaster::app {

/// Makes of the shards' metrics what the status page shows: figures per second instead of counters,
/// and percentiles of what has happened since the last snapshot. There is nothing in it that the
/// metrics don't tell, besides which processes there are.
class StatusSnapshots {
  public:
    /// Both must outlive this. `self` is the shard that tells.
    StatusSnapshots(const Clock& clock, const shard::SharedPage& page, shard::ShardIndex self);

    /// One JSON object, in one line. `store` says whether the store of this shard can serve. What
    /// is told per second is null in the first snapshot, and where the last one is older than
    /// kMaxInterval.
    std::string next(Reports reports, const Result<void>& store);

  private:
    static constexpr std::chrono::seconds kMaxInterval{10};

    /// By shard; null where it did not answer.
    using Readings = std::vector<std::unique_ptr<const ops::MetricsReading>>;

    const Clock& clock_;
    const shard::SharedPage& page_;
    const shard::ShardIndex self_;
    Readings last_;
    SteadyTime last_time_{};
};

}  // namespace ringmaster::app
