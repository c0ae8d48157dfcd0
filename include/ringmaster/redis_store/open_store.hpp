#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/session_hash.hpp"

#include <optional>

namespace ringmaster::redis_store {

/// Suspends, and waits for Redis until the deadline; a refusal of what the client asks, such as a
/// wrong password, is no reason to wait. Sees to it that the functions are there, and begins the
/// store where nobody has: with `secret`, or else with one that is drawn at random. Returns the
/// secret that counts, the key of the session hashes in all daemons. ErrorCode::invalid where the
/// data is of a format that this program does not know, else as Client::call().
Result<ringpool::SessionHasher::Key> open_store(
    FunctionCaller& functions, Deadline deadline,
    const std::optional<ringpool::SessionHasher::Key>& secret = {});

}  // namespace ringmaster::redis_store
