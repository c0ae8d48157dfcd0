#include "ringmaster/redis/connector.hpp"

#include "ringmaster/net/endpoint.hpp"

namespace ringmaster::redis {

struct Connector::Names {
    explicit Names(runtime::Reactor& reactor)
        : helper(reactor, "redis-names"), resolver(reactor.scheduler(), helper) {}
    runtime::HelperThread helper;
    net::Resolver resolver;
};

Connector::Connector(runtime::Reactor& reactor) : reactor_(reactor) {}
Connector::~Connector() = default;

Result<std::unique_ptr<net::Stream>> Connector::connect(const ServerAddress& address,
                                                        Deadline deadline) {
    if (const auto endpoint = net::parse_endpoint(address.text())) {
        return net::connect(reactor_, endpoint.value(), deadline);
    }
    if (!names_) names_ = std::make_unique<Names>(reactor_);
    return net::connect(reactor_, names_->resolver, address.host, address.port, deadline);
}

void Connector::stop() {
    if (names_) names_->resolver.wait_until_idle();
}

}  // namespace ringmaster::redis
