// Opens connections, asks once on each, and keeps them open and idle until standard input ends, so
// that bench/run can see what an idle connection costs the server.
//
//   idle_connections PORT COUNT
//
// Prints "idle" when every connection has had its answer. A source address has some 28,000 ports,
// so the connections spread over 127.0.0.2, 127.0.0.3 and so on.

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <netinet/in.h>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace {

constexpr int kConnectionsPerAddress = 5000;

int checked(ssize_t result, const char* call) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), call);
    return static_cast<int>(result);
}

int connect_from(std::uint32_t source, std::uint16_t port) {
    const int fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(source);
    checked(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    checked(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
    return fd;
}

/// The answer to a ping is small enough to come in one piece.
void ping(int fd) {
    constexpr std::string_view kRequest = "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
    checked(send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL), "send");
    char answer[4096];
    const ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (!std::string_view(answer, static_cast<std::size_t>(checked(got, "recv")))
             .starts_with("HTTP/1.1 200")) {
        throw std::runtime_error("a ping was not answered with 200");
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3) {
        std::fputs("usage: idle_connections PORT COUNT\n", stderr);
        return 2;
    }
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    const int count = std::atoi(argv[2]);
    for (int i = 0; i < count; ++i) {
        const auto offset = static_cast<std::uint32_t>(1 + i / kConnectionsPerAddress);
        ping(connect_from(INADDR_LOOPBACK + offset, port));
    }
    std::puts("idle");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "idle_connections: %s\n", error.what());
    return 1;
}
