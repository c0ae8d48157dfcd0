#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace ringmaster::store_contract {

/// What a process that serves a store's data offers. Good until that process ends.
struct Process {
    ringpool::Store* store;
    ringpool::PoolAdministration* pools;
    ringpool::HoldHistory* history;
    const ringpool::Catalog* catalog;
};

/// A store with all that it needs, as the contract suite sees it: which kind of store it is, the
/// suite must not know. Begins without any pool, with a history of 90 days, and with room for 100
/// pools of 10,000 numbers and for rows of 140,000 bytes. Destroying it ends everything.
class StoreWorld {
  public:
    virtual ~StoreWorld() = default;

    /// Precondition: i < WorldKind::processes.
    virtual Process process(std::size_t i) = 0;
    /// That of all processes, which runs only when a test makes it run. Good until they end.
    virtual runtime::Reactor& reactor() = 0;

    /// The time, for the store and for civil time alike: an answer given at `t` has times reckoned
    /// from `t` to the millisecond. Goes on by leap(), perhaps by some milliseconds with restart()
    /// and crash(), and not otherwise.
    virtual WallTime now() = 0;
    /// Not while the reactor runs.
    virtual void leap(std::chrono::milliseconds by) = 0;

    /// All processes end in good order, and so does what stores their data; then all come back.
    virtual void restart() = 0;
    /// The same, but they are killed, and everything that was acknowledged must be there again.
    virtual void crash() = 0;

    /// Until each process knows of all pools what the others have changed.
    virtual void catch_up() {}

    /// How many steps a walk at random may take here in a second or so.
    virtual unsigned long walk_steps() const = 0;
};

/// How to make a world.
struct WorldKind {
    std::string name;  ///< letters, digits and underscores
    std::function<std::unique_ptr<StoreWorld>()> make;
    std::size_t processes = 1;  ///< that serve the same data side by side
    friend void PrintTo(const WorldKind& kind, std::ostream* out) { *out << kind.name; }
};

/// The worlds in which a program of tests runs the suite: each program has a contract_world.cpp
/// with its own.
std::vector<WorldKind> worlds();

}  // namespace ringmaster::store_contract
