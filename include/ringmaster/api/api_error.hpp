#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/http/response.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// What the interface calls its failures: of a whole request, or of one row of it.
enum class ErrorClass : std::uint8_t {
    malformed_json,          ///< the body is not JSON
    invalid_input,           ///< it is, but not what the interface asks for
    invalid_key,             ///< no pool has this id and this key
    unauthorized,            ///< no administrator's token was shown
    forbidden,               ///< a wrong one was, or there is none
    not_found,               ///< what the path names does not exist
    unsupported_media_type,  ///< the body is declared to be something that can't be read
    pool_exhausted,          ///< no number, and the pool allows no overflow
    service_unavailable,     ///< the store does not work at the moment
    internal_service_error,  ///< a bug; the message carries the handle that stands in the log
};

/// The word that clients see, e.g. "InvalidKey".
std::string_view to_string(ErrorClass error_class) noexcept;
/// The status of a request that fails as a whole.
int http_status(ErrorClass error_class) noexcept;

/// A failure that a client is told of.
struct ApiError {
    ErrorClass error_class;
    std::string message;  ///< for people; may quote what the client sent
};

/// A failure of which clients are told no more than the handle that ErrorReporter gave it.
ApiError internal_error(std::uint64_t handle);
/// A failed call: NotFound, InvalidInput or, for all else, ServiceUnavailable.
ApiError to_api_error(const Error& error);

/// Fills in the answer to a request that failed as a whole, with Retry-After where it may be worth
/// asking again.
void set_error(http::Response& response, const ApiError& error);
/// The same as text/plain: "InvalidKey: API Key ...".
void set_plain_error(http::Response& response, const ApiError& error);

}  // namespace ringmaster::api
