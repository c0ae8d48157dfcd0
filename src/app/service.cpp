#include "ringmaster/app/service.hpp"

#include "ringmaster/runtime/scheduler.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <sys/resource.h>
#include <system_error>
#include <utility>
#include <vector>

namespace ringmaster::app {
namespace {

/// Fibers of the store and of this class, which must be had when requests have taken all of theirs.
constexpr std::size_t kOwnFibers = 16;
/// Descriptors that are no connections: journal, snapshots, log, listening socket, epoll and such.
constexpr std::size_t kOwnDescriptors = 32;

/// As many descriptors as the process may open at most.
std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        throw std::system_error(errno, std::generic_category(), "getrlimit(RLIMIT_NOFILE)");
    }
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
    return limit.rlim_cur;
}

/// A connection too many must wait for another to end, not take the descriptor that the store needs
/// for its next segment.
http::ServerLimits server_limits(const Config& config, Log& log) {
    http::ServerLimits limits = config.server;
    const std::size_t descriptors = raise_descriptor_limit();
    const std::string may_open =
        "only " + std::to_string(descriptors) + " files may be open at once (ulimit -n)";
    if (descriptors <= kOwnDescriptors) {
        throw std::runtime_error(may_open + ": expected at least " +
                                 std::to_string(kOwnDescriptors + 1));
    }
    const std::size_t for_connections = descriptors - kOwnDescriptors;
    if (limits.max_connections > for_connections) {
        log.warning("max_connections is " + std::to_string(limits.max_connections) + ", but " +
                    may_open + ": at most " + std::to_string(for_connections) +
                    " connections are accepted at once");
        limits.max_connections = for_connections;
    }
    return limits;
}

ringpool::Catalog make_catalog(const Config& config) {
    ringpool::Catalog catalog;
    for (const PoolConfig& pool : config.pools) {
        if (const auto added = catalog.add(pool.definition); !added) {
            throw std::runtime_error("pool '" + pool.definition.id + "': " + added.error().message);
        }
    }
    return catalog;
}

std::unique_ptr<store::EmbeddedStore> open_store(runtime::Reactor& reactor,
                                                 const ringpool::Catalog& catalog,
                                                 NumberFiles numbers, const Config& config,
                                                 Log& log) {
    std::vector<store::PoolNumbers> pools;
    for (auto& pool : numbers.pools) {
        pools.push_back({static_cast<ringpool::PoolIndex>(pools.size()), std::move(pool)});
    }
    auto store = store::EmbeddedStore::open(reactor, catalog, pools, config.store, log);
    if (!store) throw std::runtime_error(store.error().message);
    return *std::move(store);
}

std::string_view name_of_signal(int number) {
    switch (number) {
        case SIGTERM: return "SIGTERM";
        case SIGINT: return "SIGINT";
        case SIGQUIT: return "SIGQUIT";
        default: return "SIGHUP";
    }
}

}  // namespace

Service::Service(const Config& config, NumberFiles numbers, Clock& clock, Log& log)
    : config_(config),
      clock_(clock),
      log_(log),
      numbers_(numbers.numbers),
      errors_(log),
      reactor_(clock, errors_,
               {.max_fibers = config.max_requests_in_flight + kOwnFibers,
                .stack_bytes = config.stack_bytes}),
      stack_overflow_reporter_(reactor_.scheduler()),
      catalog_(make_catalog(config)),
      store_(open_store(reactor_, catalog_, std::move(numbers), config, log)),
      numbers_api_(catalog_, *store_, reactor_.scheduler(), clock, errors_, config.api),
      compat_api_(catalog_, *store_, reactor_.scheduler(), clock, errors_, config.api),
      health_api_(*store_, [this] { return server_.draining(); }),
      server_(reactor_, make_handler(), server_limits(config, log), errors_, log),
      signals_(reactor_.context(), SIGTERM, SIGINT, SIGQUIT),
      told_to_stop_(reactor_.scheduler()) {
    signals_.add(SIGHUP);
    numbers_api_.register_routes(router_);
    compat_api_.register_routes(router_);
    health_api_.register_routes(router_);
}

Service::~Service() = default;

Service::Ending Service::serve() {
    // A peer that has gone, and a file that may not grow, are errors of the call.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    if (auto listening = server_.listen(config_.listen); !listening) {
        throw std::runtime_error(listening.error().message);
    }
    log_.info("listening on " + net::to_string(server_.local_endpoint()) + ", " +
              std::to_string(catalog_.size()) + " pools, " + std::to_string(numbers_) + " numbers");
    await_signal();
    // It has its fiber from the beginning: when the time comes, requests may have taken all others.
    reactor_.post([this] { reactor_.scheduler().run("stop", [this] { stop_when_told(); }); });
    reactor_.run();
    // What is left to do waits for the log at most, and from now on a signal ends that as well.
    boost::system::error_code ignored;
    signals_.clear(ignored);
    log_.info("stopped after " + std::to_string(server_.stats().requests) + " requests");
    return ending_;
}

void Service::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int number) {
        if (error) return;
        reactor_.enter([&] { on_signal(number); });
        await_signal();
    });
}

void Service::on_signal(int number) {
    const std::string name(name_of_signal(number));
    if (number == SIGHUP) {
        log_.info(name + " is ignored: the configuration is read only at start");
    } else if (!told_to_stop_.is_set()) {
        log_.info(name + ": stopping; " + std::to_string(server_.stats().connections) +
                  " connections are open");
        told_to_stop_.set();
    } else {
        log_.warning(name + " again: stopping at once");
        ending_ = Ending::cut_short;
        reactor_.stop();
    }
}

void Service::stop_when_told() {
    told_to_stop_.wait();
    runtime::Scheduler& scheduler = reactor_.scheduler();
    if (!server_.drain(Deadline::at(scheduler.now() + config_.drain_timeout))) {
        log_.warning(std::to_string(server_.stats().connections) +
                     " connections are cut off after " +
                     std::to_string(config_.drain_timeout.count()) + " ms");
    }
    store_->close();
    // Requests that waited for the store get to their end.
    scheduler.yield();
    if (scheduler.fibers_in_use() > 1) ending_ = Ending::cut_short;
    reactor_.stop();
}

http::RequestHandler Service::make_handler() {
    if (!config_.access_log) {
        return [this](const http::Request& request, http::Response& response) {
            router_.handle(request, response);
        };
    }
    return [this](const http::Request& request, http::Response& response) {
        const SteadyTime begin = clock_.steady_now();
        router_.handle(request, response);
        log_access(request, response, begin);
    };
}

/// Without the query: there are keys in it.
void Service::log_access(const http::Request& request, const http::Response& response,
                         SteadyTime begin) {
    const std::chrono::duration<double, std::milli> taken = clock_.steady_now() - begin;
    char figures[96];
    std::snprintf(figures, sizeof figures, " %d, %zu bytes, %.3f ms", response.status,
                  response.body.size(), taken.count());
    log_.info(std::string(http::to_string(request.method())) + " " + std::string(request.path()) +
              figures);
}

}  // namespace ringmaster::app
