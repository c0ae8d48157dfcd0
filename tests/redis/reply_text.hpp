#pragma once

#include "ringmaster/redis/reply.hpp"

#include <string>

namespace ringmaster::redis {

/// A reply as the server would send it.
inline std::string to_resp(const Reply& reply) {
    switch (reply.type) {
        case Reply::Type::nil: return "$-1\r\n";
        case Reply::Type::integer: return ":" + std::to_string(reply.integer) + "\r\n";
        case Reply::Type::string:
            return "$" + std::to_string(reply.text.size()) + "\r\n" + reply.text + "\r\n";
        case Reply::Type::status: return "+" + reply.text + "\r\n";
        case Reply::Type::error: return "-" + reply.text + "\r\n";
        case Reply::Type::array: break;
    }
    std::string bytes = "*" + std::to_string(reply.elements.size()) + "\r\n";
    for (const Reply& element : reply.elements) bytes += to_resp(element);
    return bytes;
}

}  // namespace ringmaster::redis
