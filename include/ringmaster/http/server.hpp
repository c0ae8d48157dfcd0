#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/request_parser.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace ringmaster::http {

/// Every bound of the server. A request has also RequestLimits. Where no fiber is free, a request
/// is answered as if there were too many in flight.
struct ServerLimits {
    RequestLimits request{};
    int backlog = 1024;                   ///< connections that wait in the kernel to be accepted
    std::size_t max_connections = 15000;  ///< above it, they wait in the backlog
    std::size_t max_requests_in_flight = 65'536;  ///< above it, 503 with Retry-After
    std::size_t pipeline_depth = 64;              ///< requests of one connection at one time
    std::size_t max_requests_per_turn = 32;       ///< of one connection; then others get their turn
    /// Unsent bytes of one connection, above which no more of its requests are read.
    std::size_t output_high_water_bytes = 256 * 1024;
    /// Bytes of a streamed request that its handler has not read yet, above which no more are read
    /// from the client.
    std::size_t input_high_water_bytes = 256 * 1024;
    std::chrono::milliseconds header_timeout{10'000};  ///< first byte to end of head; 408
    std::chrono::milliseconds body_timeout{
        30'000};  ///< end of head to end of body, or between two parts of one that is streamed; 408
    std::chrono::milliseconds idle_timeout{75'000};    ///< between requests; closed
    std::chrono::milliseconds write_timeout{30'000};   ///< client takes no byte; closed
    std::chrono::milliseconds request_timeout{2'000};  ///< the deadline a handler's fiber gets
    /// For answers to who has finished sending, or has left: TCP does not tell which. Then handlers
    /// are cancelled. Where the connection was reset they are at once.
    std::chrono::milliseconds half_close_timeout{1'000};
};

/// Live figures, since the start unless said otherwise.
struct ServerStats {
    std::size_t connections = 0;   ///< now
    std::size_t in_flight = 0;     ///< now, requests whose handler is at work
    std::size_t open_answers = 0;  ///< now, of those connections: OpenAnswer
    std::uint64_t accepted = 0;
    std::uint64_t requests = 0;
    std::uint64_t shed = 0;       ///< answered 503 because too many were in flight
    std::uint64_t abandoned = 0;  ///< requests whose client left before their answer
};

/// An HTTP/1.1 server (RFC 9110, RFC 9112) on one reactor. Requests of one connection run side by
/// side, each in its own fiber, and are answered in the order in which they came; answers that are
/// ready together leave in one write. A connection between requests holds no stack and no buffer.
class Server {
  public:
    /// What is passed by reference must outlive the server. `streams_body` tells which requests get
    /// their handler before their content is there (Router::streams_body()); by default none.
    Server(runtime::Reactor& reactor, RequestHandler handler, ServerLimits limits,
           ErrorReporter& errors, Log& log, RequestParser::StreamsBody streams_body = {});
    /// No handler may be at work, unless the reactor will never run again.
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Begins to accept. May be called for several endpoints.
    Result<void> listen(const net::Endpoint& endpoint);
    /// Begins to accept from a socket that listens already, which other processes may do as well.
    /// The descriptor stays the caller's, and must stay open. Once more, after
    /// stop_accepting_from().
    Result<void> accept_from(int listening_fd);
    /// Leaves that socket to the others. Connections stay. Harmless where nothing is accepted from
    /// it.
    void stop_accepting_from(int listening_fd) noexcept;
    /// Of the endpoint given to the i-th call of listen(), with the port that the kernel chose.
    net::Endpoint local_endpoint(std::size_t i = 0) const;
    /// Serves a connection that someone else has accepted. Takes over `fd`.
    void serve(int family, int fd);

    /// Suspends. Closes the listening sockets and the idle connections, and answers the requests in
    /// flight with `Connection: close`. Returns when the last connection has gone, or at
    /// `deadline`: then closes those that are left, which cancels their handlers, and returns how
    /// many they were. Handlers come to their end in the next turn, where they have not shielded
    /// themselves.
    std::size_t drain(Deadline deadline);
    bool draining() const noexcept;

    const ServerStats& stats() const noexcept;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace ringmaster::http
