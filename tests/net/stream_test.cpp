#include "ringmaster/net/stream.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <array>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// A reactor on the real clock, and a socket that listens.
struct Sockets : ::testing::Test {
    void run(std::function<void()> job) {
        reactor.post([&] {
            reactor.scheduler().run("test", [&] {
                job();
                reactor.stop();
            });
        });
        reactor.run();
        EXPECT_TRUE(log.lines.empty()) << log.lines.front();
    }
    Deadline in(milliseconds time) { return Deadline::at(reactor.scheduler().now() + time); }

    static Endpoint listening(int& fd, int backlog = 8) {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd, backlog), 0);
        socklen_t size = sizeof address;
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
        return *parse_endpoint("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
    }

    SystemClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors{log};
    runtime::Reactor reactor{clock, errors, {.max_fibers = 16}};
};

std::string read_all(Stream& stream, Deadline deadline = {}) {
    std::string text;
    std::array<char, 7> buffer;
    while (true) {
        const auto got = stream.read_some(buffer, deadline);
        if (!got) return text + "!" + std::string(to_string(got.error().code));
        if (*got == 0) return text;
        text.append(buffer.data(), *got);
    }
}

TEST_F(Sockets, BytesGoBothWaysHoweverManyTheyAre) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const std::string much(3'000'000, 'x');
    std::string received;
    run([&] {
        SocketStream a(reactor, AF_UNIX, fds[0]);
        runtime::Event done(reactor.scheduler());
        reactor.scheduler().spawn("other", [&] {
            SocketStream b(reactor, AF_UNIX, fds[1]);
            std::array<char, 4096> buffer;
            while (received.size() < much.size()) {
                received.append(buffer.data(), *b.read_some(buffer, {}));
            }
            EXPECT_TRUE(b.write("thanks", {}));
            done.set();
        });
        EXPECT_TRUE(a.usable());
        EXPECT_TRUE(a.write(much, in(milliseconds(60'000))));
        done.wait();
        EXPECT_FALSE(a.usable()) << "there is something to read";
        EXPECT_EQ(read_all(a), "thanks");
        EXPECT_FALSE(a.usable());
        EXPECT_EQ(a.write("too late", {}).error().code, ErrorCode::closed);
    });
    EXPECT_EQ(received, much);
}

TEST_F(Sockets, ReadsAndWritesGiveUpAtTheirDeadline) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    run([&] {
        SocketStream silent(reactor, AF_UNIX, fds[0]);
        std::array<char, 8> buffer;
        EXPECT_EQ(silent.read_some(buffer, in(milliseconds(5))).error().code, ErrorCode::timeout);
        EXPECT_FALSE(silent.usable());
        const auto written = silent.write(std::string(10'000'000, 'x'), in(milliseconds(5)));
        EXPECT_EQ(written.error().code, ErrorCode::timeout);
    });
    ::close(fds[1]);
}

TEST_F(Sockets, ACancelledReadLeavesNothingBehind) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    run([&] {
        bool cancelled = false;
        const runtime::Task reader = reactor.scheduler().spawn("reader", [&] {
            SocketStream stream(reactor, AF_UNIX, fds[0]);
            std::array<char, 8> buffer;
            try {
                (void)stream.read_some(buffer, {});
            } catch (const runtime::Cancelled&) {
                cancelled = true;
                throw;
            }
        });
        reactor.scheduler().yield();
        reader.cancel("enough");
        while (reader.is_running()) reactor.scheduler().yield();
        EXPECT_TRUE(cancelled);
        char byte;
        EXPECT_EQ(::recv(fds[1], &byte, 1, 0), 0) << "it is closed";
    });
    ::close(fds[1]);
}

TEST_F(Sockets, ConnectsOrTellsWhyItDidNot) {
    int listener;
    const Endpoint endpoint = listening(listener);
    run([&] {
        const auto stream = connect(reactor, endpoint, in(milliseconds(60'000)));
        ASSERT_TRUE(stream);
        EXPECT_TRUE((*stream)->usable());
        const int accepted = ::accept(listener, nullptr, nullptr);
        ASSERT_EQ(::send(accepted, "hi", 2, 0), 2);
        ::close(accepted);
        EXPECT_EQ(read_all(**stream), "hi");
    });
    ::close(listener);
    reactor.context().restart();
    run([&] {
        const auto refused = connect(reactor, endpoint, {});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
        EXPECT_THAT(refused.error().message,
                    HasSubstr(to_string(endpoint) + ": Connection refused"));
        const auto nobody = connect(reactor, *parse_endpoint("unix:/nonexistent/socket"), {});
        ASSERT_FALSE(nobody);
        EXPECT_THAT(nobody.error().message, HasSubstr("No such file"));
    });
}

TEST_F(Sockets, AConnectThatNobodyAnswersGivesUpAtItsDeadline) {
    int listener;
    const Endpoint endpoint = listening(listener, 0);
    run([&] {
        // Once the backlog is full, the kernel drops what comes.
        std::vector<std::unique_ptr<Stream>> streams;
        for (int i = 0; i < 20; ++i) {
            auto stream = connect(reactor, endpoint, in(milliseconds(50)));
            if (!stream) {
                EXPECT_EQ(stream.error().code, ErrorCode::timeout);
                return;
            }
            streams.push_back(*std::move(stream));
        }
        FAIL() << "the backlog is never full";
    });
    ::close(listener);
}

struct MemoryStreams : ::testing::Test {
    runtime::ManualScheduler manual;
};

TEST_F(MemoryStreams, CarryBytesInOrderAndAWriterWaitsForTheReader) {
    auto [a, b] = memory_streams(manual.scheduler, 4);
    bool written = false;
    std::string received;
    manual.spawn([&, &left = a] {
        EXPECT_TRUE(left->write("0123456789", {}));
        written = true;
        left.reset();
    });
    manual.settle();
    EXPECT_FALSE(written);
    manual.spawn([&, &right = b] { received = read_all(*right); });
    manual.settle();
    EXPECT_TRUE(written);
    EXPECT_EQ(received, "0123456789");
    EXPECT_FALSE(b->usable());
}

TEST_F(MemoryStreams, EndReadersAndBreakWritersWhenOneSideGoes) {
    auto [a, b] = memory_streams(manual.scheduler, 4);
    std::optional<ErrorCode> code;
    manual.spawn([&, &left = a] { code = left->write("too much", {}).error().code; });
    manual.settle();
    b.reset();
    manual.settle();
    EXPECT_EQ(code, ErrorCode::closed);
    std::string rest = "not read";
    manual.spawn([&, &left = a] { rest = read_all(*left); });
    manual.settle();
    EXPECT_EQ(rest, "");
}

TEST_F(MemoryStreams, GiveUpAtTheDeadline) {
    auto [a, b] = memory_streams(manual.scheduler, 4);
    std::string read;
    std::optional<ErrorCode> code;
    manual.spawn([&, &left = a] { read = read_all(*left, manual.in(milliseconds(5))); });
    manual.spawn([&, &left = a] {
        code = left->write("too much", manual.in(milliseconds(5))).error().code;
    });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_EQ(read, "!timeout");
    EXPECT_EQ(code, ErrorCode::timeout);
}

}  // namespace
}  // namespace ringmaster::net
