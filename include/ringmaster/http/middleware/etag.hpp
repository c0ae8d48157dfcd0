#pragma once

#include "ringmaster/http/handler.hpp"

#include <cstddef>

namespace ringmaster::http {

struct EtagOptions {
    std::size_t max_bytes = 1024 * 1024;  ///< larger answers get none: hashing holds the reactor
};

/// Gives the answers to GET and HEAD with status 200, whose content is there as a whole, a strong
/// entity tag (RFC 9110, 8.8.3), a hash of the content, where they have none. Answers 304 Not
/// Modified, without content and without what describes it, where If-None-Match names their tag
/// (13.1.2, 15.4.5). The handler has made the content all the same: this saves its transfer.
///
/// What changes the content, as gzip() does, has to lie further out.
Middleware etag(EtagOptions options = {});

}  // namespace ringmaster::http
