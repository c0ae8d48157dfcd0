#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// What all shards tell together, as one text, whichever of them is asked: metrics for Prometheus,
/// profiles for `ringmaster analyze`.
class ReportApi {
  public:
    struct Route {
        std::string_view path;
        std::string_view content_type;
        ReadAccess access;
    };
    /// `collect` gives the text; it may suspend. What `route` names, and `admin`, must outlive the
    /// router.
    ReportApi(const AdminAccess& admin, Route route, std::function<std::string()> collect);

    /// Adds it to `router`, which must not outlive this.
    void register_routes(http::Router& router) const;

    /// Suspends. Answers GET.
    void report(http::Response& response) const;

  private:
    const AdminAccess& admin_;
    const Route route_;
    std::function<std::string()> collect_;
};

}  // namespace ringmaster::api
