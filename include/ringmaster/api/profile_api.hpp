#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/http/router.hpp"

#include <functional>
#include <string>

namespace ringmaster::api {

/// What `ringmaster analyze` reads.
class ProfileApi {
  public:
    /// `collect` gives the profiles of all shards, as ops::append_profile() writes them; it may
    /// suspend. `access` must outlive the router.
    ProfileApi(const AdminAccess& access, std::function<std::string()> collect);

    /// Adds the route below to `router`, which must not outlive this.
    void register_routes(http::Router& router) const;

    /// Suspends. GET /profile: since each shard's start; text. Only for the administrator.
    void profile(http::Response& response) const;

  private:
    const AdminAccess& access_;
    std::function<std::string()> collect_;
};

}  // namespace ringmaster::api
