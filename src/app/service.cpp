#include "ringmaster/app/service.hpp"

#include "ringmaster/http/middleware/access_log.hpp"
#include "ringmaster/http/middleware/catch_errors.hpp"
#include "ringmaster/http/middleware/cors.hpp"
#include "ringmaster/http/middleware/gzip.hpp"
#include "ringmaster/http/middleware/queue_time.hpp"
#include "ringmaster/http/middleware/request_id.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/stall_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <sys/resource.h>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/algorithm/string.hpp>

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

std::unique_ptr<store::EmbeddedStore> open_store(runtime::Reactor& reactor,
                                                 ringpool::Catalog& catalog, const Config& config,
                                                 Log& log) {
    auto store = store::EmbeddedStore::open(reactor, catalog, config.store, log);
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

Service::Service(const Config& config, Clock& clock, Log& log)
    : config_(config),
      clock_(clock),
      log_(log),
      errors_(log),
      reactor_(clock, errors_,
               {.max_fibers = config.max_requests_in_flight + kOwnFibers,
                .stack_bytes = config.stack_bytes}),
      stack_overflow_reporter_(reactor_.scheduler()),
      store_(open_store(reactor_, catalog_, config, log)),
      import_helper_(reactor_, "import"),
      reconciler_(catalog_, store_->pools(), import_helper_, log),
      admin_access_(config.admin_token),
      numbers_api_(catalog_, *store_, reactor_.scheduler(), clock, errors_, config.api),
      compat_api_(catalog_, *store_, reactor_.scheduler(), clock, errors_, config.api),
      pools_api_(admin_access_, catalog_, store_->pools(), import_helper_, config.pools_api),
      history_api_(admin_access_, store_->history(), reactor_.scheduler(), config.history_api),
      health_api_(*store_, [this] { return server_.draining(); }),
      server_(reactor_, make_handler(), server_limits(config, log), errors_, log),
      signals_(reactor_.context(), SIGTERM, SIGINT, SIGQUIT),
      told_to_stop_(reactor_.scheduler()),
      told_to_reload_(reactor_.scheduler()),
      pools_kept_(reactor_.scheduler()) {
    signals_.add(SIGHUP);
    numbers_api_.register_routes(router_);
    compat_api_.register_routes(router_);
    pools_api_.register_routes(router_);
    history_api_.register_routes(router_);
    health_api_.register_routes(router_);
}

Service::~Service() = default;

Service::Ending Service::serve(NumberFiles numbers) {
    // A peer that has gone, and a file that may not grow, are errors of the call.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    await_signal();
    // They have their fibers from the beginning: when the time comes, requests may have taken all
    // others.
    reactor_.post([&] {
        reactor_.scheduler().run("stop", [this] { stop_when_told(); });
        reactor_.scheduler().run("pools", [&] { keep_pools(std::move(numbers)); });
    });
    {
        const runtime::StallWatch watch(reactor_.scheduler(), clock_, log_, config_.stall_warning);
        reactor_.run();
    }
    // What is left to do waits for the log at most, and from now on a signal ends that as well.
    boost::system::error_code ignored;
    signals_.clear(ignored);
    if (!start_failure_.empty()) throw std::runtime_error(start_failure_);
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
        log_.info(name + ": reading " + config_.file.string() + " again");
        told_to_reload_.set();
    } else if (!told_to_stop_.is_set()) {
        log_.info(name + ": stopping; " + std::to_string(server_.stats().connections) +
                  " connections are open");
        told_to_stop_.set();
        told_to_reload_.set();
    } else {
        log_.warning(name + " again: stopping at once");
        ending_ = Ending::cut_short;
        reactor_.stop();
    }
}

void Service::stop_when_told() {
    told_to_stop_.wait();
    runtime::Scheduler& scheduler = reactor_.scheduler();
    const Deadline deadline = Deadline::at(scheduler.now() + config_.drain_timeout);
    if (const std::size_t left = server_.drain(deadline); left > 0) {
        log_.warning(std::to_string(left) + " connections are cut off after " +
                     std::to_string(config_.drain_timeout.count()) + " ms");
    }
    store_->close();
    pools_kept_.wait(deadline);
    // Requests that waited for the store get to their end.
    scheduler.yield();
    if (scheduler.fibers_in_use() > 1) ending_ = Ending::cut_short;
    reactor_.stop();
}

/// One fiber for all changes that the configuration makes, so that they come one after the other.
void Service::keep_pools(NumberFiles numbers) {
    if (const auto started = start(std::move(numbers)); !started) {
        start_failure_ = started.error().message;
        told_to_stop_.set();
    }
    while (!told_to_stop_.is_set()) {
        told_to_reload_.wait();
        told_to_reload_.reset();
        if (!told_to_stop_.is_set()) reload();
    }
    pools_kept_.set();
}

Result<void> Service::start(NumberFiles numbers) {
    auto applied = reconciler_.apply(config_.pools, std::move(numbers));
    if (told_to_stop_.is_set()) return {};
    if (!applied) return applied;
    if (auto listening = server_.listen(config_.listen); !listening) return listening;
    log_.info("listening on " + net::to_string(server_.local_endpoint()) + ", " +
              std::to_string(catalog_.size()) + " pools, " + std::to_string(count_numbers()) +
              " numbers");
    return {};
}

void Service::reload() {
    struct Files {
        Result<Config> config;
        NumberFiles numbers;
    };
    Files files = import_helper_.run([this] {
        Files read{load_config(config_.file), {}};
        if (read.config) read.numbers = read_number_files(read.config->pools);
        return read;
    });
    std::vector<std::string> problems = std::move(files.numbers.problems);
    if (!files.config) boost::split(problems, files.config.error().message, boost::is_any_of("\n"));
    for (const std::string& problem : problems) log_.error(problem);
    if (!problems.empty()) return log_.error("nothing is changed: the configuration is not good");

    for (const std::string& warning : files.numbers.warnings) log_.warning(warning);
    tell_what_needs_a_restart(*files.config);
    const auto applied = reconciler_.apply(files.config->pools, std::move(files.numbers));
    if (applied) {
        log_.info("the configuration is applied: " + std::to_string(catalog_.size()) + " pools, " +
                  std::to_string(count_numbers()) + " numbers");
    } else {
        log_.error("the configuration is applied in part only: " + applied.error().message);
    }
}

/// Without their values: there are secrets among them.
void Service::tell_what_needs_a_restart(const Config& changed) {
    std::string names;
    for (std::size_t i = 0; i < config_.settings.size(); ++i) {
        if (config_.settings[i] == changed.settings[i]) continue;
        names.append(names.empty() ? "" : ", ") += config_.settings[i].name;
    }
    if (!names.empty()) log_.warning("a change of " + names + " takes effect with a restart only");
}

std::size_t Service::count_numbers() const {
    std::size_t numbers = 0;
    catalog_.for_each([&](ringpool::PoolIndex index, const ringpool::PoolDefinition&) {
        numbers += store_->pool(index).size();
    });
    return numbers;
}

http::RequestHandler Service::make_handler() {
    std::vector<http::Middleware> layers;
    if (config_.access_log) {
        layers.push_back(http::request_id());
        layers.push_back(http::queue_time(clock_));
        layers.push_back(http::access_log(log_, clock_, reactor_.scheduler()));
    }
    if (!config_.cors_origins.empty()) {
        layers.push_back(http::cors({.origins = config_.cors_origins,
                                     .methods = {"GET", "POST", "DELETE", "OPTIONS"},
                                     .request_fields = {"Content-Type"},
                                     .exposed_fields = {"processing-time"}}));
    }
    if (config_.gzip_min_bytes > 0) {
        layers.push_back(http::gzip({.min_bytes = config_.gzip_min_bytes}));
    }
    layers.push_back(http::catch_errors(errors_));
    return http::layered(std::move(layers),
                         [this](http::Request& request, http::Response& response) {
                             router_.handle(request, response);
                         });
}

}  // namespace ringmaster::app
