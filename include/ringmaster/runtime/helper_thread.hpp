#pragma once

#include "ringmaster/runtime/reactor.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace ringmaster::runtime {

/// A thread for what would block the reactor: fdatasync, name resolution, reading old files. One at
/// a time, in the order in which they were asked for. Who needs two kinds of work that must not
/// wait for each other makes two. The queue needs no bound of its own: each job has a fiber that
/// waits for it, and those are bounded.
class HelperThread {
  public:
    /// `name` (at most 15 bytes) is what ps and gdb show.
    HelperThread(Reactor& reactor, const char* name);
    /// Waits for the job that is running. No fiber may be waiting in run() any more.
    ~HelperThread();
    HelperThread(const HelperThread&) = delete;
    HelperThread& operator=(const HelperThread&) = delete;

    /// Suspends. Calls `job()` on the helper thread and returns its result here, or throws what it
    /// threw. There is no deadline: a job that runs can't be taken back, and may use the caller's
    /// stack until it has ended.
    template <class Job>
    std::invoke_result_t<Job&> run(Job&& job) {
        using Value = std::invoke_result_t<Job&>;
        std::exception_ptr error;
        if constexpr (std::is_void_v<Value>) {
            run_and_wait([&] { job(); }, error);
            if (error) std::rethrow_exception(error);
        } else {
            std::optional<Value> value;
            run_and_wait([&] { value.emplace(job()); }, error);
            if (error) std::rethrow_exception(error);
            return *std::move(value);
        }
    }

  private:
    void run_and_wait(const std::function<void()>& job, std::exception_ptr& error);
    void loop();

    Reactor& reactor_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace ringmaster::runtime
