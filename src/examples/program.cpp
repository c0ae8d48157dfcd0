#include "program.hpp"

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>

#include <boost/asio/signal_set.hpp>

using namespace ringmaster;

namespace examples {
namespace {

/// Ten thousand handlers that sleep are ten thousand fibers.
constexpr std::size_t kMaxFibers = 16 * 1024;
constexpr std::chrono::seconds kDrainTimeout{5};

net::Endpoint endpoint(const std::string& address) {
    const auto parsed = net::parse_endpoint(address);
    if (!parsed) throw std::invalid_argument(address + ": " + parsed.error().message);
    return *parsed;
}

}  // namespace

void Program::StandardError::write(LogLevel, std::string_view message) noexcept {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
}

Program::Program(int argc, char** argv, const std::vector<std::string>& expected)
    : arguments_(argv + 1, argv + argc), reactor_(clock_, errors_, {.max_fibers = kMaxFibers}) {
    if (arguments_.size() == expected.size()) return;
    std::string usage = std::string("usage: ") + argv[0];
    for (const std::string& name : expected) usage += " " + name;
    throw std::invalid_argument(usage);
}

http::Client& Program::client(const std::string& address) {
    http::ClientOptions options;
    options.pool.name = address;
    options.pool.size = 64;
    return clients_.emplace_back(reactor_, endpoint(address), address, options);
}

void Program::sleep(std::chrono::milliseconds time) {
    scheduler().sleep_until(scheduler().now() + time);
}

int Program::serve() {
    http::Server server(
        reactor_,
        [this](http::Request& request, http::Response& response) {
            router.handle(request, response);
        },
        {}, errors_, log_,
        [this](const http::Request& request) { return router.streams_body(request); });
    if (const auto listening = server.listen(endpoint(argument(0))); !listening) {
        throw std::runtime_error(listening.error().message);
    }
    std::printf("listening on %s\n", net::to_string(server.local_endpoint()).c_str());
    std::fflush(stdout);

    boost::asio::signal_set signals(reactor_.context(), SIGTERM, SIGINT);
    signals.async_wait([&](const boost::system::error_code&, int) {
        reactor_.enter([&] {
            scheduler().spawn("stop", [&] {
                server.drain(Deadline::at(scheduler().now() + kDrainTimeout));
                reactor_.stop();
            });
        });
    });
    reactor_.run();
    return 0;
}

int run(int argc, char** argv, const std::vector<std::string>& expected,
        const std::function<void(Program&)>& set_up) {
    try {
        std::signal(SIGPIPE, SIG_IGN);
        Program program(argc, argv, expected);
        set_up(program);
        return program.serve();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

}  // namespace examples
