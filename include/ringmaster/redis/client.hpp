#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/connection_pool.hpp"
#include "ringmaster/redis/command.hpp"
#include "ringmaster/redis/connector.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/reply.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis {

/// One command on its way to the server that has its key, and back.
struct Call {
    /// Decides which server of a cluster is asked; of all keys of a command any one. Empty: any.
    std::string_view key;
    /// From Command::bytes(). Must stay until the call has returned.
    std::string_view command;
    /// Whether it may be sent again where it is not known if the server has carried it out.
    bool repeatable = true;
    /// The server's word, which may be an error of the command itself; or why there is none:
    /// ErrorCode::timeout at the deadline, ErrorCode::unavailable where no server could be reached,
    /// or none that may answer now.
    Result<Reply> answer = Error{ErrorCode::unavailable, "not sent"};
};

/// What one server has said to a question that is put to several.
struct ServerAnswer {
    ServerAddress server;
    Result<Reply> answer;  ///< as Call::answer
};

struct ClientOptions {
    RedisUrl url;
    std::string client_name = "ringmaster";            ///< CLIENT SETNAME; no blanks
    std::chrono::milliseconds connect_timeout{500};    ///< AUTH, SELECT and SETNAME included
    std::chrono::milliseconds reconnect_first{20};     ///< wait after a failed connect, jittered
    std::chrono::milliseconds reconnect_most{2'000};   ///< to which it doubles
    std::chrono::milliseconds ping_period{5'000};      ///< idle connections are asked for life
    std::chrono::milliseconds silence_timeout{3'000};  ///< a reply is due, and no byte comes: lost
    std::size_t max_reply_bytes = 64u << 20;           ///< a longer one closes the connection
    std::size_t max_queued_bytes = 16u << 20;          ///< not yet written, per server
    std::size_t max_pending_calls = 10'000;            ///< sent or queued, per server
    /// Connections that one call has to itself while it waits for replicas, per server.
    net::ConnectionPoolOptions pool{.name = "redis"};
    std::chrono::milliseconds topology_period{30'000};  ///< how often slots or sentinels are asked
};

struct ClientStats {
    std::size_t servers = 0;    ///< known
    std::size_t connected = 0;  ///< of them, those with a working connection
    std::size_t pending = 0;    ///< calls sent or queued, and not answered
    std::uint64_t calls = 0;
    std::uint64_t errors = 0;      ///< calls that ended without the server's word
    std::uint64_t timeouts = 0;    ///< of these, at their deadline
    std::uint64_t tombstones = 0;  ///< replies that came when nobody waited any more
    std::uint64_t writes = 0;      ///< to sockets: calls / writes is the depth of pipelines
    std::uint64_t reconnects = 0;
    std::uint64_t redirects = 0;  ///< MOVED and ASK
    std::uint64_t topology_refreshes = 0;
    net::ConnectionPoolStats pool;  ///< of all servers together
};

/// Commands to Redis, whether one server, a primary watched by sentinels, or a cluster. Of one
/// turn of the reactor, all commands to one server leave in one write, and replies are matched in
/// order. A call whose deadline has passed leaves a tombstone in the queue of replies. Connections
/// are made when first needed and again when lost, with back-off. Belongs to one reactor; has
/// fibers of its own, and stop() must have returned before destruction.
class Client {
  public:
    virtual ~Client() = default;

    /// Suspends until every call has its answer, or `deadline` has passed. Within that time a call
    /// that can't be served now (connection lost, LOADING, CLUSTERDOWN, TRYAGAIN, a primary that
    /// became a replica) is tried again after a pause, and MOVED and ASK are followed, at most
    /// three times in a row; so is a call whose connection was lost, where it is `repeatable`
    /// or can't have been sent. Who can't be served before his deadline is told as soon as that is
    /// known; so is who is refused for what he is (WRONGPASS, NOAUTH, NOPERM). Never throws for a
    /// failed server.
    virtual void call(std::span<Call> calls, Deadline deadline) = 0;

    /// Suspends. The same; and an answer that is no error counts only when so many replicas of its
    /// server have it too (WAIT): else ErrorCode::unavailable, although it has been carried out.
    virtual void call_durably(std::span<Call> calls, unsigned replicas, Deadline deadline) = 0;

    /// Suspends. The same command to every primary, e.g. FUNCTION LOAD. The first failure, also a
    /// server's error, ends it.
    virtual Result<void> call_primaries(std::string_view command, Deadline deadline) = 0;

    /// Suspends. Asks every primary that is known, once, about itself. That is no call: nothing of
    /// it is tried again, looked into, or counted in stats().
    virtual std::vector<ServerAnswer> ask_primaries(std::string_view command,
                                                    Deadline deadline) = 0;

    /// Calls `heard(payload)` in a fiber of its own for each message of the channel, and
    /// `connected()` each time after which messages are sure to be heard: what was said before may
    /// have been missed. Until stop().
    virtual void subscribe(std::string channel, std::function<void()> connected,
                           std::function<void(std::string_view)> heard) = 0;

    /// Whether a server that answered last still does, as far as is known; the text says why not.
    /// One primary of a cluster is enough, unless the cluster says that it is down. Does not
    /// suspend.
    virtual Result<void> ready() const = 0;
    virtual ClientStats stats() const noexcept = 0;

    /// Suspends. Ends all calls with ErrorCode::unavailable, and the own fibers.
    virtual void stop() = 0;
};

/// The client for this kind of URL. Connects to nothing yet. Everything must outlive it.
std::unique_ptr<Client> make_client(runtime::Reactor& reactor, ClientOptions options, Log& log);

/// The same with another way to connect, for tests.
std::unique_ptr<Client> make_client(runtime::Scheduler& scheduler, Connect connect,
                                    ClientOptions options, Log& log);

/// One command, for callers that have just one: Client::call() with a span of one.
Result<Reply> call(Client& client, std::string_view key, const Command& command, Deadline deadline);

}  // namespace ringmaster::redis
