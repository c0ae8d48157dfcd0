#pragma once

#include "ringmaster/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::http {

/// The head of an answer: status line and fields. A value.
struct ResponseHead {
    int status = 0;
    int minor_version = 1;
    bool keep_alive = false;  ///< whether the connection may be used again after this answer
    std::vector<std::pair<std::string, std::string>> fields;  ///< in order; names as they came

    /// The value of the first field of that name (case-insensitive).
    std::optional<std::string_view> field(std::string_view name) const noexcept;
};

/// What a client puts up with. Exceeding one fails the answer.
struct ResponseLimits {
    std::size_t head_bytes = 64 * 1024;  ///< status line and fields, interim answers included
    std::size_t field_count = 200;
    std::size_t body_bytes = 16 * 1024 * 1024;  ///< of an answer that is read as a whole
};

/// Reads the answers of one connection (RFC 9112) from bytes that arrive in pieces of any size: a
/// state machine without I/O, around llhttp in its strict mode. Interim answers (1xx) are skipped.
class ResponseParser {
  public:
    explicit ResponseParser(const ResponseLimits& limits);
    ~ResponseParser();
    ResponseParser(ResponseParser&&) = delete;

    /// Makes ready for the next answer. An answer to HEAD has no content whatever it says.
    void start(bool head_request);

    enum class Status : std::uint8_t {
        need_more,      ///< all bytes were taken
        head_complete,  ///< told once; head() is whole. Feed on, even where nothing is left
        complete,       ///< bytes after it were not taken
        failed,         ///< see error(); the connection can't be used any more
    };
    struct Progress {
        Status status;
        std::size_t consumed;  ///< bytes taken from the front of what was fed
    };
    /// Takes bytes up to the end of one answer; gives content to `on_body`, any coding undone.
    Progress feed(std::string_view bytes, const std::function<void(std::string_view)>& on_body);
    /// The other side sends no more: `complete` where that is how this answer ends (RFC 9112, 6.3),
    /// else `failed`.
    Status end();

    const ResponseHead& head() const noexcept;
    /// Whether the first byte of the answer was seen.
    bool begun() const noexcept;
    /// ErrorCode::invalid, and what is wrong.
    const Error& error() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace ringmaster::http
