#include "ringmaster/net/stream.hpp"

#include "ringmaster/runtime/wait_queue.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace ringmaster::net {
namespace {

using runtime::Waker;
using runtime::WakeReason;

Error timed_out(const char* doing) {
    return {ErrorCode::timeout, std::string("the deadline passed while ") + doing};
}

Error gone() {
    return {ErrorCode::closed, "the connection is gone"};
}

}  // namespace

SocketStream::SocketStream(runtime::Reactor& reactor, int family, int fd)
    : scheduler_(reactor.scheduler()), socket_(reactor, family, fd) {}

SocketStream::~SocketStream() {
    socket_.close();
}

// A wait that was given up leaves its waker behind, which does nothing then.
bool SocketStream::wait_readable(Deadline deadline) {
    return scheduler_.suspend(
               [&](Waker waker) { socket_.wait_readable([waker](bool) { waker.wake(); }); },
               deadline) == WakeReason::notified;
}

bool SocketStream::wait_writable(Deadline deadline) {
    return scheduler_.suspend(
               [&](Waker waker) { socket_.wait_writable([waker](bool) { waker.wake(); }); },
               deadline) == WakeReason::notified;
}

Result<std::size_t> SocketStream::read_some(std::span<char> buffer, Deadline deadline) {
    while (true) {
        const IoResult result = socket_.read_some(buffer);
        if (result.status == IoResult::Status::moved) return result.bytes;
        if (result.status == IoResult::Status::would_block) {
            if (wait_readable(deadline)) continue;
            broken_ = true;
            return timed_out("reading");
        }
        broken_ = true;
        if (result.status == IoResult::Status::end) return std::size_t{0};
        return gone();
    }
}

Result<void> SocketStream::write(std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const IoResult result = socket_.write_some(bytes);
        if (result.status == IoResult::Status::moved) {
            bytes.remove_prefix(result.bytes);
        } else if (result.status != IoResult::Status::would_block) {
            broken_ = true;
            return gone();
        } else if (!wait_writable(deadline)) {
            broken_ = true;
            return timed_out("writing");
        }
    }
    return {};
}

bool SocketStream::usable() const noexcept {
    return !broken_ && socket_.is_idle();
}

Result<std::unique_ptr<Stream>> connect(runtime::Reactor& reactor, const Endpoint& endpoint,
                                        Deadline deadline) {
    const auto failed = [&](int error) {
        return Error{ErrorCode::unavailable, "can't connect to " + to_string(endpoint) + ": " +
                                                 std::generic_category().message(error)};
    };
    const int family = endpoint.protocol().family();
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed(errno);
    auto stream = std::make_unique<SocketStream>(reactor, family, fd);
    if (::connect(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        // A Unix socket whose backlog is full says EAGAIN, and no event tells when it is not.
        if (errno != EINPROGRESS) return failed(errno);
        if (!stream->wait_writable(deadline)) return timed_out("connecting");
        if (const int error = stream->socket_.connect_error(); error != 0) return failed(error);
    }
    return std::unique_ptr<Stream>(std::move(stream));
}

// --- in memory ---------------------------------------------------------------------------------

namespace {

/// One direction.
struct Pipe {
    explicit Pipe(runtime::Scheduler& scheduler) noexcept : changed(scheduler) {}
    std::string bytes;
    bool ended = false;   ///< the writer is gone
    bool broken = false;  ///< the reader is
    runtime::WaitQueue changed;
};

class MemoryStream final : public Stream {
  public:
    MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, std::size_t capacity)
        : in_(std::move(in)), out_(std::move(out)), capacity_(capacity) {}
    ~MemoryStream() override {
        in_->broken = true;
        out_->ended = true;
        in_->changed.notify_all();
        out_->changed.notify_all();
    }

    Result<std::size_t> read_some(std::span<char> buffer, Deadline deadline) override {
        while (in_->bytes.empty() && !in_->ended) {
            if (in_->changed.wait(deadline) == WakeReason::timeout) return timed_out("reading");
        }
        const std::size_t size = std::min(buffer.size(), in_->bytes.size());
        in_->bytes.copy(buffer.data(), size);
        in_->bytes.erase(0, size);
        in_->changed.notify_all();
        return size;
    }

    Result<void> write(std::string_view bytes, Deadline deadline) override {
        while (!bytes.empty()) {
            if (out_->broken) return gone();
            const std::size_t size = std::min(bytes.size(), capacity_ - out_->bytes.size());
            if (size == 0) {
                if (out_->changed.wait(deadline) == WakeReason::timeout) {
                    return timed_out("writing");
                }
                continue;
            }
            out_->bytes += bytes.substr(0, size);
            bytes.remove_prefix(size);
            out_->changed.notify_all();
        }
        return {};
    }

    bool usable() const noexcept override {
        return in_->bytes.empty() && !in_->ended && !out_->broken;
    }

  private:
    std::shared_ptr<Pipe> in_;
    std::shared_ptr<Pipe> out_;
    const std::size_t capacity_;
};

}  // namespace

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> memory_streams(
    runtime::Scheduler& scheduler, std::size_t capacity) {
    const auto there = std::make_shared<Pipe>(scheduler);
    const auto back = std::make_shared<Pipe>(scheduler);
    return {std::make_unique<MemoryStream>(back, there, capacity),
            std::make_unique<MemoryStream>(there, back, capacity)};
}

}  // namespace ringmaster::net
