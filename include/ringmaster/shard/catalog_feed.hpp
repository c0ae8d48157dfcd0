#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// Keeps this process's catalog what the pools' files say, whichever process changes them. Of the
/// pools that this process owns the catalog is its store's business, and left alone here.
///
/// The files hold the truth, and the shared page says only that it is another one now: it has a
/// *version*, the number of changes so far, and the ids of the last of them. Who changes a pool
/// writes its file, and then announces it. Whoever finds the version to be another one than that of
/// his catalog reads the files of the pools that have changed since; where he is too far behind, or
/// is overtaken while he reads the ids, the files of all.
///
/// One process at a time changes pools (see ShardNeighbours), and says so in the page while it
/// does. If it dies of that, nobody knows which files it has written. The next one finds its mark,
/// and raises the version so far that everybody reads all files. Until then, what was written may
/// go unnoticed; so a process that is started should begin one change, even if it has none to make.
class CatalogFeed {
  public:
    /// Where definitions are read. Both suspend, and are to read files on a thread of their own.
    struct Files {
        /// ErrorCode::not_found: there is no such pool.
        std::function<Result<ringpool::PoolDefinition>(std::string_view id)> load;
        /// The ids of all pools.
        std::function<Result<std::vector<std::string>>()> list;
    };
    /// For so long after a failure nobody tries again: each request would.
    static constexpr std::chrono::milliseconds kRetryAfter{100};

    /// To be made *before* pools are loaded into `catalog`: what changes in between is read twice
    /// rather than never. All that is passed by reference must outlive this.
    CatalogFeed(runtime::Scheduler& scheduler, SharedPage& page, ringpool::Catalog& catalog,
                const Placement& placement, ShardIndex self, Files files);

    /// Whether the catalog is up to date: one load. To be asked before each request.
    bool current() const noexcept { return version() == applied_; }

    /// Suspends, unless it is. Brings the catalog up to the version at the time of the call: one
    /// fiber reads, to the end once it has begun, and the others wait for it. ErrorCode::timeout
    /// where it is still at it at `deadline`; what load() and list() fail with, where one does: the
    /// pools that could be read are up to date then, and the others as they were.
    Result<void> catch_up(Deadline deadline);

    // With the right to change pools:

    /// To be called before anything is changed, and before catch_up(), which then brings about that
    /// nobody else's change is missing.
    void begin_change() noexcept;
    /// `id`'s file is another one now, or gone. This process's catalog knows already, or will
    /// before anybody else runs.
    void announce(std::string_view id) noexcept;
    /// Every file is whole, and what has changed was announced.
    void end_change() noexcept;

  private:
    std::uint64_t version() const noexcept {
        return page_.contents().catalog_version.load(std::memory_order_acquire);
    }
    std::optional<std::vector<std::string>> changed_since(std::uint64_t version) const;
    Result<void> read_all();
    Result<void> read(std::span<const std::string> ids);
    Result<void> read(std::string_view id);
    bool owns(std::string_view id) const noexcept { return placement_.owner(id) == self_; }

    runtime::Scheduler& scheduler_;
    SharedPage& page_;
    ringpool::Catalog& catalog_;
    const Placement placement_;
    const ShardIndex self_;
    const Files files_;
    std::uint64_t applied_;  ///< the version of which the catalog is
    runtime::Mutex reading_;
    std::optional<Error> failure_;  ///< of the last reading
    SteadyTime retry_at_{};
};

}  // namespace ringmaster::shard
