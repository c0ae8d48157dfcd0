#include "ringmaster/app/shard_metrics.hpp"

#include "ringmaster/ops/metrics_text.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace ringmaster::app {
namespace {

using flow::EaseInGate;
using ops::MetricsText;
using ringpool::OverflowReason;

constexpr std::array kGateStates = {
    std::pair{EaseInGate::State::healthy, "healthy"},
    std::pair{EaseInGate::State::refusing, "refusing"},
    std::pair{EaseInGate::State::probing, "probing"},
    std::pair{EaseInGate::State::easing_in, "easing_in"},
};

void write_server(MetricsText& out, const http::ServerStats& server) {
    out.begin_gauge("ringmaster_connections", "Connections of clients, now.");
    out.sample(std::uint64_t{server.connections});
    out.begin_counter("ringmaster_connections_accepted_total", "Connections of clients.");
    out.sample(server.accepted);
    out.begin_counter("ringmaster_requests_total", "Requests of clients.");
    out.sample(server.requests);
    out.begin_gauge("ringmaster_requests_in_flight", "Requests in work, now.");
    out.sample(std::uint64_t{server.in_flight});
    out.begin_counter("ringmaster_requests_shed_total",
                      "Requests answered 503, because too many were in work.");
    out.sample(server.shed);
}

void write_allocations(MetricsText& out, const ShardFigures& figures) {
    const ringpool::PoolCounters& counters = figures.counters;
    out.begin_counter("ringmaster_allocations_total",
                      "Rows answered with a number of one of the shard's own pools.");
    out.sample(counters.allocations);
    auto overflows = counters.overflows;
    for (const auto& gate : figures.gates) {
        for (std::size_t i = 0; i < overflows.size(); ++i) {
            overflows[i] += gate.guarded.overflows()[i];
        }
    }
    out.begin_counter("ringmaster_overflows_total",
                      "Rows answered with the overflow number: by their pool's owner, or, where "
                      "that, or Redis, is slow or down, by the shard that was asked.");
    for (std::size_t i = 0; i < overflows.size(); ++i) {
        out.sample(overflows[i], {{"reason", ringpool::to_string(static_cast<OverflowReason>(i))}});
    }
}

/// One family with a sample for each of the other shards.
template <class Value>
void for_each_peer(MetricsText& out, const ShardFigures& figures, Value&& value) {
    for (const auto& peer : figures.peers) out.sample(value(peer), {{"owner", peer.name}});
}

/// One family with a sample for each gate.
template <class Value>
void for_each_gate(MetricsText& out, const ShardFigures& figures, Value&& value) {
    for (const auto& gate : figures.gates) {
        out.sample(value(gate.guarded.gate()), {{"owner", gate.owner}});
    }
}

void write_gates(MetricsText& out, const ShardFigures& figures) {
    const auto gauge = [&](const char* name, const char* help, auto value) {
        out.begin_gauge(name, help);
        for_each_gate(out, figures, value);
    };
    const auto counter = [&](const char* name, const char* help, auto value) {
        out.begin_counter(name, help);
        for_each_gate(out, figures, value);
    };
    using Stats = EaseInGate::Stats;
    out.begin_gauge("ringmaster_gate_state",
                    "1 for the state that the gate in front of another shard, or Redis, is in.");
    for (const auto& gate : figures.gates) {
        for (const auto& [state, name] : kGateStates) {
            out.sample(std::uint64_t{gate.guarded.gate().state == state},
                       {{"owner", gate.owner}, {"state", name}});
        }
    }
    gauge("ringmaster_gate_window", "How many calls may be under way to the owner.",
          [](const Stats& s) { return std::uint64_t{s.window}; });
    gauge("ringmaster_gate_in_flight", "How many are.",
          [](const Stats& s) { return std::uint64_t{s.in_flight}; });
    gauge("ringmaster_gate_baseline_seconds", "The owner's usual latency; 0: not known.",
          [](const Stats& s) { return s.baseline; });
    counter("ringmaster_gate_entered_total", "Calls that the gate has let through.",
            [](const Stats& s) { return s.entered; });
    counter("ringmaster_gate_refused_total", "Calls that it has not.",
            [](const Stats& s) { return s.refused; });
    counter("ringmaster_gate_missed_total", "Calls that failed, or had no answer in time.",
            [](const Stats& s) { return s.missed; });
    counter("ringmaster_gate_trips_total", "How often the gate began to refuse.",
            [](const Stats& s) { return s.trips; });
}

void write_calls(MetricsText& out, const ShardFigures& figures) {
    out.begin_histogram("ringmaster_call_rows",
                        "How many rows each allocation call to another shard carried.");
    for (const auto& peer : figures.peers) {
        const shard::RemoteStoreStats stats = peer.remote.stats().store;
        out.sample_powers_of_two(stats.rows_per_call, stats.rows, {{"owner", peer.name}});
    }
    out.begin_counter("ringmaster_call_connections_total",
                      "Connections made to another shard for allocations.");
    for_each_peer(out, figures,
                  [](const auto& p) { return p.remote.stats().requests.connections; });
    out.begin_counter("ringmaster_call_timeouts_total", "Calls without an answer in time.");
    for_each_peer(out, figures, [](const auto& p) { return p.remote.stats().requests.timeouts; });

    const shard::PeerServiceStats service = figures.service.stats();
    out.begin_counter("ringmaster_calls_served_total", "Calls of other shards.");
    out.sample(service.calls);
    out.begin_counter("ringmaster_rows_served_total", "Rows that other shards have asked for.");
    out.sample(service.rows);
    out.begin_counter("ringmaster_calls_refused_total",
                      "Calls of other shards for which there was no fiber.");
    out.sample(service.refused);
}

void write_redis(MetricsText& out, const redis::ClientStats& stats) {
    const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
        out.begin_gauge(name, help);
        out.sample(value);
    };
    const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
        out.begin_counter(name, help);
        out.sample(value);
    };
    gauge("ringmaster_redis_servers", "Redis servers that are known.", stats.servers);
    gauge("ringmaster_redis_connected", "Of these, those with a connection.", stats.connected);
    gauge("ringmaster_redis_pending_calls", "Commands without an answer yet.", stats.pending);
    counter("ringmaster_redis_calls_total", "Commands to Redis.", stats.calls);
    counter("ringmaster_redis_errors_total", "Commands without Redis's word.", stats.errors);
    counter("ringmaster_redis_timeouts_total", "Of these, those that had no answer in time.",
            stats.timeouts);
    counter("ringmaster_redis_late_replies_total", "Replies that nobody waited for any more.",
            stats.tombstones);
    counter("ringmaster_redis_writes_total",
            "Writes to Redis's sockets: calls by writes is how many leave together.", stats.writes);
    counter("ringmaster_redis_reconnects_total", "Connections made again after one was lost.",
            stats.reconnects);
    counter("ringmaster_redis_redirects_total", "Commands that a cluster sent elsewhere.",
            stats.redirects);
    counter("ringmaster_redis_topology_refreshes_total",
            "How often a cluster or the sentinels were asked who is who.",
            stats.topology_refreshes);
    const net::ConnectionPoolStats& pool = stats.pool;
    out.begin_gauge("ringmaster_redis_pool_connections",
                    "Connections that one command has to itself, by state.");
    out.sample(std::uint64_t{pool.busy}, {{"state", "busy"}});
    out.sample(std::uint64_t{pool.dead}, {{"state", "dead"}});
    out.sample(std::uint64_t{pool.idle}, {{"state", "idle"}});
    gauge("ringmaster_redis_pool_size", "How many there may be.", pool.size);
    gauge("ringmaster_redis_pool_waiting", "Fibers that wait for one.", pool.waiting);
    counter("ringmaster_redis_pool_timeouts_total", "Waits for one that were in vain.",
            pool.timeouts);
}

}  // namespace

std::string write_report(const ShardFigures& figures) {
    const std::string index = std::to_string(figures.index);
    MetricsText out({{"shard", index}});
    write_server(out, figures.server.stats());
    write_allocations(out, figures);
    if (!figures.gates.empty()) write_gates(out, figures);
    write_calls(out, figures);
    if (figures.redis) write_redis(out, *figures.redis);
    out.begin_summary("ringmaster_loop_lag_seconds",
                      "How long the kernel's events waited for the shard's thread.");
    out.sample(figures.reactor.lag());
    return std::move(out).take();
}

std::string collect_reports(runtime::Scheduler& scheduler, const shard::SharedPage& page,
                            const std::vector<shard::Shard*>& shards) {
    const Deadline deadline = Deadline::at(scheduler.now() + kReportTimeout);
    auto reports = runtime::parallel_map(
        scheduler, shards.size(), shards.size(), [&](std::size_t i) -> std::optional<std::string> {
            auto report = shards[i]->report(deadline);
            return report ? std::optional(*std::move(report)) : std::nullopt;
        });
    MetricsText out;
    out.begin_gauge("ringmaster_shard_up", "Whether the shard has answered in time.");
    for (std::size_t i = 0; i < reports.size(); ++i) {
        out.sample(std::uint64_t{reports[i].has_value()}, {{"shard", std::to_string(i)}});
    }
    out.begin_counter("ringmaster_shard_restarts_total", "How often the shard was started again.");
    for (std::size_t i = 0; i < reports.size(); ++i) {
        out.sample(std::uint64_t{page.shard(i).restarts.load(std::memory_order_relaxed)},
                   {{"shard", std::to_string(i)}});
    }
    std::vector<std::string> texts{std::move(out).take()};
    for (auto& report : reports) {
        if (report) texts.push_back(*std::move(report));
    }
    return ops::merge_metrics(texts);
}

}  // namespace ringmaster::app
