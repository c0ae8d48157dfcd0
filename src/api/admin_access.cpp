#include "ringmaster/api/admin_access.hpp"

#include "ringmaster/api/api_error.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace ringmaster::api {

namespace {

std::string_view checked(std::string_view token) {
    if (token.size() > AdminAccess::kMaxTokenBytes) {
        throw std::invalid_argument("an admin token has at most " +
                                    std::to_string(AdminAccess::kMaxTokenBytes) + " bytes");
    }
    return token;
}

/// The token of "Bearer TOKEN", or nothing. The scheme's case does not matter (RFC 9110, 11.1).
std::optional<std::string_view> bearer_token(const http::Request& request) noexcept {
    constexpr std::string_view kScheme = "bearer ";
    auto value = request.header("Authorization");
    if (!value || value->size() < kScheme.size()) return std::nullopt;
    const bool is_bearer = std::equal(
        kScheme.begin(), kScheme.end(), value->begin(),
        [](char expected, char c) { return (c >= 'A' && c <= 'Z' ? c + 32 : c) == expected; });
    if (!is_bearer) return std::nullopt;
    value->remove_prefix(std::min(value->find_first_not_of(' ', kScheme.size()), value->size()));
    return value;
}

}  // namespace

AdminAccess::AdminAccess(std::string_view token)
    : configured_(!token.empty()), token_(checked(token)) {}

bool AdminAccess::check(const http::Request& request, http::Response& response) const {
    if (!configured_) {
        set_error(response, {ErrorClass::forbidden,
                             "there is no admin interface, because the configuration has no token "
                             "for it ([admin] token)"});
        return false;
    }
    const auto shown = bearer_token(request);
    if (!shown) {
        response.add_header("WWW-Authenticate", "Bearer");
        set_error(response, {ErrorClass::unauthorized,
                             "this is for the administrator; send 'Authorization: Bearer TOKEN'"});
        return false;
    }
    if (token_.matches(*shown)) return true;
    set_error(response, {ErrorClass::forbidden, "this is not the administrator's token"});
    return false;
}

http::Handler AdminAccess::guard(http::Handler handler) const {
    return [this, handler = std::move(handler)](http::Request& request,
                                                const http::PathParameters& parameters,
                                                http::Response& response) {
        response.add_header("Cache-Control", "no-store");
        if (check(request, response)) handler(request, parameters, response);
    };
}

}  // namespace ringmaster::api
