#include "ringmaster/http/testing.hpp"

#include <exception>
#include <stdexcept>
#include <utility>

namespace ringmaster::http {
namespace {

constexpr std::chrono::seconds kPatience{10};

}  // namespace

Request request_from(std::string_view bytes) {
    RequestParser parser{RequestLimits()};
    Request request;
    while (true) {
        const auto [status, consumed] = parser.feed(bytes, request);
        bytes.remove_prefix(consumed);
        if (status == RequestParser::Status::head_complete) continue;
        if (status == RequestParser::Status::complete && bytes.empty()) return request;
        throw std::invalid_argument(status == RequestParser::Status::failed
                                        ? parser.error().message
                                        : "not exactly one request");
    }
}

std::string_view PartsReader::read() {
    if (parts_.empty()) return {};
    part_ = std::move(parts_.front());
    parts_.pop_front();
    return part_;
}

void PartsWriter::write(const Response& head, std::string_view part) {
    if (status == 0) {
        status = head.status;
        fields = head.extra_headers();
    }
    if (!part.empty()) parts.emplace_back(part);
}

void TestServer::Lines::write(LogLevel, std::string_view message) noexcept {
    lines.emplace_back(message);
}

TestServer::TestServer(ServerLimits limits, std::size_t max_fibers)
    : limits_(limits), reactor_(clock_, errors_, {.max_fibers = max_fibers}) {}

TestServer::~TestServer() = default;

void TestServer::run(RequestHandler handler, const std::function<void()>& talk,
                     RequestParser::StreamsBody streams_body) {
    server_ = std::make_unique<Server>(reactor_, std::move(handler), limits_, errors_, log_,
                                       std::move(streams_body));
    const auto loopback = net::parse_endpoint("127.0.0.1:0");
    if (const auto listening = server_->listen(loopback.value()); !listening) {
        throw std::runtime_error(listening.error().message);
    }
    client_ = std::make_unique<Client>(reactor_, server_->local_endpoint(), "127.0.0.1");

    std::exception_ptr failure;
    reactor_.post([&] {
        scheduler().run("test", [&] {
            try {
                talk();
            } catch (const std::exception&) {
                failure = std::current_exception();
            }
            client_.reset();
            const Deadline deadline = Deadline::at(scheduler().now() + kPatience);
            if (server_->drain(deadline) > 0 && !failure) {
                failure = std::make_exception_ptr(
                    std::runtime_error("requests are in flight that don't come to an end"));
            }
            reactor_.stop();
        });
    });
    reactor_.run();
    reactor_.context().restart();
    reactor_.context().poll();  // connections that have closed go when their waits are answered
    server_.reset();
    if (failure) std::rethrow_exception(failure);
}

std::unique_ptr<net::Stream> TestServer::connect() {
    auto stream = net::connect(reactor_, server_->local_endpoint(),
                               Deadline::at(scheduler().now() + kPatience));
    if (!stream) throw std::runtime_error(stream.error().message);
    return *std::move(stream);
}

void TestServer::wait_until(const std::function<bool()>& condition) {
    const SteadyTime end = scheduler().now() + kPatience;
    while (!condition()) {
        if (scheduler().now() >= end) throw std::runtime_error("waited in vain");
        scheduler().sleep_until(scheduler().now() + std::chrono::milliseconds(1));
    }
}

}  // namespace ringmaster::http
