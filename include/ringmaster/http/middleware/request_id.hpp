#pragma once

#include "ringmaster/http/handler.hpp"

#include <string>

namespace ringmaster::http {

struct RequestIdOptions {
    /// What the ids that it makes begin with: 1 to 64 of A-Z a-z 0-9 . _ -
    /// Empty: 64 random bits, drawn once.
    std::string prefix{};
};

/// Gives each request its Request::id(), and tells it the client in X-Request-Id: the one that came
/// in that field, where it is 1 to 128 of A-Z a-z 0-9 . _ -, so that nobody can put into a log what
/// is no id; else the prefix and a count. Throws std::invalid_argument for a bad prefix.
Middleware request_id(RequestIdOptions options = {});

}  // namespace ringmaster::http
