#pragma once

#include "ringmaster/http/handler.hpp"

#include <cstddef>

namespace ringmaster::http {

struct GzipOptions {
    static constexpr std::size_t kMostBytes = 1024 * 1024 * 1024;

    std::size_t min_bytes = 1024;         ///< smaller answers gain nothing; at least 1
    std::size_t max_bytes = 1024 * 1024;  ///< larger ones hold the reactor for too long
    int level = 1;                        ///< 1 (fast) to 9 (small)
};

/// Sends answers with Content-Encoding: gzip (RFC 1952) to clients that want it no less than the
/// content as it is (Accept-Encoding with its weights, RFC 9110, 12.5.3): whole ones of text, JSON
/// and such within the bounds, that are not encoded already and become smaller. Their strong entity
/// tags become weak (8.8.3.3), and all that could have been encoded vary by Accept-Encoding.
///
/// It runs on the reactor, which does nothing else in that time. Keeps 256 KiB of zlib's, and as
/// much as the largest answer. Throws std::invalid_argument where the options make no sense.
Middleware gzip(GzipOptions options = {});

}  // namespace ringmaster::http
