#pragma once

#include "ringmaster/base/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ringmaster::http {

/// The reason phrase of a status (RFC 9110, 15), "Unknown" where there is none.
std::string_view reason_phrase(int status) noexcept;

/// One answer. Filled by a handler, written by the server, reused for the next.
class Response {
  public:
    int status = 200;
    /// Must be a literal or outlive the answer; empty: no Content-Type is sent.
    std::string_view content_type = "application/json";
    std::string body;
    /// The connection is closed after this answer, and the client is told.
    bool close = false;

    /// Adds one field. The name must be a token; throws std::invalid_argument where name or value
    /// could break the framing (RFC 9110, 5.5). Content-Length, Transfer-Encoding, Connection,
    /// Content-Type and Date are the server's: they are refused in the same way.
    void add_header(std::string_view name, std::string_view value);
    std::string_view extra_headers() const noexcept { return extra_headers_; }

    /// Forgets everything but the memory; memory past `keep_bytes` is given back.
    void clear(std::size_t keep_bytes) noexcept;

  private:
    std::string extra_headers_;  ///< "Name: value\r\n" ...
};

/// The Date field's value (RFC 9110, 5.6.7), formatted once a second.
class DateCache {
  public:
    /// E.g. "Sat, 21 Nov 2026 17:31:05 GMT"; valid until the next call.
    std::string_view at(WallTime now);

  private:
    std::int64_t second_ = -1;
    char text_[32] = {};
    std::size_t size_ = 0;
};

/// How an answer is to be framed.
struct ResponseFraming {
    bool head_request = false;  ///< answer to HEAD: the header section as for GET, no content
    bool keep_alive = true;
    int minor_version = 1;       ///< of the request: HTTP/1.0 is told where a connection stays open
    std::string_view date = {};  ///< as DateCache gives it
};

/// Appends the answer's bytes (RFC 9112, 6) to `out`. Content-Length is always sent, except with
/// 1xx, 204 and 304.
void append_response(std::string& out, const Response& response, const ResponseFraming& framing);

}  // namespace ringmaster::http
