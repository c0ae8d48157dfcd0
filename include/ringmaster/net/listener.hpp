#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

#include <boost/asio/basic_socket_acceptor.hpp>

namespace ringmaster::net {

/// Accepts connections and hands over their descriptors. Where the process has no descriptors left
/// it tries again ten times a second, and tells so once a minute: clients wait in the kernel's
/// queue meanwhile.
class Listener {
  public:
    /// Gets a connected, non-blocking, close-on-exec descriptor, which it owns from then on.
    using OnAccept = std::function<void(int fd)>;

    Listener(runtime::Reactor& reactor, Log& log, OnAccept on_accept);

    /// Binds and listens. `backlog` is the length of the kernel's accept queue (the kernel itself
    /// caps it at net.core.somaxconn). ErrorCode::unavailable tells the address and the system's
    /// reason.
    Result<void> listen(const Endpoint& endpoint, int backlog);
    /// Accepts from a socket that listens already, and from which other processes may accept too.
    /// Works on a duplicate of the descriptor: close() leaves the socket to the others, and
    /// adopt() may follow again. ErrorCode::unavailable with the system's reason.
    Result<void> adopt(int listening_fd);
    /// Where it listens, with the port that the kernel chose for port 0.
    Endpoint local_endpoint() const;

    /// Stops accepting until resume(). For a bound on connections.
    void pause() noexcept { paused_ = true; }
    void resume();
    /// Closes the listening socket: the kernel refuses new connections from now on, unless other
    /// processes have it too.
    void close() noexcept;

  private:
    using Acceptor = boost::asio::basic_socket_acceptor<Protocol, runtime::Reactor::Executor>;
    void wait();
    void accept_ready();
    void wait_for_descriptors(int error);
    void retry();

    runtime::Reactor& reactor_;
    Log& log_;
    OnAccept on_accept_;
    Acceptor acceptor_;
    runtime::Timer retry_;
    bool waiting_ = false;
    std::uint64_t opened_ = 0;  ///< how often: a wait of before the last close() is nobody's
    bool paused_ = false;       ///< by pause()
    bool exhausted_ = false;    ///< no descriptors; retry_ is set
    SteadyTime told_exhausted_ = SteadyTime::min();
};

}  // namespace ringmaster::net
