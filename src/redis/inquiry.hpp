#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/command.hpp"
#include "ringmaster/redis/connection.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/reply.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <vector>

namespace ringmaster::redis {

/// Asks servers about the topology. Each question has a connection of its own, so that it waits
/// behind no calls, and no back-off.
class Inquiry {
  public:
    /// What `connect` refers to must outlive it.
    Inquiry(runtime::Scheduler& scheduler, Connect connect, Login login, ConnectionOptions options,
            std::chrono::milliseconds timeout);
    Inquiry(const Inquiry&) = delete;
    Inquiry& operator=(const Inquiry&) = delete;

    /// Suspends, at most for the time-out. A server's error is ErrorCode::unavailable, with its
    /// text and address, as is every other failure.
    Result<Reply> ask(const ServerAddress& server, const Command& command, Deadline deadline);

    /// The order in which to ask servers of which any one may answer: every time another one comes
    /// first, because one that is cut off from the others tells old news for as long as it runs.
    /// Those that failed when they were asked last come at the end.
    std::vector<ServerAddress> in_turn(std::vector<ServerAddress> servers);
    /// What it answered is of no use, which is as good as a failure.
    void distrust(const ServerAddress& server);

    /// Suspends until the fibers of all connections have ended. Nobody may be asking.
    void stop() { fibers_.close(); }

    /// More than that are not asked in one go: somebody waits for the outcome.
    static constexpr std::size_t kMostInTurn = 8;

  private:
    runtime::Scheduler& scheduler_;
    const Connect connect_;
    const Login login_;
    const ConnectionOptions options_;
    const std::chrono::milliseconds timeout_;
    std::vector<ServerAddress> failed_;
    std::size_t turn_ = 0;
    ConnectionCounters counters_;
    runtime::Gate fibers_;
};

}  // namespace ringmaster::redis
