#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/resolver.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <functional>
#include <memory>

namespace ringmaster::redis {

/// How a server is connected to. Suspends. For tests to replace.
using Connect = std::function<Result<std::unique_ptr<net::Stream>>(const ServerAddress& address,
                                                                   Deadline deadline)>;

/// Connects to servers by address or name. The thread that looks names up is made when there is
/// the first name: most installations have none.
class Connector {
  public:
    explicit Connector(runtime::Reactor& reactor);
    ~Connector();

    /// Suspends. Errors as net::connect() has them.
    Result<std::unique_ptr<net::Stream>> connect(const ServerAddress& address, Deadline deadline);

    /// Suspends until no look-up is under way: before destruction.
    void stop();

  private:
    struct Names;
    runtime::Reactor& reactor_;
    std::unique_ptr<Names> names_;
};

}  // namespace ringmaster::redis
