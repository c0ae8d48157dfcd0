#pragma once

#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <functional>

namespace ringmaster::api {

/// The endpoints by which load balancers and operators see whether this process is up. Plain text;
/// none of them suspends.
class HealthApi {
  public:
    /// `store` must outlive this. `draining` tells whether the server is about to go.
    HealthApi(const ringpool::Store& store, std::function<bool()> draining);

    /// Adds the routes below to `router`, which must not outlive this.
    void register_routes(http::Router& router) const;

    /// GET /ping: "pong", without allocating.
    void ping(http::Response& response) const;
    /// GET /healthz: the process is alive. Says nothing of the store: a restart would not mend it.
    void healthz(http::Response& response) const;
    /// GET /readyz: 200 where requests should be sent here, else 503 and why not.
    void readyz(http::Response& response) const;

  private:
    const ringpool::Store& store_;
    std::function<bool()> draining_;
};

}  // namespace ringmaster::api
