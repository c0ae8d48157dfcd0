// What a call to another server costs the one that makes it. bench/run compares the ways:
//
//   client   http::Client and its pool, as a handler uses them
//   least    a bare epoll loop: send, epoll_wait, recv
//   same     a bare loop that makes the system calls of the client besides: it looks whether a
//            connection is still open before and after its use, and tries to read before it waits
//
//   upstream WAY PORT FAN ANSWER_BYTES SECONDS
//
// Asks 127.0.0.1:PORT for /ping over FAN connections at once, and again when all have answered, for
// so long. ANSWER_BYTES is how large an answer is, head and body together: the bare loops take so
// much for one. Prints one line of JSON: the calls of the warming up and of the time that counts,
// and the CPU time of each and their rate in the latter.

#include "ringmaster/http/client.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace {

using namespace ringmaster;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kWarmUp{500};

struct Arguments {
    std::string port;
    std::size_t fan;
    std::size_t answer_bytes;
    std::chrono::seconds time;
};

double cpu_us() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto us = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    return us(usage.ru_utime) + us(usage.ru_stime);
}

/// Says how long to go on, and counts what comes after the warming up.
class Meter {
  public:
    explicit Meter(std::chrono::seconds time)
        : begin_(steady_clock::now() + kWarmUp), time_(time) {}

    /// So many calls have been answered. False: it is enough.
    bool count(std::size_t calls) {
        const auto now = steady_clock::now();
        if (cpu_at_begin_ == 0) {
            warm_up_calls_ += calls;
            if (now < begin_) return true;
            begin_ = now;
            cpu_at_begin_ = cpu_us();
            return true;
        }
        calls_ += calls;
        if (now < begin_ + time_) return true;
        const double n = static_cast<double>(calls_);
        const double seconds = std::chrono::duration<double>(now - begin_).count();
        std::printf(
            "{\"warm_up_calls\": %llu, \"calls\": %llu, \"cpu_us\": %.4f, \"rate\": %.1f}\n",
            warm_up_calls_, calls_, (cpu_us() - cpu_at_begin_) / n, n / seconds);
        return false;
    }

  private:
    steady_clock::time_point begin_;
    std::chrono::seconds time_;
    double cpu_at_begin_ = 0;
    unsigned long long warm_up_calls_ = 0;
    unsigned long long calls_ = 0;
};

void by_client(const Arguments& arguments) {
    const std::string address = "127.0.0.1:" + arguments.port;
    SystemClock clock;
    NullLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {.max_fibers = arguments.fan + 1});
    http::ClientOptions options;
    options.pool.size = arguments.fan;
    http::Client client(reactor, *net::parse_endpoint(address), address, options);
    const auto ask = [&](std::size_t) {
        const auto answer = client.get("/ping");
        if (!answer) throw std::runtime_error(answer.error().message);
        return answer->body.size();
    };
    std::exception_ptr failure;
    reactor.post([&] {
        reactor.scheduler().spawn("handler", [&] {
            try {
                Meter meter(arguments.time);
                do {
                    if (arguments.fan == 1) {
                        ask(0);
                    } else {
                        runtime::parallel_map(reactor.scheduler(), arguments.fan, arguments.fan,
                                              ask);
                    }
                } while (meter.count(arguments.fan));
            } catch (const std::exception&) {
                failure = std::current_exception();
            }
            reactor.stop();
        });
    });
    reactor.run();
    if (failure) std::rethrow_exception(failure);
}

int checked(ssize_t result, const char* call) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), call);
    return static_cast<int>(result);
}

int connect_to(std::uint16_t port) {
    const int fd = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
    const int on = 1;
    checked(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    return fd;
}

void watch(int poller, int operation, int fd) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.fd = fd;
    checked(epoll_ctl(poller, operation, fd, &event), "epoll_ctl");
}

/// A connection that has nothing to say is still open.
void look(int fd) {
    char byte = 0;
    if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) throw std::runtime_error("closed");
}

/// Whether an answer was there. It comes in one piece, as it is smaller than a segment.
bool receive(int fd, std::size_t answer_bytes) {
    std::array<char, 8 * 1024> answer;
    const ssize_t got = recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return false;
    if (static_cast<std::size_t>(checked(got, "recv")) != answer_bytes) {
        throw std::runtime_error("an answer of " + std::to_string(got) + " bytes");
    }
    return true;
}

void by_bare_loop(const Arguments& arguments, bool same) {
    const std::string request =
        "GET /ping HTTP/1.1\r\nHost: 127.0.0.1:" + arguments.port + "\r\n\r\n";
    const int poller = checked(epoll_create1(0), "epoll_create1");
    std::vector<int> sockets;
    for (std::size_t i = 0; i < arguments.fan; ++i) {
        sockets.push_back(connect_to(static_cast<std::uint16_t>(std::stoul(arguments.port))));
        watch(poller, EPOLL_CTL_ADD, sockets.back());
    }
    std::vector<epoll_event> events(2 * arguments.fan);
    Meter meter(arguments.time);
    do {
        std::size_t answered = 0;
        const auto take = [&](int fd) {
            if (!receive(fd, arguments.answer_bytes)) return false;
            if (same) look(fd);
            ++answered;
            return true;
        };
        for (const int fd : sockets) {
            if (same) look(fd);
            checked(send(fd, request.data(), request.size(), MSG_NOSIGNAL), "send");
            if (same && !take(fd)) watch(poller, EPOLL_CTL_MOD, fd);
        }
        while (answered < sockets.size()) {
            const int size = static_cast<int>(events.size());
            const int count = checked(epoll_wait(poller, events.data(), size, -1), "epoll_wait");
            for (int i = 0; i < count; ++i) take(events[static_cast<std::size_t>(i)].data.fd);
        }
    } while (meter.count(arguments.fan));
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string_view way = argc == 6 ? argv[1] : "";
    if (way != "client" && way != "least" && way != "same") {
        std::fputs("usage: upstream client|least|same PORT FAN ANSWER_BYTES SECONDS\n", stderr);
        return 2;
    }
    const Arguments arguments{argv[2], std::stoul(argv[3]), std::stoul(argv[4]),
                              std::chrono::seconds(std::stoul(argv[5]))};
    if (way == "client") {
        by_client(arguments);
    } else {
        by_bare_loop(arguments, way == "same");
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "upstream: %s\n", error.what());
    return 1;
}
