#include "ringmaster/http/middleware/body_limit.hpp"

#include "ringmaster/http/router.hpp"

#include <charconv>
#include <string>
#include <utility>

namespace ringmaster::http {
namespace {

/// As far as it is known. The parser has seen to it that Content-Length is a number.
std::uint64_t known_size(const Request& request) {
    const std::string_view told = request.header("Content-Length").value_or("");
    std::uint64_t bytes = 0;
    std::from_chars(told.data(), told.data() + told.size(), bytes);
    return std::max<std::uint64_t>(bytes, request.body().size());
}

}  // namespace

Middleware body_limit(std::uint64_t bytes) {
    return [bytes](RequestHandler next) -> RequestHandler {
        return [bytes, next = std::move(next)](Request& request, Response& response) {
            if (known_size(request) > bytes) {
                return set_error(response, 413, "ContentTooLarge",
                                 "the body exceeds " + std::to_string(bytes) + " bytes");
            }
            request.limit_body(bytes);
            next(request, response);
        };
    };
}

}  // namespace ringmaster::http
