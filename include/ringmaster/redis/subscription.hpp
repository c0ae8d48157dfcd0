#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/server.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::redis {

struct SubscriptionOptions {
    std::string channel;
    std::size_t max_unheard =
        1'000;  ///< messages; beyond that all are dropped, and connected() called
};

/// One channel (SUBSCRIBE) over a connection of its own, which is made again when it is lost. Has
/// fibers of its own.
class Subscription {
  public:
    /// Whom to ask now. May suspend. An error is as good as a failed attempt to connect.
    using Where = std::function<Result<ServerAddress>(Deadline deadline)>;

    /// Begins at once. `connected` is called each time after which messages are sure to be heard,
    /// `heard` for each one; both in a fiber of the subscription, in which they may suspend.
    Subscription(runtime::Scheduler& scheduler, Connect connect, Where where,
                 ServerOptions server_options, SubscriptionOptions options,
                 std::function<void()> connected, std::function<void(std::string_view)> heard,
                 Log& log);
    /// stop() must have returned.
    ~Subscription();

    /// Suspends until the fibers have ended. What they call is cancelled.
    void stop();

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace ringmaster::redis
