#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/net/stream_socket.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::net {

/// Bytes in both directions as a fiber sees them: what would block suspends it. One fiber may read
/// while another writes. After an error only destruction is left.
class Stream {
  public:
    virtual ~Stream() = default;

    /// Suspends. Reads at least one byte; 0: the other side sends no more. ErrorCode::timeout at
    /// `deadline`, ErrorCode::closed where the connection is gone.
    virtual Result<std::size_t> read_some(std::span<char> buffer, Deadline deadline) = 0;

    /// Suspends. Writes all of `bytes`. Errors as above; how much was written by then is not known.
    virtual Result<void> write(std::string_view bytes, Deadline deadline) = 0;

    /// Whether it is open and there is nothing to read: an idle connection that has something to
    /// say has been closed, or is out of step. Does not suspend.
    virtual bool usable() const noexcept = 0;
};

/// A connected socket.
class SocketStream final : public Stream {
  public:
    /// Takes over `fd`, a connected stream socket of the given family.
    SocketStream(runtime::Reactor& reactor, int family, int fd);
    ~SocketStream() override;

    Result<std::size_t> read_some(std::span<char> buffer, Deadline deadline) override;
    Result<void> write(std::string_view bytes, Deadline deadline) override;
    bool usable() const noexcept override;

  private:
    friend Result<std::unique_ptr<Stream>> connect(runtime::Reactor&, const Endpoint&, Deadline);
    bool wait_readable(Deadline deadline);
    bool wait_writable(Deadline deadline);

    runtime::Scheduler& scheduler_;
    StreamSocket socket_;
    bool broken_ = false;
};

/// Suspends. Connects to a TCP or Unix endpoint. ErrorCode::timeout at `deadline`,
/// ErrorCode::unavailable, with the system's reason, where nobody answers there.
Result<std::unique_ptr<Stream>> connect(runtime::Reactor& reactor, const Endpoint& endpoint,
                                        Deadline deadline);

/// Two streams in memory, joined back to back: for programs and tests that need no kernel in
/// between. Each direction holds at most `capacity` bytes; a writer waits for the rest to be read.
/// Closing is destruction. Both belong to one scheduler.
std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> memory_streams(
    runtime::Scheduler& scheduler, std::size_t capacity);

}  // namespace ringmaster::net
