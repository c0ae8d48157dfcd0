#include "ringmaster/http/client.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/http/server.hpp"

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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
    /// Whether all that came has been read.
    bool has_read_all() const { return text_.empty() && stream_->usable(); }
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
    /// Runs what is ready, but lets no time pass.
    void yield() {
        for (int i = 0; i < 100; ++i) manual.scheduler.yield();
    }
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

TEST_F(ClientTest, RedirectsAreAnswersUnlessTheyMayBeFollowed) {
    peers = {always("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nok")};
    const auto client = make();
    run([&] {
        const auto answer = client->get("/");
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->head.status, 302);
        EXPECT_EQ(answer->body, "ok");
    });
}

/// Answers the first request of each connection with `head`, the next ones with 200 and their own
/// request line.
std::function<void(Peer&)> redirects_first(std::string head) {
    return [head = std::move(head)](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send("HTTP/1.1 " + head + "\r\nContent-Length: 4\r\n\r\ngone");
        while (true) {
            const std::string line = peer.read_until("\r\n");
            if (line.empty()) return;
            peer.read_until("\r\n\r\n");
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(line.size() - 2) +
                      "\r\n\r\n" + line.substr(0, line.size() - 2));
        }
    };
}

TEST_F(ClientTest, FollowsARedirectToWhereItLeadsWithinTheOrigin) {
    // Those of RFC 3986, 5.4, to "http://example.org/b/c/d;p?q", and some more.
    const std::vector<std::pair<std::string, std::string>> targets = {
        {"g", "/b/c/g"},
        {"./g", "/b/c/g"},
        {"g/", "/b/c/g/"},
        {"/g", "/g"},
        {"?y", "/b/c/d;p?y"},
        {"g?y", "/b/c/g?y"},
        {"#s", "/b/c/d;p?q"},
        {"g?y#s", "/b/c/g?y"},
        {";x", "/b/c/;x"},
        {"g;x=1/./y", "/b/c/g;x=1/y"},
        {"g;x=1/../y", "/b/c/y"},
        {"", "/b/c/d;p?q"},
        {".", "/b/c/"},
        {"./", "/b/c/"},
        {"..", "/b/"},
        {"../", "/b/"},
        {"../g", "/b/g"},
        {"../..", "/"},
        {"../../g", "/g"},
        {"../../../../g", "/g"},
        {"/./g", "/g"},
        {"/../g", "/g"},
        {"g.", "/b/c/g."},
        {"..g", "/b/c/..g"},
        {"./../g", "/b/g"},
        {"g/./h", "/b/c/g/h"},
        {"g/../h", "/b/c/h"},
        {"g?y/../x", "/b/c/g?y/../x"},
        {"g#s/../x", "/b/c/g"},
        {"/a:b", "/a:b"},
        {"?", "/b/c/d;p?"},
        {"//example.org/x?y", "/x?y"},
        {"http://example.org", "/"},
        {"http://example.org?y", "/?y"},
        {"HTTP://Example.ORG:80/a/../x", "/x"},
        {"http://example.org:/x", "/x"},
    };
    ClientOptions options;
    options.max_redirects = 1;
    for (const auto& [location, target] : targets) {
        peers = {redirects_first("307 Temporary Redirect\r\nLocation: " + location)};
        connections = 0;
        const auto client = make(options);
        run([&, &location = location, &target = target] {
            const auto answer = client->get("/b/c/d;p?q");
            ASSERT_TRUE(answer) << location << ": " << answer.error().message;
            EXPECT_EQ(answer->head.status, 200);
            EXPECT_EQ(answer->body, "GET " + target + " HTTP/1.1") << location;
        });
        EXPECT_EQ(connections, 1u);
    }
}

TEST_F(ClientTest, ARedirectThatLeadsElsewhereOrNowhereIsAnAnswer) {
    ClientOptions options;
    options.max_redirects = 1;
    for (const char* head :
         {"302 Found", "302 Found\r\nLocation: //other.org/", "302 Found\r\nLocation: https:/x",
          "302 Found\r\nLocation: https://example.org/", "302 Found\r\nLocation: g:h",
          "302 Found\r\nLocation: http:g", "302 Found\r\nLocation: http://example.org:8080/",
          "302 Found\r\nLocation: http://me@example.org/", "302 Found\r\nLocation: /a b",
          "302 Found\r\nLocation: /\x80", "300 Multiple Choices\r\nLocation: /x",
          "305 Use Proxy\r\nLocation: /x", "201 Created\r\nLocation: /x"}) {
        peers = {redirects_first(head)};
        const auto client = make(options);
        run([&] {
            const auto answer = client->get("/");
            ASSERT_TRUE(answer) << head;
            EXPECT_EQ(std::to_string(answer->head.status), std::string(head).substr(0, 3));
            EXPECT_EQ(answer->body, "gone");
        });
    }
}

TEST_F(ClientTest, SaysWithWhichMethodARedirectIsFollowed) {
    struct Case {
        Method asked;
        int status;
        Method followed;
    };
    const std::vector<Case> cases = {
        {Method::get, 301, Method::get},     {Method::head, 303, Method::head},
        {Method::post, 301, Method::get},    {Method::post, 302, Method::get},
        {Method::post, 303, Method::get},    {Method::post, 307, Method::post},
        {Method::post, 308, Method::post},   {Method::put, 301, Method::put},
        {Method::put, 302, Method::put},     {Method::put, 303, Method::get},
        {Method::patch, 308, Method::patch}, {Method::delete_, 303, Method::get},
    };
    ClientOptions options;
    options.max_redirects = 1;
    for (const Case& c : cases) {
        const std::string body = c.asked == Method::get || c.asked == Method::head ? "" : "body";
        std::string seen;
        peers = {[&](Peer& peer) {
            peer.read_until("\r\n\r\n" + body);
            peer.send("HTTP/1.1 " + std::to_string(c.status) +
                      " Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
            seen = peer.read_until("\r\n\r\n");
            if (c.followed == c.asked) seen += peer.read_until(body);
            peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        }};
        const auto client = make(options);
        run([&] {
            const auto answer = client->fetch({.method = c.asked,
                                               .target = "/",
                                               .fields = {{"Content-Type", "text/plain"},
                                                          {"X-Id", "1"},
                                                          {"last-modified", "now"}},
                                               .body = body});
            ASSERT_TRUE(answer) << answer.error().message;
            EXPECT_EQ(answer->head.status, 204);
        });
        const std::string begin =
            std::string(to_string(c.followed)) + " /x HTTP/1.1\r\nHost: example.org\r\n";
        const std::string same = begin +
                                 "Content-Type: text/plain\r\nX-Id: 1\r\n"
                                 "last-modified: now\r\n";
        const std::string length = body.empty() ? "" : "Content-Length: 4\r\n";
        EXPECT_EQ(seen,
                  c.followed == c.asked ? same + length + "\r\n" + body : begin + "X-Id: 1\r\n\r\n")
            << to_string(c.asked) << " " << c.status;
    }
}

TEST_F(ClientTest, FollowsNoMoreRedirectsThanItMayAndNotForLonger) {
    int hops = 0;
    milliseconds time{0};
    peers = {[&](Peer& peer) {
        while (!peer.read_until("\r\n\r\n").empty()) {
            sleep(time);
            const std::string to = "Location: /" + std::to_string(--hops);
            peer.send(hops >= 0 ? "HTTP/1.1 302 Found\r\n" + to + "\r\nContent-Length: 0\r\n\r\n"
                                : std::string(kOk));
        }
    }};
    ClientOptions options;
    options.max_redirects = 3;
    options.total_timeout = milliseconds(100);
    const auto client = make(options);
    run([&] {
        hops = 3;
        EXPECT_EQ(client->get("/")->body, "ok");
        hops = 4;
        const auto answer = client->get("/");
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, ErrorCode::invalid);
        EXPECT_EQ(answer.error().message, "more than 3 redirects");
        time = milliseconds(30);
        hops = 2;
        EXPECT_EQ(client->get("/")->body, "ok");
        hops = 3;
        EXPECT_EQ(client->get("/").error().code, ErrorCode::timeout);
    });
}

TEST_F(ClientTest, ABodyThatIsMadeAsItIsSentIsNotSentAgain) {
    std::string status;
    peers = {[&](Peer& peer) {
        peer.read_until("0\r\n\r\n");
        peer.send("HTTP/1.1 " + status + "\r\nLocation: /x\r\nContent-Length: 4\r\n\r\ngone");
        EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("GET /x HTTP/1.1\r\n"));
        peer.send(kOk);
    }};
    ClientOptions options;
    options.max_redirects = 1;
    const auto upload = [&] {
        const auto client = make(options);
        std::string body;
        run([&] {
            int parts = 2;
            const auto head = client->stream(
                {.method = Method::put, .fields = {}, .body = {}},
                [&](const ResponseHead&, std::string_view part) { body += part; },
                [&]() -> std::optional<std::string> {
                    if (parts-- == 0) return std::nullopt;
                    return "part";
                });
            ASSERT_TRUE(head) << head.error().message;
            body = std::to_string(head->status) + " " + body;
        });
        return body;
    };
    status = "303 See Other";
    EXPECT_EQ(upload(), "200 ok");
    peers = {[&](Peer& peer) {
        peer.read_until("0\r\n\r\n");
        peer.send("HTTP/1.1 307 Moved\r\nLocation: /x\r\nContent-Length: 4\r\n\r\ngone");
    }};
    EXPECT_EQ(upload(), "307 gone");
}

// --- pipelining --------------------------------------------------------------------------------

struct PipelineTest : ClientTest {
    static std::vector<ClientRequest> gets(int count) {
        std::vector<ClientRequest> requests(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            requests[static_cast<std::size_t>(i)].target = "/" + std::to_string(i);
        }
        return requests;
    }
    static std::string answer_of(std::string_view body) {
        return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               std::string(body);
    }
    /// Reads a request without a body, and gives its target.
    static std::string target_of_next(Peer& peer) {
        const std::string head = peer.read_until("\r\n\r\n");
        const std::size_t begin = head.find(' ') + 1;
        return head.substr(begin, head.find(' ', begin) - begin);
    }
    /// The body of each answer, or the name of its error.
    std::vector<std::string> ask(Client& client, std::span<const ClientRequest> requests,
                                 Deadline deadline = {}) {
        std::vector<std::string> texts;
        run([&] {
            for (auto& answer : client.pipeline(requests, deadline)) {
                texts.push_back(answer ? answer->body
                                       : std::string(to_string(answer.error().code)));
            }
        });
        return texts;
    }
};

TEST_F(PipelineTest, SendsAllBeforeAnyAnswerAndReadsTheAnswersInOrder) {
    std::string seen;
    peers = {[&](Peer& peer) {
        seen = peer.read_until("the body");
        EXPECT_TRUE(peer.has_read_all());
        peer.send(answer_of("one") + "HTTP/1.1 100 Continue\r\n\r\n" +
                  "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" +
                  "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\nthree\r\n0\r\n\r\n");
        peer.read_until("\r\n\r\n");
        peer.send(kOk);
    }};
    const auto client = make();
    const std::vector<ClientRequest> requests = {
        {.method = Method::get, .target = "/1", .fields = {}, .body = {}},
        {.method = Method::head, .target = "/2", .fields = {}, .body = {}},
        {.method = Method::put, .target = "/3", .fields = {}, .body = "the body"}};
    run([&] {
        const auto answers = client->pipeline(requests);
        ASSERT_EQ(answers.size(), 3u);
        ASSERT_TRUE(answers[0] && answers[1] && answers[2]);
        EXPECT_EQ(answers[0]->body, "one");
        EXPECT_EQ(answers[1]->head.field("Content-Length"), "1000");
        EXPECT_EQ(answers[1]->body, "");
        EXPECT_EQ(answers[2]->head.status, 404);
        EXPECT_EQ(answers[2]->body, "three");
        EXPECT_EQ(client->get("/")->body, "ok") << "over the same connection";
        EXPECT_TRUE(client->pipeline({}).empty());
    });
    EXPECT_EQ(seen,
              "GET /1 HTTP/1.1\r\nHost: example.org\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: example.org"
              "\r\n\r\nPUT /3 HTTP/1.1\r\nHost: example.org\r\nContent-Length: 8\r\n\r\nthe body");
    EXPECT_EQ(connections, 1u);
}

TEST_F(PipelineTest, NoMoreGoAheadOfTheirAnswersThanMay) {
    peers = {[&](Peer& peer) {
        EXPECT_EQ(target_of_next(peer), "/0");
        EXPECT_EQ(target_of_next(peer), "/1");
        yield();
        EXPECT_TRUE(peer.has_read_all());
        peer.send(answer_of("a"));
        EXPECT_EQ(target_of_next(peer), "/2");
        yield();
        EXPECT_TRUE(peer.has_read_all());
        peer.send(answer_of("b") + answer_of("c"));
        EXPECT_EQ(target_of_next(peer), "/3");
        EXPECT_EQ(target_of_next(peer), "/4");
        peer.send(answer_of("d") + answer_of("e"));
    }};
    ClientOptions options;
    options.max_pipeline = 2;
    const auto client = make(options);
    EXPECT_THAT(ask(*client, gets(5)), ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(PipelineTest, NoMoreBytesGoAheadOfTheirAnswersThanTheKernelTakes) {
    auto requests = gets(4);
    for (ClientRequest& request : requests) request.method = Method::put;
    for (const int i : {0, 1, 3}) requests[static_cast<std::size_t>(i)].body.assign(9'000, 'x');
    requests[3].body.assign(40'000, 'x');
    const auto take = [](Peer& peer, std::string_view target, std::size_t body) {
        EXPECT_EQ(target_of_next(peer), target);
        EXPECT_EQ(peer.read_until(std::string(body, 'x')).size(), body);
    };
    peers = {[&](Peer& peer) {
        take(peer, "/0", 9'000);
        yield();
        EXPECT_TRUE(peer.has_read_all());
        peer.send(answer_of("a"));
        take(peer, "/1", 9'000);
        take(peer, "/2", 0);
        yield();
        EXPECT_TRUE(peer.has_read_all());
        peer.send(answer_of("b") + answer_of("c"));
        take(peer, "/3", 40'000);
        peer.send(answer_of("d"));
    }};
    const auto client = make();
    EXPECT_THAT(ask(*client, requests), ElementsAre("a", "b", "c", "d"));
}

TEST_F(PipelineTest, WhatIsLeftWhenTheConnectionEndsIsAskedOnceMore) {
    // It ends without a word, or with one: then nothing that comes behind that is believed.
    const std::string last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb";
    for (const std::string& end : {answer_of("b"), last, last + answer_of("late")}) {
        peers = {[&](Peer& peer) {
                     peer.read_until("/4 HTTP/1.1\r\nHost: example.org\r\n\r\n");
                     peer.send(answer_of("a") + end);
                 },
                 [&](Peer& peer) {
                     EXPECT_EQ(target_of_next(peer), "/2");
                     yield();
                     EXPECT_TRUE(peer.has_read_all()) << "here, the first request goes alone";
                     peer.send(answer_of("c"));
                     EXPECT_EQ(target_of_next(peer), "/3");
                     EXPECT_EQ(target_of_next(peer), "/4");
                     peer.send(answer_of("d") + answer_of("e"));
                 }};
        connections = 0;
        const auto client = make();
        EXPECT_THAT(ask(*client, gets(5)), ElementsAre("a", "b", "c", "d", "e"));
        EXPECT_EQ(connections, 2u);
    }
}

TEST_F(PipelineTest, NothingIsAskedMoreThanTwice) {
    peers = {[&](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(answer_of("a"));
    }};
    const auto client = make();
    EXPECT_THAT(ask(*client, gets(4)), ElementsAre("a", "a", "closed", "closed"));
    EXPECT_EQ(connections, 2u);

    connections = 0;
    peers = {[&](Peer& peer) { peer.read_until("\r\n\r\n"); }};
    EXPECT_THAT(ask(*client, gets(2)), ElementsAre("closed", "closed")) << "a new connection";
    EXPECT_EQ(connections, 1u);

    connections = 0;
    peers = {[&](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(answer_of("a") + "HTTP/1.1 2");
    }};
    EXPECT_THAT(ask(*client, gets(3)), ElementsAre("a", "closed", "closed")) << "bytes had come";
    EXPECT_EQ(connections, 1u);
}

TEST_F(PipelineTest, AnAnswerToNoRequestIsNotTakenForTheNext) {
    peers = {[&](Peer& peer) {
                 target_of_next(peer);
                 target_of_next(peer);
                 peer.send(answer_of("a") + answer_of("b") + answer_of("smuggled"));
                 peer.read_until("never");
             },
             [&](Peer& peer) {
                 EXPECT_EQ(target_of_next(peer), "/2");
                 peer.send(answer_of("c"));
             }};
    ClientOptions options;
    options.max_pipeline = 2;
    const auto client = make(options);
    EXPECT_THAT(ask(*client, gets(3)), ElementsAre("a", "b", "c"));
}

TEST_F(PipelineTest, HasTheBoundsOfOneCall) {
    ClientOptions options;
    options.limits.body_bytes = 10;
    options.first_byte_timeout = milliseconds(100);
    options.total_timeout = milliseconds(250);
    const auto client = make(options);
    peers = {[&](Peer& peer) { peer.send(answer_of("a") + answer_of("12345678901")); }};
    EXPECT_THAT(ask(*client, gets(3)), ElementsAre("a", "invalid", "closed"));
    EXPECT_EQ(client->stats().connections, 0u);

    peers = {[&](Peer& peer) {
        peer.send(answer_of("a"));
        peer.read_until("never");
    }};
    const SteadyTime begin = manual.scheduler.now();
    EXPECT_THAT(ask(*client, gets(3)), ElementsAre("a", "timeout", "timeout"));
    EXPECT_LT(manual.scheduler.now() - begin, options.total_timeout);

    peers = {[&](Peer& peer) {
        for (const char* body : {"a", "b", "c", "d"}) {
            sleep(milliseconds(80));
            peer.send(answer_of(body));
        }
    }};
    EXPECT_THAT(ask(*client, gets(4)), ElementsAre("a", "b", "c", "timeout"));
    EXPECT_THAT(ask(*client, gets(4), manual.in(milliseconds(170))),
                ElementsAre("a", "b", "timeout", "timeout"));
}

TEST_F(PipelineTest, RefusesAllWhereOneCannotBePipelined) {
    peers = {always(kOk)};
    const auto client = make();
    auto requests = gets(2);
    requests[1].method = Method::post;
    EXPECT_THAT(ask(*client, requests), ElementsAre("invalid", "invalid"));
    requests[1] = {.target = "/a b", .fields = {}, .body = {}};
    EXPECT_THAT(ask(*client, requests), ElementsAre("invalid", "invalid"));
    EXPECT_EQ(connections, 0u);
}

// --- cancellation ------------------------------------------------------------------------------

/// Cancels a call in its `wait`, and sees that nothing of it is left.
struct CancelledCallTest : ClientTest {
    void cancel(const char* wait, std::function<void(Client&)> call) {
        ClientOptions options;
        options.pool.size = 1;
        options.max_redirects = 1;
        const auto client = make(options);
        connections = 0;
        const runtime::Task task = manual.scheduler.spawn("caller", [&] {
            call(*client);
            ADD_FAILURE() << "went on: " << wait;
        });
        manual.settle();
        EXPECT_TRUE(task.is_running()) << wait;
        task.cancel("the client left");
        manual.settle();
        EXPECT_FALSE(task.is_running()) << wait;
        EXPECT_EQ(client->stats().connections, 0u) << wait;
        const std::size_t before = connections;
        peers = {always(kOk)};
        run([&] { EXPECT_EQ(client->get("/")->body, "ok") << wait; });
        EXPECT_EQ(connections, before + 1) << wait;
    }
    static void read_all(Peer& peer) { peer.read_until("never"); }
    void forever() { sleep(std::chrono::hours(1)); }
};

TEST_F(CancelledCallTest, GivesUpItsConnectionWhereverItWaits) {
    const auto get = [](Client& client) { (void)client.get("/"); };
    const ClientRequest put{.method = Method::put, .fields = {}, .body = {}};
    const auto ignore = [](const ResponseHead&, std::string_view) {};

    peers = {read_all};
    cancel("for the answer", get);
    peers = {[](Peer& peer) {
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbut");
        read_all(peer);
    }};
    cancel("for the rest of the body", get);
    peers = {[&](Peer&) { forever(); }};
    cancel("to write", [&](Client& client) {
        (void)client.fetch({.fields = {}, .body = std::string(100'000, 'x')});
    });
    peers = {read_all};
    cancel("in the source", [&](Client& client) {
        (void)client.stream(put, ignore, [&]() -> std::optional<std::string> {
            forever();
            return std::nullopt;
        });
    });
    peers = {always(kOk)};
    cancel("in the sink", [&](Client& client) {
        (void)client.stream(put, [&](const ResponseHead&, std::string_view) { forever(); });
    });
    peers = {[](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
        read_all(peer);
    }};
    cancel("for the answer after a redirect", get);
    peers = {[](Peer& peer) {
                 peer.read_until("\r\n\r\n");
                 peer.send(kOk);
                 peer.read_until("\r\n\r\n");
             },
             read_all};
    cancel("for the answer to the second attempt", [&](Client& client) {
        EXPECT_TRUE(client.get("/"));
        (void)client.get("/");
    });
    peers = {[](Peer& peer) {
        peer.read_until("\r\n\r\n");
        peer.send(kOk);
        read_all(peer);
    }};
    cancel("for an answer of several", [&](Client& client) {
        const std::vector<ClientRequest> requests(3);
        (void)client.pipeline(requests);
    });
}

TEST_F(CancelledCallTest, GivesUpItsPlaceWhereItWaitsForAConnection) {
    peers = {[&](Peer& peer) {
        peer.read_until("\r\n\r\n");
        sleep(milliseconds(50));
        peer.send(kOk);
        always(kOk)(peer);
    }};
    ClientOptions options;
    options.pool.size = 1;
    const auto client = make(options);
    manual.spawn([&] { EXPECT_TRUE(client->get("/first")); });
    manual.settle();
    const runtime::Task waiting =
        manual.scheduler.spawn("waiting", [&] { (void)client->get("/waiting"); });
    manual.settle();
    EXPECT_EQ(client->stats().waiting, 1u);
    waiting.cancel("the client left");
    run([&] { EXPECT_EQ(client->get("/last")->body, "ok"); });
    EXPECT_FALSE(waiting.is_running());
    EXPECT_EQ(client->stats().idle, 1u);
    EXPECT_EQ(connections, 1u);
}

TEST_F(CancelledCallTest, GivesUpAConnectionThatIsBeingMade) {
    bool slow = true;
    Client client(
        manual.scheduler,
        [&](Deadline) -> Result<std::unique_ptr<net::Stream>> {
            if (slow) forever();
            auto [mine, theirs] = net::memory_streams(manual.scheduler, 1024);
            auto peer = std::make_shared<Peer>(std::move(theirs));
            manual.scheduler.spawn("peer", [peer] { always(kOk)(*peer); });
            return std::move(mine);
        },
        "example.org");
    const runtime::Task task = manual.scheduler.spawn("caller", [&] { (void)client.get("/"); });
    manual.settle();
    EXPECT_EQ(client.stats().connections, 1u);
    task.cancel("the client left");
    manual.settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(client.stats().connections, 0u);
    slow = false;
    run([&] { EXPECT_EQ(client.get("/")->body, "ok"); });
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

TEST(ClientAndServer, PipelinedRequestsAreAnsweredInOrder) {
    SystemClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors(log);
    runtime::Reactor reactor(clock, errors, {.max_fibers = 100});
    Server server(
        reactor,
        [&](const Request& request, Response& response) {
            reactor.scheduler().yield();
            response.body = std::string(request.target()) + std::string(20'000, 'b');
        },
        {}, errors, log);
    ASSERT_TRUE(server.listen(*net::parse_endpoint("127.0.0.1:0")));
    Client client(reactor, server.local_endpoint(), "localhost");
    int good = 0;
    reactor.post([&] {
        reactor.scheduler().spawn("call", [&] {
            std::vector<ClientRequest> requests(200);
            for (std::size_t i = 0; i < 200; ++i) requests[i].target = "/" + std::to_string(i);
            const auto answers = client.pipeline(requests);
            for (std::size_t i = 0; i < 200; ++i) {
                good += answers[i] && answers[i]->body.starts_with(requests[i].target + "b");
            }
            reactor.stop();
        });
    });
    reactor.run();
    EXPECT_EQ(good, 200);
    EXPECT_EQ(server.stats().accepted, 1u);
}

}  // namespace
}  // namespace ringmaster::http
