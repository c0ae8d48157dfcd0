#pragma once

#include "ringmaster/http/handler.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <chrono>

namespace ringmaster::http {

/// Suspends. Lets the handler work for so long, in a fiber of its own. Then that is cancelled, and
/// when it has ended (it uses the request and the answer; a runtime::CancellationShield is waited
/// for) the answer is 503 `Timeout` with Retry-After; what the handler had put into it is dropped.
/// Where the answer is streaming already, it is cut off: runtime::FanOutCancelled is thrown.
///
/// Where all fibers are in use, the answer is 503 at once. Where the client leaves, the handler is
/// cancelled likewise. `scheduler` must outlive the layer.
Middleware timeout(runtime::Scheduler& scheduler, std::chrono::milliseconds limit);

}  // namespace ringmaster::http
