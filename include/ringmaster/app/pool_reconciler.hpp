#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// Makes the pools of a running store what the configuration says of them, at start and at each
/// reload. Pools are created and changed, never deleted: those that the configuration does not
/// name, and the numbers of those that have no numbers_file, are the administrators' business.
///
/// A number may move from one pool to another, and an overflow number to or from one. So first the
/// numbers that leave any pool go, then all definitions are changed, and then numbers come.
class PoolReconciler {
  public:
    /// All must outlive the reconciler. What grows with the pools is done on `helper`.
    PoolReconciler(const ringpool::Catalog& catalog, ringpool::PoolAdministration& administration,
                   runtime::HelperThread& helper, Log& log);

    /// Suspends. `numbers` are those of the files of `pools`. Logs a line for each pool that has
    /// changed. What the store refuses, e.g. a number of a pool that only administrators know, is
    /// logged, and the rest applied. Fails, with a part applied, where the store does not work.
    Result<void> apply(const std::vector<PoolConfig>& pools, NumberFiles numbers);

  private:
    /// What has happened to one pool.
    struct Change {
        bool missing = false;  ///< the store has lost the pool, which the catalog still has
        bool created = false;
        bool redefined = false;
        bool refused = false;  ///< its definition: the pool stays as it was
        std::size_t added = 0;
        std::size_t removed = 0;
        std::size_t draining = 0;

        void count(const ringpool::NumbersChange& numbers) noexcept;
    };

    using Numbers = std::vector<ringpool::PoolNumber>;

    Result<void> remove_numbers(std::string_view id, const Numbers& wanted, Change& change);
    Result<void> define(const ringpool::PoolDefinition& definition, Change& change);
    Result<void> set_numbers(std::string_view id, Numbers wanted, Change& change);
    void tell_refused(std::string_view id, const ringpool::NumbersChange& numbers);
    void tell(std::string_view id, const Change& change);

    const ringpool::Catalog& catalog_;
    ringpool::PoolAdministration& administration_;
    runtime::HelperThread& helper_;
    Log& log_;
};

}  // namespace ringmaster::app
