#pragma once

#include "ringmaster/api/admin_access.hpp"
#include "ringmaster/api/api_error.hpp"
#include "ringmaster/api/event_hub.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::api {

struct EventsApiOptions {
    EventHubOptions hub;
    /// After so long without an event a comment is sent, and how far all was looked through.
    std::chrono::milliseconds ping{15'000};
};

/// What happens to numbers, told to call routing systems while it happens: GET /events, for the
/// administrator alone, an event stream (text/event-stream; WHATWG HTML, 9.2).
///
/// pool=ID, any number of times, for some pools alone; type=allocation,overflow,release, which is
/// what is told without it, or touch besides. After a disconnection a browser says where it was by
/// itself (Last-Event-ID), and others may with after=ID.
///
/// Events are named allocation, touch, overflow, release, and lost; see append_event_data().
class EventsApi {
  public:
    /// How long browsers wait before they connect anew.
    static constexpr std::chrono::milliseconds kRetry{1'000};
    /// Of events in one write.
    static constexpr std::size_t kWriteBytes = 64u << 10;

    /// All that is passed by reference, and the sources, must outlive this.
    EventsApi(const AdminAccess& access, const ringpool::Catalog& catalog,
              runtime::Scheduler& scheduler, std::vector<ringpool::EventSource*> sources,
              EventsApiOptions options);
    EventsApi(const EventsApi&) = delete;
    EventsApi& operator=(const EventsApi&) = delete;

    /// Adds the route to `router`, which must not outlive this.
    void register_routes(http::Router& router);

    /// Suspends, until the client leaves or stop() is called. ErrorClass::invalid_input where the
    /// query is no good; ServiceUnavailable where there are as many readers as may be.
    void follow(const http::Request& request, http::Response& response);

    /// Suspends. All streams end, after what is being sent; no new one begins.
    void stop() { hub_.stop(); }
    std::size_t readers() const noexcept { return hub_.readers(); }

  private:
    struct Wish {
        EventFilter filter;
        std::optional<ringpool::EventPositions> after;
    };
    std::optional<ApiError> read_wish(const http::Request& request, Wish& wish) const;
    std::optional<ApiError> read_position(std::string_view name, std::string_view text,
                                          Wish& wish) const;
    void send_events(EventHub::Reader& reader, http::Response& response);

    const AdminAccess& access_;
    const ringpool::Catalog& catalog_;
    runtime::Scheduler& scheduler_;
    const EventsApiOptions options_;
    EventHub hub_;
};

}  // namespace ringmaster::api
