#include "ringmaster/http/middleware/barrier.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/runtime/parallel.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <utility>

#include "tracked_job.hpp"

namespace ringmaster::http {
namespace {

/// One request before which work is to be done.
class GuardedRequest final : ContentWriter {
  public:
    GuardedRequest(runtime::Scheduler& scheduler, Request& request, Response& response)
        : request_(request),
          response_(response),
          writer_(response.writer()),
          outer_fields_(response.extra_headers().size()),
          fan_out_(scheduler, "request with work beside it"),
          work_ended_(scheduler) {
        if (writer_ != nullptr) response_.attach(*this);
    }
    ~GuardedRequest() override {
        // The handler has begun to stream, but the client has nothing of it.
        if (response_.streaming() && !streams_) response_.restart(outer_fields_);
        if (writer_ != nullptr) response_.attach(*writer_);
    }
    GuardedRequest(const GuardedRequest&) = delete;
    GuardedRequest& operator=(const GuardedRequest&) = delete;

    void run(const BarrierWork& work, const RequestHandler& next) {
        bool begun = false;
        try {
            // Where there is but one fiber, they come one after the other: the work first, because
            // the handler may wait for it.
            fan_out_.run(2, 2, [&](std::size_t job) {
                begun = true;
                job == 0 ? run_work(work) : handler_job_.run([&] { next(request_, response_); });
            });
            work_job_.rethrow_cancelled();
            handler_job_.rethrow_cancelled();
        } catch (const runtime::NoFiber&) {
            if (begun) throw;  // one of the two had no fiber for something
            set_unavailable(response_, "ServiceUnavailable",
                            "too many requests are in flight; try again later");
        } catch (const runtime::FanOutCancelled&) {
            if (!refusal_) throw;  // likewise
            response_.restart(outer_fields_);
            refusal_(response_);
        }
    }

  private:
    void run_work(const BarrierWork& work) {
        struct Ended {
            runtime::Event& event;
            ~Ended() { event.set(); }
        } const ended{work_ended_};
        work_job_.run([&] { refusal_ = work(request_); });
        if (refusal_) fan_out_.cancel("the request is refused");
    }

    /// What the handler streams goes through here.
    void write(const Response& head, std::string_view part) override {
        work_ended_.wait();
        if (!work_job_.done() || refusal_) throw runtime::Cancelled{"nobody has agreed to it"};
        streams_ = true;
        writer_->write(head, part);
    }

    Request& request_;
    Response& response_;
    ContentWriter* const writer_;
    const std::size_t outer_fields_;
    runtime::FanOut fan_out_;
    runtime::Event work_ended_;
    TrackedJob work_job_;
    TrackedJob handler_job_;
    Refusal refusal_;
    bool streams_ = false;
};

}  // namespace

Middleware barrier(runtime::Scheduler& scheduler, BarrierWork work) {
    return [&scheduler, work = std::move(work)](RequestHandler next) -> RequestHandler {
        return [&scheduler, work, next = std::move(next)](Request& request, Response& response) {
            GuardedRequest(scheduler, request, response).run(work, next);
        };
    };
}

}  // namespace ringmaster::http
