#include "ringmaster/http/relay.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "grammar.hpp"

namespace ringmaster::http {
namespace {

bool concerns_one_connection(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 9> kNames = {
        "Connection",        "Keep-Alive", "Proxy-Authenticate",
        "Proxy-Connection",  "TE",         "Trailer",
        "Transfer-Encoding", "Upgrade",    "Proxy-Authorization"};
    return std::ranges::any_of(
        kNames, [&](std::string_view known) { return equals_ignoring_case(known, name); });
}

/// Whether a Connection field names that field.
bool is_named(const ResponseHead& head, std::string_view field) {
    bool named = false;
    for (const auto& [name, value] : head.fields) {
        if (!equals_ignoring_case(name, "Connection")) continue;
        for_each_member(value, [&](std::string_view option) {
            named = named || equals_ignoring_case(option, field);
        });
    }
    return named;
}

}  // namespace

void relay(ClientResponse answer, Response& response) {
    response.status = answer.head.status;
    response.content_type.clear();
    for (const auto& [name, value] : answer.head.fields) {
        if (equals_ignoring_case(name, "Content-Type")) {
            response.content_type = value;
        } else if (!equals_ignoring_case(name, "Content-Length") &&
                   !equals_ignoring_case(name, "Date") && !concerns_one_connection(name) &&
                   !is_named(answer.head, name)) {
            response.add_header(name, value);
        }
    }
    response.body = std::move(answer.body);
}

}  // namespace ringmaster::http
