#include "ringmaster/app/service.hpp"

#include "ringmaster/api/embed_script.hpp"
#include "ringmaster/app/embedded_backend.hpp"
#include "ringmaster/app/redis_backend.hpp"
#include "ringmaster/app/shard_metrics.hpp"
#include "ringmaster/http/middleware/access_log.hpp"
#include "ringmaster/http/middleware/catch_errors.hpp"
#include "ringmaster/http/middleware/cors.hpp"
#include "ringmaster/http/middleware/gzip.hpp"
#include "ringmaster/http/middleware/queue_time.hpp"
#include "ringmaster/http/middleware/request_id.hpp"
#include "ringmaster/ops/metrics_text.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/stall_watch.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "endpoints.hpp"
#include <boost/algorithm/string.hpp>

namespace ringmaster::app {
namespace {

using std::chrono::milliseconds;

/// Fibers of the store, of what tells of pools and of the status feed, and of this class.
constexpr std::size_t kOwnFibers = 20;
/// For what another shard asks, at one time; and for parts of requests that are under way to it.
constexpr std::size_t kFibersPerPeer = 64;
/// Descriptors that are no connections: journal, snapshots, log, listening sockets, epoll and such;
/// and for each shard its door and the connections to and from it.
constexpr std::size_t kOwnDescriptors = 32;
constexpr std::size_t kDescriptorsPerPeer = 8;
/// How often it is looked whether the other shards have answered their clients, when all stop.
constexpr milliseconds kLookAgain{10};

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
http::ServerLimits server_limits(const Config& config, std::size_t shards, Log& log) {
    http::ServerLimits limits = config.server;
    limits.max_requests_in_flight = config.max_requests_in_flight;
    const std::size_t descriptors = raise_descriptor_limit();
    const std::size_t own = kOwnDescriptors + (shards - 1) * kDescriptorsPerPeer;
    const std::string may_open =
        "only " + std::to_string(descriptors) + " files may be open at once (ulimit -n)";
    if (descriptors <= own) {
        throw std::runtime_error(may_open + ": expected at least " + std::to_string(own + 1));
    }
    const std::size_t for_connections = descriptors - own;
    if (limits.max_connections > for_connections) {
        log.warning("max_connections is " + std::to_string(limits.max_connections) + ", but " +
                    may_open + ": at most " + std::to_string(for_connections) +
                    " connections are accepted at once");
        limits.max_connections = for_connections;
    }
    return limits;
}

std::size_t fibers(const Config& config, std::size_t shards) {
    // A request to all shards takes a fiber for each of the others, and so do the events of all.
    return config.max_requests_in_flight + kOwnFibers + 1 + (shards - 1) * (kFibersPerPeer + 1);
}

std::vector<ringpool::EventSource*> event_sources(const std::vector<shard::Shard*>& shards) {
    std::vector<ringpool::EventSource*> sources;
    sources.reserve(shards.size());
    for (shard::Shard* const shard : shards) sources.push_back(&shard->events());
    return sources;
}

std::unique_ptr<Backend> make_backend(const Config& config, const ShardSetup& setup,
                                      runtime::Reactor& reactor, ringpool::Catalog& catalog,
                                      Log& log, OwnKnowledge knowledge) {
    if (config.redis.enabled()) {
        return std::make_unique<RedisBackend>(config, setup, reactor, catalog, log,
                                              std::move(knowledge));
    }
    return std::make_unique<EmbeddedBackend>(config, setup, reactor, catalog, log,
                                             std::move(knowledge));
}

/// With Redis there need not be one, and what one machine saw is not all.
std::optional<std::filesystem::path> demand_directory(const Config& config,
                                                      const ShardSetup& setup) {
    if (config.redis.enabled()) return std::nullopt;
    return setup.directory->root() / "demand";
}

/// Of a part of the demand nothing follows.
std::function<std::size_t(ringpool::PoolIndex)> numbers_of_pools(const Config& config,
                                                                 const Backend& backend) {
    if (config.redis.enabled()) return nullptr;
    return [&backend](ringpool::PoolIndex pool) { return backend.own_numbers(pool); };
}

}  // namespace

Service::Service(const Config& config, const ShardSetup& setup, Clock& clock, Log& log,
                 std::function<void()> reopen_log)
    : config_(config),
      setup_(setup),
      clock_(clock),
      log_(log),
      started_(clock.wall_now()),
      reopen_log_(std::move(reopen_log)),
      errors_(log),
      reactor_(
          clock, errors_,
          {.max_fibers = fibers(config, setup.peers.size()), .stack_bytes = config.stack_bytes}),
      stack_overflow_reporter_(reactor_.scheduler()),
      supervisor_(reactor_, setup.channel),
      backend_(make_backend(config, setup, reactor_, catalog_, log,
                            {.demand = [this](std::string_view id) { return demand_.demand(id); },
                             .report = [this] { return report(); },
                             .profile = [this] { return profile(); }})),
      import_helper_(reactor_, "import"),
      reconciler_(catalog_, backend_->pools(), import_helper_, log),
      demand_(
          {.scheduler = reactor_.scheduler(),
           .helper = import_helper_,
           .catalog = catalog_,
           .log = log,
           .counters = [this](ringpool::PoolIndex pool) { return backend_->own_counters(pool); },
           .numbers = numbers_of_pools(config, *backend_),
           .directory = demand_directory(config, setup)},
          config.demand),
      peer_service_(reactor_, log, catalog_, backend_->own(),
                    [this](Deadline deadline) {
                        backend_->catch_up(deadline);
                        return Result<void>();
                    },
                    {.max_calls_per_connection = kFibersPerPeer / 2}),
      peer_listener_(reactor_, log, [this](int fd) { peer_service_.serve(fd); }),
      admin_access_(config.admin_token),
      numbers_api_(catalog_, backend_->store(), reactor_.scheduler(), clock, errors_, config.api),
      number_streams_(catalog_, backend_->store(), reactor_.scheduler(), clock, errors_, config.api,
                      config.streams, [this](Deadline deadline) { backend_->catch_up(deadline); }),
      compat_api_(catalog_, backend_->store(), reactor_.scheduler(), clock, errors_, config.api),
      pools_api_(admin_access_, catalog_, backend_->pools(), import_helper_, config.pools_api),
      advice_api_(admin_access_, catalog_, backend_->pools(),
                  [this](std::string_view id) { return backend_->demand(id); }, import_helper_,
                  {.least_observed = config.demand.least_observed,
                   .kept = std::chrono::hours(config.demand.keep_hours),
                   .sees_all = !config.redis.enabled()}),
      history_api_(admin_access_, backend_->history(), reactor_.scheduler(), config.history_api),
      events_api_(admin_access_, catalog_, reactor_.scheduler(), event_sources(backend_->all()),
                  config.events),
      health_api_(backend_->store(), [this] { return server_.draining(); }),
      metrics_api_(admin_access_,
                   {"/metrics", ops::MetricsText::kContentType, config.metrics.access},
                   [this] { return merge_reports(collect(), *setup_.page); }),
      profile_api_(admin_access_, {"/profile", "text/plain; charset=utf-8", api::ReadAccess::admin},
                   [this] { return collect_profiles(reactor_.scheduler(), backend_->all()); }),
      status_snapshots_(clock, *setup.page, setup.index),
      status_feed_(reactor_.scheduler(),
                   [this] { return status_snapshots_.next(collect(), backend_->store().ready()); },
                   {.max_watchers = config.status.max_watchers}),
      status_api_(admin_access_, config.status.access, status_feed_),
      request_meter_(reactor_.scheduler(), request_groups(), request_endpoints(), endpoint_of),
      server_limits_(server_limits(config, setup.peers.size(), log)),
      server_(reactor_, make_handler(), server_limits_, errors_, log),
      profiler_({.index = setup.index,
                 .clock = clock,
                 .reactor = reactor_,
                 .catalog = catalog_,
                 .backend = *backend_,
                 .requests = request_meter_,
                 .most_in_flight = server_limits_.max_requests_in_flight}),
      profile_recorder_({.scheduler = reactor_.scheduler(),
                         .helper = import_helper_,
                         .log = log,
                         .disk = disk_,
                         .shard = static_cast<std::uint32_t>(setup.index),
                         .take = [this] { return profiler_.take(); }},
                        config.analysis),
      doors_(reactor_.scheduler(), *setup.page, setup.index, config.peers.takeover_after,
             [this](shard::ShardIndex i, bool open) { hold_door(i, open); }),
      signals_(reactor_.context(), SIGTERM),
      told_to_stop_(reactor_.scheduler()),
      told_to_configure_(reactor_.scheduler()),
      pools_kept_(reactor_.scheduler()),
      demand_measured_(reactor_.scheduler()),
      profile_recorded_(reactor_.scheduler()) {
    numbers_api_.register_routes(router_);
    number_streams_.register_routes(router_);
    compat_api_.register_routes(router_);
    pools_api_.register_routes(router_);
    advice_api_.register_routes(router_);
    history_api_.register_routes(router_);
    events_api_.register_routes(router_);
    health_api_.register_routes(router_);
    metrics_api_.register_routes(router_);
    profile_api_.register_routes(router_);
    api::register_embed_script(router_);
    status_api_.register_routes(router_);
}

Service::~Service() = default;

Service::Ending Service::serve(std::optional<NumberFiles> numbers) {
    // A peer that has gone, and a file that may not grow, are errors of the call. The rest is meant
    // for the supervisor, even where a terminal sends it to all of us.
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2}) {
        std::signal(signal, SIG_IGN);
    }
    first_numbers_ = std::move(numbers);
    await_signal();
    // They have their fibers from the beginning: when the time comes, requests may have taken all
    // others.
    reactor_.post([&] {
        runtime::Scheduler& scheduler = reactor_.scheduler();
        scheduler.run("stop", [this] { stop_when_told(); });
        scheduler.run("pools", [this] { keep_pools(); });
        scheduler.run("demand", [this] { measure_demand(); });
        scheduler.run("profile", [this] { record_profile(); });
        scheduler.run("supervisor", [this] { follow_supervisor(); });
    });
    {
        const runtime::StallWatch watch(reactor_.scheduler(), clock_, log_, config_.stall_warning);
        reactor_.run();
    }
    // What is left to do waits for the log at most, and from now on a signal ends that as well.
    boost::system::error_code ignored;
    signals_.clear(ignored);
    log_.info("stopped after " + std::to_string(server_.stats().requests) + " requests");
    return ending_;
}

Reports Service::collect() {
    return collect_reports(reactor_.scheduler(), backend_->all(), &shard::Shard::report);
}

std::string Service::report() {
    ShardFigures figures{.index = setup_.index,
                         .started = started_,
                         .ready = !server_.draining() && backend_->store().ready().ok(),
                         .server = server_,
                         .max_connections = server_limits_.max_connections,
                         .requests = request_meter_,
                         .reactor = reactor_,
                         .service = peer_service_,
                         .streams = {{"numbers", number_streams_.stats().streams},
                                     {"events", events_api_.readers()},
                                     {"status", status_feed_.watchers()}},
                         .number_streams = number_streams_.stats(),
                         .counters = {},
                         .pools = {},
                         .loads = {},
                         .tells_numbers = false,
                         .peers = {},
                         .gates = {},
                         .redis = {}};
    backend_->add_figures(figures);
    for (const auto& pool : figures.pools.pools) {
        if (const auto* sizing = demand_.sizing(pool.id)) {
            figures.loads.push_back({pool.id, *sizing});
        }
    }
    return write_report(figures);
}

std::string Service::profile() const {
    std::string text;
    ops::append_profile(text, profiler_.take());
    return text;
}

// --- what the supervisor says ------------------------------------------------------------------

void Service::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
        if (error) return;
        reactor_.enter([&] { drain("SIGTERM"); });
        await_signal();
    });
}

void Service::follow_supervisor() {
    if (auto recovered = backend_->recover(); !recovered) return fail(recovered.error().message);
    demand_.load();
    if (auto listening = peer_listener_.adopt(setup_.peer_socket); !listening) {
        return fail(listening.error().message);
    }
    supervisor_.say(channel::kRecovered);
    while (true) {
        const auto line = supervisor_.hear();
        if (!line) {
            --own_fibers_;
            return drain(line.error().message);
        }
        obey(*line);
    }
}

void Service::obey(const std::string& word) {
    if (word == channel::kConfigure) {
        told_to_configure_.set();
    } else if (word == channel::kServe) {
        accept_clients();
    } else if (word == channel::kDrain) {
        drain("the supervisor says so");
    } else if (word == channel::kReopenLog) {
        reopen_log_();
    } else if (word == channel::kStop) {
        log_.warning("stopping at once");
        ending_ = Ending::cut_short;
        reactor_.stop();
    } else {
        log_.error("the supervisor says what makes no sense here: " + word);
    }
}

void Service::fail(const std::string& why) {
    supervisor_.say(channel::kFailed, why);
    drain(why);
}

void Service::accept_clients() {
    for (const int socket : {setup_.public_sockets[setup_.index], setup_.own_socket}) {
        if (auto accepting = server_.accept_from(socket); !accepting) {
            return fail(accepting.error().message);
        }
    }
    if (config_.peers.takeover_after > milliseconds(0)) doors_.start();
    log_.info("serving, " + std::to_string(catalog_.size()) + " pools, " +
              std::to_string(backend_->own_numbers()) + " numbers of its own");
    supervisor_.say(channel::kServing);
}

void Service::hold_door(shard::ShardIndex i, bool open) {
    const int socket = setup_.public_sockets[i];
    if (!open) return server_.stop_accepting_from(socket);
    if (auto accepting = server_.accept_from(socket); !accepting) {
        throw std::runtime_error(accepting.error().message);
    }
}

// --- the end -----------------------------------------------------------------------------------

void Service::drain(const std::string& why) {
    if (told_to_stop_.is_set()) return;
    log_.info("stopping: " + why + "; " + std::to_string(server_.stats().connections) +
              " connections are open");
    told_to_stop_.set();
    told_to_configure_.set();
}

void Service::stop_when_told() {
    told_to_stop_.wait();
    runtime::Scheduler& scheduler = reactor_.scheduler();
    const Deadline deadline = Deadline::at(scheduler.now() + config_.drain_timeout);
    auto& answering = setup_.page->shard(setup_.index).answering;
    answering.store(true, std::memory_order_relaxed);
    doors_.stop();
    close_doors();
    events_api_.stop();
    if (const std::size_t left = server_.drain(deadline); left > 0) {
        log_.warning(std::to_string(left) + " connections are cut off after " +
                     std::to_string(config_.drain_timeout.count()) + " ms");
    }
    if (!number_streams_.drain(deadline)) {
        log_.warning("the lifetimes of some streams' numbers did not begin anew when they ended");
    }
    answering.store(false, std::memory_order_relaxed);
    status_feed_.close();
    wait_for_other_shards(deadline);
    peer_listener_.close();
    if (!peer_service_.drain(deadline)) log_.warning("calls of other shards are cut off");
    backend_->close();
    pools_kept_.wait(deadline);
    demand_.stop();
    profile_recorder_.stop();
    demand_measured_.wait();
    profile_recorded_.wait();
    // Requests that waited for the store get to their end.
    scheduler.yield();
    if (scheduler.fibers_in_use() > own_fibers_) ending_ = Ending::cut_short;
    reactor_.stop();
}

// Where nobody else has them, the kernel refuses new connections from now on. Who has one that it
// has not accepted goes with the socket.
void Service::close_doors() {
    for (const int socket : {setup_.public_sockets[setup_.index], setup_.own_socket}) {
        server_.stop_accepting_from(socket);
    }
    for (const int socket : setup_.public_sockets) ::close(socket);
    ::close(setup_.own_socket);
}

// Where all stop at once, the last requests of another one may want numbers from here.
void Service::wait_for_other_shards(Deadline deadline) {
    runtime::Scheduler& scheduler = reactor_.scheduler();
    const auto somebody_answers = [&] {
        for (shard::ShardIndex i = 0; i < setup_.peers.size(); ++i) {
            if (i == setup_.index) continue;
            const shard::ShardCell& cell = setup_.page->shard(i);
            const auto phase = cell.phase.load(std::memory_order_relaxed);
            if (cell.answering.load(std::memory_order_relaxed) && phase != shard::ShardPhase::dead)
                return true;
        }
        return false;
    };
    while (somebody_answers() && !deadline.expired(scheduler.now())) {
        scheduler.sleep_until(scheduler.now() + kLookAgain);
    }
}

// --- the configuration's pools -----------------------------------------------------------------

/// One fiber for all changes that the configuration makes, so that they come one after the other.
void Service::keep_pools() {
    while (!told_to_stop_.is_set()) {
        told_to_configure_.wait();
        told_to_configure_.reset();
        if (!told_to_stop_.is_set()) configure();
    }
    pools_kept_.set();
}

/// A fiber of its own from the beginning, too.
void Service::measure_demand() {
    demand_.run();
    demand_measured_.set();
}

void Service::record_profile() {
    profile_recorder_.run();
    profile_recorded_.set();
}

void Service::configure() {
    if (first_numbers_) {
        NumberFiles numbers = *std::exchange(first_numbers_, std::nullopt);
        return apply(config_, std::move(numbers));
    }
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
    if (!problems.empty()) {
        return tell_configured("nothing is changed: the configuration is not good");
    }
    for (const std::string& warning : files.numbers.warnings) log_.warning(warning);
    apply(*files.config, std::move(files.numbers));
}

void Service::apply(const Config& config, NumberFiles numbers) {
    const auto applied = reconciler_.apply(config.pools, std::move(numbers));
    if (!applied) {
        return tell_configured("the configuration is applied in part only: " +
                               applied.error().message);
    }
    log_.info("the configuration is applied: " + std::to_string(catalog_.size()) + " pools");
    tell_configured("");
}

void Service::tell_configured(const std::string& problem) {
    if (!problem.empty()) log_.error(problem);
    supervisor_.say(channel::kConfigured, problem);
}

http::RequestHandler Service::make_handler() {
    std::vector<http::Middleware> layers{http::queue_time(clock_)};
    if (config_.access_log) {
        layers.push_back(http::request_id());
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
    layers.push_back(request_meter_.layer());
    layers.push_back(http::catch_errors(errors_));
    return http::layered(std::move(layers),
                         [this](http::Request& request, http::Response& response) {
                             backend_->catch_up(reactor_.scheduler().deadline());
                             router_.handle(request, response);
                         });
}

}  // namespace ringmaster::app
