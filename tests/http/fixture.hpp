#pragma once

#include "ringmaster/http/handler.hpp"
#include "ringmaster/http/testing.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::http {

/// A request as it comes out of the parser, so that everything in it is where it really would be.
inline Request make_request(std::string_view method, std::string_view target,
                            std::string_view fields = "", std::string_view body = "") {
    std::string bytes = std::string(method) + " " + std::string(target) +
                        " HTTP/1.1\r\nHost: test\r\n" + std::string(fields);
    if (!body.empty()) bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    bytes.append("\r\n").append(body);
    return request_from(bytes);
}

/// What comes back for a request. For handlers that do not suspend.
inline Response answer(const RequestHandler& handler, Request request) {
    Response response;
    handler(request, response);
    return response;
}

}  // namespace ringmaster::http
