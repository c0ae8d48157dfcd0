#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/http/handler.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace ringmaster::http {

struct RateLimitOptions {
    std::string name = "default";  ///< of the policy, in answers; printable ASCII without " and \.
    std::uint32_t requests = 100;  ///< that a key may make at once; 1 to 1,000,000
    std::chrono::seconds window{60};  ///< in which so many come back; 1 s to 366 days
    std::size_t max_keys = 10'000;    ///< that are remembered, some 100 bytes each; at least 1
};

/// Whom a request is counted for: an API key, an address. Requests of one key share its quota.
using RateLimitKey = std::function<std::string(const Request&)>;

/// Bounds the requests of each key with a token bucket, kept as the one time at which it will be
/// full again (the generic cell rate algorithm, ITU-T I.371): a key costs one number, nothing runs
/// on a timer, and there is no boundary of a window at which twice as many get through.
///
/// Each answer tells the policy and what is left of it (RateLimit-Policy and RateLimit of
/// draft-ietf-httpapi-ratelimit-headers-10; `r` requests, all of them again after `t` seconds).
/// Where nothing is left, the answer is 429 `TooManyRequests` with Retry-After, and the handler is
/// not called; such a request costs nothing.
///
/// Of more keys than max_keys, those not seen for longest are forgotten, and with that have all of
/// their quota. Keys are kept as keyed hashes, so that long ones cost no more. `clock` must outlive
/// the layer. Throws std::invalid_argument where the options make no sense.
Middleware rate_limit(const RateLimitOptions& options, RateLimitKey key, Clock& clock);

}  // namespace ringmaster::http
