#include "ringmaster/http/middleware/timeout.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/runtime/parallel.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"

#include <string>
#include <utility>

#include "tracked_job.hpp"

namespace ringmaster::http {
namespace {

/// A handler at work on one request, and the moment at which its time is up.
class TimedJob {
  public:
    TimedJob(runtime::Scheduler& scheduler, std::chrono::milliseconds limit)
        : reason_("it took longer than " + std::to_string(limit.count()) + " ms"),
          fan_out_(scheduler, "request with a time limit"),
          timer_(runtime::Callback::of<&TimedJob::on_expiry>(*this)) {
        scheduler.timers().schedule(timer_, scheduler.now() + limit);
    }

    void run(const RequestHandler& next, Request& request, Response& response) {
        const std::size_t outer_fields = response.extra_headers().size();
        bool begun = false;
        try {
            fan_out_.run(1, 1, [&](std::size_t) {
                begun = true;
                job_.run([&] { next(request, response); });
            });
        } catch (const runtime::NoFiber&) {
            if (begun) throw;  // it is the handler that had no fiber for something
            return set_unavailable(response, "ServiceUnavailable",
                                   "too many requests are in flight; try again later");
        } catch (const runtime::FanOutCancelled&) {
            if (!expired_) throw;  // likewise
            if (response.streaming()) {
                if (job_.done()) return;  // what was begun was also ended
                throw;
            }
            response.restart(outer_fields);
            return set_unavailable(response, "Timeout", reason_ + "; try again later");
        }
        job_.rethrow_cancelled();
    }

  private:
    void on_expiry() {
        if (job_.done()) return;
        expired_ = true;
        fan_out_.cancel(reason_);
    }

    const std::string reason_;
    runtime::FanOut fan_out_;
    TrackedJob job_;
    runtime::Timer timer_;
    bool expired_ = false;
};

}  // namespace

Middleware timeout(runtime::Scheduler& scheduler, std::chrono::milliseconds limit) {
    return [&scheduler, limit](RequestHandler next) -> RequestHandler {
        return [&scheduler, limit, next = std::move(next)](Request& request, Response& response) {
            TimedJob(scheduler, limit).run(next, request, response);
        };
    };
}

}  // namespace ringmaster::http
