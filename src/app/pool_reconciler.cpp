#include "ringmaster/app/pool_reconciler.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

namespace ringmaster::app {
namespace {

using ringpool::PhoneNumber;
using ringpool::PoolDefinition;
using ringpool::PoolNumber;

constexpr std::size_t kPage = 10'000;  ///< numbers
constexpr std::size_t kMaxTold = 20;   ///< refused numbers of a pool

}  // namespace

PoolReconciler::PoolReconciler(const ringpool::Catalog& catalog,
                               ringpool::PoolAdministration& administration,
                               runtime::HelperThread& helper, Log& log)
    : catalog_(catalog), administration_(administration), helper_(helper), log_(log) {}

Result<void> PoolReconciler::apply(const std::vector<PoolConfig>& pools, NumberFiles numbers) {
    std::vector<Change> changes(pools.size());
    const auto for_each_pool = [&](auto step) -> Result<void> {
        for (std::size_t i = 0; i < pools.size(); ++i) {
            if (auto done = step(pools[i].definition, numbers.pools[i], changes[i]); !done) {
                return Error{done.error().code,
                             "pool " + pools[i].definition.id + ": " + done.error().message};
            }
        }
        return {};
    };
    auto done = for_each_pool([&](const auto& definition, const auto& wanted, Change& change) {
        return wanted ? remove_numbers(definition.id, *wanted, change) : Result<void>();
    });
    if (done) {
        done = for_each_pool([&](const auto& definition, const auto&, Change& change) {
            return define(definition, change);
        });
    }
    if (done) {
        done = for_each_pool([&](const auto& definition, auto& wanted, Change& change) {
            if (!wanted || change.refused) return Result<void>();
            return set_numbers(definition.id, *std::move(wanted), change);
        });
    }
    for (std::size_t i = 0; i < pools.size(); ++i) tell(pools[i].definition.id, changes[i]);
    return done;
}

/// Those that are not wanted (any more).
Result<void> PoolReconciler::remove_numbers(std::string_view id, const Numbers& wanted,
                                            Change& change) {
    if (!catalog_.find(id)) return {};
    std::unordered_set<PhoneNumber> stay;
    helper_.run([&] {
        stay.reserve(wanted.size());
        for (const PoolNumber& number : wanted) stay.insert(number.number);
    });
    ringpool::NumbersEdit edit;
    std::size_t from = 0;
    do {
        const auto page = administration_.numbers(id, from, kPage);
        if (!page && page.error().code == ErrorCode::not_found) {
            change.missing = true;
            return {};
        }
        if (!page) return page.error();
        helper_.run([&] {
            for (const auto& state : page->numbers) {
                const PhoneNumber number = state.number.number;
                if (!state.draining && !stay.contains(number)) edit.remove.push_back(number);
            }
        });
        from = page->next;
    } while (from != 0);
    if (edit.remove.empty()) return {};

    const auto edited = administration_.edit_numbers(id, std::move(edit));
    if (!edited) return edited.error();
    change.count(*edited);
    return {};
}

Result<void> PoolReconciler::define(const PoolDefinition& definition, Change& change) {
    const auto index = catalog_.find(definition.id);
    // Where nothing differs, nothing need be written.
    if (index && catalog_.at(*index) == definition && !change.missing) return {};
    const auto created = administration_.put_pool(definition);
    if (created) {
        (*created ? change.created : change.redefined) = true;
    } else if (created.error().code == ErrorCode::invalid) {
        change.refused = true;
        log_.error("pool " + definition.id +
                   ": its definition is refused: " + created.error().message);
    } else {
        return created.error();
    }
    return {};
}

/// Where some are refused, once more without them.
Result<void> PoolReconciler::set_numbers(std::string_view id, Numbers wanted, Change& change) {
    for (;;) {
        const auto set = administration_.set_numbers(id, wanted);
        if (!set && set.error().code == ErrorCode::invalid) {
            log_.error("pool " + std::string(id) +
                       ": its numbers are refused: " + set.error().message);
            return {};
        }
        if (!set) return set.error();
        change.count(*set);
        if (set->refused.empty()) return {};

        tell_refused(id, *set);
        helper_.run([&] {
            std::unordered_set<PhoneNumber> refused;
            for (const auto& refusal : set->refused) refused.insert(refusal.number);
            std::erase_if(wanted, [&](const PoolNumber& n) { return refused.contains(n.number); });
        });
    }
}

void PoolReconciler::tell_refused(std::string_view id, const ringpool::NumbersChange& numbers) {
    const std::string pool = "pool " + std::string(id) + ": ";
    const std::size_t told = std::min(numbers.refused.size(), kMaxTold);
    for (std::size_t i = 0; i < told; ++i) {
        const auto& refusal = numbers.refused[i];
        log_.warning(pool + refusal.number.e164() + " is refused: " + refusal.reason);
    }
    if (told < numbers.refused.size()) {
        log_.warning(pool + std::to_string(numbers.refused.size() - told) + " more are refused");
    }
}

void PoolReconciler::tell(std::string_view id, const Change& change) {
    std::string text;
    const auto add = [&](const std::string& part) {
        text.append(text.empty() ? "" : ", ") += part;
    };
    if (change.created) add("created");
    if (change.redefined) add("definition changed");
    if (change.added + change.removed + change.draining > 0) {
        add(std::to_string(change.added) + " numbers added");
        add(std::to_string(change.removed) + " removed");
        add(std::to_string(change.draining) + " draining");
    }
    if (!text.empty()) log_.info("pool " + std::string(id) + ": " + text);
}

void PoolReconciler::Change::count(const ringpool::NumbersChange& numbers) noexcept {
    added += numbers.added.size();
    removed += numbers.removed.size();
    draining += numbers.draining.size();
}

}  // namespace ringmaster::app
