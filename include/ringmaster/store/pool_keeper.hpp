#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// The pools of the embedded store: a change is checked, then written, then made in memory, in
/// portions, so that requests are served all the while. What takes longest, finding out what is to
/// be done and writing it, runs on a thread of its own.
///
/// That thread reads the catalog and the holdings without a lock. It may, because only this class
/// ever changes the definitions, which numbers there are, where they are and whether they drain;
/// and it never does so while the thread is at work.
///
/// A draining number whose time is over has left: nobody is told of it any more. But it stands in
/// its pool's file, and so in memory, until that file is written again: at the next change of the
/// pool's numbers, or before another pool takes it. So no two files ever name one number.
class PoolKeeper final : public ringpool::PoolAdministration {
  public:
    struct Limits {
        std::size_t max_pools;
        std::size_t max_numbers;  ///< of one pool
    };
    /// Everything must outlive this. Calls pass through `gate`, which is closed when no more are
    /// allowed.
    PoolKeeper(runtime::Reactor& reactor, PoolFiles files, ringpool::Catalog& catalog,
               Holdings& holdings, const HoldClock& clock, runtime::Gate& gate, Limits limits);

    /// Puts what the files say into a catalog and holdings that are empty. ErrorCode::damaged where
    /// a number is in two files or twice in one, or a pool's overflow number is some pool's number;
    /// else as PoolFiles::load(). Blocks.
    static Result<void> load(const PoolFiles& files, ringpool::Catalog& catalog,
                             Holdings& holdings);

    Result<bool> put_pool(ringpool::PoolDefinition definition) override;
    Result<void> remove_pool(std::string_view id) override;
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override;
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override;
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override;
    Result<ringpool::PoolFigures> figures(std::string_view id) override;

  private:
    struct Edit;
    struct Plan;
    /// The right to make a change.
    struct Permit {
        runtime::Gate::Pass pass;
        runtime::Mutex::Lock lock;
    };

    Result<Permit> begin();
    Result<void> make_sure();

    Result<ringpool::NumbersChange> change(std::string_view id, const Edit& edit);
    Plan make_plan(ringpool::PoolIndex pool, const Edit& edit) const;
    std::vector<ringpool::PoolIndex> look_elsewhere(Plan& plan);
    void let_leave(Plan& plan);
    Result<void> write(Plan& plan);
    ringpool::NumbersChange apply(Plan& plan);
    Result<void> sweep(ringpool::PoolIndex pool);

    StoredPool stored(ringpool::PoolIndex pool) const;
    std::string_view id_of(ringpool::PoolIndex pool) const { return catalog_.at(pool).id; }
    bool has_left(const ringpool::Slot& slot) const noexcept {
        return slot.draining && slot.eligible_at <= hold_now();
    }
    WallTime hold_now() const noexcept { return clock_.at(reactor_.scheduler().now()); }

    template <class Step>
    void in_portions(std::size_t count, Step&& step);
    void let_others_run();
    void wake_the_patient() noexcept { patient_.notify_all(); }

    runtime::Reactor& reactor_;
    const PoolFiles files_;
    ringpool::Catalog& catalog_;
    Holdings& holdings_;
    const HoldClock& clock_;
    runtime::Gate& gate_;
    const Limits limits_;

    runtime::HelperThread helper_;
    runtime::Mutex mutex_;
    /// Whose file may not be what memory says, because writing it failed half-way.
    std::optional<std::string> unsure_;

    runtime::WaitQueue patient_;  ///< who has let others run
    runtime::Deferred next_turn_;
};

}  // namespace ringmaster::store
