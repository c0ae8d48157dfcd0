#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/pool_input.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace ringmaster::api {

struct PoolsApiLimits {
    std::size_t page_numbers = 1000;        ///< of one page, where the client does not say
    std::size_t max_page_numbers = 10'000;  ///< and where it does
    std::size_t max_refusals_told = 100;    ///< of one import; of the others only how many
};

/// The endpoints by which the administrator sees and changes pools and their numbers.
///
/// A pool is told as its definition, by the names of the configuration ("overflow_number" is null
/// where it has none), and as it stands:
///
///     {"id", "name", "key", "lifetime_seconds", "cooldown_seconds", "max_hold_seconds",
///      "allow_overflow", "overflow_number", "tracking_url", "default_region",
///      "figures": {"size", "held", "cooling", "free", "draining", "utilisation", "allocations",
///                  "new_holds", "releases", "overflows": {"exhausted", "owner_slow", "owner_down",
///                  "store_unavailable"}, "early_reissues"}}
///
/// where utilisation is (held + cooling) / size, and 0 without numbers. A change of numbers:
///
///     {"added": ["+1..."], "removed": [], "draining": [], "numbers": how many there are now}
///
/// and where something is refused, then nothing is changed:
///
///     {"error_class": "InvalidInput", "message",
///      "refused": [{"line" | "index" and "list", "text", "reason"}], "more": how many more}
///
/// with the line of a text from 1, or the index in an array from 0; neither where the number as
/// such is good, but may not be in this pool.
class PoolsApi {
  public:
    /// All that is passed must outlive this. `import_helper` reads what clients send: to check a
    /// number takes microseconds, and a body may hold 300,000.
    PoolsApi(const AdminAccess& access, const ringpool::Catalog& catalog,
             ringpool::PoolAdministration& pools, runtime::HelperThread& import_helper,
             PoolsApiLimits limits);
    PoolsApi(const PoolsApi&) = delete;
    PoolsApi& operator=(const PoolsApi&) = delete;

    /// Adds the routes below, for the administrator alone, to `router`, which must not outlive
    /// this.
    void register_routes(http::Router& router);

    /// Suspends. GET /pools: {"pools": [...]}, each without its key. Their figures are counted
    /// number by number, so this takes some nanoseconds for each number of all pools.
    void list_pools(http::Response& response);
    /// Suspends. GET /pools/{id}
    void show_pool(std::string_view id, http::Response& response);
    /// Suspends. PUT /pools/{id}: creates the pool (201) or changes its definition (200); what is
    /// left out has its default. A body as GET gives it, figures and all, changes nothing.
    void put_pool(const http::Request& request, std::string_view id, http::Response& response);
    /// Suspends. DELETE /pools/{id}
    void remove_pool(std::string_view id, http::Response& response);

    /// Suspends. GET /pools/{id}/numbers?limit=N&from=N: one page of
    /// {"numbers": [{"number", "formatted", "state", "draining"?, "free_at"?}], "next"?}, or with
    /// Accept: text/csv of lines "number,formatted,state". `next` is the `from` of the next page;
    /// the Link field names that page too (RFC 8288).
    void list_numbers(const http::Request& request, std::string_view id, http::Response& response);
    /// Suspends. PUT /pools/{id}/numbers: the pool shall have these numbers, and no others. The
    /// body is an array of strings, or with Content-Type text/plain or text/csv a list as
    /// import_numbers() reads it.
    void set_numbers(const http::Request& request, std::string_view id, http::Response& response);
    /// Suspends. POST /pools/{id}/numbers: adds those of a body like that.
    void add_numbers(const http::Request& request, std::string_view id, http::Response& response);
    /// Suspends. PATCH /pools/{id}/numbers: {"add": [...], "remove": [...]}, both at once.
    void edit_numbers(const http::Request& request, std::string_view id, http::Response& response);
    /// Suspends. DELETE /pools/{id}/numbers/{e164}: removes the number, or drains it while it is
    /// somebody's.
    void remove_number(std::string_view id, std::string_view e164, http::Response& response);

  private:
    using Reader = std::optional<ApiError> (*)(std::string_view body, std::string_view region,
                                               NumbersInput& out);

    std::optional<ringpool::NumbersEdit> read_list(const http::Request& request,
                                                   std::string_view id, http::Response& response);
    /// Suspends. What the body asks for, or nothing where the answer says why not.
    std::optional<ringpool::NumbersEdit> read(const http::Request& request, std::string_view id,
                                              Reader reader, http::Response& response);
    /// Suspends.
    void tell_change(std::string_view id, const Result<ringpool::NumbersChange>& changed,
                     http::Response& response);

    const AdminAccess& access_;
    const ringpool::Catalog& catalog_;
    ringpool::PoolAdministration& pools_;
    runtime::HelperThread& helper_;
    const PoolsApiLimits limits_;
};

}  // namespace ringmaster::api
