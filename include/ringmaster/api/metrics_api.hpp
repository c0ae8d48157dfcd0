#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"

#include <functional>
#include <string>

namespace ringmaster::api {

/// The endpoint for Prometheus.
class MetricsApi {
  public:
    /// `collect` gives the text, in the format that ops::MetricsText writes; it may suspend.
    /// `admin` must outlive the router.
    MetricsApi(const AdminAccess& admin, ReadAccess access, std::function<std::string()> collect);

    /// Adds the route below to `router`, which must not outlive this.
    void register_routes(http::Router& router) const;

    /// Suspends. GET /metrics: those of all shards, whichever is asked.
    void metrics(http::Response& response) const;

  private:
    const AdminAccess& admin_;
    const ReadAccess access_;
    std::function<std::string()> collect_;
};

}  // namespace ringmaster::api
