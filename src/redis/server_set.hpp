#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/server.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace ringmaster::redis {

/// Of all servers of a set together, those that have left it included.
struct ServerSetStats {
    std::size_t servers = 0;
    std::size_t connected = 0;
    std::size_t pending = 0;
    std::uint64_t writes = 0;
    std::uint64_t tombstones = 0;
    std::uint64_t reconnects = 0;
    net::ConnectionPoolStats pool;
};

/// The servers that calls go to, by address. They come when they are first asked for, and leave
/// when the topology has changed.
class ServerSet {
  public:
    /// What is given must outlive it, as must what `connect` refers to.
    ServerSet(runtime::Scheduler& scheduler, Connect connect, ServerOptions options, Log& log);
    /// stop() must have returned.
    ~ServerSet();
    ServerSet(const ServerSet&) = delete;
    ServerSet& operator=(const ServerSet&) = delete;

    /// The server there; made where it is new. Whoever keeps the pointer while he waits for it
    /// keeps it in memory, but not from being stopped.
    std::shared_ptr<Server> at(const ServerAddress& address);
    /// Null where it is not in the set.
    const Server* find(const ServerAddress& address) const;

    /// All others leave: what waits in them for a connection is refused at once, what they have
    /// been sent may be answered within kGrace.
    void keep_only(std::span<const ServerAddress> addresses);

    ServerSetStats stats() const;

    /// Suspends. Ends all requests, and the servers' fibers.
    void stop();

    static constexpr std::chrono::milliseconds kGrace{2'000};

  private:
    struct Hash {
        std::size_t operator()(const ServerAddress& address) const noexcept {
            return std::hash<std::string>{}(address.host) ^ std::hash<std::string>{}(address.path) ^
                   (address.port * std::size_t{0x9e3779b97f4a7c15});
        }
    };
    bool begin_to_retire(std::shared_ptr<Server> server);
    void retire(Server& server);

    runtime::Scheduler& scheduler_;
    const Connect connect_;
    const ServerOptions options_;
    Log& log_;
    std::unordered_map<ServerAddress, std::shared_ptr<Server>, Hash> servers_;
    std::vector<std::shared_ptr<Server>> retiring_;
    ServerSetStats retired_;  ///< only what counts up
    runtime::Gate fibers_;
    runtime::Event stopping_;
};

}  // namespace ringmaster::redis
