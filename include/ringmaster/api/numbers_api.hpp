#pragma once

#include "ringmaster/api/api_error.hpp"
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

#include <memory>
#include <string_view>
#include <vector>

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
    ~NumbersApi();
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
    struct Work;
    class Lease;

    std::optional<ApiError> allocate(std::string_view doing, Work& work);
    ApiError exhausted(const ringpool::AllocationRequest& request,
                       const ringpool::Allocation& allocation) const;
    void write_rows(const Work& work, const std::optional<ApiError>& failure, std::string& out);
    void add_processing_time(SteadyTime begin, http::Response& response) const;

    const ringpool::Catalog& catalog_;
    ringpool::Store& store_;
    const runtime::Scheduler& scheduler_;
    const Clock& clock_;
    ErrorReporter& errors_;
    NumbersReader reader_;
    NumbersWriter writer_;
    std::vector<std::unique_ptr<Work>> idle_;  ///< capacity reserved at construction
};

}  // namespace ringmaster::api
