#include "ringmaster/http/server.hpp"

#include "ringmaster/net/listener.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <map>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "connection.hpp"

namespace ringmaster::http {
namespace {

int family_of(int socket) noexcept {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const bool known = ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    return known ? address.ss_family : AF_UNSPEC;
}

}  // namespace

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
        while (Connection* connection = core_.connections.pop_front()) {
            core_.connection_slab.destroy(*connection);
        }
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

    Result<void> accept_from(int listening_fd) {
        if (core_.draining) return {};
        auto& listener = inherited_[listening_fd];
        if (listener == nullptr) {
            listener = std::make_unique<net::Listener>(
                core_.reactor, log_,
                [this, family = family_of(listening_fd)](int fd) { serve(family, fd); });
        }
        listener->close();
        return listener->adopt(listening_fd);
    }

    void stop_accepting_from(int listening_fd) noexcept {
        const auto found = inherited_.find(listening_fd);
        if (found != inherited_.end()) found->second->close();
    }

    net::Endpoint local_endpoint(std::size_t i) const { return listeners_.at(i)->local_endpoint(); }

    void serve(int family, int fd) {
        Connection* connection = nullptr;
        try {
            connection = core_.connection_slab.make(core_, family, fd).release();
        } catch (...) {
            core_.errors.report("accepting a connection", std::current_exception());
            ::close(fd);
            return;
        }
        connection->start();
        if (core_.stats.connections >= core_.limits.max_connections) {
            for_each_listener(&net::Listener::pause);
        }
    }

    std::size_t drain(Deadline deadline) {
        core_.draining = true;
        for_each_listener(&net::Listener::close);
        for_each_connection(&Connection::drain);
        if (core_.connections.empty() || all_gone_.wait(deadline)) return 0;
        const std::size_t left = core_.stats.connections;
        for_each_connection(&Connection::cut_off);
        return left;
    }

    const ServerCore& core() const noexcept { return core_; }

  private:
    template <class Action>
    void for_each_listener(Action action) {
        for (const auto& listener : listeners_) (listener.get()->*action)();
        for (const auto& [fd, listener] : inherited_) (listener.get()->*action)();
    }

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
        for_each_listener(&net::Listener::resume);
    }

    Log& log_;
    ServerCore core_;
    runtime::Event all_gone_;
    std::vector<std::unique_ptr<net::Listener>> listeners_;
    std::map<int, std::unique_ptr<net::Listener>> inherited_;  ///< by the descriptor given
};

Server::Server(runtime::Reactor& reactor, RequestHandler handler, ServerLimits limits,
               ErrorReporter& errors, Log& log, RequestParser::StreamsBody streams_body)
    : impl_(std::make_unique<Impl>(reactor, std::move(handler), limits, errors, log,
                                   std::move(streams_body))) {}

Server::~Server() = default;

Result<void> Server::listen(const net::Endpoint& endpoint) {
    return impl_->listen(endpoint);
}
Result<void> Server::accept_from(int listening_fd) {
    return impl_->accept_from(listening_fd);
}
void Server::stop_accepting_from(int listening_fd) noexcept {
    impl_->stop_accepting_from(listening_fd);
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
