#pragma once

#include "ringmaster/http/handler.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::http {

/// Which pages, of other origins than this server, may use it, and how (Fetch standard, 3.2).
struct CorsOptions {
    /// Each as a browser writes it, e.g. "https://example.com" or "http://localhost:3000"; or only
    /// "*": all.
    std::vector<std::string> origins;
    std::vector<std::string> methods{"GET", "HEAD", "POST"};
    /// Fields of requests besides those that are always allowed (Content-Type of JSON is not).
    std::vector<std::string> request_fields{};
    /// Fields of answers that scripts may read besides those that they always may.
    std::vector<std::string> exposed_fields{};
    /// Whether cookies and HTTP authentication may be sent along. Not with "*": that would let any
    /// page act for whoever looks at it.
    bool credentials = false;
    std::chrono::seconds max_age{600};  ///< for which a browser may remember a preflight's answer
};

/// Whether a browser could send that as Origin: scheme, host in lower case, and perhaps a port.
/// There are no wildcards, and "null", which is any page that hides its origin, is none.
bool is_origin(std::string_view text) noexcept;

/// Tells browsers that the pages of these origins may read the answers, and answers the preflight,
/// OPTIONS with Access-Control-Request-Method, with 204. It refuses nothing: that is for the
/// browser, and other clients send what they like. Preflights of other origins go on to the
/// handler. Throws std::invalid_argument where the options make no sense.
Middleware cors(CorsOptions options);

}  // namespace ringmaster::http
