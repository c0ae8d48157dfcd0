#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/http/handler.hpp"
#include "ringmaster/runtime/scheduler.hpp"

namespace ringmaster::http {

/// A line for each request, when its handler has ended:
///
///     GET /numbers 200, 85 bytes, 1.204 ms (running 0.204, idle 1.000, stalled 0.000), queued
///     3.000 ms, id 4f9c2a1b-17
///
/// Method and path, as they came; never the query, where keys are. Bytes are those of the content,
/// streamed or not, before any chunked coding. Running, idle and stalled are the fiber's
/// runtime::TaskTimes, in ms; what the handler has others do in fibers of their own is idle time.
/// The last two stand there where they are known: layers further out have to find them out.
///
/// A request that was cancelled, because the client has left, gets the status 499 of nginx's logs;
/// one whose handler has thrown gets 500; where its answer had begun, the status that was sent and
/// "cut off". What is passed must outlive the layer.
Middleware access_log(Log& log, Clock& clock, runtime::Scheduler& scheduler);

}  // namespace ringmaster::http
