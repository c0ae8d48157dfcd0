#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <string>
#include <string_view>

namespace ringmaster::app {

/// "serving"; of one that waits to be forked again, "dead".
std::string_view name_of(shard::ShardPhase phase) noexcept;

/// How the shards stand: `summary` in a line, and a table of them.
std::string status_table(std::string_view summary, const shard::SharedPage& page,
                         const Clock& clock);
/// {"pid":4710,"ready":true,"shards":[{"shard":0,"pid":4711,"phase":"serving","up_since":
/// "2026-11-21T17:31:05.123Z","restarts":0,"heartbeat_age_ms":3}]}; `pid` is the supervisor's. A
/// shard that has no process has no pid and no times.
std::string status_json(int pid, bool ready, const shard::SharedPage& page, const Clock& clock);

}  // namespace ringmaster::app
