#include "endpoints.hpp"

namespace ringmaster::app {
namespace {

enum Group : std::size_t { kNumbers, kAdmin, kOther };

enum Endpoint : std::size_t {
    kBulk,
    kSingle,
    kStream,
    kRelease,
    kCompat,
    kHolders,
    kErase,
    kPools,
    kRest,
};

}  // namespace

std::vector<std::string_view> request_groups() {
    return {"numbers", "admin", "other"};  // by Group
}

std::vector<http::RequestMeter::EndpointName> request_endpoints() {
    return {
        // by Endpoint
        {"POST /numbers", kNumbers},
        {"GET /numbers", kNumbers},
        {"GET /numbers/stream", kNumbers},
        {"DELETE /numbers/{number}", kNumbers},
        {"POST /api/.../bulk.json", kNumbers},
        {"GET /numbers/{number}", kAdmin},
        {"DELETE /sessions/{session}", kAdmin},
        {"/pools", kAdmin},
        {"others", kOther},
    };
}

std::size_t endpoint_of(const http::Request& request) noexcept {
    const std::string_view path = request.path();
    const http::Method method = request.method();
    if (path == "/numbers") return method == http::Method::post ? kBulk : kSingle;
    if (path == "/numbers/stream") return kStream;
    if (path.starts_with("/numbers/")) {
        return method == http::Method::delete_ ? kRelease : kHolders;
    }
    if (path.starts_with("/api/")) return kCompat;
    if (path.starts_with("/pools")) return kPools;
    return path.starts_with("/sessions/") ? kErase : kRest;
}

}  // namespace ringmaster::app
