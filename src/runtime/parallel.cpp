#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <cassert>

namespace ringmaster::runtime {
namespace {

std::string message_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "not a std::exception";
    }
}

// Both of the standard's families keep their message in the base class, which can be assigned to
// while the object stays what it is. False for a type that tells something else.
template <class Base>
bool replace_message(Base& error, const std::string& message) {
    error = Base(message);
    return error.what() == message;
}

bool add_to_message(const std::exception_ptr& error, const std::string& note) {
    try {
        std::rethrow_exception(error);
    } catch (std::runtime_error& e) {
        return replace_message(e, e.what() + note);
    } catch (std::logic_error& e) {
        return replace_message(e, e.what() + note);
    } catch (...) {
        return false;
    }
}

}  // namespace

void FanOut::run(std::size_t count, std::size_t bound,
                 const std::function<void(std::size_t)>& job) {
    assert(running_ == 0 && (bound > 0 || count == 0));
    job_ = &job;
    count_ = count;
    next_ = 0;
    failures_.clear();
    workers_.clear();
    // Each takes the next job when it is done with one: so one worker is enough to get to the end.
    for (std::size_t i = 0; i < std::min(count, bound) && !cancel_reason_; ++i) {
        const Task worker = scheduler_.spawn(
            name_, [this] { work(); }, scheduler_.deadline());
        if (!worker) break;
        workers_.push_back(worker);
        ++running_;
    }
    if (count > 0 && running_ == 0 && !cancel_reason_) {
        throw NoFiber("all fibers are in use, and none was left for " + std::string(name_));
    }
    join();
    if (cancel_reason_ || !failures_.empty()) rethrow();
}

// Whatever becomes of the caller, its jobs must not outlive this call.
void FanOut::join() {
    std::optional<Cancelled> cancelled;
    try {
        while (running_ > 0) ended_.wait();
    } catch (const Cancelled& reason) {
        cancelled = reason;
    }
    if (!cancelled) return;
    cancel(cancelled->reason);
    const CancellationShield shield(scheduler_);
    while (running_ > 0) ended_.wait();
    for (const Failure& failure : failures_) scheduler_.errors().report(name_, failure.error);
    throw *std::move(cancelled);
}

void FanOut::work() {
    while (next_ < count_ && !cancel_reason_) run_job(next_++);
    if (--running_ == 0) ended_.notify_all();
}

void FanOut::run_job(std::size_t index) {
    try {
        (*job_)(index);
    } catch (const FiberUnwound&) {
        throw;
    } catch (const Cancelled&) {
        // By cancel(), which run() tells its caller of: nobody else knows the task.
    } catch (...) {
        failures_.push_back({index, std::current_exception()});
    }
}

void FanOut::cancel(std::string_view reason) {
    if (cancel_reason_) return;
    cancel_reason_ = reason;
    for (const Task& worker : workers_) worker.cancel(reason);
}

void FanOut::rethrow() {
    std::ranges::sort(failures_, {}, &Failure::index);
    if (cancel_reason_) {
        std::string message = "cancelled: " + *cancel_reason_;
        for (const Failure& failure : failures_) {
            message += "; job " + std::to_string(failure.index) + ": " + message_of(failure.error);
        }
        throw FanOutCancelled(message);
    }
    std::string others;
    for (std::size_t i = 1; i < failures_.size(); ++i) {
        others += "; also job " + std::to_string(failures_[i].index) + ": " +
                  message_of(failures_[i].error);
    }
    if (!others.empty() && !add_to_message(failures_.front().error, others)) {
        for (std::size_t i = 1; i < failures_.size(); ++i) {
            scheduler_.errors().report(name_, failures_[i].error);
        }
    }
    std::rethrow_exception(failures_.front().error);
}

void parallel_for(Scheduler& scheduler, std::size_t count, std::size_t bound,
                  const std::function<void(std::size_t)>& body) {
    FanOut(scheduler).run(count, bound, body);
}

}  // namespace ringmaster::runtime
