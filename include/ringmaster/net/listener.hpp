#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <cstddef>
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
    /// Where it listens, with the port that the kernel chose for port 0.
    Endpoint local_endpoint() const;

    /// Stops accepting until resume(). For a bound on connections.
    void pause() noexcept { paused_ = true; }
    void resume();
    /// Closes the listening socket: the kernel refuses new connections from now on.
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
    bool paused_ = false;     ///< by pause()
    bool exhausted_ = false;  ///< no descriptors; retry_ is set
    SteadyTime told_exhausted_ = SteadyTime::min();
};

}  // namespace ringmaster::net
