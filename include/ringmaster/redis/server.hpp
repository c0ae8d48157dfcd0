#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/connection_pool.hpp"
#include "ringmaster/redis/connection.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/request.hpp"
#include "ringmaster/runtime/rare_warning.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace ringmaster::redis {

struct ServerOptions {
    Login login;
    ConnectionOptions connection{};
    std::chrono::milliseconds connect_timeout{500};   ///< login included
    std::chrono::milliseconds reconnect_first{20};    ///< wait after a failed attempt, jittered
    std::chrono::milliseconds reconnect_most{2'000};  ///< to which it doubles
    net::ConnectionPoolOptions pool{.name = "redis"};
};

struct ServerStats {
    bool connected = false;
    std::size_t pending = 0;     ///< requests sent or queued, and not answered
    std::uint64_t connects = 0;  ///< of the shared connection, those that came to something
    std::uint64_t writes = 0;
    std::uint64_t tombstones = 0;
    net::ConnectionPoolStats pool;
};

/// One Redis server by its address: a shared connection, made when it is first needed and again
/// when it is lost, and a pool of those that one call has to itself while it waits for replicas.
///
/// After an attempt to connect that came to nothing there is a pause, longer each time. Requests
/// wait for the next attempt where their deadline allows; else they are refused as soon as that is
/// known. A server that refuses the login is asked again only when somebody wants it, after the
/// longest pause, and meanwhile refuses everybody with its own text.
class Server final : public Carrier {
  public:
    /// Connects to nothing yet. Everything given must outlive it.
    Server(runtime::Scheduler& scheduler, Connect connect, ServerAddress address,
           ServerOptions options, Log& log);
    /// stop() must have returned.
    ~Server() override;
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    const ServerAddress& address() const noexcept { return address_; }

    /// Takes the request: over the shared connection, at once or as soon as there is one. Does not
    /// suspend. It is the caller who gives up at the deadline (Batch::wait()): the server only
    /// refuses what it can't do before.
    void send(Request& request, Deadline deadline);

    /// Suspends until all are finished, by the deadline. Over a connection of their own, which then
    /// waits for `replicas` to have got what was written (WAIT): where fewer have by the deadline,
    /// requests whose answer is no error end with Outcome::withdrawn and ErrorCode::unavailable.
    void exchange_durably(std::span<Request* const> requests, unsigned replicas, Deadline deadline);

    /// Begins to connect, where there is no connection: for who wants to know before he sends.
    void want_connection();

    /// Whether it could be reached when it was last tried; also where it never was.
    Result<void> ready() const;
    bool is_connected() const noexcept { return connection_ != nullptr; }
    ServerStats stats() const noexcept;

    /// Suspends. Refuses everybody from now on; all requests end, and the own fibers.
    void stop();

    bool forget(Request& request) noexcept override;

  private:
    /// A connection in the pool.
    class Exclusive;

    Result<std::shared_ptr<Connection>> open(Deadline deadline, const ConnectionOptions& options);
    Result<std::unique_ptr<Exclusive>> open_exclusive(Deadline deadline);
    bool is_pausing() const noexcept { return scheduler_.now() < retry_at_; }
    std::optional<Error> hopeless(Deadline deadline) const;
    void refuse(Request& request, const Error& why) noexcept;
    void connect();
    void connected(std::shared_ptr<Connection> connection);
    void failed(const Error& why);
    void lost(const Error& why);
    void pause();
    Error named(const Error& why) const;
    Result<void> wait_for_connection(Deadline deadline);
    void exchange_over(Connection& connection, std::span<Request* const> requests,
                       unsigned replicas, std::chrono::milliseconds replica_wait,
                       Deadline deadline);

    runtime::Scheduler& scheduler_;
    const Connect connect_;
    const ServerAddress address_;
    const ServerOptions options_;
    Log& log_;
    runtime::RareWarning warning_;
    std::minstd_rand random_;

    runtime::Gate fibers_;   ///< of this and of its connections
    runtime::Gate durable_;  ///< exchange_durably()
    ConnectionCounters counters_;
    std::shared_ptr<Connection> connection_;  ///< null unless it is open
    IntrusiveList<Request, Carrier> waiting_;
    std::size_t waiting_count_ = 0;
    std::size_t waiting_bytes_ = 0;
    runtime::WaitQueue changed_;  ///< an attempt to connect has ended
    runtime::Task attempt_;
    bool is_connecting_ = false;
    runtime::Timer retry_timer_;
    SteadyTime retry_at_ = SteadyTime::min();  ///< no attempt before
    std::chrono::milliseconds pause_{0};       ///< the latest one
    std::optional<Error> failure_;  ///< of the latest attempt, or why the connection was lost
    bool login_refused_ = false;
    bool stopping_ = false;
    std::uint64_t connects_ = 0;
    std::vector<Exclusive*> exclusives_;
    net::ConnectionPool<Exclusive> pool_;
};

}  // namespace ringmaster::redis
