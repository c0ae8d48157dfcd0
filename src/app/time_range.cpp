#include "time_range.hpp"

#include "ringmaster/api/input.hpp"

#include <string_view>

namespace ringmaster::app {
namespace {

Result<std::optional<WallTime>> read_limit(std::string_view name, const std::string& text) {
    if (text.empty()) return std::optional<WallTime>();
    const auto time = api::read_time(name, text);
    if (!time) return time.error();
    return std::optional(*time);
}

}  // namespace

Result<TimeRange> read_time_range(const std::string& from, const std::string& to) {
    const auto first = read_limit("--from", from);
    if (!first) return first.error();
    const auto last = read_limit("--to", to);
    if (!last) return last.error();
    if (*first && *last && **last <= **first) {
        return Error{ErrorCode::invalid, "--to is not later than --from"};
    }
    return TimeRange{*first, *last};
}

}  // namespace ringmaster::app
