#pragma once

#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <cerrno>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include <boost/asio/basic_stream_socket.hpp>

namespace ringmaster::net {

/// What one attempt to move bytes came to.
struct IoResult {
    enum class Status : unsigned char {
        moved,        ///< `bytes` were moved, at least one
        would_block,  ///< nothing now; wait until it is readable or writable
        end,          ///< reading only: the peer has finished sending
        failed,       ///< the connection is gone
    };
    Status status;
    std::size_t bytes = 0;
};

/// A connected, non-blocking stream socket. Reads and writes are plain attempts; waiting is
/// separate, so that an idle connection holds no buffer. Owns the descriptor.
class StreamSocket {
  public:
    /// Takes over `fd`, a connected stream socket of the given family; makes it non-blocking, and
    /// for TCP sends at once (TCP_NODELAY), since answers leave in one write anyway.
    StreamSocket(runtime::Reactor& reactor, int family, int fd);
    StreamSocket(StreamSocket&&) = delete;

    IoResult read_some(std::span<char> buffer) noexcept;
    IoResult write_some(std::string_view bytes) noexcept;

    /// Calls `handler(bool usable)` once, on the reactor's stack, when a read or write will not
    /// block; `usable` is false where the socket was closed meanwhile, also by its destruction.
    /// What the handler refers to must live until then: so every wait is answered exactly once.
    template <class Handler>
    void wait_readable(Handler&& handler) {
        wait(Socket::wait_read, std::forward<Handler>(handler));
    }
    template <class Handler>
    void wait_writable(Handler&& handler) {
        wait(Socket::wait_write, std::forward<Handler>(handler));
    }

    /// Whether it is open and there is nothing to read, not even the end.
    bool is_idle() const noexcept;
    /// Why an attempt to connect came to nothing (errno); 0: it is connected.
    int connect_error() const noexcept;

    /// Tells the peer that no more will be sent.
    void shutdown_write() noexcept;
    /// close() will reset the connection, and drop what is not sent: for what must not look like a
    /// proper end.
    void reset_when_closed() noexcept;
    /// Pending waits are answered later, from the loop, with false.
    void close() noexcept;

  private:
    using Socket = boost::asio::basic_stream_socket<Protocol, runtime::Reactor::Executor>;

    template <class Handler>
    void wait(Socket::wait_type what, Handler&& handler) {
        socket_.async_wait(what, [&reactor = reactor_, handler = std::forward<Handler>(handler)](
                                     const boost::system::error_code& error) mutable {
            reactor.enter([&] { handler(!error); });
        });
    }

    runtime::Reactor& reactor_;
    Socket socket_;
};

}  // namespace ringmaster::net
