#include "ringmaster/http/middleware/request_id.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

constexpr std::string_view kField = "X-Request-Id";
constexpr std::size_t kMaxBytes = 128;
constexpr std::size_t kMaxPrefixBytes = 64;

bool is_id(std::string_view text, std::size_t max_bytes) noexcept {
    static constexpr CharacterSet kId("._-");
    return !text.empty() && text.size() <= max_bytes &&
           std::ranges::all_of(text, [](char c) { return kId.contains(c); });
}

std::string random_prefix() {
    std::random_device source;
    char text[17];
    std::snprintf(text, sizeof text, "%08x%08x", source(), source());
    return text;
}

/// Shared by all handlers that the layer is put around: no id is made twice.
struct IdSource {
    std::string prefix;
    std::uint64_t count = 0;
    std::string next() { return prefix + "-" + std::to_string(++count); }
};

}  // namespace

Middleware request_id(RequestIdOptions options) {
    if (options.prefix.empty()) options.prefix = random_prefix();
    if (!is_id(options.prefix, kMaxPrefixBytes)) {
        throw std::invalid_argument("a prefix of request ids is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    auto ids = std::make_shared<IdSource>(IdSource{std::move(options.prefix)});
    return [ids = std::move(ids)](RequestHandler next) -> RequestHandler {
        return [ids, next = std::move(next)](Request& request, Response& response) {
            const std::string_view sent = request.header(kField).value_or("");
            if (is_id(sent, kMaxBytes)) {
                request.set_id(sent);
            } else {
                request.set_id(ids->next());
            }
            response.add_header(kField, request.id());
            next(request, response);
        };
    };
}

}  // namespace ringmaster::http
