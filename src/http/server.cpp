#include "ringmaster/http/server.hpp"

#include "ringmaster/net/listener.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <unistd.h>
#include <utility>
#include <vector>

#include "connection.hpp"

namespace ringmaster::http {

class Server::Impl {
  public:
    Impl(runtime::Reactor& reactor, RequestHandler handler, const ServerLimits& limits,
         ErrorReporter& errors, Log& log, RequestParser::StreamsBody streams_body)
        : log_(log),
          core_(reactor, std::move(handler), std::move(streams_body), limits, errors),
          all_gone_(reactor.scheduler()) {
        core_.on_connection_gone = [this] { connection_gone(); };
    }

    ~Impl() {
        core_.on_connection_gone = nullptr;
        while (Connection* connection = core_.connections.pop_front()) delete connection;
    }

    Result<void> listen(const net::Endpoint& endpoint) {
        const int family = endpoint.data()->sa_family;
        auto listener = std::make_unique<net::Listener>(
            core_.reactor, log_, [this, family](int fd) { serve(family, fd); });
        if (auto listening = listener->listen(endpoint, core_.limits.backlog); !listening) {
            return listening;
        }
        listeners_.push_back(std::move(listener));
        return {};
    }

    net::Endpoint local_endpoint(std::size_t i) const { return listeners_.at(i)->local_endpoint(); }

    void serve(int family, int fd) {
        Connection* connection = nullptr;
        try {
            connection = new Connection(core_, family, fd);
        } catch (...) {
            core_.errors.report("accepting a connection", std::current_exception());
            ::close(fd);
            return;
        }
        connection->start();
        if (core_.stats.connections >= core_.limits.max_connections) {
            for (const auto& listener : listeners_) listener->pause();
        }
    }

    std::size_t drain(Deadline deadline) {
        core_.draining = true;
        for (const auto& listener : listeners_) listener->close();
        for_each_connection(&Connection::drain);
        if (core_.connections.empty() || all_gone_.wait(deadline)) return 0;
        const std::size_t left = core_.stats.connections;
        for_each_connection(&Connection::cut_off);
        return left;
    }

    const ServerCore& core() const noexcept { return core_; }

  private:
    void for_each_connection(void (Connection::*action)()) {
        for (Connection* connection = core_.connections.front(); connection != nullptr;) {
            Connection* const next = core_.connections.next(*connection);
            (connection->*action)();  // which may destroy it
            connection = next;
        }
    }

    void connection_gone() {
        if (core_.draining) {
            if (core_.connections.empty()) all_gone_.set();
            return;
        }
        if (core_.stats.connections + 1 < core_.limits.max_connections) return;
        for (const auto& listener : listeners_) listener->resume();
    }

    Log& log_;
    ServerCore core_;
    runtime::Event all_gone_;
    std::vector<std::unique_ptr<net::Listener>> listeners_;
};

Server::Server(runtime::Reactor& reactor, RequestHandler handler, ServerLimits limits,
               ErrorReporter& errors, Log& log, RequestParser::StreamsBody streams_body)
    : impl_(std::make_unique<Impl>(reactor, std::move(handler), limits, errors, log,
                                   std::move(streams_body))) {}

Server::~Server() = default;

Result<void> Server::listen(const net::Endpoint& endpoint) {
    return impl_->listen(endpoint);
}
net::Endpoint Server::local_endpoint(std::size_t i) const {
    return impl_->local_endpoint(i);
}
void Server::serve(int family, int fd) {
    impl_->serve(family, fd);
}
std::size_t Server::drain(Deadline deadline) {
    return impl_->drain(deadline);
}
bool Server::draining() const noexcept {
    return impl_->core().draining;
}
const ServerStats& Server::stats() const noexcept {
    return impl_->core().stats;
}

}  // namespace ringmaster::http
