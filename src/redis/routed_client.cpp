#include "routed_client.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "call_rules.hpp"
#include "cluster_topology.hpp"
#include "sentinel_topology.hpp"

namespace ringmaster::redis {
namespace {

using std::chrono::milliseconds;

/// Between two questions about the topology, however many calls wish for one.
constexpr milliseconds kRefreshGap{100};
/// The same while there is nothing new: to this it doubles.
constexpr milliseconds kMostRefreshGap{1'000};
/// How often it is asked while a server that is needed can't be reached: it may have been replaced.
constexpr milliseconds kTroublePeriod{250};
/// For one question, in relation to the time for one connection: several servers may fail to
/// answer.
constexpr int kAskedInOneGo = 4;

Login login_of_sentinel(const ClientOptions& options) {
    return {.user = {},
            .password = options.url.sentinel_password,
            .database = 0,
            .client_name = options.client_name};
}

}  // namespace

/// One channel, and where it is heard.
struct RoutedClient::Hearing {
    std::string channel;
    std::function<void()> connected;
    std::function<void(std::string_view)> heard;
    std::optional<ServerAddress> at;  ///< where it was tried last
    std::unique_ptr<Subscription> subscription;
};

RoutedClient::RoutedClient(runtime::Reactor& reactor, ClientOptions options, Log& log)
    : RoutedClient(reactor.scheduler(), std::make_unique<Connector>(reactor), {},
                   std::move(options), log) {}

RoutedClient::RoutedClient(runtime::Scheduler& scheduler, Connect connect, ClientOptions options,
                           Log& log)
    : RoutedClient(scheduler, nullptr, std::move(connect), std::move(options), log) {}

RoutedClient::RoutedClient(runtime::Scheduler& scheduler, std::unique_ptr<Connector> connector,
                           Connect connect, ClientOptions options, Log& log)
    : scheduler_(scheduler),
      connector_(std::move(connector)),
      connect_(connector_ ? [to = connector_.get()](
                                const ServerAddress& address,
                                Deadline deadline) { return to->connect(address, deadline); }
                          : std::move(connect)),
      options_(std::move(options)),
      log_(log),
      warning_(scheduler_, log),
      random_(std::random_device()()),
      servers_(scheduler_, connect_, server_options(options_), log),
      inquiry_(scheduler_, connect_, server_options(options_).login,
               server_options(options_).connection, options_.connect_timeout),
      sentinels_(scheduler_, connect_, login_of_sentinel(options_),
                 server_options(options_).connection, options_.connect_timeout),
      topology_(make_topology()),
      inside_(scheduler_),
      news_(scheduler_),
      wishes_(scheduler_) {}

RoutedClient::~RoutedClient() = default;

std::unique_ptr<Topology> RoutedClient::make_topology() {
    if (options_.url.kind == RedisUrl::Kind::cluster) {
        return std::make_unique<ClusterTopology>(inquiry_, options_.url.servers);
    }
    SentinelTopology::Options sentinel{.sentinels = options_.url.servers,
                                       .master_name = options_.url.master_name,
                                       .sentinel = server_options(options_)};
    sentinel.sentinel.login = login_of_sentinel(options_);
    return std::make_unique<SentinelTopology>(
        scheduler_, connect_, std::move(sentinel), sentinels_, inquiry_,
        [this] { topology_changed(); }, [this] { want_refresh(); }, log_);
}

// ---------------------------------------------------------------------------------------------
// The topology

// With the first call, not before: making a client connects to nothing.
void RoutedClient::start() {
    if (looking_after_ || stopping_) return;
    auto pass = inside_.enter();
    if (!pass) return;
    // Where there is no fiber, the next call tries again.
    looking_after_ = scheduler_.spawn("redis topology",
                                      [pass = *std::move(pass), this] { look_after_topology(); });
}

void RoutedClient::want_refresh() noexcept {
    wants_refresh_ = true;
    wishes_.notify_all();
}

bool RoutedClient::is_troubled() const {
    const auto is_ready = [&](const ServerAddress& address) {
        const Server* const server = servers_.find(address);
        return server == nullptr || server->ready().ok();
    };
    return failure_ || topology_->is_down() || topology_->primaries().empty() ||
           !std::ranges::all_of(topology_->primaries(), is_ready);
}

void RoutedClient::look_after_topology() {
    const auto jittered = [&](milliseconds pause) {
        std::uniform_int_distribution<milliseconds::rep> jitter(pause.count() / 2, pause.count());
        return milliseconds(jitter(random_));
    };
    milliseconds gap = kRefreshGap;
    while (!stopping_) {
        wants_refresh_ = false;
        const bool is_new = refresh();
        scheduler_.sleep_until(scheduler_.now() + jittered(gap));
        gap = is_new ? kRefreshGap : std::min(2 * gap, kMostRefreshGap);
        const SteadyTime next = scheduler_.now() + jittered(options_.topology_period);
        while (!wants_refresh_ && !stopping_ && scheduler_.now() < next) {
            const SteadyTime look = scheduler_.now() + kTroublePeriod;
            wishes_.wait(Deadline::at(std::min(look, next)));
            if (is_troubled()) break;
            if (!wants_refresh_) gap = kRefreshGap;  // it has been quiet for a while
        }
    }
}

bool RoutedClient::refresh() {
    ++counters_.topology_refreshes;
    try {
        const auto is_new = topology_->refresh(
            Deadline::at(scheduler_.now() + kAskedInOneGo * options_.connect_timeout));
        if (is_new) {
            failure_.reset();
            topology_changed();
            move_hearings();
            return *is_new;
        }
        failure_ = is_new.error();
        warning_.tell("redis: " + failure_->message);
    } catch (const std::exception&) {  // e.g. no memory
        scheduler_.errors().report("topology of Redis", std::current_exception());
    }
    news_.notify_all();
    return false;
}

void RoutedClient::topology_changed() {
    servers_.keep_only(topology_->primaries());
    news_.notify_all();
}

Error RoutedClient::not_known() const {
    if (failure_) return *failure_;
    return {ErrorCode::unavailable, "redis: nobody is known to serve the key"};
}

// ---------------------------------------------------------------------------------------------
// Channels

void RoutedClient::subscribe(std::string channel, std::function<void()> connected,
                             std::function<void(std::string_view)> heard) {
    start();
    hearings_.push_back(std::make_unique<Hearing>(
        Hearing{std::move(channel), std::move(connected), std::move(heard), {}, {}}));
    hearings_.back()->subscription = listen(*hearings_.back());
}

std::unique_ptr<Subscription> RoutedClient::listen(Hearing& hearing) {
    const auto where = [this, &hearing](Deadline) {
        // Whoever asks a second time has lost his connection.
        if (hearing.at) want_refresh();
        auto server = topology_->next_to_hear();
        if (server) hearing.at = *server;
        return server;
    };
    return std::make_unique<Subscription>(scheduler_, connect_, where, server_options(options_),
                                          SubscriptionOptions{.channel = hearing.channel},
                                          hearing.connected, hearing.heard, log_);
}

// A server that is not one of them any more may go on for a long time without a message.
void RoutedClient::move_hearings() {
    const runtime::CancellationShield shield(scheduler_);
    for (std::size_t i = 0; i < hearings_.size() && !stopping_; ++i) {
        Hearing& hearing = *hearings_[i];
        if (!hearing.at || topology_->is_heard_at(*hearing.at)) continue;
        hearing.subscription->stop();
        hearing.at.reset();
        if (!stopping_) hearing.subscription = listen(hearing);
    }
}

// ---------------------------------------------------------------------------------------------
// For its owner

// Some of a cluster's primaries may be missing, and the others go on; but where it says itself that
// it is down, none does.
Result<void> RoutedClient::ready() const {
    if (stopping_) return Error{ErrorCode::unavailable, "the client of Redis is being stopped"};
    if (topology_->is_down())
        return Error{ErrorCode::unavailable, "the Redis cluster says it is down"};
    std::optional<Error> why = failure_;
    for (const ServerAddress& address : topology_->primaries()) {
        const Server* const server = servers_.find(address);
        auto ready = server == nullptr ? Result<void>() : server->ready();
        if (ready) return {};
        why = std::move(ready).error();
    }
    return why ? Result<void>(*std::move(why)) : Result<void>();
}

ClientStats RoutedClient::stats() const noexcept {
    const ServerSetStats servers = servers_.stats();
    ClientStats stats = counters_;
    stats.servers = servers.servers;
    stats.connected = servers.connected;
    stats.pending = servers.pending;
    stats.tombstones = servers.tombstones;
    stats.writes = servers.writes;
    stats.reconnects = servers.reconnects;
    stats.pool = servers.pool;
    return stats;
}

void RoutedClient::stop() {
    stopping_ = true;
    looking_after_.cancel("the client of Redis is being stopped");
    news_.notify_all();
    wishes_.notify_all();
    servers_.stop();
    inside_.close();
    for (const auto& hearing : hearings_) hearing->subscription->stop();
    topology_->stop();
    inquiry_.stop();
    sentinels_.stop();
    if (connector_) connector_->stop();
}

}  // namespace ringmaster::redis
