#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::redis {

/// What a server has answered (RESP2, redis.io/docs/reference/protocol-spec). Owns its bytes.
struct Reply {
    enum class Type : std::uint8_t { nil, integer, string, status, error, array };

    Type type = Type::nil;
    std::int64_t integer = 0;     ///< of an integer
    std::string text;             ///< of a string, a status or an error
    std::vector<Reply> elements;  ///< of an array

    bool is_error() const noexcept { return type == Type::error; }
    /// Whether it is an error with this code, its first word, e.g. "LOADING".
    bool is_error(std::string_view code) const noexcept {
        const std::string_view all = text;
        return is_error() && all.starts_with(code) &&
               (all.size() == code.size() || all[code.size()] == ' ');
    }
};

}  // namespace ringmaster::redis
