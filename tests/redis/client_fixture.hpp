#pragma once

#include "ringmaster/redis/client.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis {

/// A reactor on the real clock, and a client of real servers on it.
struct ClientTest : ::testing::Test {
    static constexpr std::chrono::seconds kPatience{20};

    ~ClientTest() override {
        run([this] {
            if (client) client->stop();
        });
        client.reset();
    }

    /// Runs the job in a fiber. More than one after the other is allowed.
    void run(std::function<void()> job) {
        reactor.context().restart();
        reactor.post([&] {
            reactor.scheduler().run("test", [&] {
                try {
                    job();
                } catch (const std::exception& error) {
                    ADD_FAILURE() << error.what();
                }
                reactor.stop();
            });
        });
        reactor.run();
    }

    static ClientOptions options(std::string_view url) {
        auto parsed = parse_redis_url(url);
        if (!parsed) throw std::invalid_argument(parsed.error().message);
        ClientOptions options;
        options.url = *std::move(parsed);
        options.connect_timeout = kPatience / 2;  // the machine may be busy
        options.silence_timeout = kPatience * 3;
        return options;
    }
    Client& make(const ClientOptions& options) {
        client = make_client(reactor, options, log);
        return *client;
    }

    Deadline in(std::chrono::milliseconds time) {
        return Deadline::at(reactor.scheduler().now() + time);
    }
    Deadline soon() { return in(kPatience); }
    /// Suspends until it is so; fails the test where it never is.
    void wait_for(const char* what, const std::function<bool()>& condition) {
        const Deadline end = soon();
        while (!condition()) {
            if (end.expired(reactor.scheduler().now())) throw std::runtime_error(what);
            reactor.scheduler().sleep_until(reactor.scheduler().now() +
                                            std::chrono::milliseconds(2));
        }
    }

    /// The answer as text; an error of the client begins with "!".
    std::string ask(const Command& command, Deadline deadline) {
        return text(call(*client, {}, command, deadline));
    }
    std::string ask(const Command& command) { return ask(command, soon()); }
    static std::string text(const Result<Reply>& answer) {
        if (!answer) {
            return "!" + std::string(to_string(answer.error().code)) + " " + answer.error().message;
        }
        const Reply& reply = answer.value();
        switch (reply.type) {
            case Reply::Type::nil: return "(nil)";
            case Reply::Type::integer: return std::to_string(reply.integer);
            case Reply::Type::error: return "-" + reply.text;
            case Reply::Type::array: return "(array)";
            default: return reply.text;
        }
    }

    SystemClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors{log};
    runtime::Reactor reactor{clock, errors, {.max_fibers = 256}};
    std::unique_ptr<Client> client;
};

}  // namespace ringmaster::redis
