#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/client.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/request_parser.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// For the tests of what is built on this library. Handlers, middleware and whatever they call need
/// no reactor: give them a request from request_from(), in a fiber of a Scheduler that a FakeClock
/// drives. Where a real connection matters, there is TestServer.
namespace ringmaster::http {

/// The request that these bytes are. Throws std::invalid_argument where they are not exactly one.
Request request_from(std::string_view bytes);

/// Gives a request's content in the given parts.
class PartsReader final : public ContentReader {
  public:
    explicit PartsReader(std::deque<std::string> parts) : parts_(std::move(parts)) {}
    std::string_view read() override;

  private:
    std::deque<std::string> parts_;
    std::string part_;
};

/// Keeps what an answer streams.
class PartsWriter final : public ContentWriter {
  public:
    void write(const Response& head, std::string_view part) override;

    int status = 0;      ///< as it was when the head left
    std::string fields;  ///< as they were then
    std::vector<std::string> parts;
};

/// A server on a free port of loopback and a client of it, both in fibers of one reactor on the
/// thread that calls run().
class TestServer {
  public:
    explicit TestServer(ServerLimits limits = {}, std::size_t max_fibers = 1024);
    ~TestServer();
    TestServer(const TestServer&) = delete;
    TestServer& operator=(const TestServer&) = delete;

    /// Suspends nothing; returns when it is over. Serves `handler`; calls `talk` in a fiber; when
    /// that has returned drains the server, and throws what `talk` has thrown, or
    /// std::runtime_error where requests were still in flight ten seconds later.
    void run(RequestHandler handler, const std::function<void()>& talk,
             RequestParser::StreamsBody streams_body = {});

    runtime::Reactor& reactor() noexcept { return reactor_; }
    runtime::Scheduler& scheduler() noexcept { return reactor_.scheduler(); }
    // While run() is under way:
    Server& server() noexcept { return *server_; }
    Client& client() noexcept { return *client_; }
    /// Suspends. A connection of its own, for who cares about the bytes.
    std::unique_ptr<net::Stream> connect();
    /// Suspends. Until `condition()` holds; throws std::runtime_error after ten seconds.
    void wait_until(const std::function<bool()>& condition);
    /// What was logged: the reports of exceptions, for example.
    const std::vector<std::string>& log() const noexcept { return log_.lines; }

  private:
    struct Lines final : Log {
        void write(LogLevel level, std::string_view message) noexcept override;
        std::vector<std::string> lines;
    };

    const ServerLimits limits_;
    SystemClock clock_;
    Lines log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<Client> client_;
};

}  // namespace ringmaster::http
