#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstddef>
#include <map>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "number_claims.hpp"
#include "pool_access.hpp"

namespace ringmaster::redis_store {

/// One change of a pool's numbers, from beginning to end.
class NumberEdit {
  public:
    struct Parts {
        runtime::Scheduler& scheduler;
        FunctionCaller& functions;
        const ringpool::Catalog& catalog;
        std::minstd_rand& random;
        std::size_t max_numbers;  ///< of the pool
        std::size_t max_edit;     ///< numbers at once
    };
    NumberEdit(const Parts& parts, std::string pool) : parts_(parts), pool_(std::move(pool)) {}

    /// Suspends. As PoolAdministration::edit_numbers().
    Result<ringpool::NumbersChange> edit(const ringpool::NumbersEdit& edit);
    /// Suspends. As PoolAdministration::set_numbers().
    Result<ringpool::NumbersChange> set(std::span<const ringpool::PoolNumber> wanted);

  private:
    enum class Step : std::uint8_t { done, again };
    /// A number to be added, or to be removed.
    struct Item {
        ringpool::PoolNumber number;
        bool add;
    };

    Result<ringpool::NumbersChange> make(bool exactly);
    Result<Step> try_once(bool exactly);
    Result<void> find_difference();
    Result<Step> make_portion(PoolState& state, std::span<const Item> items,
                              const NumberClaims& claims);
    Result<void> check_room(const PoolState& state, std::span<const std::string> added);
    void refuse(std::span<const std::string> added, const NumberClaims& claims);
    std::string overflow_owner(ringpool::PhoneNumber number, std::string_view named) const;
    Error too_many(std::size_t numbers) const;

    const Parts parts_;
    const std::string pool_;
    std::span<const ringpool::PoolNumber> wanted_;  ///< of set()
    std::vector<Item> items_;                       ///< to be done, removals first
    std::size_t made_ = 0;                          ///< of them
    bool began_ = false;                            ///< something has been changed
    ringpool::NumbersChange change_;
};

}  // namespace ringmaster::redis_store
