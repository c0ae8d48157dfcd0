#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/http/handler.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace ringmaster::http {

/// The clocks of two machines differ: a time that lies so little ahead is taken for now.
inline constexpr std::chrono::milliseconds kMaxClockSkew{5'000};
/// Nobody waits longer for an answer: an earlier time was not meant to be one, or the clocks are
/// wrong.
inline constexpr std::chrono::milliseconds kMaxQueueTime{600'000};

/// How long before `now` the time was that X-Request-Start tells: "t=" or nothing, and a decimal
/// number since the epoch, with a fraction or without. Its size tells its unit, which differs from
/// proxy to proxy: seconds (nginx's $msec), milliseconds (Heroku), microseconds (Apache's %t) or
/// nanoseconds. Nothing where it is no such time, or out of the bounds above.
std::optional<std::chrono::microseconds> time_since_request_start(std::string_view value,
                                                                  WallTime now) noexcept;

/// Sets Request::queue_time() where the first field X-Request-Start tells it. `clock` must outlive
/// the layer; its wall clock is what the figure is as exact as.
Middleware queue_time(Clock& clock);

}  // namespace ringmaster::http
