#pragma once

#include "ringmaster/http/handler.hpp"

#include <cstdint>

namespace ringmaster::http {

/// Answers 413 `ContentTooLarge`, without calling the handler, where the content of a request is
/// larger than `bytes`, or Content-Length says that it will be. Content of which nobody knows the
/// size throws ContentTooLarge out of Request::read_body() as soon as it is past the limit, of
/// which catch_errors() makes the same answer. Of several limits the lowest counts.
///
/// It is for handlers that take less than the server: RequestLimits bound what is read at all.
Middleware body_limit(std::uint64_t bytes);

}  // namespace ringmaster::http
