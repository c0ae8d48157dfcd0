#include "ringmaster/http/middleware/access_log.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace ringmaster::http {
namespace {

constexpr int kClientClosedRequest = 499;
constexpr int kInternalServerError = 500;

double milliseconds(SteadyTime::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

std::uint64_t content_bytes(const Request& request, const Response& response) {
    if (response.streaming()) return response.written_bytes();
    return has_content(request, response) ? response.body.size() : 0;
}

/// One request, from its beginning to the line that tells of it.
class Entry {
  public:
    Entry(Log& log, Clock& clock, runtime::Scheduler& scheduler)
        : log_(log),
          clock_(clock),
          scheduler_(scheduler),
          begin_(clock.steady_now()),
          times_(scheduler.task_times()) {}

    void answered(const Request& request, const Response& response) {
        write(request, response.status, content_bytes(request, response), "");
    }
    /// There was an answer's beginning, or none; then `status` is told.
    void ended_early(const Request& request, const Response& response, int status) {
        const bool begun = response.streaming();
        write(request, begun ? response.status : status, response.written_bytes(),
              begun ? ", cut off" : "");
    }

  private:
    void write(const Request& request, int status, std::uint64_t bytes, const char* note) {
        const runtime::TaskTimes times = scheduler_.task_times() - times_;
        char figures[192];
        std::snprintf(figures, sizeof figures,
                      " %d, %llu bytes%s, %.3f ms (running %.3f, idle %.3f, stalled %.3f)", status,
                      static_cast<unsigned long long>(bytes), note,
                      milliseconds(clock_.steady_now() - begin_), milliseconds(times.running),
                      milliseconds(times.idle()), milliseconds(times.stalled));
        std::string line(to_string(request.method()));
        line.append(" ").append(request.path()).append(figures);
        if (const auto queued = request.queue_time()) {
            std::snprintf(figures, sizeof figures, ", queued %.3f ms", milliseconds(*queued));
            line += figures;
        }
        if (!request.id().empty()) line.append(", id ").append(request.id());
        log_.info(line);
    }

    Log& log_;
    Clock& clock_;
    runtime::Scheduler& scheduler_;
    const SteadyTime begin_;
    const runtime::TaskTimes times_;
};

}  // namespace

Middleware access_log(Log& log, Clock& clock, runtime::Scheduler& scheduler) {
    return [&log, &clock, &scheduler](RequestHandler next) -> RequestHandler {
        return [&log, &clock, &scheduler, next = std::move(next)](Request& request,
                                                                  Response& response) {
            Entry entry(log, clock, scheduler);
            try {
                next(request, response);
            } catch (const runtime::FiberUnwound&) {
                throw;
            } catch (const runtime::Cancelled&) {
                entry.ended_early(request, response, kClientClosedRequest);
                throw;
            } catch (...) {
                entry.ended_early(request, response, kInternalServerError);
                throw;
            }
            entry.answered(request, response);
        };
    };
}

}  // namespace ringmaster::http
