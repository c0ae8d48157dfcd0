#include "server_set.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::redis {
namespace {

/// How often it is looked whether a server that leaves has answered all.
constexpr std::chrono::milliseconds kLookAgain{10};

/// What only counts up.
void add_counters(ServerSetStats& sum, const ServerStats& stats) {
    sum.writes += stats.writes;
    sum.tombstones += stats.tombstones;
    sum.reconnects += stats.connects > 0 ? stats.connects - 1 : 0;
    sum.pool.checkouts += stats.pool.checkouts;
    sum.pool.timeouts += stats.pool.timeouts;
    sum.pool.made += stats.pool.made;
    sum.pool.failures += stats.pool.failures;
    sum.pool.reaped += stats.pool.reaped;
    sum.pool.lent += stats.pool.lent;
    sum.pool.waited += stats.pool.waited;
}

void add_state(ServerSetStats& sum, const ServerStats& stats) {
    sum.servers += 1;
    sum.connected += stats.connected ? 1 : 0;
    sum.pending += stats.pending;
    sum.pool.size += stats.pool.size;
    sum.pool.connections += stats.pool.connections;
    sum.pool.busy += stats.pool.busy;
    sum.pool.dead += stats.pool.dead;
    sum.pool.idle += stats.pool.idle;
    sum.pool.waiting += stats.pool.waiting;
    sum.pool.checkout_timeout = stats.pool.checkout_timeout;
}

}  // namespace

ServerSet::ServerSet(runtime::Scheduler& scheduler, Connect connect, ServerOptions options,
                     Log& log)
    : scheduler_(scheduler),
      connect_(std::move(connect)),
      options_(std::move(options)),
      log_(log),
      fibers_(scheduler),
      stopping_(scheduler) {}

ServerSet::~ServerSet() = default;

std::shared_ptr<Server> ServerSet::at(const ServerAddress& address) {
    std::shared_ptr<Server>& server = servers_[address];
    if (server == nullptr) {
        server = std::make_shared<Server>(scheduler_, connect_, address, options_, log_);
    }
    return server;
}

const Server* ServerSet::find(const ServerAddress& address) const {
    const auto found = servers_.find(address);
    return found == servers_.end() ? nullptr : found->second.get();
}

void ServerSet::keep_only(std::span<const ServerAddress> addresses) {
    // Where there is no fiber for that, a server stays until the next time.
    std::erase_if(servers_, [&](const auto& entry) {
        return std::ranges::find(addresses, entry.first) == addresses.end() &&
               begin_to_retire(entry.second);
    });
}

bool ServerSet::begin_to_retire(std::shared_ptr<Server> server) {
    auto pass = fibers_.enter();
    if (!pass) return false;
    Server* const leaving = server.get();
    auto job = [this, server, pass = *std::move(pass)]() mutable { retire(*server); };
    if (!scheduler_.spawn("redis server leaves", std::move(job))) return false;
    retiring_.push_back(std::move(server));
    log_.info("redis " + leaving->address().text() + " is not asked any more");
    return true;
}

void ServerSet::retire(Server& server) {
    const SteadyTime end = scheduler_.now() + kGrace;
    while (server.is_connected() && server.stats().pending > 0 && scheduler_.now() < end &&
           !stopping_.wait(Deadline::at(scheduler_.now() + kLookAgain))) {
    }
    server.stop();
    add_counters(retired_, server.stats());
    std::erase_if(retiring_, [&](const auto& each) { return each.get() == &server; });
}

ServerSetStats ServerSet::stats() const {
    ServerSetStats sum = retired_;
    for (const auto& [address, server] : servers_) {
        const ServerStats stats = server->stats();
        add_counters(sum, stats);
        add_state(sum, stats);
    }
    for (const auto& server : retiring_) {
        const ServerStats stats = server->stats();
        add_counters(sum, stats);
        sum.pending += stats.pending;
    }
    return sum;
}

void ServerSet::stop() {
    stopping_.set();
    keep_only({});
    fibers_.close();
    // Those for which there was no fiber. Whoever asks for another one meanwhile makes it anew.
    while (!servers_.empty()) {
        const std::shared_ptr<Server> server = servers_.extract(servers_.begin()).mapped();
        server->stop();
        add_counters(retired_, server->stats());
    }
}

}  // namespace ringmaster::redis
