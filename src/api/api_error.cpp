#include "ringmaster/api/api_error.hpp"

#include "ringmaster/http/router.hpp"

namespace ringmaster::api {

std::string_view to_string(ErrorClass error_class) noexcept {
    switch (error_class) {
        case ErrorClass::malformed_json: return "MalformedJson";
        case ErrorClass::invalid_input: return "InvalidInput";
        case ErrorClass::invalid_key: return "InvalidKey";
        case ErrorClass::unauthorized: return "Unauthorized";
        case ErrorClass::forbidden: return "Forbidden";
        case ErrorClass::not_found: return "NotFound";
        case ErrorClass::unsupported_media_type: return "UnsupportedMediaType";
        case ErrorClass::pool_exhausted: return "PoolExhausted";
        case ErrorClass::service_unavailable: return "ServiceUnavailable";
        case ErrorClass::internal_service_error: return "InternalServiceError";
    }
    return "InternalServiceError";
}

int http_status(ErrorClass error_class) noexcept {
    switch (error_class) {
        case ErrorClass::malformed_json: return 400;
        case ErrorClass::invalid_input: return 400;
        case ErrorClass::invalid_key: return 403;
        case ErrorClass::unauthorized: return 401;
        case ErrorClass::forbidden: return 403;
        case ErrorClass::not_found: return 404;
        case ErrorClass::unsupported_media_type: return 415;
        case ErrorClass::pool_exhausted: return 503;
        case ErrorClass::service_unavailable: return 503;
        case ErrorClass::internal_service_error: return 500;
    }
    return 500;
}

ApiError internal_error(std::uint64_t handle) {
    return {ErrorClass::internal_service_error, "refer to error handle " + std::to_string(handle)};
}

ApiError to_api_error(const Error& error) {
    switch (error.code) {
        case ErrorCode::not_found: return {ErrorClass::not_found, error.message};
        case ErrorCode::invalid: return {ErrorClass::invalid_input, error.message};
        default: return {ErrorClass::service_unavailable, error.message};
    }
}

void set_error(http::Response& response, const ApiError& error) {
    http::set_error(response, http_status(error.error_class), to_string(error.error_class),
                    error.message);
    if (error.error_class == ErrorClass::service_unavailable) {
        response.add_header("Retry-After", "1");
    }
}

void set_plain_error(http::Response& response, const ApiError& error) {
    set_error(response, error);
    response.content_type = "text/plain";
    response.body.assign(to_string(error.error_class)).append(": ").append(error.message);
}

}  // namespace ringmaster::api
