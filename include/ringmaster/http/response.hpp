#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/http/content_stream.hpp"
#include "ringmaster/http/open_answer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::http {

/// The reason phrase of a status (RFC 9110, 15), "Unknown" where there is none.
std::string_view reason_phrase(int status) noexcept;

/// One answer. Filled by a handler, written by the server, reused for the next. Content is either
/// left in `body`, or sent as it is made, with write().
class Response {
  public:
    int status = 200;
    /// Sent as it is, so without control characters. Empty: no Content-Type is sent.
    std::string content_type = "application/json";
    std::string body;
    /// The connection is closed after this answer, and the client is told.
    bool close = false;

    /// Adds one field. The name must be a token; throws std::invalid_argument where name or value
    /// could break the framing (RFC 9110, 5.5). Content-Length, Transfer-Encoding, Connection,
    /// Content-Type and Date are the server's: they are refused in the same way.
    void add_header(std::string_view name, std::string_view value);
    std::string_view extra_headers() const noexcept { return extra_headers_; }
    /// The value of the first added field of that name (case-insensitive).
    std::optional<std::string_view> header(std::string_view name) const noexcept;
    /// Takes out every added field of that name (case-insensitive).
    void remove_header(std::string_view name);
    /// For one who answers in the handler's place, while nothing was sent: forgets all but the
    /// first `keep_header_bytes` of extra_headers(), the fields of those further out.
    void restart(std::size_t keep_header_bytes) noexcept;

    /// Suspends while the client takes less than it is sent. Sends `part` as the next part of the
    /// content, with the chunked coding (RFC 9112, 7.1), to HTTP/1.0 up to the end of the
    /// connection; the content ends when the handler returns. The first call, which may have no
    /// bytes, sends the head: what is changed in this answer afterwards has no effect. Throws
    /// runtime::Cancelled where the client has left, and std::logic_error where there is nobody to
    /// send to. What a handler throws after the first call cuts the connection off, so that the
    /// client doesn't take what it has for the whole.
    void write(std::string_view part);
    /// Whether write() was called.
    bool streaming() const noexcept { return streaming_; }
    /// Bytes that were given to write() and taken.
    std::uint64_t written_bytes() const noexcept { return written_bytes_; }
    /// The content goes on when the handler has returned, with what `answer` sends, until that ends
    /// it; the connection is closed behind it, which close = true should have told. To be called
    /// last of all, after write(): throws std::logic_error where that was not called. Where the
    /// client has left by then, or the answer may have no content, `answer` hears so at once.
    void leave_open(OpenAnswer& answer);
    /// Null where the content is complete when the handler returns.
    OpenAnswer* left_open() const noexcept { return left_open_; }
    /// What write() writes to; must outlive the answer. The server's, or a test's.
    void attach(ContentWriter& writer) noexcept { writer_ = &writer; }
    /// Null where there is none.
    ContentWriter* writer() const noexcept { return writer_; }

    /// Forgets everything but the memory; memory past `keep_bytes` is given back.
    void clear(std::size_t keep_bytes) noexcept;

  private:
    std::string extra_headers_;  ///< "Name: value\r\n" ...
    ContentWriter* writer_ = nullptr;
    OpenAnswer* left_open_ = nullptr;
    std::uint64_t written_bytes_ = 0;
    bool streaming_ = false;
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
    bool streamed = false;  ///< content of unknown length follows in parts; body is not looked at
    bool keep_alive = true;
    int minor_version = 1;       ///< of the request: HTTP/1.0 is told where a connection stays open
    std::string_view date = {};  ///< as DateCache gives it
};

/// Whether an answer of that status may have content (RFC 9110, 6.4.1).
constexpr bool may_have_content(int status) noexcept {
    return status >= 200 && status != 204 && status != 304;
}

/// Appends one chunk (RFC 9112, 7.1); nothing where `part` is empty: that would be the last.
void append_chunk(std::string& out, std::string_view part);
/// Appends what ends the content.
void append_last_chunk(std::string& out);

/// Appends the answer's bytes (RFC 9112, 6) to `out`. Content-Length is always sent, except with
/// 1xx, 204 and 304, and where the content is streamed: then it is the head alone.
void append_response(std::string& out, const Response& response, const ResponseFraming& framing);

}  // namespace ringmaster::http
