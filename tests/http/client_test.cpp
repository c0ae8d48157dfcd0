#include "ringmaster/http/client.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/http/server.hpp"

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The other end of one connection, as a test plays it in a fiber.
class Peer {
  public:
    explicit Peer(std::unique_ptr<net::Stream> stream) : stream_(std::move(stream)) {}

    /// What came, up to and including `end`; all of it where it ends before.
    std::string read_until(std::string_view end) {
        std::array<char, 64> buffer;
        while (text_.find(end) == text_.npos) {
            const auto got = stream_->read_some(buffer, {});
            if (!got || *got == 0) return std::exchange(text_, "");
            text_.append(buffer.data(), *got);
        }
        const std::size_t size = text_.find(end) + end.size();
        const std::string taken = text_.substr(0, size);
        text_.erase(0, size);
        return taken;
    }
    bool send(std::string_view bytes) { return stream_->write(bytes, {}).ok(); }
    void close() { stream_.reset(); }

  private:
    std::unique_ptr<net::Stream> stream_;
    std::string text_;
};

struct ClientTest : ::testing::Test {
    /// One for each connection that the client makes, in order; the last one for all others too.
    std::vector<std::function<void(Peer&)>> peers;

    std::unique_ptr<Client> make(ClientOptions options = {}) {
        return std::make_unique<Client>(
            manual.scheduler,
            [this](Deadline) -> Result<std::unique_ptr<net::Stream>> {
                auto [mine, theirs] = net::memory_streams(manual.scheduler, 1024);
                const auto& play = peers[std::min(connections++, peers.size() - 1)];
                auto peer = std::make_shared<Peer>(std::move(theirs));
                manual.scheduler.spawn("peer", [&play, peer] { play(*peer); });
                return std::move(mine);
            },
            "example.org", std::move(options));
    }
    void run(std::function<void()> job) {
        bool ended = false;
        manual.spawn([&] {
            job();
            ended = true;
        });
        for (int i = 0; i < 100'000 && !ended; ++i) manual.advance(milliseconds(1));
        ASSERT_TRUE(ended);
        EXPECT_TRUE(manual.log.lines.empty()) << manual.log.lines.front();
    }
    void sleep(milliseconds time) { manual.scheduler.sleep_until(manual.scheduler.now() + time); }
    /// Answers every request alike.
    static std::function<void(Peer&)> always(std::string_view answer) {
        return [answer](Peer& peer) {
            while (!peer.read_until("\r\n\r\n").empty()) peer.send(answer);
        };
    }

    runtime::ManualScheduler manual;
    std::size_t connections = 0;
};

TEST_F(ClientTest, SendsARequestAndReadsTheAnswer) {
    std::string seen;
    peers = {[&](Peer& peer) {
        seen = peer.read_until("a body");
        peer.send("HTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 5\r\n\r\nhello");
    }};
    const auto client = make();
    run([&] {
        const auto answer = client->fetch({.method = Method::post,
                                           .target = "/things?a=b%20c",
                                           .fields = {{"X-One", "1"}, {"X-Two", ""}},
                                           .body = "a body"});
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->head.status, 201);
        EXPECT_EQ(answer->head.field("location"), "/x");
        EXPECT_EQ(answer->body, "hello");
    });
    EXPECT_EQ(seen,
              "POST /things?a=b%20c HTTP/1.1\r\nHost: example.org\r\nX-One: 1\r\nX-Two: \r\n"
              "Content-Length: 6\r\n\r\na body");
}

TEST_F(ClientTest, KeepsConnectionsAliveAndUsesThemAgain) {
    peers = {always(kOk)};
    const auto client = make();
    run([&] {
        for (int i = 0; i < 5; ++i) EXPECT_EQ(client->get("/")->body, "ok");
    });
    EXPECT_EQ(connections, 1u);
    EXPECT_EQ(client->stats().idle, 1u);
}

TEST_F(ClientTest, DoesNotUseAgainWhatWasNotLeftInOrder) {
    const std::vector<std::string> answers = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
    };
    for (const std::string& answer : answers) {
        connections = 0;
        peers = {always(answer)};
        const auto client = make();
        run([&] {
            EXPECT_EQ(client->get("/")->body, "ok");
            EXPECT_EQ(client->get("/")->body, "ok");
        });
        EXPECT_EQ(connections, 2u) << answer;
    }
}

TEST_F(ClientTest, ReadsAnAnswerThatEndsWithTheConnection) {
    peers = {[](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send("HTTP/1.1 200 OK\r\n\r\nall there is");
    }};
    const auto client = make();
    run([&] { EXPECT_EQ(client->get("/")->body, "all there is"); });
    EXPECT_EQ(client->stats().connections, 0u);
}

TEST_F(ClientTest, AsksOnceMoreWhereAKeptConnectionWasClosedBeforeAnyByteCame) {
    std::vector<std::string> seen;
    // The first connection looks sound when it is lent: its peer closes when it has the request.
    peers = {[&](Peer& peer) {
                 seen.push_back(peer.read_until("\r\n"));
                 peer.read_until("\r\n\r\n");
                 peer.send(kOk);
                 seen.push_back(peer.read_until("\r\n"));
             },
             [&](Peer& peer) {
                 seen.push_back(peer.read_until("\r\n"));
                 peer.send(kOk);
             }};
    const auto client = make();
    run([&] {
        EXPECT_EQ(client->get("/first")->body, "ok");
        EXPECT_EQ(client->get("/second")->body, "ok");
    });
    EXPECT_THAT(seen, ElementsAre(StartsWith("GET /first"), StartsWith("GET /second"),
                                  StartsWith("GET /second")));
    EXPECT_EQ(connections, 2u);
}

TEST_F(ClientTest, DoesNotAskAgainWhatMayHaveTakenEffect) {
    const auto closes_at_the_second = [&](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(kOk);
        peer.read_until("\r\n\r\n");
    };
    peers = {closes_at_the_second};
    auto client = make();
    run([&] {
        EXPECT_TRUE(client->get("/"));
        const auto posted = client->fetch({.method = Method::post, .fields = {}, .body = {}});
        ASSERT_FALSE(posted) << "a POST";
        EXPECT_EQ(posted.error().code, ErrorCode::closed);
    });
    EXPECT_EQ(connections, 1u);

    connections = 0;
    peers = {[](Peer& peer) { peer.read_until("\r\n\r\n"); }};
    client = make();
    run([&] { EXPECT_EQ(client->get("/").error().code, ErrorCode::closed) << "a new connection"; });
    EXPECT_EQ(connections, 1u);

    connections = 0;
    peers = {[](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(kOk);
        peer.read_until("\r\n\r\n");
        peer.send("HTTP/1.1 2");
    }};
    client = make();
    run([&] {
        EXPECT_TRUE(client->get("/"));
        EXPECT_EQ(client->get("/").error().code, ErrorCode::closed) << "bytes had come back";
    });
    EXPECT_EQ(connections, 1u);
}

TEST_F(ClientTest, GivesUpWhenTheFirstByteOrTheWholeTakesTooLong) {
    peers = {[&](Peer& peer) {
        peer.read_until("\r\n\r\n");
        sleep(milliseconds(200));
        peer.send("HTTP/1.1 200 OK\r\n");
        sleep(milliseconds(200));
        peer.send("Content-Length: 0\r\n\r\n");
    }};
    ClientOptions options;
    options.first_byte_timeout = milliseconds(100);
    auto client = make(options);
    run([&] { EXPECT_EQ(client->get("/").error().code, ErrorCode::timeout); });

    options.first_byte_timeout = milliseconds(250);
    options.total_timeout = milliseconds(300);
    client = make(options);
    run([&] { EXPECT_EQ(client->get("/").error().code, ErrorCode::timeout); });

    options.total_timeout = milliseconds(500);
    client = make(options);
    run([&] {
        EXPECT_EQ(client->get("/", manual.in(milliseconds(300))).error().code, ErrorCode::timeout);
        EXPECT_TRUE(client->get("/"));
    });
    EXPECT_EQ(connections, 4u) << "one that was given up on is not used again";
}

TEST_F(ClientTest, HasBounds) {
    ClientOptions options;
    options.limits.body_bytes = 10;
    peers = {always("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n12345678901")};
    const auto client = make(options);
    run([&] {
        const auto answer = client->get("/");
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().message, "the answer's body has more than 10 bytes");
        std::string body;
        const auto streamed = client->stream({.target = "/", .fields = {}, .body = {}},
                                             [&](const ResponseHead& head, std::string_view part) {
                                                 EXPECT_EQ(head.status, 200);
                                                 body += part;
                                             });
        EXPECT_TRUE(streamed) << "a streamed body has no such bound";
        EXPECT_EQ(body, "12345678901");
    });
}

TEST_F(ClientTest, RefusesToSendWhatWouldBreakTheFraming) {
    peers = {always(kOk)};
    const auto client = make();
    run([&] {
        for (const char* target : {"", "x", "/a b", "/a\r\nHost: evil", "/\x80", "http://x/"}) {
            EXPECT_EQ(client->get(target).error().code, ErrorCode::invalid) << target;
        }
        const std::vector<std::pair<std::string, std::string>> fields = {
            {"A b", "1"}, {"", "1"}, {"A", "1\r\nB: 2"}, {"host", "evil"}, {"Content-Length", "5"}};
        for (const auto& field : fields) {
            EXPECT_EQ(client->fetch({.fields = {field}, .body = {}}).error().code,
                      ErrorCode::invalid)
                << field.first;
        }
    });
    EXPECT_EQ(connections, 0u);
}

TEST_F(ClientTest, SendsABodyAsItIsMadeAndTakesTheAnswerAsItComes) {
    std::string seen;
    peers = {[&](Peer& peer) {
        seen = peer.read_until("0\r\n\r\n");
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        sleep(milliseconds(50));
        peer.send("3\r\ndef\r\n0\r\n\r\n");
    }};
    const auto client = make();
    std::vector<std::string> parts = {"one", "", std::string(5000, 'x')};
    std::vector<std::string> received;
    run([&] {
        std::size_t next = 0;
        const auto head = client->stream(
            {.method = Method::put, .target = "/up", .fields = {}, .body = {}},
            [&](const ResponseHead&, std::string_view part) {
                received.emplace_back(part);
                sleep(milliseconds(10));
            },
            [&]() -> std::optional<std::string> {
                sleep(milliseconds(10));
                if (next == parts.size()) return std::nullopt;
                return parts[next++];
            });
        ASSERT_TRUE(head) << head.error().message;
        EXPECT_EQ(head->status, 200);
    });
    EXPECT_EQ(seen,
              "PUT /up HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
              "3\r\none\r\n1388\r\n" +
                  std::string(5000, 'x') + "\r\n0\r\n\r\n");
    EXPECT_THAT(received, ElementsAre("abc", "def"));
}

TEST_F(ClientTest, WhatTheSinkThrowsArrivesAtTheCaller) {
    peers = {always(kOk)};
    const auto client = make();
    run([&] {
        EXPECT_THROW((void)client->stream({.fields = {}, .body = {}},
                                          [](const ResponseHead&, std::string_view) {
                                              throw std::runtime_error("no room");
                                          }),
                     std::runtime_error);
        EXPECT_EQ(client->stats().connections, 0u) << "its connection is closed";
        EXPECT_TRUE(client->get("/"));
    });
}

TEST_F(ClientTest, AnAnswerThatComesBeforeTheRequestIsSentCounts) {
    peers = {[](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(
            "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        peer.close();
    }};
    const auto client = make();
    run([&] {
        const auto answer = client->fetch(
            {.method = Method::post, .fields = {}, .body = std::string(100'000, 'x')});
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->head.status, 413);
    });
}

TEST_F(ClientTest, ACancelledCallGivesUpItsConnection) {
    peers = {[](Peer& peer) { peer.read_until("never"); }};
    const auto client = make();
    const runtime::Task task = manual.scheduler.spawn("caller", [&] { (void)client->get("/"); });
    manual.settle();
    EXPECT_EQ(client->stats().busy + client->stats().dead, 1u);
    task.cancel("the client left");
    manual.settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(client->stats().connections, 0u);
}

/// Against our own server, over real sockets.
TEST(ClientAndServer, ManyCallsAtOnceShareTheConnections) {
    SystemClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {.max_fibers = 300});
    Server server(
        reactor,
        [](const Request& request, Response& response) {
            response.body = request.body().empty() ? request.target() : request.body();
        },
        {}, errors, log);
    ASSERT_TRUE(server.listen(*net::parse_endpoint("127.0.0.1:0")));
    ClientOptions options;
    options.pool.size = 4;
    Client client(reactor, server.local_endpoint(), "localhost", options);
    int good = 0;
    int left = 100;
    reactor.post([&] {
        for (int i = 0; i < 100; ++i) {
            reactor.scheduler().spawn("call", [&, i] {
                const auto answer = client.get("/" + std::to_string(i));
                good += answer && answer->body == "/" + std::to_string(i) ? 1 : 0;
                const std::string body(static_cast<std::size_t>(i) * 1000, 'b');
                const auto posted = client.fetch(
                    {.method = Method::post, .target = "/p", .fields = {}, .body = body});
                good += posted && posted->body == (i == 0 ? "/p" : body) ? 1 : 0;
                if (--left == 0) reactor.stop();
            });
        }
    });
    reactor.run();
    EXPECT_EQ(good, 200);
    EXPECT_EQ(server.stats().accepted, 4u);
    EXPECT_EQ(client.stats().made, 4u);
}

}  // namespace
}  // namespace ringmaster::http
