#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/http/handler.hpp"

namespace ringmaster::http {

/// The innermost layer: makes an answer of what the handler throws, so that those further out have
/// one to look at. What the handler had put into the answer is dropped. ContentTooLarge becomes
/// 413 `ContentTooLarge`; all else is reported, and becomes 500 `InternalServiceError` with the
/// error handle. Where the answer is streaming already, the exception goes on. So it does always
/// with runtime::Cancelled and runtime::FiberUnwound. `errors` must outlive the layer.
Middleware catch_errors(ErrorReporter& errors);

}  // namespace ringmaster::http
