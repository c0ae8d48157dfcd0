#include "ringmaster/app/fleet_status.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/app/table.hpp"
#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringmaster::app {
namespace {

using shard::ShardCell;
using shard::ShardPhase;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

struct ShardStatus {
    std::int32_t pid;
    ShardPhase phase;
    std::uint32_t restarts;
    std::optional<WallTime> up_since;
    std::optional<milliseconds> heartbeat_age;
};

/// At one moment; the shard writes on.
ShardStatus status_of(const ShardCell& cell, const Clock& clock) {
    ShardStatus status{.pid = cell.pid,
                       .phase = cell.phase,
                       .restarts = cell.restarts,
                       .up_since = {},
                       .heartbeat_age = {}};
    if (status.pid == 0) return status;
    const nanoseconds now = clock.steady_now().time_since_epoch();
    const auto age = [&](std::int64_t time_ns) {
        const auto passed = std::chrono::floor<milliseconds>(now - nanoseconds(time_ns));
        return std::max(passed, milliseconds(0));
    };
    status.up_since = clock.wall_now() - age(cell.started_ns);
    if (const std::int64_t beat = cell.heartbeat_ns; beat != 0) status.heartbeat_age = age(beat);
    return status;
}

}  // namespace

std::string_view name_of(ShardPhase phase) noexcept {
    switch (phase) {
        case ShardPhase::none: return "none";
        case ShardPhase::starting: return "starting";
        case ShardPhase::recovered: return "recovered";
        case ShardPhase::serving: return "serving";
        case ShardPhase::draining: return "draining";
        case ShardPhase::dead: return "dead";
    }
    return "unknown";
}

std::string status_table(std::string_view summary, const shard::SharedPage& page,
                         const Clock& clock) {
    Table table({{"SHARD", Table::Align::right},
                 {"PID", Table::Align::right},
                 {"PHASE"},
                 {"UP SINCE"},
                 {"RESTARTS", Table::Align::right},
                 {"HEARTBEAT", Table::Align::right}});
    for (shard::ShardIndex i = 0; i < page.shard_count(); ++i) {
        const ShardStatus status = status_of(page.shard(i), clock);
        std::string since;
        if (status.up_since) append_utc(since, *status.up_since);
        table.add({std::to_string(i), status.pid == 0 ? "" : std::to_string(status.pid),
                   std::string(name_of(status.phase)), human_time(since),
                   std::to_string(status.restarts),
                   status.heartbeat_age ? std::to_string(status.heartbeat_age->count()) + " ms ago"
                                        : ""});
    }
    return std::string(summary) + "\n" + table.text();
}

std::string status_json(int pid, bool ready, const shard::SharedPage& page, const Clock& clock) {
    std::string text;
    api::JsonObject all(text);
    all.count("pid", pid).boolean("ready", ready);
    std::vector<shard::ShardIndex> indices(page.shard_count());
    for (shard::ShardIndex i = 0; i < indices.size(); ++i) indices[i] = i;
    api::append_json_array(all.value("shards"), indices, [&](shard::ShardIndex i) {
        const ShardStatus status = status_of(page.shard(i), clock);
        api::JsonObject one(text);
        one.count("shard", static_cast<std::int64_t>(i));
        if (status.pid != 0) one.count("pid", status.pid);
        one.text("phase", name_of(status.phase));
        if (status.up_since) one.time("up_since", *status.up_since);
        one.count("restarts", status.restarts);
        if (status.heartbeat_age) one.count("heartbeat_age_ms", status.heartbeat_age->count());
        one.end();
    });
    all.end();
    return text + '\n';
}

}  // namespace ringmaster::app
