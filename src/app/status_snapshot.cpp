#include "ringmaster/app/status_snapshot.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/app/fleet_status.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace ringmaster::app {
namespace {

using api::JsonObject;
using ops::DurationCounts;
using ops::MetricsReading;
using Sample = MetricsReading::Sample;

constexpr const char* kDurations = "ringmaster_request_duration_seconds";
constexpr const char* kLag = "ringmaster_loop_lag_seconds";

/// One shard's metrics, now and at the last snapshot.
struct Shard {
    const MetricsReading* now = nullptr;     ///< null: it did not answer
    const MetricsReading* before = nullptr;  ///< null: it did not, or that is too long ago
};

/// Of a counter, which begins at 0 again in a new process.
double increase(double now, double before) noexcept {
    return now >= before ? now - before : now;
}

/// All that is told, one part after the other.
class Writer {
  public:
    Writer(std::vector<Shard> shards, double seconds)
        : shards_(std::move(shards)), seconds_(seconds) {}

    std::string take() && { return std::move(out_); }

    void write(const shard::SharedPage& page, shard::ShardIndex self, WallTime time,
               SteadyTime steady, const Result<void>& store) {
        JsonObject all(out_);
        all.time("time", time).text("version", RINGMASTER_VERSION);
        all.count("shard", static_cast<std::int64_t>(self));
        all.real("seconds", seconds_ > 0 ? std::optional(seconds_) : std::nullopt);
        write_store(all.value("store"), store);
        all.real("connections", sum("ringmaster_connections"));
        all.real("connections_limit", sum("ringmaster_connections_limit"));
        all.real("in_flight", sum("ringmaster_requests_in_flight"));
        all.real("streams", sum("ringmaster_open_streams"));
        all.real("requests_total", sum("ringmaster_requests_total"));
        all.real("requests_per_s", rate("ringmaster_requests_total"));
        all.real("numbers_total", sum("ringmaster_allocations_total"));
        all.real("numbers_per_s", rate("ringmaster_allocations_total"));
        all.real("holds_per_s", rate("ringmaster_holds_total"));
        all.real("errors_per_s", rate("ringmaster_responses_total", "code", "5xx"));
        all.real("shed_per_s", rate("ringmaster_requests_shed_total"));
        write_overflows(all.value("overflows_per_s"));
        write_latencies(all.value("latency"));
        write_percentiles(all.value("loop_lag"), durations(shards_, kLag));
        write_shards(all.value("shards"), page, steady);
        write_gates(all.value("gates"));
        write_pools(all.value("pools"));
        all.real("pools_left_out", sum("ringmaster_pools_left_out"));
        if (has("ringmaster_redis_servers")) write_redis(all.value("redis"));
        all.end();
    }

  private:
    bool has(std::string_view name) const {
        return std::ranges::any_of(shards_, [&](const Shard& shard) {
            return shard.now != nullptr && !shard.now->samples(name).empty();
        });
    }

    double sum(std::string_view name) const {
        double sum = 0;
        for (const Shard& shard : shards_) {
            if (shard.now != nullptr) sum += shard.now->sum(name);
        }
        return sum;
    }

    /// Per second; nothing where there is no snapshot to compare with.
    std::optional<double> rate_of(const Shard& shard, std::string_view name,
                                  std::string_view label = {}, std::string_view value = {}) const {
        if (shard.now == nullptr || shard.before == nullptr || seconds_ <= 0) return std::nullopt;
        const auto read = [&](const MetricsReading& reading) {
            return label.empty() ? reading.sum(name) : reading.sum(name, label, value);
        };
        return increase(read(*shard.now), read(*shard.before)) / seconds_;
    }

    std::optional<double> rate(std::string_view name, std::string_view label = {},
                               std::string_view value = {}) const {
        std::optional<double> sum;
        for (const Shard& shard : shards_) {
            if (const auto part = rate_of(shard, name, label, value)) sum = sum.value_or(0) + *part;
        }
        return sum;
    }

    static DurationCounts durations_of(const Shard& shard, std::string_view name,
                                       std::string_view group = {}) {
        DurationCounts counts;
        if (shard.now == nullptr || shard.before == nullptr) return counts;
        const std::string_view label = group.empty() ? "" : "group";
        counts.add(*shard.now, name, label, group);
        DurationCounts before;
        before.add(*shard.before, name, label, group);
        counts.subtract(before);
        return counts;
    }

    static DurationCounts durations(const std::vector<Shard>& shards, std::string_view name,
                                    std::string_view group = {}) {
        DurationCounts all;
        for (const Shard& shard : shards) all.add(durations_of(shard, name, group));
        return all;
    }

    void write_percentiles(std::string& out, const DurationCounts& counts) {
        JsonObject object(out);
        object.real("p50", counts.quantile(0.5)).real("p90", counts.quantile(0.9));
        object.real("p99", counts.quantile(0.99)).real("p999", counts.quantile(0.999));
        object.end();
    }

    void write_store(std::string& out, const Result<void>& store) {
        JsonObject object(out);
        object.text("kind", has("ringmaster_redis_servers") ? "redis" : "embedded");
        object.boolean("ready", store.ok());
        if (!store) object.text("problem", store.error().message);
        object.end();
    }

    void write_overflows(std::string& out) {
        JsonObject object(out);
        for (std::size_t i = 0; i < ringpool::kOverflowReasons; ++i) {
            const auto reason = ringpool::to_string(static_cast<ringpool::OverflowReason>(i));
            object.real(reason, rate("ringmaster_overflows_total", "reason", reason));
        }
        object.end();
    }

    void write_latencies(std::string& out) {
        JsonObject object(out);
        std::set<std::string_view> groups;
        for (const Shard& shard : shards_) {
            if (shard.now == nullptr) continue;
            for (const Sample& sample : shard.now->samples("ringmaster_responses_total")) {
                groups.insert(text(sample, "group"));
            }
        }
        for (const std::string_view group : groups) {
            write_percentiles(object.value(group), durations(shards_, kDurations, group));
        }
        object.end();
    }

    void write_shards(std::string& out, const shard::SharedPage& page, SteadyTime steady) {
        std::size_t i = 0;
        api::append_json_array(out, shards_, [&](const Shard& shard) {
            const shard::ShardCell& cell = page.shard(i);
            JsonObject object(out);
            object.count("shard", static_cast<std::int64_t>(i));
            object.boolean("up", shard.now != nullptr);
            object.text("phase", name_of(cell.phase));
            const std::int32_t pid = cell.pid;
            if (pid != 0) {
                const std::chrono::nanoseconds started(cell.started_ns.load());
                const auto uptime = steady.time_since_epoch() - started;
                object.count("pid", pid);
                object.count("uptime_s", std::chrono::floor<std::chrono::seconds>(uptime).count());
            }
            object.count("restarts", cell.restarts);
            if (shard.now != nullptr) write_shard(object, shard);
            object.end();
            ++i;
        });
    }

    void write_shard(JsonObject& object, const Shard& shard) {
        object.boolean("ready", shard.now->sum("ringmaster_ready") > 0);
        object.real("connections", shard.now->sum("ringmaster_connections"));
        object.real("memory_bytes", shard.now->sum("process_resident_memory_bytes"));
        object.real("cpu", rate_of(shard, "process_cpu_seconds_total"));
        object.real("requests_per_s", rate_of(shard, "ringmaster_requests_total"));
        object.real("numbers_per_s", rate_of(shard, "ringmaster_allocations_total"));
        object.real("p99", durations_of(shard, kDurations, "numbers").quantile(0.99));
        object.real("lag_p99", durations_of(shard, kLag).quantile(0.99));
    }

    void write_gates(std::string& out) {
        struct Gate {
            std::size_t shard;
            std::string_view owner;
            std::string_view state;
        };
        std::vector<Gate> gates;
        for (std::size_t i = 0; i < shards_.size(); ++i) {
            if (shards_[i].now == nullptr) continue;
            for (const Sample& sample : shards_[i].now->samples("ringmaster_gate_state")) {
                if (sample.value == 0) continue;
                gates.push_back({i, text(sample, "owner"), text(sample, "state")});
            }
        }
        api::append_json_array(out, gates, [&](const Gate& gate) {
            const Shard& shard = shards_[gate.shard];
            JsonObject object(out);
            object.count("shard", static_cast<std::int64_t>(gate.shard));
            object.text("owner", gate.owner).text("state", gate.state);
            object.real("window", shard.now->sum("ringmaster_gate_window", "owner", gate.owner));
            object.real("in_flight",
                        shard.now->sum("ringmaster_gate_in_flight", "owner", gate.owner));
            object.real("entered_per_s",
                        rate_of(shard, "ringmaster_gate_entered_total", "owner", gate.owner));
            object.real("refused_per_s",
                        rate_of(shard, "ringmaster_gate_refused_total", "owner", gate.owner));
            object.end();
        });
    }

    /// How large it should be.
    struct Advice {
        double erlangs = 0;
        double blocking = 0;
        std::map<std::string_view, double> wanted;  ///< numbers, by the share that finds none
        double missing = 0;
        double spare = 0;
        std::optional<double> overflow_in_hours;
    };
    struct Pool {
        std::map<std::string_view, double> numbers;  ///< by state
        double draining = 0;
        std::optional<double> allocations_per_s;
        std::optional<double> overflows_per_s;
        std::optional<Advice> advice;
    };
    using Pools = std::map<std::string_view, Pool>;

    /// Calls `take(pool, value)` for each sample of a family.
    template <class Take>
    void read_pools(Pools& pools, std::string_view name, Take&& take) const {
        for (const Shard& shard : shards_) {
            if (shard.now == nullptr) continue;
            for (const Sample& sample : shard.now->samples(name)) {
                take(pools[text(sample, "pool")], sample);
            }
        }
    }

    void read_pool_rates(Pools& pools, std::string_view name,
                         std::optional<double> Pool::*rate) const {
        for (const Shard& shard : shards_) {
            if (shard.now == nullptr || shard.before == nullptr || seconds_ <= 0) continue;
            std::map<std::string_view, double> before;
            for (const Sample& sample : shard.before->samples(name)) {
                before[text(sample, "pool")] = sample.value;
            }
            for (const Sample& sample : shard.now->samples(name)) {
                const auto id = text(sample, "pool");
                auto& sum = pools[id].*rate;
                sum = sum.value_or(0) + increase(sample.value, before[id]) / seconds_;
            }
        }
    }

    void read_advice(Pools& pools) const {
        const auto read = [&](std::string_view name, auto&& take) {
            read_pools(pools, name, [&](Pool& pool, const Sample& sample) {
                if (!pool.advice) pool.advice = Advice();
                take(*pool.advice, sample);
            });
        };
        read("ringmaster_pool_offered_erlangs",
             [](Advice& advice, const Sample& sample) { advice.erlangs = sample.value; });
        read("ringmaster_pool_blocking_ratio",
             [](Advice& advice, const Sample& sample) { advice.blocking = sample.value; });
        read("ringmaster_pool_numbers_wanted", [](Advice& advice, const Sample& sample) {
            advice.wanted[text(sample, "blocking")] = sample.value;
        });
        read("ringmaster_pool_numbers_missing",
             [](Advice& advice, const Sample& sample) { advice.missing = sample.value; });
        read("ringmaster_pool_numbers_spare",
             [](Advice& advice, const Sample& sample) { advice.spare = sample.value; });
        read("ringmaster_pool_overflow_in_hours",
             [](Advice& advice, const Sample& sample) { advice.overflow_in_hours = sample.value; });
    }

    void write_pools(std::string& out) {
        Pools pools;
        read_pools(pools, "ringmaster_pool_numbers", [](Pool& pool, const Sample& sample) {
            pool.numbers[text(sample, "state")] += sample.value;
        });
        read_pools(pools, "ringmaster_pool_numbers_draining",
                   [](Pool& pool, const Sample& sample) { pool.draining += sample.value; });
        read_pool_rates(pools, "ringmaster_pool_allocations_total", &Pool::allocations_per_s);
        read_pool_rates(pools, "ringmaster_pool_overflows_total", &Pool::overflows_per_s);
        read_advice(pools);
        api::append_json_array(out, pools, [&](const auto& entry) {
            auto [id, pool] = entry;
            JsonObject object(out);
            object.text("pool", id);
            for (const char* const state : {"held", "cooling", "free"}) {
                object.real(state, pool.numbers[state]);
            }
            object.real("draining", pool.draining);
            object.real("numbers_per_s", pool.allocations_per_s);
            object.real("overflows_per_s", pool.overflows_per_s);
            write_advice(object.value("advice"), pool.advice);
            object.end();
        });
    }

    static void write_advice(std::string& out, const std::optional<Advice>& advice) {
        if (!advice) {
            out += "null";
            return;
        }
        JsonObject object(out);
        object.real("offered_erlangs", advice->erlangs).real("blocking", advice->blocking);
        JsonObject wanted(object.value("numbers_for"));
        for (const auto& [blocking, numbers] : advice->wanted) wanted.real(blocking, numbers);
        wanted.end();
        object.real("missing", advice->missing).real("spare", advice->spare);
        object.real("overflow_in_hours", advice->overflow_in_hours);
        object.end();
    }

    void write_redis(std::string& out) {
        JsonObject object(out);
        object.real("servers", sum("ringmaster_redis_servers"));
        object.real("connected", sum("ringmaster_redis_connected"));
        object.real("pending", sum("ringmaster_redis_pending_calls"));
        object.real("calls_per_s", rate("ringmaster_redis_calls_total"));
        object.real("errors_per_s", rate("ringmaster_redis_errors_total"));
        object.end();
    }

    static std::string_view text(const Sample& sample, std::string_view label) {
        return sample.label(label).value_or("");
    }

    const std::vector<Shard> shards_;
    const double seconds_;  ///< since the last snapshot; 0: there is none
    std::string out_;
};

}  // namespace

StatusSnapshots::StatusSnapshots(const Clock& clock, const shard::SharedPage& page,
                                 shard::ShardIndex self)
    : clock_(clock), page_(page), self_(self) {}

std::string StatusSnapshots::next(Reports reports, const Result<void>& store) {
    Readings readings;
    for (auto& report : reports) {
        readings.push_back(report ? std::make_unique<const ops::MetricsReading>(*std::move(report))
                                  : nullptr);
    }
    const SteadyTime now = clock_.steady_now();
    const bool comparable = last_.size() == readings.size() && now - last_time_ <= kMaxInterval;
    std::vector<Shard> shards(readings.size());
    for (std::size_t i = 0; i < shards.size(); ++i) {
        shards[i] = {readings[i].get(), comparable ? last_[i].get() : nullptr};
    }
    Writer writer(std::move(shards),
                  comparable ? std::chrono::duration<double>(now - last_time_).count() : 0);
    writer.write(page_, self_, clock_.wall_now(), now, store);
    last_ = std::move(readings);
    last_time_ = now;
    return std::move(writer).take();
}

}  // namespace ringmaster::app
