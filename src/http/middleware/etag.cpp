#include "ringmaster/http/middleware/etag.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "grammar.hpp"
#include <sodium/crypto_generichash.h>

namespace ringmaster::http {
namespace {

std::string strong_tag(std::string_view content) {
    std::array<unsigned char, 16> hash;
    crypto_generichash(hash.data(), hash.size(),
                       reinterpret_cast<const unsigned char*>(content.data()), content.size(),
                       nullptr, 0);
    std::string tag = "\"";
    for (const unsigned char byte : hash) {
        tag += "0123456789abcdef"[byte >> 4];
        tag += "0123456789abcdef"[byte & 15];
    }
    return tag + "\"";
}

/// Weak comparison (8.8.3.2) looks at the part in quotes only.
std::string_view without_weakness(std::string_view tag) noexcept {
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    return tag;
}

/// Whether the tag stands in a list of tags. There may be commas within one. From where a list is
/// malformed nothing of it counts.
bool names(std::string_view list, std::string_view tag) noexcept {
    while (true) {
        while (!list.empty() && (is_blank(list.front()) || list.front() == ',')) {
            list.remove_prefix(1);
        }
        list = without_weakness(list);
        if (!list.starts_with('"')) return false;
        const std::size_t end = list.find('"', 1);
        if (end == list.npos) return false;
        if (list.substr(0, end + 1) == tag) return true;
        list.remove_prefix(end + 1);
    }
}

bool is_known_to_client(const Request& request, std::string_view tag) {
    bool known = false;
    request.for_each_header([&](std::string_view name, std::string_view value) {
        if (!equals_ignoring_case(name, "If-None-Match")) return;
        known = known || value == "*" || names(value, without_weakness(tag));
    });
    return known;
}

void make_not_modified(Response& response) {
    response.status = 304;
    response.body.clear();
    for (const std::string_view name :
         {"Content-Encoding", "Content-Language", "Content-Range", "Last-Modified"}) {
        response.remove_header(name);
    }
}

}  // namespace

Middleware etag(EtagOptions options) {
    return [options](RequestHandler next) -> RequestHandler {
        return [options, next = std::move(next)](Request& request, Response& response) {
            next(request, response);
            const bool is_read =
                request.method() == Method::get || request.method() == Method::head;
            if (!is_read || response.status != 200 || response.streaming()) return;
            if (!response.header("ETag")) {
                if (response.body.size() > options.max_bytes) return;
                response.add_header("ETag", strong_tag(response.body));
            }
            if (is_known_to_client(request, *response.header("ETag"))) make_not_modified(response);
        };
    };
}

}  // namespace ringmaster::http
