#pragma once

#include "ringmaster/http/request.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::http {

/// What one request may cost. Exceeding a bound gives the status named beside it, as soon as the
/// bytes that were fed show it.
struct RequestLimits {
    std::size_t target_bytes = 8 * 1024;  ///< 414 URI Too Long
    /// 431. Request line, header section and trailer section together; less than 4 GiB.
    std::size_t head_bytes = 32 * 1024;
    std::size_t header_count = 100;            ///< 431, trailers included
    std::size_t body_bytes = 4 * 1024 * 1024;  ///< 413, after undoing chunked
    /// 413, likewise: of a request whose handler takes the content as it comes.
    std::uint64_t streamed_body_bytes = 1024 * 1024 * 1024;
};

/// Why bytes were refused. The connection's framing can't be trusted any more: after the answer it
/// is closed.
struct ParseError {
    int status = 400;     ///< 400, 408, 413, 414, 417, 431, 501 or 505
    std::string message;  ///< for the client; says what is wrong and where in the request
};

/// Reads the requests of one connection from bytes that arrive in pieces of any size: a state
/// machine without I/O, around llhttp in its strict mode, and stricter where proxies in front are
/// known to read otherwise (RFC 9112, 11.2, request smuggling). What comes out, errors too, does
/// not depend on how the bytes were split.
///
/// Stricter than llhttp: a line ends with CR LF and holds no other control character but HTAB in a
/// field; one space between the parts of the request line; no line folding; no empty field name;
/// Transfer-Encoding is `chunked` and nothing else. More lenient: `Upgrade` has no effect, and a
/// chunk extension of any form is ignored up to the end of its line, which is bounded.
/// CONNECT and methods that llhttp does not know get 501.
///
/// An idle parser costs some 250 bytes: between requests it holds no buffer, and it allocates
/// nothing per request beyond what `request` grows by.
class RequestParser {
  public:
    /// Whether the content of a request, of which the head is complete, is to be streamed.
    using StreamsBody = std::function<bool(const Request&)>;

    /// `streams_body` must outlive the parser; null: no content is.
    explicit RequestParser(const RequestLimits& limits, const StreamsBody* streams_body = nullptr);
    ~RequestParser();
    RequestParser(RequestParser&&) = delete;

    enum class Status : std::uint8_t {
        need_more,  ///< all bytes were taken, the request is not complete
        /// Told once, only where the client expects 100 Continue, or content that is streamed
        /// follows: feed on.
        head_complete,
        complete,  ///< `request` is whole; bytes after it were not taken
        failed,    ///< see error(); feed no more
    };
    struct Progress {
        Status status;
        std::size_t consumed;  ///< bytes taken from the front of what was fed
    };

    /// Takes bytes up to the end of one request. `request` must be the same clear one from the
    /// first byte of a request to its last. A few empty lines before a request line are skipped
    /// (RFC 9112, 2.2). At `head_complete`, bytes of the body may be left unread.
    Progress feed(std::string_view bytes, Request& request);

    /// How much has come of a streamed request's content that was not taken yet.
    static std::size_t content_bytes(const Request& request) noexcept;
    /// Moves what has come of a streamed request's content since the last call to `into`.
    static void take_content(Request& request, std::string& into) noexcept;

    /// Whether a request has begun (its first byte was seen) and is not complete.
    bool in_request() const noexcept;
    /// Whether that request's header section is complete.
    bool in_body() const noexcept;
    /// Precondition: feed() has failed.
    const ParseError& error() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ringmaster::http
