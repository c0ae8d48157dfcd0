#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/neighbours.hpp"
#include "ringmaster/store/portions.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// ErrorCode::not_found, for people.
Error no_such_pool(std::string_view id);

/// How this process's pools stand. Changes nothing, and goes through a large pool in portions.
class PoolInspection {
  public:
    /// Everything must outlive this.
    PoolInspection(runtime::Reactor& reactor, const ringpool::Catalog& catalog, Holdings& holdings,
                   const HoldClock& clock, Portions& portions) noexcept
        : reactor_(reactor),
          catalog_(catalog),
          holdings_(holdings),
          clock_(clock),
          portions_(portions) {}

    /// The pool with this id, where there is one and its numbers are here.
    std::optional<ringpool::PoolIndex> find(std::string_view id) const;

    /// As PoolAdministration::numbers() and figures(): suspend; ErrorCode::not_found where find()
    /// finds nothing.
    Result<ringpool::NumberPage> numbers(std::string_view id, std::size_t from,
                                         std::size_t max) const;
    Result<ringpool::PoolFigures> figures(std::string_view id) const;

    /// Suspends where there are many. What is known here of these numbers, in their order; nothing
    /// of those that are in no pool and that nobody has had. The caller sees to it that no number
    /// comes or goes meanwhile.
    std::vector<NumberKnowledge> look_up(std::span<const ringpool::PhoneNumber> numbers) const;

  private:
    WallTime hold_now() const noexcept { return clock_.at(reactor_.scheduler().now()); }

    runtime::Reactor& reactor_;
    const ringpool::Catalog& catalog_;
    Holdings& holdings_;
    const HoldClock& clock_;
    Portions& portions_;
};

}  // namespace ringmaster::store
