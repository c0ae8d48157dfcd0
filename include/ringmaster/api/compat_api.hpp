#pragma once

#include "ringmaster/api/batch_allocator.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// The endpoints of Invoca's RingPool API and Bulk RingPool API, for clients that were written for
/// those. They know no session: the same parameters, in any order, have the same number.
///
/// In answers, promo_number is the national number where the country code is 1, else E.164, and
/// tracking_url is the pool's template with promo_number, percent-encoded, for each "{number}".
///
/// The {date} of a path names a version of those interfaces. Any yyyy-mm-dd is taken for the same;
/// what does not look like one is 404.
class CompatApi {
  public:
    /// As NumbersApi::NumbersApi().
    CompatApi(const ringpool::Catalog& catalog, ringpool::Store& store,
              const runtime::Scheduler& scheduler, const Clock& clock, ErrorReporter& errors,
              const ApiLimits& limits);
    CompatApi(const CompatApi&) = delete;
    CompatApi& operator=(const CompatApi&) = delete;

    /// Adds the routes below to `router`, which must not outlive this.
    void register_routes(http::Router& router);

    /// Suspends. POST /api/{date}/bulk.json: a number for each row of the body.
    void allocate_bulk(const http::Request& request, std::string_view date,
                       http::Response& response);

    enum class Format : std::uint8_t { json, xml, csv };
    /// Suspends. GET /api/{date}/ring_pools/{pool}/allocate_number.{json|xml|csv}: one number for
    /// what the query says. Errors have the status that they have for GET /numbers, and are XML or
    /// plain text.
    void allocate_number(const http::Request& request, std::string_view date, std::string_view pool,
                         Format format, http::Response& response);

  private:
    std::string_view tracking_url(const ringpool::PoolDefinition& pool,
                                  ringpool::PhoneNumber number);
    void append_row(std::string& out, const NumbersWriter::RequestId& request_id,
                    const ringpool::PoolDefinition& pool, const ringpool::Allocation& answer);
    void write_number(Format format, const ringpool::PoolDefinition& pool,
                      const ringpool::Allocation& answer, http::Response& response);

    NumbersReader reader_;
    BatchAllocator allocator_;
    std::string tracking_url_;  ///< the last one made: never needed across a suspension
};

}  // namespace ringmaster::api
