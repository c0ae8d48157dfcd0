#include "ringmaster/http/middleware/request_meter.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ringmaster::http {

RequestMeter::RequestMeter(runtime::Scheduler& scheduler,
                           const std::vector<std::string_view>& groups,
                           const std::vector<EndpointName>& endpoints, EndpointOf endpoint_of)
    : scheduler_(scheduler), endpoint_of_(endpoint_of) {
    for (const std::string_view name : groups) {
        groups_.push_back(std::make_unique<Group>());
        groups_.back()->name = name;
    }
    for (const auto& [name, group] : endpoints) {
        endpoints_.push_back(std::make_unique<Endpoint>());
        endpoints_.back()->name = name;
        endpoints_.back()->group = group;
    }
}

Middleware RequestMeter::layer() {
    return [this](RequestHandler next) -> RequestHandler {
        return [this, next = std::move(next)](Request& request, Response& response) {
            Endpoint& endpoint = *endpoints_[endpoint_of_(request)];
            Group& group = *groups_[endpoint.group];
            const runtime::TaskTimes before = scheduler_.task_times();
            next(request, response);
            if (!response.streaming()) {
                const runtime::TaskTimes times = scheduler_.task_times() - before;
                group.durations.record(times.all());
                endpoint.times.record(times,
                                      request.queue_time().value_or(std::chrono::microseconds()));
            }
            const auto first_digit = static_cast<std::size_t>(response.status / 100);
            ++group.answers[std::min(first_digit, group.answers.size() - 1)];
        };
    };
}

}  // namespace ringmaster::http
