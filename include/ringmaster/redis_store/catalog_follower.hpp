#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/reply.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis_store {

/// Keeps this process's catalog what Redis says, whichever machine changes it. Of a change it
/// learns by a message; and because messages get lost, by asking for the catalog's version every
/// now and then, and from the store, to which a pool has answered with another version than
/// expected.
///
/// A definition that can't be read is told and left as it was. Pools go when they were removed: not
/// where Redis has lost them, so that requests still get their overflow numbers.
class CatalogFollower {
  public:
    struct Options {
        std::chrono::milliseconds catalog_period{1000};  ///< between two looks at the version
        /// Called, and may suspend, where Redis has no pool any more: it has been started anew
        /// without its data, so the store has to be begun again. May be empty.
        std::function<Result<void>(Deadline)> lost = {};
    };
    /// All that is passed by reference must outlive this.
    CatalogFollower(runtime::Reactor& reactor, FunctionCaller& functions,
                    ringpool::Catalog& catalog, Log& log, Options options);
    CatalogFollower(const CatalogFollower&) = delete;
    CatalogFollower& operator=(const CatalogFollower&) = delete;

    /// Suspends. Reads all pools, and goes on following them in a fiber of its own. Where Redis
    /// can't be reached that fails, and nothing has begun.
    Result<void> start(Deadline deadline);
    /// Suspends until that fiber has ended. The client, from which messages come, must have stopped
    /// before this is destroyed.
    void stop();

    /// Does not suspend. The pool has answered that it is gone, or has another version than
    /// version(): reads its definition soon. May be asked at each request.
    void look_again(ringpool::PoolIndex pool);
    /// Suspends until the catalog has what Redis now says of this pool.
    Result<void> catch_up(std::string_view id, Deadline deadline);

    /// Of the definition in the catalog; 0 where Redis has none.
    std::uint64_t version(ringpool::PoolIndex pool) const noexcept {
        return pool < versions_.size() ? versions_[pool] : 0;
    }

  private:
    void follow();
    Result<void> read_catalog(Deadline deadline);
    Result<void> read(std::span<const std::string> ids, Deadline deadline);
    void take(const std::string& id, const redis::Reply& answer);
    void put(const std::string& id, std::string_view definition, std::uint64_t version);
    void remove(const std::string& id);
    void heard(std::string_view id);
    void wake_for(std::string id);
    void tell(const Result<void>& done);

    runtime::Reactor& reactor_;
    FunctionCaller& functions_;
    ringpool::Catalog& catalog_;
    Log& log_;
    const Options options_;

    std::string catalog_version_;  ///< of which all pools have been read; empty: none
    /// The version of each pool's definition that was read last, readable or not.
    std::map<std::string, std::uint64_t, std::less<>> known_;
    std::vector<std::uint64_t> versions_;  ///< by index

    std::set<std::string, std::less<>> lost_;    ///< by Redis, and that has been told
    std::set<std::string, std::less<>> wanted_;  ///< to be read next
    bool catalog_wanted_ = false;
    bool failing_ = false;  ///< and that has been told
    bool stopping_ = false;
    runtime::Event wake_;
    runtime::Event ended_;    ///< set while nobody follows
    runtime::Mutex reading_;  ///< so that what was read first is not put last
};

}  // namespace ringmaster::redis_store
