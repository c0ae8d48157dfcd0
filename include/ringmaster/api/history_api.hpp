#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstddef>
#include <string_view>

namespace ringmaster::api {

struct HistoryApiLimits {
    std::size_t max_holders = 1000;  ///< of one answer
};

/// The endpoints by which the administrator finds out to whom a call belongs, and has a session
/// forgotten. A holder is told as
///
///     {"pool", "session"?, "context": {...}, "allocated_at", "last_touch", "expires_at",
///      "free_at", "state": "held" | "cooling" | "past", "ended_at"?, "ended_seconds_ago"?}
///
/// with the state at the time asked for. Once the hold has ended by then, the last two say when and
/// how long before: whoever calls late is still told of. Of an erased one there is
/// `"erased": true` in place of session and context; of a lost one, `"lost": true`, and no pool
/// either. Times are UTC in milliseconds.
class HistoryApi {
  public:
    /// All that is passed must outlive this. Damaged history is reported to the scheduler's
    /// ErrorReporter.
    HistoryApi(const AdminAccess& access, ringpool::HoldHistory& history,
               runtime::Scheduler& scheduler, HistoryApiLimits limits);
    HistoryApi(const HistoryApi&) = delete;
    HistoryApi& operator=(const HistoryApi&) = delete;

    /// Adds the routes below, for the administrator alone, to `router`, which must not outlive
    /// this.
    void register_routes(http::Router& router);

    /// Suspends. GET /numbers/{e164}?at=TIME: the holder at that time, or where there was none the
    /// last one before, with "number" before all else; 404 where nobody had the number. With
    /// history=N, {"number", "holders": [...]} with the last N, newest first.
    ///
    /// TIME is Unix seconds or ISO 8601 with Z or an offset, either with up to nine digits of a
    /// fraction; without it, now. Because "+" is a blank in a query, so may be the offset's sign.
    void find_holder(const http::Request& request, std::string_view e164, http::Response& response);
    /// Suspends. DELETE /sessions/{session}: {"erased": how many records}.
    void erase_session(const http::Request& request, std::string_view session,
                       http::Response& response);

  private:
    const AdminAccess& access_;
    ringpool::HoldHistory& history_;
    runtime::Scheduler& scheduler_;
    const HistoryApiLimits limits_;
};

}  // namespace ringmaster::api
