#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ops/demand.hpp"
#include "ringmaster/ops/pool_advice.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace ringmaster::api {

struct AdviceApiOptions {
    std::chrono::hours least_observed{24};  ///< of demand, for there to be advice
    std::chrono::hours kept{168};           ///< of demand, at most
    bool sees_all =
        true;  ///< false: other machines, whose demand is not known here, may serve the pools too
};

/// The endpoints that tell the administrator how large a pool must be. Of a pool:
///
///     {"pool", "numbers": without those that leave it, "measured": "all" | "this machine",
///      "observed_hours", "needed_hours",
///      "mean_hold_seconds", "requests_per_session", "arrivals", "turned_away", "early_reissues",
///      "sizing": {
///          "busiest": {"hour", "arrivals_per_hour", "offered_erlangs", "blocking"},
///          "usual_peak": likewise, of the 95th percentile,
///          "numbers_for": {"0.01": N, "0.001": N, "0.0001": N}, "utilisation",
///          "missing": N, "spare": N,
///          "growth": {"erlangs_per_day", "hours_until_overflow" or null} or null
///      } or null,
///      "advice": a sentence}
///
/// with the terms of ops::PoolAdvice. "sizing" is null where too little is known; then the sentence
/// says what is.
class AdviceApi {
  public:
    /// Suspends.
    using DemandOf = std::function<Result<ops::PoolDemand>(std::string_view pool_id)>;

    /// All that is passed must outlive this. `helper` reckons: for the largest pools that takes
    /// some hundredths of a second.
    AdviceApi(const AdminAccess& access, const ringpool::Catalog& catalog,
              ringpool::PoolAdministration& pools, DemandOf demand, runtime::HelperThread& helper,
              AdviceApiOptions options);
    AdviceApi(const AdviceApi&) = delete;
    AdviceApi& operator=(const AdviceApi&) = delete;

    /// Adds the routes below, for the administrator alone, to `router`, which must not outlive
    /// this.
    void register_routes(http::Router& router);

    /// Suspends. GET /pools/{id}/advice
    void advise(std::string_view id, http::Response& response);
    /// Suspends. GET /advice: {"pools": [...]}. A pool of which nothing can be learnt now is told
    /// as {"pool", "problem": why}.
    void advise_all(http::Response& response);

  private:
    /// Suspends. Appends what is told of the pool; nothing is appended where it fails.
    Result<void> append_advice(std::string& out, std::string_view id);

    const AdminAccess& access_;
    const ringpool::Catalog& catalog_;
    ringpool::PoolAdministration& pools_;
    const DemandOf demand_;
    runtime::HelperThread& helper_;
    const AdviceApiOptions options_;
};

/// The sentence for people: "buy 12 numbers: ...".
std::string advice_text(const ops::PoolAdvice& advice, std::size_t numbers, bool sees_all = true);

}  // namespace ringmaster::api
