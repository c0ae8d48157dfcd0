#include "ringmaster/http/middleware/catch_errors.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/runtime/fiber.hpp"

#include <string>
#include <utility>

namespace ringmaster::http {

Middleware catch_errors(ErrorReporter& errors) {
    return [&errors](RequestHandler next) -> RequestHandler {
        return [&errors, next = std::move(next)](Request& request, Response& response) {
            const std::size_t outer_fields = response.extra_headers().size();
            try {
                next(request, response);
            } catch (const runtime::FiberUnwound&) {
                throw;
            } catch (const runtime::Cancelled&) {
                throw;
            } catch (const ContentTooLarge& error) {
                if (response.streaming()) throw;
                response.restart(outer_fields);
                set_error(response, 413, "ContentTooLarge", error.what());
            } catch (...) {
                if (response.streaming()) throw;
                const auto handle = errors.report(request.path(), std::current_exception());
                response.restart(outer_fields);
                set_error(response, 500, "InternalServiceError",
                          "refer to error handle " + std::to_string(handle));
            }
        };
    };
}

}  // namespace ringmaster::http
