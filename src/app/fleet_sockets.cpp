#include "ringmaster/app/fleet_sockets.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace ringmaster::app {
namespace {

using store::UniqueFd;
using Tcp = boost::asio::ip::tcp;
using Unix = boost::asio::local::stream_protocol;

constexpr int kMaxPort = 65'535;
constexpr int kControlBacklog = 16;
constexpr std::chrono::seconds kConnectTimeout{5};

Error cant_listen(const net::Endpoint& endpoint, const char* step) {
    return {ErrorCode::unavailable, "can't listen on " + net::to_string(endpoint) + ": " + step +
                                        ": " + std::strerror(errno)};
}

UniqueFd make_socket(int family) {
    return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

bool set_option(const UniqueFd& socket, int name) {
    const int on = 1;
    return ::setsockopt(socket.get(), SOL_SOCKET, name, &on, sizeof on) == 0;
}

bool bind_to(const UniqueFd& socket, const net::Endpoint& endpoint) {
    return ::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0;
}

/// Bound, and no more. `shared` with others of this user that ask for it too.
Result<UniqueFd> bind_tcp(const net::Endpoint& endpoint, bool shared) {
    UniqueFd socket = make_socket(endpoint.data()->sa_family);
    if (socket.get() < 0) return cant_listen(endpoint, "socket");
    // Without it a restart would have to wait for the old connections' TIME_WAIT to end.
    if (!set_option(socket, SO_REUSEADDR)) return cant_listen(endpoint, "SO_REUSEADDR");
    if (shared && !set_option(socket, SO_REUSEPORT)) return cant_listen(endpoint, "SO_REUSEPORT");
    if (!bind_to(socket, endpoint)) return cant_listen(endpoint, "bind");
    return socket;
}

Result<UniqueFd> listen_tcp(const net::Endpoint& endpoint, bool shared, int backlog) {
    auto socket = bind_tcp(endpoint, shared);
    if (socket && ::listen(socket->get(), backlog) != 0) return cant_listen(endpoint, "listen");
    return socket;
}

Tcp::endpoint tcp_of(const net::Endpoint& endpoint) {
    Tcp::endpoint tcp;
    std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
    return tcp;
}

std::uint16_t port_of(const net::Endpoint& endpoint) {
    return tcp_of(endpoint).port();
}

/// All on one port. With SO_REUSEPORT the kernel would give half of another daemon's clients to
/// this one: a first socket without it finds out whether there is one.
Result<void> open_public(const FleetSocketOptions& options, std::vector<UniqueFd>& sockets) {
    if (port_of(options.listen) != 0) {
        if (auto probe = bind_tcp(options.listen, false); !probe) return probe.error();
    }
    net::Endpoint endpoint = options.listen;
    for (std::size_t i = 0; i < options.shards; ++i) {
        auto socket = listen_tcp(endpoint, true, options.backlog);
        if (!socket) return socket.error();
        endpoint = local_endpoint(socket->get());
        sockets.push_back(*std::move(socket));
    }
    return {};
}

Result<void> open_own(const FleetSocketOptions& options, std::vector<UniqueFd>& sockets) {
    const int listen = port_of(options.listen);
    Tcp::endpoint endpoint = tcp_of(options.shard_listen);
    const bool any = endpoint.port() == 0 && listen == 0;
    const int first = endpoint.port() != 0 ? endpoint.port() : listen + 1;
    if (!any && first + static_cast<int>(options.shards) - 1 > kMaxPort) {
        return Error{ErrorCode::invalid,
                     "there are not as many ports from " + std::to_string(first) +
                         " on as there are shards, which is " + std::to_string(options.shards) +
                         "; expected a lower port in [server] shard_listen"};
    }
    for (std::size_t i = 0; i < options.shards; ++i) {
        endpoint.port(static_cast<std::uint16_t>(any ? 0 : first + static_cast<int>(i)));
        auto socket = listen_tcp(endpoint, false, options.backlog);
        if (!socket) return socket.error();
        sockets.push_back(*std::move(socket));
    }
    return {};
}

Result<UniqueFd> listen_unix(const std::filesystem::path& path, int backlog) {
    const net::Endpoint endpoint = Unix::endpoint(path.string());
    if (const auto other = connect_unix(path);
        other || other.error().code != ErrorCode::not_found) {
        return Error{ErrorCode::unavailable,
                     "can't listen on " + net::to_string(endpoint) + ": another process does"};
    }
    ::unlink(path.c_str());
    UniqueFd socket = make_socket(AF_UNIX);
    if (socket.get() < 0) return cant_listen(endpoint, "socket");
    // What may connect is who may write to the file.
    const mode_t before = ::umask(0177);
    const bool bound = bind_to(socket, endpoint);
    ::umask(before);
    if (!bound) return cant_listen(endpoint, "bind");
    if (::listen(socket.get(), backlog) != 0) return cant_listen(endpoint, "listen");
    return socket;
}

Result<void> open_unix(const FleetSocketOptions& options, FleetSockets& sockets) {
    std::error_code error;
    const auto parent = options.run_dir.parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (::mkdir(options.run_dir.c_str(), 0700) != 0 && errno != EEXIST) {
        return Error{
            ErrorCode::unavailable,
            "can't make the directory " + options.run_dir.string() + ": " + std::strerror(errno)};
    }
    for (std::size_t i = 0; i < options.shards; ++i) {
        auto socket = listen_unix(peer_path(options.run_dir, i), options.backlog);
        if (!socket) return socket.error();
        sockets.peer_sockets.push_back(*std::move(socket));
    }
    auto control = listen_unix(control_path(options.run_dir), kControlBacklog);
    if (!control) return control.error();
    sockets.control = *std::move(control);
    return {};
}

}  // namespace

Result<FleetSockets> FleetSockets::open(const FleetSocketOptions& options) {
    FleetSockets sockets;
    if (auto opened = open_public(options, sockets.public_sockets); !opened) return opened.error();
    if (auto opened = open_own(options, sockets.own_sockets); !opened) return opened.error();
    if (auto opened = open_unix(options, sockets); !opened) return opened.error();
    return sockets;
}

void FleetSockets::set_backlog(int backlog) noexcept {
    for (const auto* sockets : {&public_sockets, &own_sockets, &peer_sockets}) {
        for (const UniqueFd& socket : *sockets) ::listen(socket.get(), backlog);
    }
}

net::Endpoint local_endpoint(int fd) {
    net::Endpoint endpoint;
    auto size = static_cast<socklen_t>(endpoint.capacity());
    if (::getsockname(fd, endpoint.data(), &size) == 0) endpoint.resize(size);
    return endpoint;
}

std::filesystem::path peer_path(const std::filesystem::path& run_dir, shard::ShardIndex shard) {
    return run_dir / ("shard-" + std::to_string(shard) + ".sock");
}

std::filesystem::path control_path(const std::filesystem::path& run_dir) {
    return run_dir / "control.sock";
}

Result<UniqueFd> connect_unix(const std::filesystem::path& path) {
    const Unix::endpoint endpoint(path.string());
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Bounds the wait for a place in the queue of one that does not accept.
    const timeval bound{kConnectTimeout.count(), 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    if (socket.get() < 0 ||
        ::connect(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        return Error{errno == ENOENT || errno == ECONNREFUSED ? ErrorCode::not_found
                                                              : ErrorCode::unavailable,
                     path.string() + ": " + std::strerror(errno)};
    }
    return socket;
}

}  // namespace ringmaster::app
