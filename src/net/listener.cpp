#include "ringmaster/net/listener.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace ringmaster::net {
namespace {

/// Then others get their turn, even where connections pour in.
constexpr int kAcceptsPerTurn = 64;
constexpr std::chrono::milliseconds kRetryAfter{100};
constexpr std::chrono::minutes kTellEvery{1};

}  // namespace

Listener::Listener(runtime::Reactor& reactor, Log& log, OnAccept on_accept)
    : reactor_(reactor),
      log_(log),
      on_accept_(std::move(on_accept)),
      acceptor_(reactor.context()),
      retry_(runtime::Callback::of<&Listener::retry>(*this)) {}

Result<void> Listener::listen(const Endpoint& endpoint, int backlog) {
    boost::system::error_code error;
    const auto failed = [&](const char* step) {
        return Error{ErrorCode::unavailable, "can't listen on " + to_string(endpoint) + ": " +
                                                 step + ": " + error.message()};
    };
    if (acceptor_.open(endpoint.protocol(), error); error) return failed("socket");
    // Without it a restart would have to wait for the old connections' TIME_WAIT to end.
    acceptor_.set_option(Acceptor::reuse_address(true), error);
    if (error) return failed("SO_REUSEADDR");
    if (acceptor_.bind(endpoint, error); error) return failed("bind");
    if (acceptor_.listen(backlog, error); error) return failed("listen");
    if (acceptor_.native_non_blocking(true, error); error) return failed("O_NONBLOCK");
    wait();
    return {};
}

Result<void> Listener::adopt(int listening_fd) {
    const auto failed = [](const char* step, const char* why) {
        return Error{ErrorCode::unavailable,
                     std::string("can't accept from an inherited socket: ") + step + ": " + why};
    };
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(listening_fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return failed("getsockname", std::strerror(errno));
    }
    const int fd = ::fcntl(listening_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return failed("F_DUPFD_CLOEXEC", std::strerror(errno));
    boost::system::error_code error;
    if (acceptor_.assign(Protocol(address.ss_family, 0), fd, error); error) {
        ::close(fd);
        return failed("epoll", error.message().c_str());
    }
    if (acceptor_.native_non_blocking(true, error); error) {
        close();
        return failed("O_NONBLOCK", error.message().c_str());
    }
    wait();
    return {};
}

Endpoint Listener::local_endpoint() const {
    return acceptor_.local_endpoint();
}

void Listener::resume() {
    paused_ = false;
    wait();
}

void Listener::close() noexcept {
    retry_.cancel();
    exhausted_ = false;
    waiting_ = false;
    ++opened_;
    boost::system::error_code ignored;  // the descriptor is released in any case
    acceptor_.close(ignored);
}

void Listener::wait() {
    if (waiting_ || paused_ || exhausted_ || !acceptor_.is_open()) return;
    waiting_ = true;
    acceptor_.async_wait(Acceptor::wait_read,
                         [this, opened = opened_](const boost::system::error_code& error) {
                             // Closed, perhaps together with this object.
                             if (error || opened != opened_) return;
                             waiting_ = false;
                             reactor_.enter([this] { accept_ready(); });
                         });
}

void Listener::accept_ready() {
    for (int i = 0; i < kAcceptsPerTurn && !paused_ && acceptor_.is_open(); ++i) {
        const int fd =
            ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            on_accept_(fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return wait_for_descriptors(errno);
        }
        // Otherwise the client gave up between its handshake and our accept. Linux passes other
        // network errors of the new socket on in the same way (accept(2)): next one, please.
    }
    wait();
}

void Listener::wait_for_descriptors(int error) {
    exhausted_ = true;
    const SteadyTime now = reactor_.scheduler().now();
    if (told_exhausted_ == SteadyTime::min() || now >= told_exhausted_ + kTellEvery) {
        told_exhausted_ = now;
        log_.warning(std::string("can't accept connections for now: ") + std::strerror(error) +
                     "; those that are open are served on");
    }
    reactor_.scheduler().timers().schedule(retry_, now + kRetryAfter);
}

void Listener::retry() {
    exhausted_ = false;
    wait();
}

}  // namespace ringmaster::net
