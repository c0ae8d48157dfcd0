// Holds many open GET /numbers/stream of one shard, and checks that each is pinged in time: one of
// the client processes of bench/million.
//
//   stream_clients SOURCE PORT COUNT FIRST_SESSION POOLS PING_MS
//
// Connects from the loopback addresses SOURCE and SOURCE + 65536 in turn to 127.0.0.1:PORT: of the
// 28,000 ports that an address has the kernel gives out half, and then searches long for each other
// one. When standard input gives a line, it begins to open streams; each second, it writes what it
// has as one line of JSON; when standard input ends, it closes them, writes the last line and ends.
//
// How late a ping is, is its distance from the ping (or the first event) before it, minus PING_MS.

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kOpening = 32;  // handshakes and first answers under way at a time
constexpr std::string_view kPing = "4\r\n: \n\n\r\n";
constexpr std::uint32_t kInTimeMs = 1000;

int checked(ssize_t result, const char* call) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), call);
    return static_cast<int>(result);
}

struct Stream {
    enum class State : std::uint8_t { none, connecting, asked, open, over };
    int fd = -1;
    std::uint32_t last_ms = 0;
    State state = State::none;
};

struct Counts {
    std::size_t open = 0;
    std::size_t ended = 0;    // by the server, or refused
    std::size_t strange = 0;  // reads that are not what is expected
    std::size_t overflow = 0;
    std::size_t changes = 0;  // of numbers
    std::size_t pings = 0;
    std::size_t late = 0;  // more than kInTimeMs
    std::uint32_t latest_ms = 0;
    std::array<std::size_t, 64> lateness{};  // by 16 ms; the last: or more
};

class Clients {
  public:
    explicit Clients(char** argv)
        : count_(static_cast<std::size_t>(std::atoll(argv[3]))),
          first_session_(std::atoll(argv[4])),
          pools_(std::atoll(argv[5])),
          ping_ms_(static_cast<std::uint32_t>(std::atoi(argv[6]))),
          streams_(count_),
          epoll_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        source_.sin_family = server_.sin_family = AF_INET;
        if (inet_pton(AF_INET, argv[1], &source_.sin_addr) != 1) {
            throw std::invalid_argument(argv[1]);
        }
        server_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        server_.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
        epoll_event input{.events = EPOLLIN, .data = {.u64 = count_}};
        checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &input), "epoll_ctl");
    }

    void run() {
        std::uint32_t next_report = now_ms() + 1000;
        while (!told_to_end_) {
            std::array<epoll_event, 512> events;
            const std::uint32_t now = now_ms();
            if (now >= next_report) {
                report(now);
                next_report += 1000;
                continue;
            }
            const int got = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(next_report - now));
            if (got < 0 && errno != EINTR) checked(got, "epoll_wait");
            const std::uint32_t then = now_ms();
            for (int i = 0; i < got; ++i) {
                const auto index =
                    static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64);
                index == count_ ? hear() : on_event(index, then);
            }
            while (told_to_begin_ && begun_ < count_ && opening_ < kOpening) begin(begun_++);
        }
        report(now_ms());
    }

  private:
    static std::uint32_t now_ms() {
        static const auto start = Clock::now();
        return static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
    }

    void hear() {
        char line[64];
        const ssize_t got = read(STDIN_FILENO, line, sizeof line);
        told_to_end_ = got <= 0;
        told_to_begin_ = true;
    }

    void begin(std::size_t index) {
        Stream& stream = streams_[index];
        stream.fd =
            checked(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
        const int late = 1;  // the port is chosen when the other end is known
        setsockopt(stream.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
        sockaddr_in source = source_;
        if (index % 2 == 1) source.sin_addr.s_addr = htonl(ntohl(source.sin_addr.s_addr) + 65'536);
        checked(bind(stream.fd, reinterpret_cast<const sockaddr*>(&source), sizeof source), "bind");
        const int made =
            connect(stream.fd, reinterpret_cast<const sockaddr*>(&server_), sizeof server_);
        if (made < 0 && errno != EINPROGRESS) checked(made, "connect");
        stream.state = Stream::State::connecting;
        ++opening_;
        epoll_event wish{.events = EPOLLOUT, .data = {.u64 = index}};
        checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.fd, &wish), "epoll_ctl");
    }

    void on_event(std::size_t index, std::uint32_t now) {
        Stream& stream = streams_[index];
        if (stream.state == Stream::State::over) return;
        if (stream.state == Stream::State::connecting) return ask(index, stream);
        std::array<char, 4096> bytes;
        const ssize_t got = recv(stream.fd, bytes.data(), bytes.size(), 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return end(stream);
        take(stream, {bytes.data(), static_cast<std::size_t>(got)}, now);
    }

    void ask(std::size_t index, Stream& stream) {
        const auto session = first_session_ + static_cast<long long>(index);
        const std::string pool = std::to_string(session % pools_);
        std::string request = "GET /numbers/stream?pool=pool-" + pool + "&key=key-" + pool +
                              "&session=visitor-" + std::to_string(session) +
                              "&utm_source=google&utm_medium=cpc&gclid=Cj0KCQiA" +
                              std::to_string(session * 7919) +
                              " HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
        if (send(stream.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size())) {
            return end(stream);
        }
        stream.state = Stream::State::asked;
        epoll_event wish{.events = EPOLLIN, .data = {.u64 = index}};
        checked(epoll_ctl(epoll_, EPOLL_CTL_MOD, stream.fd, &wish), "epoll_ctl");
    }

    // What the server sends at once is short, and comes in one piece.
    void take(Stream& stream, std::string_view bytes, std::uint32_t now) {
        const bool is_number = bytes.find("event: number\n") != bytes.npos;
        if (stream.state == Stream::State::asked) {
            if (!is_number || !bytes.starts_with("HTTP/1.1 200 ")) {
                ++counts_.strange;
                return end(stream);
            }
            stream.state = Stream::State::open;
            stream.last_ms = now;
            ++counts_.open;
            --opening_;
            if (bytes.find("\"overflow\":true") != bytes.npos) ++counts_.overflow;
            return;
        }
        if (is_number) ++counts_.changes;
        if (bytes.ends_with(kPing)) {
            pinged(stream, now);
        } else if (!is_number) {
            ++counts_.strange;
        }
    }

    void pinged(Stream& stream, std::uint32_t now) {
        const std::uint32_t since = now - stream.last_ms;
        const std::uint32_t late = since > ping_ms_ ? since - ping_ms_ : 0;
        stream.last_ms = now;
        ++counts_.pings;
        ++counts_.lateness[std::min<std::size_t>(late / 16, counts_.lateness.size() - 1)];
        counts_.latest_ms = std::max(counts_.latest_ms, late);
        if (late > kInTimeMs) ++counts_.late;
    }

    void end(Stream& stream) {
        if (stream.state == Stream::State::open)
            --counts_.open;
        else
            --opening_;
        stream.state = Stream::State::over;
        ++counts_.ended;
        close(stream.fd);
    }

    /// Open streams whose ping should have come by now, and has not.
    std::size_t missing(std::uint32_t now) const {
        return static_cast<std::size_t>(std::ranges::count_if(streams_, [&](const Stream& stream) {
            return stream.state == Stream::State::open &&
                   now - stream.last_ms > ping_ms_ + kInTimeMs;
        }));
    }

    void report(std::uint32_t now) const {
        std::printf(
            "{\"open\":%zu,\"ended\":%zu,\"strange\":%zu,\"overflow\":%zu,\"changes\":%zu,"
            "\"pings\":%zu,\"late\":%zu,\"latest_ms\":%u,\"missing\":%zu,\"lateness\":[",
            counts_.open, counts_.ended, counts_.strange, counts_.overflow, counts_.changes,
            counts_.pings, counts_.late, counts_.latest_ms, missing(now));
        const char* comma = "";
        for (const std::size_t n : counts_.lateness) {
            std::printf("%s%zu", comma, n);
            comma = ",";
        }
        std::puts("]}");
        std::fflush(stdout);
    }

    const std::size_t count_;
    const long long first_session_;
    const long long pools_;
    const std::uint32_t ping_ms_;
    std::vector<Stream> streams_;
    const int epoll_;
    sockaddr_in source_{};
    sockaddr_in server_{};
    std::size_t begun_ = 0;
    std::size_t opening_ = 0;
    bool told_to_begin_ = false;
    bool told_to_end_ = false;
    Counts counts_;
};

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 7) {
        std::fputs("usage: stream_clients SOURCE PORT COUNT FIRST_SESSION POOLS PING_MS\n", stderr);
        return 2;
    }
    Clients(argv).run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "stream_clients: %s\n", error.what());
    return 1;
}
