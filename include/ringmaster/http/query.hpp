#pragma once

#include "ringmaster/base/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::http {

/// Undoes percent-encoding (RFC 3986, 2.1), appending to `out`. With `plus_is_space`, '+' is a
/// blank as in forms (WHATWG URL, application/x-www-form-urlencoded). ErrorCode::invalid where a
/// '%' is not followed by two hex digits; then `out` is as before.
Result<void> percent_decode(std::string_view text, bool plus_is_space, std::string& out);

/// Reads "a=1&b=2" pair by pair. A name without '=' has an empty value; empty pairs are skipped.
class QueryReader {
  public:
    explicit QueryReader(std::string_view query) noexcept : rest_(query) {}

    struct Pair {
        std::string_view name;  ///< decoded; valid until the arena changes
        std::string_view value;
    };
    /// The next pair, or nothing at the end. What needs decoding is decoded into `arena`, which
    /// must have been given the capacity of the whole query before the first call, so that views
    /// stay valid. ErrorCode::invalid names the malformed pair's byte offset.
    Result<std::optional<Pair>> next(std::string& arena);

  private:
    std::string_view rest_;
    std::size_t offset_ = 0;
};

}  // namespace ringmaster::http
