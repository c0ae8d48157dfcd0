#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/client.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

/// What the examples have in common: one server on one reactor, until SIGTERM or SIGINT.
class Program {
  public:
    /// `arguments` are where to listen, "127.0.0.1:0" for a port that the kernel chooses, and what
    /// the example takes besides. Throws std::invalid_argument where there are not `expected`.
    Program(int argc, char** argv, const std::vector<std::string>& expected);

    /// Serves `router` and says where. Returns the exit status.
    int serve();

    const std::string& argument(std::size_t i) const { return arguments_.at(i); }
    /// A client of the server at "ADDRESS:PORT", for as long as the program runs.
    ringmaster::http::Client& client(const std::string& address);
    /// Suspends the fiber that calls it, and nobody else.
    void sleep(std::chrono::milliseconds time);
    ringmaster::runtime::Reactor& reactor() { return reactor_; }
    ringmaster::runtime::Scheduler& scheduler() { return reactor_.scheduler(); }

    ringmaster::http::Router router;

  private:
    struct StandardError final : ringmaster::Log {
        void write(ringmaster::LogLevel level, std::string_view message) noexcept override;
    };

    std::vector<std::string> arguments_;
    ringmaster::SystemClock clock_;
    StandardError log_;
    ringmaster::ErrorReporter errors_{log_};
    ringmaster::runtime::Reactor reactor_;
    std::list<ringmaster::http::Client> clients_;
};

/// Makes a program, has `set_up` add its routes, and serves. What is wrong goes to standard error.
int run(int argc, char** argv, const std::vector<std::string>& expected,
        const std::function<void(Program&)>& set_up);

}  // namespace examples
