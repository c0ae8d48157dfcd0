#pragma once

#include "ringmaster/base/histogram.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/time_profile.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace ringmaster::http {

/// Counts answers, and measures how long their handlers took and where that time went: two readings
/// of the clock and some additions for each request. Belongs to one reactor.
class RequestMeter {
  public:
    /// Requests that are counted together.
    struct Group {
        std::string_view name;
        Histogram durations;  ///< from the handler's begin to its end; streamed answers don't count
        /// By the first digit of the status: answers[2] is how many were 200 to 299.
        std::array<std::uint64_t, 6> answers{};
    };
    /// A part of a group whose times are told apart.
    struct Endpoint {
        std::string_view name;
        std::size_t group = 0;  ///< an index
        /// As Group::durations; what queue_time() has found out is the time in a queue.
        runtime::TimeProfile times;
    };
    /// An endpoint's name, and its group's index.
    struct EndpointName {
        std::string_view name;
        std::size_t group;
    };
    /// Which of the endpoints a request belongs to, an index. Called for each; must not throw.
    using EndpointOf = std::size_t (*)(const Request&) noexcept;

    /// All names must outlive this, and so must `scheduler`.
    RequestMeter(runtime::Scheduler& scheduler, const std::vector<std::string_view>& groups,
                 const std::vector<EndpointName>& endpoints, EndpointOf endpoint_of);

    /// The layer that counts: the answer is the one that the layers inside of it leave, so one that
    /// makes answers of exceptions belongs there. A handler that throws all the same is not
    /// counted. This must outlive the layer. Handlers run in fibers: outside of one no time passes.
    Middleware layer();

    std::size_t size() const noexcept { return groups_.size(); }
    const Group& group(std::size_t i) const noexcept { return *groups_[i]; }
    std::size_t endpoints() const noexcept { return endpoints_.size(); }
    const Endpoint& endpoint(std::size_t i) const noexcept { return *endpoints_[i]; }

  private:
    runtime::Scheduler& scheduler_;
    const EndpointOf endpoint_of_;
    std::vector<std::unique_ptr<Group>> groups_;  ///< each is large
    std::vector<std::unique_ptr<Endpoint>> endpoints_;
};

}  // namespace ringmaster::http
