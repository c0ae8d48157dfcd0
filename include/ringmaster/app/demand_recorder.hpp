#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/ops/pool_advice.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/disk.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

struct DemandOptions {
    std::size_t keep_hours = 168;  ///< of each pool: 56 bytes of memory for each
    std::chrono::milliseconds sample_period{60'000};
    std::chrono::milliseconds save_period{600'000};
    std::chrono::hours least_observed{24};  ///< for there to be a sizing
};

/// Measures the demand for the numbers of this process's pools, from what the store counts, and
/// keeps it: in memory, and in `<directory>/<pool id>.demand` for each pool (see
/// ops::decode_demand). A pool has a file of its own so that it goes with it where another shard
/// becomes the owner. What was measured since the last save is lost when the process is killed.
/// Belongs to one reactor.
class DemandRecorder {
  public:
    struct Parts {
        runtime::Scheduler& scheduler;
        runtime::HelperThread& helper;  ///< reads and writes the files
        const ringpool::Catalog& catalog;
        Log& log;
        /// What has been counted of this pool; nothing where it is not this process's to count.
        std::function<std::optional<ringpool::PoolCounters>(ringpool::PoolIndex)> counters;
        /// How many numbers a pool of this process has. May be null: then there are no sizings.
        std::function<std::size_t(ringpool::PoolIndex)> numbers;
        /// Nothing: what was measured is forgotten with the process.
        std::optional<std::filesystem::path> directory;
    };
    /// All that is passed must outlive this.
    DemandRecorder(Parts parts, const DemandOptions& options);

    /// Suspends. Reads what was kept of the pools that the catalog has. A file that is no good is
    /// told to the log, and replaced later on. To be called once, before anybody is served.
    void load();
    /// Suspends. Measures from load() on until stop() is called; saves what there is then, and
    /// returns.
    void run();
    void stop() noexcept;

    /// Up to now; empty where the pool is not this process's. Does not suspend.
    std::vector<ops::DemandHour> demand(std::string_view pool_id);
    /// What follows from it, as it was when all was saved last, or when the size of the pool was
    /// seen to have changed: that is good enough for metrics, and cheap. Nothing where too little
    /// was known then. Does not suspend.
    const ops::PoolSizing* sizing(std::string_view pool_id) const noexcept;

  private:
    struct Entry {
        std::string pool_id;  ///< empty: there is none of this index
        ops::PoolDemand demand;
        ringpool::PoolCounters counted;  ///< up to:
        SteadyTime sampled;
        std::optional<std::size_t> sized;  ///< with how many numbers; nothing: never
        std::optional<ops::PoolSizing> sizing;
        bool changed = false;  ///< since it was saved
    };

    std::filesystem::path path_of(const std::string& pool_id) const;
    ops::PoolDemand read(const std::string& pool_id);
    void begin(ringpool::PoolIndex pool, const ringpool::PoolCounters& counters,
               ops::PoolDemand before);
    void sample(ringpool::PoolIndex pool);
    void sample_all();
    void forget_removed();
    void save();
    Result<void> save(ringpool::PoolIndex pool);
    void reckon(bool all);
    void tell(const std::string& problem);

    const Parts parts_;
    const DemandOptions options_;
    store::Disk disk_;
    std::vector<Entry> entries_;        ///< by PoolIndex
    std::vector<std::string> removed_;  ///< pools whose files are to go
    std::string told_;                  ///< the problem that was told last
    runtime::Event loaded_;             ///< or told to stop
    runtime::Event told_to_stop_;
};

}  // namespace ringmaster::app
