#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace ringmaster::runtime {

/// Work that nobody waits for, at most so many jobs at a time, each in a fiber of its own, in the
/// order in which they were added. Belongs to one scheduler. Nothing may wait or run in it when it
/// is destroyed.
class WorkQueue {
  public:
    class Job {
      public:
        virtual ~Job() = default;
        /// May suspend. What it throws is reported, and the queue goes on.
        virtual void run() = 0;
        /// Asked of a job that waits, when `newer` is added: true where it will do that one's work
        /// too, and `newer` is not needed any more.
        virtual bool merge(Job& newer) {
            (void)newer;
            return false;
        }
    };
    /// Names a job of one queue.
    enum class Ticket : std::uint64_t {};

    /// `name` must be a literal: it stands in reports.
    WorkQueue(Scheduler& scheduler, const char* name, std::size_t max_running,
              std::size_t max_waiting);
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    /// Does not suspend. The ticket is that of the waiting job with which this one was merged,
    /// where it was. ErrorCode::unavailable where max_waiting jobs wait already.
    Result<Ticket> add(std::unique_ptr<Job> job);
    /// One that waits is dropped; one that runs gets Cancelled from its next wait. False where
    /// there is none (any more).
    bool cancel(Ticket ticket, std::string_view reason);
    /// No job begins until resume(). Those that run go on.
    void pause() noexcept { paused_ = true; }
    void resume();

    /// Suspends until nothing waits or runs; false where `deadline` passed first. While the queue
    /// is paused, jobs that wait keep this waiting too.
    bool wait_until_idle(Deadline deadline = {});

    std::size_t waiting() const noexcept { return waiting_.size(); }
    std::size_t running() const noexcept { return running_.size(); }

  private:
    struct Entry {
        Ticket ticket;
        std::unique_ptr<Job> job;
        Task task;
    };
    void begin_jobs();
    void run(Entry& entry);
    void tell_if_idle() noexcept;

    Scheduler& scheduler_;
    const char* const name_;
    const std::size_t max_running_;
    const std::size_t max_waiting_;
    std::uint64_t tickets_ = 0;
    bool paused_ = false;
    std::deque<Entry> waiting_;
    std::vector<std::unique_ptr<Entry>> running_;
    Timer retry_;  ///< for when there was no fiber
    WaitQueue idle_;
};

}  // namespace ringmaster::runtime
