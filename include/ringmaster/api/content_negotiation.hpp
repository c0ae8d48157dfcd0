#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// Whether a client would rather have text/plain than application/json, going by its Accept fields
/// (RFC 9110, 12.5.1). JSON where both are equally welcome, or neither is.
bool prefers_plain_text(const http::Request& request);

/// Nothing where the content may be JSON as it stands; else why not, in words for the client. No
/// Content-Type at all is taken for JSON; so is any type that ends in "+json".
std::optional<std::string> why_not_json(const http::Request& request);
/// Whether it may be; else fills in the answer that says so (415), with what would be accepted.
bool check_json(const http::Request& request, http::Response& response);

}  // namespace ringmaster::api
