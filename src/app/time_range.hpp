#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"

#include <optional>
#include <string>

namespace ringmaster::app {

/// What a command's --from and --to say; nothing: no limit.
struct TimeRange {
    std::optional<WallTime> from;
    std::optional<WallTime> to;
};

/// Of empty texts there is no limit. ErrorCode::invalid where a text is no time, or `to` is not
/// later.
Result<TimeRange> read_time_range(const std::string& from, const std::string& to);

}  // namespace ringmaster::app
