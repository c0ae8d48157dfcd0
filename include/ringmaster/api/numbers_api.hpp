#pragma once

#include "ringmaster/api/batch_allocator.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <string>
#include <string_view>

namespace ringmaster::api {

/// The endpoints that hand numbers out and take them back. All handlers run in fibers of one
/// scheduler; what a request needs across a suspension is its own.
class NumbersApi {
  public:
    /// All that is passed must outlive this. `clock` is the one that drives `scheduler`: time there
    /// stands still within a turn, but clients are told how long they really waited.
    NumbersApi(const ringpool::Catalog& catalog, ringpool::Store& store,
               const runtime::Scheduler& scheduler, const Clock& clock, ErrorReporter& errors,
               const ApiLimits& limits);
    NumbersApi(const NumbersApi&) = delete;
    NumbersApi& operator=(const NumbersApi&) = delete;

    /// Adds the routes below to `router`, which must not outlive this.
    void register_routes(http::Router& router);

    /// Suspends. POST /numbers: a number for each row of the body.
    void allocate_batch(const http::Request& request, http::Response& response);
    /// Suspends. GET /numbers: one number for what the query says.
    void allocate_one(const http::Request& request, http::Response& response);
    /// Suspends. DELETE /numbers/{e164}: whoever the query names gives that number back. The same
    /// parameters name a session here as in allocate_one().
    void release(const http::Request& request, std::string_view e164, http::Response& response);

  private:
    ringpool::Store& store_;
    const runtime::Scheduler& scheduler_;
    NumbersReader reader_;
    NumbersWriter writer_;
    BatchAllocator allocator_;
};

}  // namespace ringmaster::api
