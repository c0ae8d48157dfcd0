#include "ringmaster/http/middleware/request_meter.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::http {

RequestMeter::RequestMeter(Clock& clock, std::vector<std::string_view> names, GroupOf group_of)
    : clock_(clock), group_of_(group_of) {
    for (const std::string_view name : names) {
        groups_.push_back(std::make_unique<Group>());
        groups_.back()->name = name;
    }
}

Middleware RequestMeter::layer() {
    return [this](RequestHandler next) -> RequestHandler {
        return [this, next = std::move(next)](Request& request, Response& response) {
            Group& group = *groups_[group_of_(request)];
            const SteadyTime began = clock_.steady_now();
            next(request, response);
            if (!response.streaming()) group.durations.record(clock_.steady_now() - began);
            const auto first_digit = static_cast<std::size_t>(response.status / 100);
            ++group.answers[std::min(first_digit, group.answers.size() - 1)];
        };
    };
}

}  // namespace ringmaster::http
