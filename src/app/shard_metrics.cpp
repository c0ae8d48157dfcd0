#include "ringmaster/app/shard_metrics.hpp"

#include "ringmaster/app/process_figures.hpp"
#include "ringmaster/ops/metrics_text.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <array>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

namespace ringmaster::app {
namespace {

using flow::EaseInGate;
using ops::MetricsText;
using ops::PoolSizing;
using ringpool::OverflowReason;

/// No pool has this id.
constexpr std::string_view kRest = "(others)";

constexpr std::array kGateStates = {
    std::pair{EaseInGate::State::healthy, "healthy"},
    std::pair{EaseInGate::State::refusing, "refusing"},
    std::pair{EaseInGate::State::probing, "probing"},
    std::pair{EaseInGate::State::easing_in, "easing_in"},
};

template <class Value>
void gauge(MetricsText& out, const char* name, const char* help, Value value) {
    out.begin_gauge(name, help);
    out.sample(value);
}

void counter(MetricsText& out, const char* name, const char* help, std::uint64_t value) {
    out.begin_counter(name, help);
    out.sample(value);
}

void write_process(MetricsText& out, const ShardFigures& figures) {
    const ProcessFigures process = read_process_figures();
    out.begin_gauge("ringmaster_build_info", "1, with the program's version.");
    out.sample(std::uint64_t{1}, {{"version", RINGMASTER_VERSION}});
    gauge(out, "ringmaster_ready", "Whether /readyz says so.", std::uint64_t{figures.ready});
    gauge(out, "process_start_time_seconds", "When the shard was started, since the epoch.",
          Histogram::Duration(figures.started.time_since_epoch()));
    gauge(out, "process_resident_memory_bytes", "Memory of the shard.", process.resident_bytes);
    out.begin_counter("process_cpu_seconds_total", "Of all its threads, user and system.");
    out.sample(Histogram::Duration(process.cpu));
    out.begin_histogram("ringmaster_loop_lag_seconds",
                        "How long the kernel's events waited for the shard's thread.");
    out.sample(figures.reactor.lag());
}

void write_server(MetricsText& out, const ShardFigures& figures) {
    const http::ServerStats& server = figures.server.stats();
    gauge(out, "ringmaster_connections", "Connections of clients, now.",
          std::uint64_t{server.connections});
    gauge(out, "ringmaster_connections_limit", "How many there may be; more must wait.",
          std::uint64_t{figures.max_connections});
    counter(out, "ringmaster_connections_accepted_total", "Connections of clients.",
            server.accepted);
    out.begin_gauge("ringmaster_open_streams", "Event streams that are open, now.");
    for (const auto& streams : figures.streams) {
        out.sample(std::uint64_t{streams.open}, {{"endpoint", streams.endpoint}});
    }
    counter(out, "ringmaster_requests_total", "Requests of clients.", server.requests);
    gauge(out, "ringmaster_requests_in_flight", "Requests in work, now.",
          std::uint64_t{server.in_flight});
    counter(out, "ringmaster_requests_shed_total",
            "Requests answered 503, because too many were in work.", server.shed);
    counter(out, "ringmaster_requests_abandoned_total",
            "Requests whose client left before the answer.", server.abandoned);
}

void write_number_streams(MetricsText& out, const api::NumberStreamStats& streams) {
    counter(out, "ringmaster_number_streams_opened_total",
            "Streams by which a page held its visitor's number.", streams.opened);
    counter(out, "ringmaster_number_stream_renewals_total",
            "Rows that the store was asked for so that numbers stay with who watches.",
            streams.renewals);
    counter(out, "ringmaster_number_stream_failed_renewals_total",
            "Renewals that it could not answer in time.", streams.failed_renewals);
    counter(out, "ringmaster_number_stream_changes_total",
            "Numbers that visitors got in place of the one they had.", streams.changes);
}

void write_requests(MetricsText& out, const http::RequestMeter& requests) {
    out.begin_histogram("ringmaster_request_duration_seconds",
                        "How long requests were in work; those whose answer is a stream are not "
                        "measured.");
    for (std::size_t i = 0; i < requests.size(); ++i) {
        out.sample(requests.group(i).durations, {{"group", requests.group(i).name}});
    }
    out.begin_counter("ringmaster_responses_total", "Answers, by class of status.");
    constexpr std::array kClasses = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (std::size_t i = 0; i < requests.size(); ++i) {
        for (std::size_t digit = 2; digit < kClasses.size(); ++digit) {
            out.sample(requests.group(i).answers[digit],
                       {{"group", requests.group(i).name}, {"code", kClasses[digit]}});
        }
    }
}

void write_allocations(MetricsText& out, const ShardFigures& figures) {
    const ringpool::PoolCounters& counters = figures.counters;
    counter(out, "ringmaster_allocations_total",
            "Rows answered with a number of one of the shard's own pools.", counters.allocations);
    counter(out, "ringmaster_holds_total", "Allocations with which a hold began.",
            counters.new_holds);
    counter(out, "ringmaster_releases_total", "Numbers that their sessions gave back.",
            counters.releases);
    counter(out, "ringmaster_early_reissues_total",
            "Numbers that went to another session less than a lifetime after the last one's time: "
            "who calls late there reaches the wrong campaign.",
            counters.early_reissues);
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

/// Calls `write(id, figures)` for each pool that is told by itself, and for all others together.
template <class Write>
void for_each_pool(const PoolStandings& standings, Write&& write) {
    for (const auto& pool : standings.pools) write(std::string_view(pool.id), pool.figures);
    if (standings.left_out > 0) write(kRest, standings.of_rest);
}

void write_pools(MetricsText& out, const ShardFigures& figures) {
    const PoolStandings& standings = figures.pools;
    if (figures.tells_numbers) {
        gauge(out, "ringmaster_pools", "Pools of the shard.",
              std::uint64_t{standings.pools.size() + standings.left_out});
        gauge(out, "ringmaster_pools_left_out",
              "Pools of the shard that are told together, as pool \"(others)\".",
              std::uint64_t{standings.left_out});
        out.begin_gauge("ringmaster_pool_numbers", "Numbers of a pool by how they stand.");
        for_each_pool(standings, [&](std::string_view id, const ringpool::PoolFigures& pool) {
            out.sample(std::uint64_t{pool.held}, {{"pool", id}, {"state", "held"}});
            out.sample(std::uint64_t{pool.cooling}, {{"pool", id}, {"state", "cooling"}});
            out.sample(std::uint64_t{pool.free}, {{"pool", id}, {"state", "free"}});
        });
        out.begin_gauge("ringmaster_pool_numbers_draining",
                        "Numbers of a pool that leave it when their time is over.");
        for_each_pool(standings, [&](std::string_view id, const ringpool::PoolFigures& pool) {
            out.sample(std::uint64_t{pool.draining}, {{"pool", id}});
        });
    }
    out.begin_counter("ringmaster_pool_allocations_total",
                      "Rows answered with the pool's numbers.");
    for_each_pool(standings, [&](std::string_view id, const ringpool::PoolFigures& pool) {
        out.sample(pool.counters.allocations, {{"pool", id}});
    });
    out.begin_counter("ringmaster_pool_overflows_total",
                      "Rows answered with the pool's overflow number by the shard itself.");
    for_each_pool(standings, [&](std::string_view id, const ringpool::PoolFigures& pool) {
        const auto& overflows = pool.counters.overflows;
        out.sample(std::accumulate(overflows.begin(), overflows.end(), std::uint64_t{0}),
                   {{"pool", id}});
    });
}

void write_loads(MetricsText& out, const std::vector<ShardFigures::Load>& loads) {
    out.begin_gauge("ringmaster_pool_offered_erlangs",
                    "How many numbers of a pool its visitors would have in its busiest hour if "
                    "there were enough.");
    for (const auto& load : loads) {
        out.sample_real(load.sizing.busiest.offered_erlangs, {{"pool", load.pool}});
    }
    out.begin_gauge("ringmaster_pool_blocking_ratio",
                    "The share of new visitors that find no number then.");
    for (const auto& load : loads) {
        out.sample_real(load.sizing.busiest.blocking, {{"pool", load.pool}});
    }
    out.begin_gauge("ringmaster_pool_numbers_wanted",
                    "How many numbers it takes for so small a share.");
    for (const auto& load : loads) {
        for (std::size_t i = 0; i < PoolSizing::kBlocking.size(); ++i) {
            out.sample(std::uint64_t{load.sizing.numbers[i]},
                       {{"pool", load.pool}, {"blocking", PoolSizing::kBlockingNames[i]}});
        }
    }
    out.begin_gauge("ringmaster_pool_numbers_missing", "How many to buy for 1 %.");
    for (const auto& load : loads) {
        out.sample(std::uint64_t{load.sizing.missing}, {{"pool", load.pool}});
    }
    out.begin_gauge("ringmaster_pool_numbers_spare", "How many can go: 0.01 % takes no more.");
    for (const auto& load : loads) {
        out.sample(std::uint64_t{load.sizing.spare}, {{"pool", load.pool}});
    }
    bool begun = false;
    for (const auto& load : loads) {
        const auto& growth = load.sizing.growth;
        if (!growth || !growth->hours_until_overflow) continue;
        if (!std::exchange(begun, true)) {
            out.begin_gauge("ringmaster_pool_overflow_in_hours",
                            "When that will be more than 1 %, if the load goes on growing as it "
                            "does; no sample where it does not grow so fast.");
        }
        out.sample_real(*growth->hours_until_overflow, {{"pool", load.pool}});
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
    const auto gauges = [&](const char* name, const char* help, auto value) {
        out.begin_gauge(name, help);
        for_each_gate(out, figures, value);
    };
    const auto counters = [&](const char* name, const char* help, auto value) {
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
    gauges("ringmaster_gate_window", "How many calls may be under way to the owner.",
           [](const Stats& s) { return std::uint64_t{s.window}; });
    gauges("ringmaster_gate_in_flight", "How many are.",
           [](const Stats& s) { return std::uint64_t{s.in_flight}; });
    gauges("ringmaster_gate_baseline_seconds", "The owner's usual latency; 0: not known.",
           [](const Stats& s) { return s.baseline; });
    counters("ringmaster_gate_entered_total", "Calls that the gate has let through.",
             [](const Stats& s) { return s.entered; });
    counters("ringmaster_gate_refused_total", "Calls that it has not.",
             [](const Stats& s) { return s.refused; });
    counters("ringmaster_gate_missed_total", "Calls that failed, or had no answer in time.",
             [](const Stats& s) { return s.missed; });
    counters("ringmaster_gate_trips_total", "How often the gate began to refuse.",
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
    counter(out, "ringmaster_calls_served_total", "Calls of other shards.", service.calls);
    counter(out, "ringmaster_rows_served_total", "Rows that other shards have asked for.",
            service.rows);
    counter(out, "ringmaster_calls_refused_total",
            "Calls of other shards for which there was no fiber.", service.refused);
}

void write_redis(MetricsText& out, const redis::ClientStats& stats) {
    gauge(out, "ringmaster_redis_servers", "Redis servers that are known.", stats.servers);
    gauge(out, "ringmaster_redis_connected", "Of these, those with a connection.", stats.connected);
    gauge(out, "ringmaster_redis_pending_calls", "Commands without an answer yet.", stats.pending);
    counter(out, "ringmaster_redis_calls_total", "Commands to Redis.", stats.calls);
    counter(out, "ringmaster_redis_errors_total", "Commands without Redis's word.", stats.errors);
    counter(out, "ringmaster_redis_timeouts_total", "Of these, those that had no answer in time.",
            stats.timeouts);
    counter(out, "ringmaster_redis_late_replies_total", "Replies that nobody waited for any more.",
            stats.tombstones);
    counter(out, "ringmaster_redis_writes_total",
            "Writes to Redis's sockets: calls by writes is how many leave together.", stats.writes);
    counter(out, "ringmaster_redis_reconnects_total", "Connections made again after one was lost.",
            stats.reconnects);
    counter(out, "ringmaster_redis_redirects_total", "Commands that a cluster sent elsewhere.",
            stats.redirects);
    counter(out, "ringmaster_redis_topology_refreshes_total",
            "How often a cluster or the sentinels were asked who is who.",
            stats.topology_refreshes);
    const net::ConnectionPoolStats& pool = stats.pool;
    out.begin_gauge("ringmaster_redis_pool_connections",
                    "Connections that one command has to itself, by state.");
    out.sample(std::uint64_t{pool.busy}, {{"state", "busy"}});
    out.sample(std::uint64_t{pool.dead}, {{"state", "dead"}});
    out.sample(std::uint64_t{pool.idle}, {{"state", "idle"}});
    gauge(out, "ringmaster_redis_pool_size", "How many there may be.", pool.size);
    gauge(out, "ringmaster_redis_pool_waiting", "Fibers that wait for one.", pool.waiting);
    counter(out, "ringmaster_redis_pool_timeouts_total", "Waits for one that were in vain.",
            pool.timeouts);
}

}  // namespace

std::string write_report(const ShardFigures& figures) {
    const std::string index = std::to_string(figures.index);
    MetricsText out({{"shard", index}});
    write_process(out, figures);
    write_server(out, figures);
    write_number_streams(out, figures.number_streams);
    write_requests(out, figures.requests);
    write_allocations(out, figures);
    write_pools(out, figures);
    if (!figures.loads.empty()) write_loads(out, figures.loads);
    if (!figures.gates.empty()) write_gates(out, figures);
    write_calls(out, figures);
    if (figures.redis) write_redis(out, *figures.redis);
    return std::move(out).take();
}

Reports collect_reports(runtime::Scheduler& scheduler, const std::vector<shard::Shard*>& shards,
                        ShardQuestion question) {
    const Deadline deadline = Deadline::at(scheduler.now() + kReportTimeout);
    return runtime::parallel_map(
        scheduler, shards.size(), shards.size(), [&](std::size_t i) -> std::optional<std::string> {
            auto report = (shards[i]->*question)(deadline);
            return report ? std::optional(*std::move(report)) : std::nullopt;
        });
}

std::string merge_reports(Reports reports, const shard::SharedPage& page) {
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
