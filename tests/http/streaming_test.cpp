// Answers that are sent while they are made, requests that are read while they come, and clients
// that leave in the middle of either.
#include "ringmaster/http/router.hpp"
#include "ringmaster/http/testing.hpp"
#include "ringmaster/runtime/fiber.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "http/peer.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using std::chrono::milliseconds;

/// Without the Date, which differs.
std::string without_date(std::string answer) {
    const auto at = answer.find("Date: ");
    if (at != answer.npos) answer.erase(at, answer.find("\r\n", at) + 2 - at);
    return answer;
}

void sleep(TestServer& server, milliseconds time) {
    server.scheduler().sleep_until(server.scheduler().now() + time);
}

/// Sets a flag when it goes.
struct Witness {
    bool& gone;
    ~Witness() { gone = true; }
};

bool every_request(const Request&) {
    return true;
}

// ---------------------------------------------------------------------------------------------
// Answers

TEST(StreamedAnswer, LeavesPartByPart) {
    TestServer server;
    runtime::Event go_on(server.scheduler());
    server.run(
        [&](Request&, Response& response) {
            response.content_type = "text/plain";
            response.status = 201;
            response.add_header("X-A", "b");
            response.write("three");
            response.write("");
            go_on.wait();
            response.write(std::string(20, 'x'));
        },
        [&] {
            Peer peer(server);
            peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            EXPECT_EQ(without_date(peer.read_until("three\r\n")),
                      "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\n"
                      "Transfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nthree\r\n");
            go_on.set();
            EXPECT_EQ(peer.read_until("0\r\n\r\n"),
                      "14\r\n" + std::string(20, 'x') + "\r\n0\r\n\r\n");
            // The connection goes on.
            peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            EXPECT_TRUE(peer.read_until("0\r\n\r\n").ends_with("0\r\n\r\n"));
        });
}

TEST(StreamedAnswer, HasNoChunksForHttp10AndNoContentForHead) {
    TestServer server;
    const auto handler = [](Request& request, Response& response) {
        if (request.path() == "/204") response.status = 204;
        response.write("abc");
        response.write("def");
    };
    server.run(handler, [&] {
        Peer old(server);
        old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        EXPECT_EQ(without_date(old.read_to_end()),
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
                  "abcdef");
        Peer peer(server);
        peer.send(
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /204 HTTP/1.1\r\nHost: a\r\n"
            "Connection: close\r\n\r\n");
        EXPECT_EQ(without_date(without_date(peer.read_to_end())),
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"
                  "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    });
}

TEST(StreamedAnswer, WaitsForASlowClient) {
    constexpr std::size_t kParts = 4000;
    const std::string part(10'000, 'x');
    TestServer server({.output_high_water_bytes = 50'000});
    std::size_t written = 0;
    server.run(
        [&](Request&, Response& response) {
            for (; written < kParts; ++written) response.write(part);
        },
        [&] {
            Peer peer(server);
            peer.send("GET / HTTP/1.0\r\n\r\n");
            std::size_t before = 0;
            do {  // until what the kernel takes is full
                before = written;
                sleep(server, milliseconds(50));
            } while (written > before);
            EXPECT_LT(written, kParts) << "nothing has been read: all of it lies somewhere";
            const std::string answer = peer.read_to_end();
            EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, kParts * part.size());
        });
    EXPECT_EQ(written, kParts);
}

TEST(StreamedAnswer, WaitsForTheAnswersBeforeIt) {
    TestServer server;
    runtime::Event go_on(server.scheduler());
    bool second_has_begun = false;
    server.run(
        [&](Request& request, Response& response) {
            if (request.path() == "/1") {
                response.write("one");
                go_on.wait();
                response.write("more");
            } else {
                second_has_begun = true;
                response.write("two");
            }
        },
        [&] {
            Peer peer(server);
            peer.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
            peer.read_until("one\r\n");
            server.wait_until([&] { return second_has_begun; });
            go_on.set();
            const std::string rest = peer.read_until("two\r\n0\r\n\r\n");
            EXPECT_TRUE(rest.starts_with("4\r\nmore\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")) << rest;
        });
}

TEST(StreamedAnswer, IsCutOffWhereItsHandlerFails) {
    TestServer server;
    server.run(
        [&](Request&, Response& response) {
            response.write("half");
            throw std::runtime_error("no more");
        },
        [&] {
            Peer peer(server);
            peer.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
            EXPECT_TRUE(peer.read_to_end().ends_with("\r\n\r\n4\r\nhalf\r\n"));
            // Nobody takes the end of the connection for the end of the content.
            Peer old(server);
            old.send("GET /b HTTP/1.0\r\n\r\n");
            EXPECT_THROW(old.read_to_end(), std::runtime_error);
        });
    EXPECT_EQ(server.log(), (std::vector<std::string>{"error handle 1: /a: no more",
                                                      "error handle 2: /b: no more"}));
}

TEST(StreamedAnswer, TakesNoWriterFromNowhere) {
    Response response;
    EXPECT_THROW(response.write("a"), std::logic_error);
    EXPECT_FALSE(response.streaming());
}

// ---------------------------------------------------------------------------------------------
// Requests

TEST(StreamedRequest, HasItsHandlerBeforeItsContent) {
    TestServer server;
    std::vector<std::string> parts;
    server.run(
        [&](Request& request, Response& response) {
            EXPECT_TRUE(request.streams_body());
            while (true) {
                const std::string_view part = request.read_body();
                EXPECT_EQ(request.body(), "");
                if (part.empty()) break;
                parts.emplace_back(part);
            }
            EXPECT_EQ(request.read_body(), "") << "the end stays the end";
            response.body = std::to_string(parts.size());
        },
        [&] {
            Peer peer(server);
            peer.send(
                "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
            server.wait_until([&] { return parts.size() == 1; });
            peer.send("2\r\nde\r\n");
            server.wait_until([&] { return parts.size() == 2; });
            peer.send("0\r\n\r\nPUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nfgh");
            const std::string answers = peer.read_until("\r\n\r\n3");
            EXPECT_NE(answers.find("\r\n\r\n2"), answers.npos) << answers;
            EXPECT_TRUE(answers.ends_with("3")) << "the next one: " << answers;
        },
        every_request);
    EXPECT_EQ(parts, (std::vector<std::string>{"abc", "de", "fgh"}));
}

TEST(StreamedRequest, WithoutContentIsLikeAnyOther) {
    TestServer server;
    server.run(
        [&](Request& request, Response& response) {
            EXPECT_FALSE(request.streams_body());
            response.body = std::to_string(request.read_body().size());
        },
        [&] { EXPECT_EQ(server.client().get("/")->body, "0"); }, every_request);
}

TEST(StreamedRequest, IsNotReadFasterThanItsHandlerReads) {
    constexpr std::size_t kBytes = 40'000'000;
    TestServer server({.input_high_water_bytes = 10'000});
    runtime::Event go_on(server.scheduler());
    std::size_t sent = 0;
    std::size_t received = 0;
    server.run(
        [&](Request& request, Response&) {
            go_on.wait();
            while (true) {
                const std::size_t size = request.read_body().size();
                EXPECT_LT(size, 10'000 + 64 * 1024 + 1);
                if (size == 0) return;
                received += size;
            }
        },
        [&] {
            server.scheduler().spawn("watch", [&] {
                std::size_t before = 0;
                do {
                    before = sent;
                    sleep(server, milliseconds(50));
                } while (sent > before || sent == 0);
                EXPECT_LT(sent, kBytes) << "nobody has read: all of it lies somewhere";
                go_on.set();
            });
            const std::string part(100'000, 'x');
            const auto head = server.client().stream(
                {.method = Method::put, .fields = {}, .body = {}},
                [](const ResponseHead&, std::string_view) {},
                [&]() -> std::optional<std::string> {
                    if (sent == kBytes) return std::nullopt;
                    sent += part.size();
                    return part;
                });
            ASSERT_TRUE(head) << head.error().message;
            EXPECT_EQ(head->status, 200);
        },
        every_request);
    EXPECT_EQ(received, kBytes);
}

TEST(StreamedRequest, IsToldToContinueWhenItsHandlerReads) {
    TestServer server;
    runtime::Event go_on(server.scheduler());
    server.run(
        [&](Request& request, Response& response) {
            if (request.path() == "/refused") {
                response.status = 403;
                return;
            }
            go_on.wait();
            response.body = request.read_body();
        },
        [&] {
            constexpr std::string_view kRest =
                " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
            Peer peer(server);
            peer.send("POST /taken" + std::string(kRest));
            sleep(server, milliseconds(20));
            go_on.set();
            EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
            peer.send("abc");
            EXPECT_TRUE(peer.read_until("\r\n\r\nabc").starts_with("HTTP/1.1 200 OK\r\n"));
            peer.send("POST /refused" + std::string(kRest));
            const std::string refused = peer.read_to_end();
            EXPECT_TRUE(refused.starts_with("HTTP/1.1 403 Forbidden\r\n")) << refused;
            EXPECT_NE(refused.find("\r\nConnection: close\r\n"), refused.npos) << refused;
        },
        every_request);
}

TEST(StreamedRequest, EndsWithItsHandlerEvenWhereThatDidNotReadIt) {
    TestServer server;
    server.run([&](Request&, Response& response) { response.body = "enough"; },
               [&] {
                   Peer peer(server);
                   peer.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\nabc");
                   const std::string answer = peer.read_to_end();
                   EXPECT_TRUE(answer.ends_with("\r\nConnection: close\r\n\r\nenough")) << answer;
               },
               every_request);
}

TEST(StreamedRequest, CancelsItsHandlerWhereItIsMalformed) {
    TestServer server;
    bool gone = false;
    server.run(
        [&](Request& request, Response&) {
            const Witness witness{gone};
            while (!request.read_body().empty()) {
            }
        },
        [&] {
            Peer peer(server);
            peer.send(
                "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
            sleep(server, milliseconds(20));
            EXPECT_FALSE(gone);
            peer.send("nonsense\r\n");
            EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 400 Bad Request\r\n"));
            EXPECT_TRUE(gone);
        },
        every_request);
    EXPECT_TRUE(server.log().empty());
}

TEST(StreamedRequest, HasItsOwnLimits) {
    ServerLimits limits;
    limits.request.body_bytes = 3;
    limits.request.streamed_body_bytes = 8;
    TestServer server(limits);
    std::uint64_t handler_limit = 100;
    server.run(
        [&](Request& request, Response& response) {
            request.limit_body(handler_limit);
            try {
                while (!request.read_body().empty()) {
                }
            } catch (const ContentTooLarge& error) {
                response.body = error.what();
            }
        },
        [&] {
            const auto send = [&](std::string_view rest) {
                Peer peer(server);
                peer.send("POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" +
                          std::string(rest));
                return peer.read_to_end();
            };
            constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\n";
            constexpr std::string_view kTooLarge = "HTTP/1.1 413 Content Too Large\r\n";
            EXPECT_TRUE(send("Content-Length: 8\r\n\r\n12345678").starts_with(kOk));
            EXPECT_TRUE(send("Content-Length: 9\r\n\r\n").starts_with(kTooLarge));
            EXPECT_TRUE(send("Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n3\r\n")
                            .starts_with(kTooLarge));
            handler_limit = 5;
            EXPECT_TRUE(
                send("Content-Length: 6\r\n\r\n123456").ends_with("the body exceeds 5 bytes"));
        },
        every_request);
}

TEST(StreamedRequest, HasToComeOnInTime) {
    TestServer server({.body_timeout = milliseconds(50)});
    bool gone = false;
    server.run(
        [&](Request& request, Response&) {
            const Witness witness{gone};
            while (!request.read_body().empty()) {
            }
        },
        [&] {
            Peer peer(server);
            peer.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\nabc");
            EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
            EXPECT_TRUE(gone);
        },
        every_request);
}

TEST(Router, TellsWhichRequestsAreStreamed) {
    Router router;
    const auto handler = [](Request&, const PathParameters&, Response&) {};
    EXPECT_FALSE(router.streams_body(request_from("PUT /up HTTP/1.1\r\nHost: a\r\n\r\n")));
    router.add(Method::put, "/up/{name}", handler, Body::streamed);
    router.add(Method::post, "/up/{name}", handler);
    const auto streams = [&](std::string_view start) {
        return router.streams_body(
            request_from(std::string(start).append(" HTTP/1.1\r\nHost: a\r\n\r\n")));
    };
    EXPECT_TRUE(streams("PUT /up/a%2Fb"));
    EXPECT_FALSE(streams("POST /up/a"));
    EXPECT_FALSE(streams("DELETE /up/a"));
    EXPECT_FALSE(streams("PUT /other"));
    EXPECT_FALSE(streams("PUT /up/%zz"));
    EXPECT_FALSE(streams("TRACE /up/a"));
    EXPECT_FALSE(streams("OPTIONS *"));
}

// ---------------------------------------------------------------------------------------------
// Clients that leave

class LeavingClient : public ::testing::Test {
  protected:
    /// Serves a handler that never ends by itself, and has the client leave.
    void run(std::string_view request, const std::function<void(Request&, Response&)>& handler,
             const std::function<void(Peer&)>& leave) {
        server.run(
            [&](Request& r, Response& response) {
                const Witness witness{gone};
                begun = true;
                handler(r, response);
            },
            [&] {
                Peer peer(server);
                peer.send(request);
                server.wait_until([&] { return begun; });
                EXPECT_FALSE(gone);
                leave(peer);
                server.wait_until([&] { return gone; });
                EXPECT_EQ(server.server().stats().abandoned, 1u);
            },
            [](const Request& r) { return r.path() == "/up"; });
        EXPECT_TRUE(server.log().empty()) << server.log()[0];
    }
    void wait_for_ever() { server.scheduler().sleep_until(SteadyTime::max()); }

    TestServer server{{.half_close_timeout = milliseconds(20)}};
    bool begun = false;
    bool gone = false;
};

TEST_F(LeavingClient, CancelsTheHandlerThatWaits) {
    run(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", [&](Request&, Response&) { wait_for_ever(); },
        [](Peer& peer) { peer.leave(); });
}

TEST_F(LeavingClient, CancelsTheHandlerOfALastRequest) {
    run(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        [&](Request&, Response&) { wait_for_ever(); }, [](Peer& peer) { peer.leave(); });
}

TEST_F(LeavingClient, CancelsTheHandlerThatStreams) {
    run(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        [&](Request&, Response& response) {
            while (true) {
                response.write("tick\n");
                sleep(server, milliseconds(1));
            }
        },
        [](Peer& peer) {
            peer.read_until("tick");
            peer.leave();
        });
}

TEST_F(LeavingClient, CancelsTheHandlerThatReads) {
    run(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        [&](Request& request, Response&) {
            while (true) request.read_body();
        },
        [](Peer& peer) { peer.leave(); });
}

TEST_F(LeavingClient, IsToldToAShieldedHandlerByTheStreams) {
    std::string thrown_by;
    run(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        [&](Request& request, Response& response) {
            const runtime::CancellationShield shield(server.scheduler());
            try {
                while (true) request.read_body();
            } catch (const runtime::Cancelled&) {
                thrown_by = "read";
            }
            EXPECT_THROW(response.write("a"), runtime::Cancelled);
        },
        [](Peer& peer) { peer.leave(); });
    EXPECT_EQ(thrown_by, "read");
}

TEST_F(LeavingClient, IsWhoIsLeftAtTheEndOfADrain) {
    server.run(
        [&](Request&, Response&) {
            const Witness witness{gone};
            begun = true;
            wait_for_ever();
        },
        [&] {
            Peer peer(server);
            peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            server.wait_until([&] { return begun; });
            const Deadline soon = Deadline::at(server.scheduler().now() + milliseconds(20));
            EXPECT_EQ(server.server().drain(soon), 1u);
            server.wait_until([&] { return gone; });
            EXPECT_EQ(peer.read_to_end(), "");
        });
}

TEST_F(LeavingClient, WhoHasOnlyFinishedSendingGetsWhatIsReadySoon) {
    TestServer other({.half_close_timeout = std::chrono::seconds(10)});
    other.run(
        [&](Request&, Response& response) {
            sleep(other, milliseconds(20));
            response.body = "late";
        },
        [&] {
            Peer peer(other);
            // The end of its sending is seen at once; Connection: close keeps the server from
            // waiting for more.
            peer.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            EXPECT_TRUE(peer.read_to_end().ends_with("late"));
        });
}

}  // namespace
}  // namespace ringmaster::http
