#pragma once

#include "ringmaster/http/handler.hpp"
#include "ringmaster/runtime/scheduler.hpp"

#include <functional>

namespace ringmaster::http {

/// Fills in the answer to a request that is refused.
using Refusal = std::function<void(Response&)>;
/// Finds out whether a request may be answered, and may suspend for it. An empty Refusal: it may.
using BarrierWork = std::function<Refusal(const Request&)>;

/// Suspends. Does `work` and calls the handler side by side, each in a fiber of its own, and joins
/// them before the answer: to authorise while a read is under way, for example.
///
/// A handler that is done waits for the work, and so does one that wants to begin to stream its
/// answer. A refusal cancels the handler and replaces its answer. What both throw is told as
/// runtime::parallel does, the work's first. Where all fibers are in use, the answer is 503.
/// `scheduler` must outlive the layer.
Middleware barrier(runtime::Scheduler& scheduler, BarrierWork work);

}  // namespace ringmaster::http
