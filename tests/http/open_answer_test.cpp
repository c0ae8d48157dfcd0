// Answers that go on when their handler has returned.
#include "ringmaster/http/open_answer.hpp"

#include "ringmaster/http/event_stream.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/peer.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using std::chrono::milliseconds;

/// Counts what it is told.
struct Stream final : OpenAnswer {
    void on_gone() noexcept override { ++gone; }
    int gone = 0;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Begins with "begin".
RequestHandler leaves_open(OpenAnswer& stream) {
    return [&stream](Request&, Response& response) {
        response.close = true;
        response.write("begin");
        response.leave_open(stream);
    };
}

TEST(OpenAnswer, GoesOnWithoutAFiberUntilItIsEnded) {
    TestServer server;
    Stream stream;
    server.run(leaves_open(stream), [&] {
        EXPECT_FALSE(stream.is_open());
        EXPECT_FALSE(stream.send("nobody"));
        Peer peer(server);
        const std::size_t fibers = server.scheduler().fibers_in_use();
        peer.send(kGet);
        EXPECT_TRUE(peer.read_until("begin\r\n").find("Connection: close\r\n") !=
                    std::string::npos);
        EXPECT_EQ(server.scheduler().fibers_in_use(), fibers);
        EXPECT_EQ(server.server().stats().in_flight, 0u);
        EXPECT_EQ(server.server().stats().open_answers, 1u);
        for (const std::string part : {"one", "two"}) {
            EXPECT_TRUE(stream.send(part));
            EXPECT_EQ(peer.read_until(part + "\r\n"), "3\r\n" + part + "\r\n");
        }
        stream.end();
        EXPECT_FALSE(stream.is_open());
        EXPECT_FALSE(stream.send("three"));
        EXPECT_EQ(peer.read_to_end(), "0\r\n\r\n");
        EXPECT_EQ(server.server().stats().open_answers, 0u);
        stream.end();
    });
    EXPECT_EQ(stream.gone, 0);
}

TEST(OpenAnswer, IsClosedUntilTheHandlerHasReturned) {
    TestServer server;
    Stream stream;
    server.run(
        [&](Request& request, Response& response) {
            leaves_open(stream)(request, response);
            EXPECT_FALSE(stream.is_open());
            EXPECT_FALSE(stream.send("early"));
        },
        [&] {
            Peer peer(server);
            peer.send(kGet);
            peer.read_until("begin\r\n");
            stream.send("1");
            stream.send("2");
            stream.end();
            EXPECT_EQ(peer.read_to_end(), "1\r\n1\r\n1\r\n2\r\n0\r\n\r\n");
        });
}

TEST(OpenAnswer, IsToldWhenTheClientLeaves) {
    TestServer server({.half_close_timeout = milliseconds(0)});
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        EXPECT_EQ(stream.gone, 0);
        peer.leave();
        server.wait_until([&] { return stream.gone == 1; });
        EXPECT_FALSE(stream.is_open());
        EXPECT_FALSE(stream.send("x"));
        EXPECT_EQ(server.server().stats().open_answers, 0u);
        server.wait_until([&] { return server.server().stats().connections == 0; });
    });
    EXPECT_EQ(stream.gone, 1);
}

TEST(OpenAnswer, MayDestroyItselfThen) {
    struct Owned final : OpenAnswer {
        explicit Owned(std::unique_ptr<Owned>& o) : owner(o) {}
        void on_gone() noexcept override { owner.reset(); }
        std::unique_ptr<Owned>& owner;
    };
    TestServer server({.half_close_timeout = milliseconds(0)});
    std::unique_ptr<Owned> owned;
    owned = std::make_unique<Owned>(owned);
    server.run(leaves_open(*owned), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        peer.leave();
        server.wait_until([&] { return owned == nullptr; });
    });
}

TEST(OpenAnswer, EndsWhenItIsDestroyed) {
    TestServer server;
    auto stream = std::make_unique<Stream>();
    server.run(leaves_open(*stream), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        stream.reset();
        EXPECT_EQ(peer.read_to_end(), "0\r\n\r\n");
    });
}

TEST(OpenAnswer, IsEndedProperlyWhenTheServerDrains) {
    TestServer server;
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        runtime::Event read(server.scheduler());
        server.scheduler().spawn("reader", [&] {
            EXPECT_EQ(peer.read_to_end(), "0\r\n\r\n");
            peer.leave();
            read.set();
        });
        EXPECT_EQ(server.server().drain(
                      Deadline::at(server.scheduler().now() + std::chrono::seconds(10))),
                  0u);
        EXPECT_EQ(stream.gone, 1);
        read.wait();
    });
    EXPECT_EQ(stream.gone, 1);
}

TEST(OpenAnswer, IsTheLastOfItsConnection) {
    TestServer server;
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send(std::string(kGet) + std::string(kGet) + "GET /part");
        peer.read_until("begin\r\n");
        EXPECT_EQ(server.server().stats().requests, 1u);
        peer.send("ial HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(stream.send("more"));
        EXPECT_EQ(peer.read_until("more\r\n"), "4\r\nmore\r\n");
        stream.end();
        EXPECT_EQ(peer.read_to_end(), "0\r\n\r\n");
        EXPECT_EQ(server.server().stats().requests, 1u);
    });
}

TEST(OpenAnswer, WaitsForTheAnswersBeforeIt) {
    TestServer server;
    Stream stream;
    runtime::Event go_on(server.scheduler());
    const auto open = leaves_open(stream);
    server.run(
        [&](Request& request, Response& response) {
            if (request.path() == "/") return open(request, response);
            go_on.wait();
            response.body = "first";
        },
        [&] {
            Peer peer(server);
            peer.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(kGet));
            server.scheduler().yield();
            EXPECT_FALSE(stream.is_open());
            go_on.set();
            const std::string both = peer.read_until("begin\r\n");
            EXPECT_LT(both.find("first"), both.find("begin"));
            EXPECT_TRUE(stream.is_open());
        });
}

TEST(OpenAnswer, HasNoChunksForHttp10) {
    TestServer server;
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send("GET / HTTP/1.0\r\n\r\n");
        peer.read_until("begin");
        EXPECT_TRUE(stream.send("more"));
        EXPECT_EQ(peer.read_until("more"), "more");
        stream.end();
        EXPECT_EQ(peer.read_to_end(), "");
    });
}

TEST(OpenAnswer, IsGoneAtOnceWhereItMayHaveNoContent) {
    TestServer server;
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(peer.read_to_end().ends_with("Connection: close\r\n\r\n"));
        EXPECT_EQ(stream.gone, 1);
    });
}

TEST(OpenAnswer, IsGoneWhereTheHandlerFailsBehindIt) {
    TestServer server;
    Stream stream;
    server.run(
        [&](Request& request, Response& response) {
            leaves_open(stream)(request, response);
            throw std::runtime_error("behind it");
        },
        [&] {
            Peer peer(server);
            peer.send(kGet);
            EXPECT_FALSE(peer.read_to_end().ends_with("0\r\n\r\n")) << "cut off";
            EXPECT_EQ(stream.gone, 1);
            EXPECT_FALSE(stream.is_open());
        });
}

TEST(OpenAnswer, IsGoneWhereTheClientLeavesBeforeTheHandlerReturns) {
    TestServer server({.half_close_timeout = milliseconds(0)});
    Stream stream;
    server.run(
        [&](Request&, Response& response) {
            response.write("begin");
            const runtime::CancellationShield shield(server.scheduler());
            server.wait_until([&] { return server.server().stats().connections == 0; });
            response.leave_open(stream);
        },
        [&] {
            Peer peer(server);
            peer.send(kGet);
            peer.read_until("begin\r\n");
            peer.leave();
            server.wait_until([&] { return stream.gone == 1; });
        });
}

TEST(OpenAnswer, MustHaveBegun) {
    Response response;
    Stream stream;
    EXPECT_THROW(response.leave_open(stream), std::logic_error);
    EXPECT_EQ(response.left_open(), nullptr);
}

// Beyond what the kernel takes, up to the bound, and then nothing.
TEST(OpenAnswer, SaysSoWhereTheClientTakesNothing) {
    const std::string part(10'000, 'x');
    TestServer server({.output_high_water_bytes = 50'000});
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        EXPECT_EQ(stream.unsent_bytes(), 0u);
        std::size_t sent = 0;
        while (stream.send(part)) sent += part.size();
        EXPECT_FALSE(stream.send(part));
        EXPECT_GT(stream.unsent_bytes() + part.size(), 50'000u);
        EXPECT_TRUE(stream.is_open());
        std::size_t received = 0;
        while (received < sent) {
            for (const char c : peer.read_until("x\r\n")) received += c == 'x';
        }
        EXPECT_EQ(received, sent);
        EXPECT_TRUE(stream.send(part));
        EXPECT_LE(stream.unsent_bytes(), part.size() + 16);  // a chunk has a size and line ends
    });
}

TEST(OpenAnswer, IsGoneWhereTheClientTakesNothingForTooLong) {
    const std::string part(10'000, 'x');
    TestServer server({.output_high_water_bytes = 50'000, .write_timeout = milliseconds(50)});
    Stream stream;
    server.run(leaves_open(stream), [&] {
        Peer peer(server);
        peer.send(kGet);
        peer.read_until("begin\r\n");
        while (stream.send(part)) {
        }
        server.wait_until([&] { return stream.gone == 1; });
    });
}

}  // namespace
}  // namespace ringmaster::http
