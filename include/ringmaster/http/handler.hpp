#pragma once

#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"

#include <functional>
#include <vector>

namespace ringmaster::http {

/// Whether the answer to that request has content: it would have to any method but HEAD (RFC 9110,
/// 9.3.2), and its status allows some.
inline bool has_content(const Request& request, const Response& response) noexcept {
    return request.method() != Method::head && may_have_content(response.status);
}

/// Answers one request. Runs in a fiber of its own and may suspend. What it throws is reported, and
/// the client gets 500 `InternalServiceError` with the handle. Where the client leaves before its
/// answer, the fiber is cancelled: its next wait throws runtime::Cancelled.
using RequestHandler = std::function<void(Request&, Response&)>;

/// Something around a handler: makes a handler that does its own work, calls `next` (or doesn't,
/// and answers itself), and looks at what came back. Header fields are to be added before `next` is
/// called: an answer that is streamed has left when it returns.
using Middleware = std::function<RequestHandler(RequestHandler next)>;

/// Puts layers around a handler; the first is the outermost.
RequestHandler layered(std::vector<Middleware> layers, RequestHandler handler);

}  // namespace ringmaster::http
