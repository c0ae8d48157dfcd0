#pragma once

#include "ringmaster/redis/reply.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::redis {

/// Replies as a server would have sent them, for tests.
inline Reply nil() {
    return {};
}
inline Reply integer(std::int64_t number) {
    return {.type = Reply::Type::integer, .integer = number, .text = {}, .elements = {}};
}
inline Reply string(std::string_view text) {
    return {.type = Reply::Type::string, .integer = 0, .text = std::string(text), .elements = {}};
}
inline Reply error(std::string_view text) {
    return {.type = Reply::Type::error, .integer = 0, .text = std::string(text), .elements = {}};
}
inline Reply array(std::vector<Reply> elements) {
    return {.type = Reply::Type::array, .integer = 0, .text = {}, .elements = std::move(elements)};
}

}  // namespace ringmaster::redis
