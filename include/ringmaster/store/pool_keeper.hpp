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
#include "ringmaster/store/neighbours.hpp"
#include "ringmaster/store/number_map.hpp"
#include "ringmaster/store/pool_files.hpp"
#include "ringmaster/store/pool_inspection.hpp"
#include "ringmaster/store/portions.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// The pools of the embedded store: a change is checked, then written, then made in memory, in
/// portions, so that requests are served all the while. What takes longest, finding out what is to
/// be done and writing it, runs on a thread of its own.
///
/// That thread reads the holdings without a lock. It may, because only this class ever changes
/// which numbers there are, where they are and whether they drain; and it never does so while the
/// thread is at work. The catalog, in which others put the pools of other processes at any time, it
/// never looks at.
///
/// A draining number whose time is over has left: nobody is told of it any more. But it stands in
/// its pool's file, and so in memory, until that file is written again: at the next change of the
/// pool's numbers, or before another pool takes it. So no two files ever name one number.
///
/// Other processes may have other pools of the same directory. Of all processes one at a time makes
/// changes: it has the neighbours' permit from before it looks until all is done. What it asks of
/// the others meanwhile, look_up() and sweep_left(), must not wait for a change there that itself
/// waits for the permit. So the mutex that keeps pools as they are is taken behind the permit, and
/// who waits for a permit holds another one. Should the first be held all the same, then by a
/// sweep that somebody asked for who did not wait for its end: it ends without the help of anyone.
class PoolKeeper final : public ringpool::PoolAdministration {
  public:
    struct Limits {
        std::size_t max_pools;    ///< of all processes together
        std::size_t max_numbers;  ///< of one pool
    };
    /// Suspends. Makes what other processes know of numbers that are in no pool of this one its
    /// own, where it is newer than what it knows itself: of several that tell of one number, the
    /// one touched last. When it returns that is on the disk, whatever the configuration: so is the
    /// file that will name the numbers.
    using Adopt = std::function<Result<void>(std::span<const NumberKnowledge>)>;

    /// What it works with. Everything must outlive this.
    struct Parts {
        runtime::Reactor& reactor;
        PoolFiles files;
        ringpool::Catalog& catalog;
        Holdings& holdings;
        const HoldClock& clock;
        runtime::Gate& gate;  ///< calls pass through it; it is closed when no more are allowed
        Neighbours& neighbours;
        Adopt adopt;
    };
    PoolKeeper(Parts parts, Limits limits);

    /// Changes are made of own pools only: ErrorCode::unavailable for those of other processes,
    /// which numbers() and figures() do not find.
    Result<bool> put_pool(ringpool::PoolDefinition definition) override;
    Result<void> remove_pool(std::string_view id) override;
    Result<ringpool::NumbersChange> edit_numbers(std::string_view id,
                                                 ringpool::NumbersEdit edit) override;
    Result<ringpool::NumbersChange> set_numbers(std::string_view id,
                                                std::vector<ringpool::PoolNumber> wanted) override;
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) override;
    Result<ringpool::PoolFigures> figures(std::string_view id) override;

    // For a process that holds the permit. Should it have given up waiting and lost that meanwhile,
    // no harm is done: what has left stays so, whoever asks.

    /// May suspend. What is known here of these numbers, in their order. ErrorCode::unavailable
    /// where the store is closed, or has only now put right the file of a change that failed:
    /// then the caller, who may have seen that file, must begin anew.
    Result<std::vector<NumberKnowledge>> look_up(std::span<const ringpool::PhoneNumber> numbers);
    /// Suspends. Writes the file of this own pool, if there is such a pool, without the numbers
    /// that have left it. ErrorCode::unavailable as above, and where it can't be written.
    Result<void> sweep_left(std::string_view pool_id);

  private:
    struct Edit;
    struct Plan;
    /// The right to look, between changes.
    struct Visit {
        runtime::Gate::Pass pass;
        runtime::Mutex::Lock lock;
    };
    /// The right to make a change.
    struct Permit {
        runtime::Gate::Pass pass;
        runtime::Mutex::Lock turn;
        std::unique_ptr<Neighbours::Permit> among_neighbours;
        runtime::Mutex::Lock lock;
    };

    Result<Permit> begin(std::string_view pool_id);
    Result<Visit> visit();
    Result<void> make_sure();

    Result<ringpool::NumbersChange> change(std::string_view id, const Edit& edit);
    Plan make_plan(ringpool::PoolIndex pool, const Edit& edit,
                   const NumberMap<std::string>& overflows) const;
    NumberMap<std::string> overflow_numbers() const;
    void look_elsewhere(Plan& plan);
    Result<void> ask_neighbours(Plan& plan);
    void let_leave(Plan& plan);
    Result<void> take_over(const Plan& plan);
    Result<void> write(Plan& plan);
    ringpool::NumbersChange apply(Plan& plan);
    Result<void> sweep(ringpool::PoolIndex pool);
    Result<void> claim_overflow(ringpool::PhoneNumber number);

    Result<void> check_owner(std::string_view pool_id) const;
    std::vector<StoredNumber> stored_numbers(ringpool::PoolIndex pool) const;
    std::string_view id_of(ringpool::PoolIndex pool) const { return parts_.catalog.at(pool).id; }
    bool left_already(const ringpool::Slot& slot) const noexcept {
        return has_left(slot, parts_.clock.at(parts_.reactor.scheduler().now()));
    }

    const Parts parts_;
    const Limits limits_;

    runtime::HelperThread helper_;
    Portions portions_;
    const PoolInspection inspection_;
    runtime::Mutex turn_;   ///< held by who waits for the neighbours' permit, or has it
    runtime::Mutex mutex_;  ///< held while pools are changed, or must not be
    /// Whose file may not be what memory says, because writing it failed half-way.
    std::optional<std::string> unsure_;
};

}  // namespace ringmaster::store
