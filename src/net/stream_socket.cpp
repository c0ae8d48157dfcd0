#include "ringmaster/net/stream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace ringmaster::net {
namespace {

IoResult from_system(ssize_t moved) noexcept {
    if (moved > 0) return {IoResult::Status::moved, static_cast<std::size_t>(moved)};
    if (moved == 0) return {IoResult::Status::end};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return {IoResult::Status::would_block};
    }
    return {IoResult::Status::failed};
}

}  // namespace

StreamSocket::StreamSocket(runtime::Reactor& reactor, int family, int fd)
    : reactor_(reactor), socket_(reactor.context(), Protocol(family, 0), fd) {
    socket_.native_non_blocking(true);
    if (family == AF_INET || family == AF_INET6) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

IoResult StreamSocket::read_some(std::span<char> buffer) noexcept {
    return from_system(::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0));
}

IoResult StreamSocket::write_some(std::string_view bytes) noexcept {
    return from_system(::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

bool StreamSocket::is_idle() const noexcept {
    char byte;
    auto& socket = const_cast<Socket&>(socket_);  // native_handle() is not const
    const ssize_t got = ::recv(socket.native_handle(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

int StreamSocket::connect_error() const noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    auto& socket = const_cast<Socket&>(socket_);
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return errno;
    return error;
}

void StreamSocket::shutdown_write() noexcept {
    boost::system::error_code ignored;  // a peer that is gone already needs no telling
    socket_.shutdown(Socket::shutdown_send, ignored);
}

void StreamSocket::reset_when_closed() noexcept {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void StreamSocket::close() noexcept {
    boost::system::error_code ignored;  // the descriptor is released even where close() complains
    socket_.close(ignored);
}

}  // namespace ringmaster::net
