#include "ringmaster/api/admin_access.hpp"

#include "ringmaster/api/api_error.hpp"

#include <algorithm>
#include <cstdint>
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

/// What follows the scheme in Authorization, or nothing where it is another. The scheme's case does
/// not matter (RFC 9110, 11.1).
std::optional<std::string_view> credentials(const http::Request& request,
                                            std::string_view scheme) noexcept {
    auto value = request.header("Authorization");
    if (!value || value->size() <= scheme.size() || (*value)[scheme.size()] != ' ') {
        return std::nullopt;
    }
    const bool is_scheme = std::equal(
        scheme.begin(), scheme.end(), value->begin(),
        [](char expected, char c) { return (c >= 'A' && c <= 'Z' ? c + 32 : c) == expected; });
    if (!is_scheme) return std::nullopt;
    value->remove_prefix(std::min(value->find_first_not_of(' ', scheme.size()), value->size()));
    return value;
}

/// RFC 4648, 4; nothing where that is not what it is. What stands behind the padding is not looked
/// at.
std::optional<std::string> base64_decode(std::string_view text) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const std::size_t value = kAlphabet.find(c);
        if (value == kAlphabet.npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count & 0xff);
    }
    return bytes;
}

/// The token that a reader shows, in either way.
std::optional<std::string> shown_by_reader(const http::Request& request) {
    if (const auto token = credentials(request, "bearer")) return std::string(*token);
    const auto encoded = credentials(request, "basic");
    auto pair = encoded ? base64_decode(*encoded) : std::nullopt;
    if (!pair || pair->find(':') == pair->npos) return std::nullopt;
    return pair->substr(pair->find(':') + 1);
}

}  // namespace

AdminAccess::AdminAccess(std::string_view token)
    : configured_(!token.empty()), token_(checked(token)) {}

bool AdminAccess::refuse_unconfigured(http::Response& response) const {
    if (configured_) return false;
    set_error(response, {ErrorClass::forbidden,
                         "there is no admin interface, because the configuration has no token "
                         "for it ([admin] token)"});
    return true;
}

bool AdminAccess::check(const http::Request& request, http::Response& response) const {
    if (refuse_unconfigured(response)) return false;
    const auto shown = credentials(request, "bearer");
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

bool AdminAccess::check_reader(const http::Request& request, http::Response& response) const {
    if (refuse_unconfigured(response)) return false;
    const auto shown = shown_by_reader(request);
    if (shown && token_.matches(*shown)) return true;
    // Also for a wrong one: a browser asks again then.
    response.add_header("WWW-Authenticate", "Basic realm=\"ringmaster\", charset=\"UTF-8\"");
    set_error(response, {ErrorClass::unauthorized,
                         "this is for the administrator; show the token of [admin] as a password "
                         "or as 'Authorization: Bearer TOKEN'"});
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

http::Handler AdminAccess::guard_reading(ReadAccess access, http::Handler handler) const {
    return [this, access, handler = std::move(handler)](http::Request& request,
                                                        const http::PathParameters& parameters,
                                                        http::Response& response) {
        response.add_header("Cache-Control", "no-store");
        if (access == ReadAccess::everybody || check_reader(request, response)) {
            handler(request, parameters, response);
        }
    };
}

}  // namespace ringmaster::api
