// The least that a server must do for the loads of bench/run: wait, receive, send fixed bytes. One
// thread, one epoll, no library. What ringmaster costs is told as a ratio to what this costs.
//
//   floor PORT PING SINGLE BULK
//
// Listens on 127.0.0.1:PORT. PING, SINGLE and BULK say how large the answers to GET /ping, to any
// other GET and to POST are in bytes, header and body together: as large as those of the daemon.

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

/// What has come of a request whose end has not. A request is answered where its last byte is.
struct Connection {
    std::string head;            ///< of a header section that came in pieces
    std::size_t body_bytes = 0;  ///< still to come
};

struct Answers {
    std::string ping;
    std::string single;
    std::string bulk;
};

int checked(int result, const char* call) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), call);
    return result;
}

std::size_t to_size(std::string_view text) {
    std::size_t value = 0;
    const char* const end = text.data() + text.size();
    if (std::from_chars(text.data(), end, value).ptr != end || text.empty()) {
        throw std::invalid_argument("not a number: " + std::string(text));
    }
    return value;
}

/// An answer of exactly so many bytes.
std::string make_answer(std::size_t bytes) {
    // The length is padded to a fixed width, so that it has no influence on its own place.
    constexpr std::size_t kHeadBytes = 64;
    if (bytes < kHeadBytes) throw std::invalid_argument("no answer is that small");
    const std::string length = std::to_string(bytes - kHeadBytes);
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length:";
    answer.append(kHeadBytes - answer.size() - length.size() - 4, ' ');
    answer.append(length).append("\r\n\r\n");
    answer.append(bytes - kHeadBytes, 'x');
    return answer;
}

/// The Content-Length of a header section as wrk and curl write it; 0 where there is none.
std::size_t content_length(std::string_view head) {
    const std::string_view name = "\r\nContent-Length: ";
    const std::size_t at = head.find(name);
    if (at == head.npos) return 0;
    const std::string_view rest = head.substr(at + name.size());
    return to_size(rest.substr(0, rest.find('\r')));
}

const std::string& answer_to(std::string_view head, const Answers& answers) {
    if (head.starts_with("POST")) return answers.bulk;
    return head.starts_with("GET /ping") ? answers.ping : answers.single;
}

/// A client that does not read what it asked for is no part of the measurement: false, cut it off.
bool send_answer(int fd, const std::string& answer) {
    return send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(answer.size());
}

/// Takes what was received and answers each request that ends in it. False: the connection is lost.
bool serve(int fd, Connection& connection, std::string_view bytes, const Answers& answers) {
    while (!bytes.empty()) {
        if (connection.body_bytes > 0) {
            const std::size_t taken = std::min(connection.body_bytes, bytes.size());
            bytes.remove_prefix(taken);
            connection.body_bytes -= taken;
            if (connection.body_bytes == 0 && !send_answer(fd, answers.bulk)) return false;
            continue;
        }
        const std::size_t kept = connection.head.size();
        const std::string_view head = kept == 0 ? bytes : connection.head.append(bytes);
        const std::size_t end = head.find("\r\n\r\n");
        if (end == head.npos) {
            if (kept == 0) connection.head = bytes;
            return true;
        }
        connection.body_bytes = content_length(head.substr(0, end + 2));
        if (connection.body_bytes == 0 && !send_answer(fd, answer_to(head, answers))) return false;
        connection.head.clear();
        bytes.remove_prefix(end + 4 - kept);
    }
    return true;
}

int listen_on(std::uint16_t port) {
    const int listener = checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    const int on = 1;
    checked(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    checked(listen(listener, 1024), "listen");
    return listener;
}

int accept_from(int listener) {
    const int client = checked(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK), "accept4");
    const int on = 1;
    checked(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    return client;
}

void watch(int poller, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    checked(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

[[noreturn]] void run(std::uint16_t port, const Answers& answers) {
    const int listener = listen_on(port);
    const int poller = checked(epoll_create1(0), "epoll_create1");
    watch(poller, listener);

    std::vector<Connection> connections;  // by file descriptor
    std::vector<char> received(64 * 1024);
    std::array<epoll_event, 256> events;
    for (;;) {
        const int count = epoll_wait(poller, events.data(), events.size(), -1);
        if (count < 0 && errno != EINTR) checked(count, "epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int client = accept_from(listener);
                watch(poller, client);
                const auto index = static_cast<std::size_t>(client);
                if (connections.size() <= index) connections.resize(index + 1);
                connections[index] = {};
                continue;
            }
            const ssize_t got = recv(fd, received.data(), received.size(), 0);
            if (got <= 0) {
                close(fd);
                continue;
            }
            const std::string_view bytes{received.data(), static_cast<std::size_t>(got)};
            if (!serve(fd, connections[static_cast<std::size_t>(fd)], bytes, answers)) close(fd);
        }
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::fputs("usage: floor PORT PING SINGLE BULK (sizes in bytes)\n", stderr);
        return 2;
    }
    run(static_cast<std::uint16_t>(to_size(argv[1])),
        {make_answer(to_size(argv[2])), make_answer(to_size(argv[3])),
         make_answer(to_size(argv[4]))});
} catch (const std::exception& error) {
    std::fprintf(stderr, "floor: %s\n", error.what());
    return 1;
}
