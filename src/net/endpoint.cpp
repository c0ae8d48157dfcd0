#include "ringmaster/net/endpoint.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace ringmaster::net {
namespace {

constexpr std::string_view kUnix = "unix:";

Error invalid(std::string_view text) {
    return {ErrorCode::invalid, "'" + std::string(text) +
                                    "' is not an address: expected e.g. 127.0.0.1:8080, "
                                    "[::1]:8080 or unix:/run/ringmaster.sock"};
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    if (text.substr(0, kUnix.size()) == kUnix) {
        const std::string_view path = text.substr(kUnix.size());
        if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path) ||
            path.find('\0') != std::string_view::npos) {
            return invalid(text);
        }
        return Endpoint(boost::asio::local::stream_protocol::endpoint(std::string(path)));
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return invalid(text);
    std::string_view host = text.substr(0, colon);
    const std::string_view port_text = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);

    std::uint16_t port = 0;
    const auto parsed =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (parsed.ec != std::errc() || parsed.ptr != port_text.data() + port_text.size()) {
        return invalid(text);
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    if (error || address.is_v6() != bracketed) return invalid(text);
    return Endpoint(boost::asio::ip::tcp::endpoint(address, port));
}

std::string to_string(const Endpoint& endpoint) {
    char host[INET6_ADDRSTRLEN] = "";
    if (endpoint.data()->sa_family == AF_INET) {
        sockaddr_in in;
        std::memcpy(&in, endpoint.data(), sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        return std::string(host) + ":" + std::to_string(ntohs(in.sin_port));
    }
    if (endpoint.data()->sa_family == AF_INET6) {
        sockaddr_in6 in;
        std::memcpy(&in, endpoint.data(), sizeof in);
        inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
        return "[" + std::string(host) + "]:" + std::to_string(ntohs(in.sin6_port));
    }
    const auto* un = reinterpret_cast<const sockaddr_un*>(endpoint.data());
    const std::size_t size = endpoint.size() - offsetof(sockaddr_un, sun_path);
    return std::string(kUnix) + std::string(un->sun_path, strnlen(un->sun_path, size));
}

}  // namespace ringmaster::net
