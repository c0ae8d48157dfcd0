#pragma once

#include "ringmaster/http/middleware/request_meter.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

/// How requests are counted.
namespace ringmaster::app {

/// By what they are for: metrics tell of each by itself.
std::vector<std::string_view> request_groups();
/// More finely: profiles do.
std::vector<http::RequestMeter::EndpointName> request_endpoints();
/// An index into request_endpoints().
std::size_t endpoint_of(const http::Request& request) noexcept;

}  // namespace ringmaster::app
