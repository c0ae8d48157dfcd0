#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <string_view>

namespace ringmaster::redis_store {

/// The functions that run in the Redis server, as one text in Lua: what FUNCTION LOAD takes. What
/// they keep there is described at its beginning, functions/common.lua.
std::string_view function_library_text() noexcept;

/// Suspends. Sees to it that every primary has the functions in this revision or a later one. Fails
/// as Client::call_primaries() does, e.g. where a server is older than Redis 7 or its ACL forbids
/// FUNCTION LOAD.
Result<void> load_function_library(redis::Client& client, Deadline deadline);

/// The same for many who find out at the same time that a server has lost the functions.
class LibraryLoader {
  public:
    LibraryLoader(runtime::Scheduler& scheduler, redis::Client& client) noexcept
        : client_(client), ended_(scheduler) {}

    /// Suspends. Where somebody is loading it, waits for what comes of that.
    Result<void> load(Deadline deadline);

  private:
    redis::Client& client_;
    runtime::WaitQueue ended_;
    bool loading_ = false;
    Result<void> last_;
};

}  // namespace ringmaster::redis_store
