#include "ringmaster/redis/cpu_usage.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <system_error>

namespace ringmaster::redis {
namespace {

/// What stands behind "name:", up to the end of the line.
std::optional<std::string_view> field(std::string_view info, std::string_view name) {
    while (!info.empty()) {
        const std::size_t end = std::min(info.find('\n'), info.size());
        std::string_view line = info.substr(0, end);
        info.remove_prefix(std::min(end + 1, info.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
            return line.substr(name.size() + 1);
        }
    }
    return std::nullopt;
}

/// Seconds, with a fraction.
std::optional<std::chrono::nanoseconds> time_of(std::string_view info, std::string_view name) {
    constexpr double kMostSeconds = 1e9;  // thirty years
    const auto text = field(info, name);
    if (!text) return std::nullopt;
    double seconds = 0;
    const char* const end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, seconds, std::chars_format::fixed);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    if (!(seconds >= 0 && seconds <= kMostSeconds)) return std::nullopt;
    return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

std::optional<std::chrono::nanoseconds> sum_of(std::string_view info, std::string_view user,
                                               std::string_view system) {
    const auto a = time_of(info, user);
    const auto b = time_of(info, system);
    return a && b ? std::optional(*a + *b) : std::nullopt;
}

}  // namespace

Result<CpuUsage> parse_cpu_usage(const Reply& reply) {
    const auto lacks = [](const char* what) {
        return Error{ErrorCode::invalid, std::string("INFO tells no ") + what};
    };
    if (reply.type != Reply::Type::string) return lacks("text");
    const auto run_id = field(reply.text, "run_id");
    if (!run_id || run_id->empty()) return lacks("run_id");
    auto time = sum_of(reply.text, "used_cpu_user_main_thread", "used_cpu_sys_main_thread");
    if (!time) time = sum_of(reply.text, "used_cpu_user", "used_cpu_sys");
    if (!time) return lacks("used_cpu");
    return CpuUsage{std::string(*run_id), *time};
}

}  // namespace ringmaster::redis
