#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/status_feed.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"

#include <string_view>

namespace ringmaster::api {

/// The page, whole: with its style and script, and nothing to be fetched besides.
std::string_view status_page() noexcept;

/// The endpoints by which people see how the daemon is, live.
class StatusApi {
  public:
    /// Both must outlive the router.
    StatusApi(const AdminAccess& admin, ReadAccess access, StatusFeed& feed);

    /// Adds the routes below to `router`, which must not outlive this.
    void register_routes(http::Router& router) const;

    /// GET /status: a page that shows what the stream tells.
    void page(http::Response& response) const;
    /// GET /status/stream: as StatusFeed::watch().
    void stream(http::Response& response) const { feed_.watch(response); }

  private:
    const AdminAccess& admin_;
    const ReadAccess access_;
    StatusFeed& feed_;
};

}  // namespace ringmaster::api
