#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/migrate/image.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/session_hash.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::migrate {

/// A store that is read as it stands; nobody uses it meanwhile. Calls may suspend or block, as the
/// store does that is behind it.
class Source {
  public:
    virtual ~Source() = default;

    /// The key of the session hashes: whoever goes on with the numbers must have it, too.
    virtual Result<ringpool::SessionHasher::Key> secret() = 0;
    /// Changes when anything in the store does that can be moved.
    virtual std::string fingerprint() const = 0;
    /// How far the civil time that is told in images is ahead of the store's own. Measured once, so
    /// it may be a little off; whoever reads a store twice must set it to what it was before.
    virtual std::chrono::milliseconds ahead() const noexcept = 0;
    virtual void set_ahead(std::chrono::milliseconds ahead) noexcept = 0;
    /// In order of id.
    virtual Result<std::vector<ringpool::PoolDefinition>> pools() = 0;

    struct Page {
        std::vector<NumberImage> numbers;
        std::uint64_t next = 0;  ///< 0: there are no more
    };
    /// Some numbers of the pool from a page's `next` on, always in the same order; 0 begins. Those
    /// that drained and have left are among them, as long as the store has not let go of them.
    virtual Result<Page> numbers(const ringpool::PoolDefinition& pool, std::uint64_t from) = 0;
};

/// A store that is filled, and is not used before finish(). Calls may suspend or block.
class Target {
  public:
    virtual ~Target() = default;

    /// Begins, or goes on with what was begun with the same fingerprint; returns the `ahead` with
    /// which that was. ErrorCode::invalid where something else is there already.
    virtual Result<std::chrono::milliseconds> begin(const ringpool::SessionHasher::Key& secret,
                                                    std::string_view fingerprint,
                                                    std::chrono::milliseconds ahead) = 0;
    struct Resumed {
        bool complete = false;   ///< all of the pool is there
        std::uint64_t from = 0;  ///< where in the source to go on
    };
    virtual Result<Resumed> begin_pool(const ringpool::PoolDefinition& pool) = 0;
    /// Adds the numbers of one page, durably as the store is. `next` is the page's.
    virtual Result<void> add(const ringpool::PoolDefinition& pool,
                             std::span<const NumberImage> numbers, std::uint64_t next) = 0;
    /// All pools are there, and can be used.
    virtual Result<void> finish() = 0;
};

struct Progress {
    std::size_t pool = 0;  ///< how many are done
    std::size_t pools = 0;
    std::string_view pool_id;   ///< the one in work
    std::uint64_t numbers = 0;  ///< moved in this run
};

/// Moves all pools with their numbers, holds and history. Of a hold's contexts the last one is
/// moved. `tell` is called for each page.
Result<void> move_all(Source& source, Target& target,
                      const std::function<void(const Progress&)>& tell);

/// All of a store, for comparison with another.
Result<Digest> digest_of(Source& source, const std::function<void(const Progress&)>& tell);

}  // namespace ringmaster::migrate
