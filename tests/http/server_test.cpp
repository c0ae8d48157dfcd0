#include "ringmaster/http/server.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <future>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using std::chrono::milliseconds;

/// A blocking client: what a peer sees.
class Client {
  public:
    explicit Client(const net::Endpoint& to, int receive_buffer_bytes = 0)
        : fd_(::socket(to.data()->sa_family, SOCK_STREAM, 0)) {
        if (receive_buffer_bytes > 0) {
            setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                       sizeof receive_buffer_bytes);
        }
        if (::connect(fd_, to.data(), static_cast<socklen_t>(to.size())) != 0) {
            throw std::runtime_error("connect");
        }
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;

    void send(std::string_view bytes) {
        ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    void finish_sending() { ::shutdown(fd_, SHUT_WR); }

    /// Reads until what was read contains `end` (so often), or the peer closes.
    std::string read_until(std::string_view end, int times = 1) {
        while (count(received_, end) < times && read_some()) {
        }
        return std::exchange(received_, {});
    }
    std::string read_to_end() {
        while (read_some()) {
        }
        return std::exchange(received_, {});
    }

    static int count(std::string_view text, std::string_view part) {
        int n = 0;
        for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size()))
            ++n;
        return n;
    }

  private:
    bool read_some() {
        pollfd waiting{fd_, POLLIN, 0};
        if (::poll(&waiting, 1, 10'000) != 1) throw std::runtime_error("no answer: " + received_);
        char bytes[16 * 1024];
        const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
        if (got < 0) throw std::runtime_error("reset: " + received_);
        received_.append(bytes, static_cast<std::size_t>(got));
        return got > 0;
    }

    int fd_;
    std::string received_;
};

std::string get(std::string_view path, std::string_view fields = "") {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" + std::string(fields) +
           "\r\n";
}

class ServerTest : public ::testing::Test {
  protected:
    void start(ServerLimits limits = {}, std::size_t max_fibers = 64) {
        reactor_ = std::make_unique<runtime::Reactor>(
            clock_, errors_, runtime::SchedulerLimits{.max_fibers = max_fibers});
        released_ = std::make_unique<runtime::Event>(reactor_->scheduler());
        server_ = std::make_unique<Server>(
            *reactor_, [this](const Request& q, Response& a) { handle(q, a); }, limits, errors_,
            log_);
        ASSERT_TRUE(server_->listen(*net::parse_endpoint("127.0.0.1:0")).ok());
        endpoint_ = server_->local_endpoint();
        thread_ = std::thread([this] { reactor_->run(); });
    }

    void TearDown() override {
        if (!thread_.joinable()) return;
        reactor_->post([this] {
            released_->set();
            reactor_->scheduler().spawn("drain", [this] {
                drained_ = server_->drain(Deadline::at(reactor_->scheduler().now() +
                                                       std::chrono::seconds(5))) == 0;
                reactor_->stop();
            });
        });
        thread_.join();
        EXPECT_TRUE(drained_);
        server_.reset();
        reactor_.reset();
    }

    /// What the tests ask for. Runs in a fiber.
    void handle(const Request& request, Response& response) {
        response.content_type = "text/plain";
        if (request.path() == "/echo") {
            response.body = request.body();
        } else if (request.path() == "/wait") {
            released_->wait();
            response.body = "waited";
        } else if (request.path() == "/release") {
            released_->set();
            response.body = "released";
        } else if (request.path() == "/deadline") {
            const bool late = !released_->wait(reactor_->scheduler().deadline());
            response.body = late ? "timed out" : "in time";
        } else if (request.path() == "/throw") {
            throw std::runtime_error("the handler's own fault");
        } else if (request.path() == "/close") {
            response.close = true;
        } else if (request.path() == "/big") {
            response.body.assign(1'000'000, '#');
        } else {
            response.body = std::string(request.target());
        }
    }

    template <class Function>
    auto on_reactor(Function function) {
        std::promise<decltype(function())> result;
        reactor_->post([&] { result.set_value(function()); });
        return result.get_future().get();
    }

    /// With room for two requests, of which there are two already.
    void expect_third_is_shed() {
        Client client(endpoint_);
        client.send(get("/wait") + get("/wait") + get("/shed"));
        Client other(endpoint_);
        other.send(get("/also"));
        const std::string answer = other.read_until("later\"}");
        EXPECT_EQ(answer.substr(0, 33), "HTTP/1.1 503 Service Unavailable\r");
        EXPECT_NE(answer.find("\r\nRetry-After: 1\r\n"), std::string::npos);
        on_reactor([&] {
            released_->set();
            return 0;
        });
        const std::string answers = client.read_until("later\"}");
        EXPECT_EQ(Client::count(answers, "waited"), 2);
        EXPECT_EQ(Client::count(answers, "HTTP/1.1 503"), 1);
        other.send(get("/again"));  // the connection was kept
        EXPECT_NE(other.read_until("/again").find("200 OK"), std::string::npos);
    }

    SystemClock clock_;
    runtime::CollectingLog log_;
    ErrorReporter errors_{log_};
    std::unique_ptr<runtime::Reactor> reactor_;
    std::unique_ptr<runtime::Event> released_;
    std::unique_ptr<Server> server_;
    net::Endpoint endpoint_;
    std::thread thread_;
    bool drained_ = false;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
    start();
    Client client(endpoint_);
    for (int i = 0; i < 3; ++i) {
        client.send(get("/a"));
        const std::string answer = client.read_until("/a");
        EXPECT_EQ(answer.substr(0, 17), "HTTP/1.1 200 OK\r\n");
        EXPECT_NE(answer.find("Content-Length: 2\r\n"), std::string::npos);
        EXPECT_EQ(answer.find("Connection:"), std::string::npos);
    }
}

TEST_F(ServerTest, ClosesWhereTheClientOrTheHandlerAsksForIt) {
    start();
    for (const auto& request : {get("/a", "Connection: close\r\n"), get("/close"),
                                std::string("GET /a HTTP/1.0\r\n\r\n")}) {
        Client client(endpoint_);
        client.send(request);
        EXPECT_NE(client.read_to_end().find("\r\nConnection: close\r\n"), std::string::npos);
    }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrderThoughTheyEndInAnother) {
    start();
    Client client(endpoint_);
    client.send(get("/wait") + get("/second") + get("/release") + get("/fourth"));
    const std::string answers = client.read_until("/fourth");
    const auto waited = answers.find("waited");
    const auto second = answers.find("/second");
    const auto released = answers.find("released");
    const auto fourth = answers.find("/fourth");
    EXPECT_LT(waited, second);
    EXPECT_LT(second, released);
    EXPECT_LT(released, fourth);
    EXPECT_NE(fourth, std::string::npos);
}

TEST_F(ServerTest, AnswersManyMorePipelinedRequestsThanMayRunAtOnce) {
    start({.pipeline_depth = 4, .max_requests_per_turn = 3});
    Client client(endpoint_);
    std::string requests;
    for (int i = 0; i < 500; ++i) requests += get("/n" + std::to_string(i) + ".");
    client.send(requests);
    const std::string answers = client.read_until("/n499.");
    std::size_t at = 0;
    for (int i = 0; i < 500; ++i) {
        at = answers.find("/n" + std::to_string(i) + ".", at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST_F(ServerTest, RunsNoMoreRequestsOfAConnectionAtOnceThanThePipelineIsDeep) {
    start({.pipeline_depth = 4});
    Client client(endpoint_);
    std::string requests;
    for (int i = 0; i < 10; ++i) requests += get("/wait");
    client.send(requests);
    Client other(endpoint_);
    other.send(get("/x"));
    other.read_until("/x");
    EXPECT_LE(on_reactor([&] { return reactor_->scheduler().fibers_in_use(); }), 4u);
    other.send(get("/release"));
    EXPECT_EQ(Client::count(client.read_until("waited", 10), "waited"), 10);
}

TEST_F(ServerTest, ShedsWhatItHasNoFiberFor) {
    start({}, 2);
    expect_third_is_shed();
}

// Fibers beyond that are for other work.
TEST_F(ServerTest, ShedsWhatExceedsTheBoundOfRequestsInFlight) {
    start({.max_requests_in_flight = 2}, 64);
    expect_third_is_shed();
    EXPECT_EQ(on_reactor([&] { return server_->stats().in_flight; }), 0u);
    EXPECT_EQ(on_reactor([&] { return server_->stats().shed; }), 2u);
}

TEST_F(ServerTest, WhatAHandlerThrowsBecomesA500WithTheHandleThatStandsInTheLog) {
    start();
    Client client(endpoint_);
    client.send(get("/throw"));
    const std::string answer = client.read_until("}");
    EXPECT_NE(answer.find("500 Internal Server Error"), std::string::npos);
    EXPECT_NE(answer.find(R"({"error_class":"InternalServiceError",)"
                          R"("message":"refer to error handle 1"})"),
              std::string::npos);
    EXPECT_EQ(on_reactor([&] { return log_.lines; }),
              std::vector<std::string>{"error handle 1: /throw: the handler's own fault"});
    client.send(get("/next"));
    client.read_until("/next");
}

TEST_F(ServerTest, HandlersGetTheRequestTimeoutAsTheirDeadline) {
    start({.request_timeout = milliseconds(20)});
    Client client(endpoint_);
    client.send(get("/deadline"));
    EXPECT_NE(client.read_until("timed out").find("timed out"), std::string::npos);
}

TEST_F(ServerTest, AMalformedRequestIsAnsweredAfterTheGoodOnesBeforeItAndCloses) {
    start();
    Client client(endpoint_);
    client.send(get("/good") + "GET /bad HTTP/1.1\r\nHost: test\r\nA b: c\r\n\r\n" + get("/lost"));
    const std::string answers = client.read_to_end();
    EXPECT_LT(answers.find("/good"), answers.find("400 Bad Request"));
    EXPECT_NE(answers.find(R"({"error_class":"BadRequest")"), std::string::npos);
    EXPECT_NE(answers.find("Connection: close"), std::string::npos);
    EXPECT_EQ(answers.find("/lost"), std::string::npos);
}

TEST_F(ServerTest, InvitesTheBodyOfAClientThatWaitsForIt) {
    start();
    Client client(endpoint_);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    EXPECT_NE(client.read_until("body").find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, TheInvitationWaitsForTheAnswersBeforeIt) {
    start();
    Client client(endpoint_);
    client.send(get("/wait") +
                "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: "
                "100-continue\r\n\r\n");
    Client other(endpoint_);
    other.send(get("/release"));
    other.read_until("released");
    const std::string answers = client.read_until("100 Continue\r\n\r\n");
    EXPECT_LT(answers.find("waited"), answers.find("100 Continue"));
    client.send("body");
    EXPECT_NE(client.read_until("body").find("body"), std::string::npos);
}

TEST_F(ServerTest, HeadGetsTheHeaderSectionOnly) {
    start();
    Client client(endpoint_);
    client.send("HEAD /abc HTTP/1.1\r\nHost: test\r\n\r\n" + get("/next"));
    const std::string answers = client.read_until("/next");
    EXPECT_NE(answers.find("Content-Length: 4\r\n"), std::string::npos);
    EXPECT_EQ(answers.find("/abc"), std::string::npos);
}

TEST_F(ServerTest, AClientThatStallsInItsHeadOrBodyIsTimedOut) {
    start({.header_timeout = milliseconds(30), .body_timeout = milliseconds(30)});
    for (const char* part :
         {"GET /slow HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"}) {
        Client client(endpoint_);
        client.send(part);
        EXPECT_NE(client.read_to_end().find("408 Request Timeout"), std::string::npos) << part;
    }
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
    start({.idle_timeout = milliseconds(30)});
    Client client(endpoint_);
    EXPECT_EQ(client.read_to_end(), "");
    Client used(endpoint_);
    used.send(get("/a"));
    EXPECT_EQ(used.read_to_end().find("408"), std::string::npos);
}

TEST_F(ServerTest, AClientThatTakesNothingIsClosedAndNeverCostsMoreThanTheHighWaterMark) {
    start({.output_high_water_bytes = 100'000, .write_timeout = milliseconds(100)});
    Client client(endpoint_, 4096);
    std::string requests;
    for (int i = 0; i < 200; ++i) requests += get("/big");  // 200 MB, were they all answered
    client.send(requests);
    while (on_reactor([&] { return server_->stats().connections; }) > 0) {
        std::this_thread::sleep_for(milliseconds(5));
    }
    // The kernel's buffers take some of the answers, the high-water mark one more.
    EXPECT_LT(on_reactor([&] { return server_->stats().requests; }), 64u);
}

TEST_F(ServerTest, ASlowReaderGetsEverythingWhereItGoesOn) {
    start({.output_high_water_bytes = 100'000});
    Client client(endpoint_, 4096);
    std::string requests;
    for (int i = 0; i < 20; ++i) requests += get("/big");
    client.send(requests);
    client.finish_sending();
    EXPECT_EQ(Client::count(client.read_to_end(), "#"), 20'000'000);
}

TEST_F(ServerTest, AClientThatHasFinishedSendingIsStillAnswered) {
    start();
    Client client(endpoint_);
    client.send(get("/wait"));
    client.finish_sending();
    on_reactor([&] {
        released_->set();
        return 0;
    });
    EXPECT_NE(client.read_to_end().find("waited"), std::string::npos);
}

TEST_F(ServerTest, AClientThatLeavesDoesNotDisturbTheHandlerThatWorksForIt) {
    start();
    {
        Client client(endpoint_);
        client.send(get("/wait") + get("/wait"));
        Client other(endpoint_);
        other.send(get("/x"));
        other.read_until("/x");
    }
    Client other(endpoint_);
    other.send(get("/release"));
    other.read_until("released");
    other.send(get("/x"));
    other.read_until("/x");
    EXPECT_EQ(on_reactor([&] { return reactor_->scheduler().fibers_in_use(); }), 0u);
}

TEST_F(ServerTest, ConnectionsAboveTheBoundWaitUntilOneCloses) {
    start({.max_connections = 2});
    auto first = std::make_unique<Client>(endpoint_);
    Client second(endpoint_);
    first->send(get("/a"));
    first->read_until("/a");
    second.send(get("/b"));
    second.read_until("/b");
    Client third(endpoint_);  // in the backlog
    third.send(get("/c"));
    second.send(get("/b"));
    second.read_until("/b");
    EXPECT_EQ(on_reactor([&] { return server_->stats().connections; }), 2u);
    first.reset();
    EXPECT_NE(third.read_until("/c").find("/c"), std::string::npos);
}

TEST_F(ServerTest, DrainingAnswersWhatIsInFlightAndTellsTheClient) {
    start();
    Client busy(endpoint_);
    Client idle(endpoint_);
    Client reading(endpoint_);
    busy.send(get("/wait"));
    idle.send(get("/a"));
    idle.read_until("/a");
    reading.send("GET /half HTTP/1.1\r\n");
    reactor_->post(
        [this] { reactor_->scheduler().spawn("drain", [this] { server_->drain({}); }); });
    EXPECT_EQ(idle.read_to_end(), "");
    EXPECT_THROW(Client refused(endpoint_), std::runtime_error);
    reading.send("Host: test\r\n\r\n");
    EXPECT_NE(reading.read_to_end().find("Connection: close"), std::string::npos);
    on_reactor([&] {
        released_->set();
        return 0;
    });
    const std::string answer = busy.read_to_end();
    EXPECT_NE(answer.find("waited"), std::string::npos);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster::http
