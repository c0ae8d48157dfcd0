#pragma once

#include "ringmaster/http/client.hpp"
#include "ringmaster/http/response_parser.hpp"

#include <optional>
#include <string>
#include <string_view>

/// What a client makes of a redirect (RFC 9110, 15.4) that stays on its origin.
namespace ringmaster::http {

/// The target that the answer to `request` sends its client on to, resolved against that request's
/// (RFC 3986, 5.2). Nothing where it is no redirect; or none that can be followed: Location is
/// missing or malformed, or leads away from `host` over plain HTTP, or the same content would have
/// to be sent again and that is gone (`has_source`).
std::optional<std::string> redirect_target(const ClientRequest& request, bool has_source,
                                           const ResponseHead& answer, std::string_view host);

/// What is asked there: the same, or its GET without content where the status says so.
ClientRequest redirected(const ClientRequest& request, int status, std::string target);

}  // namespace ringmaster::http
