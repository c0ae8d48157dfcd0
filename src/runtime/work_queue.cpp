#include "ringmaster/runtime/work_queue.hpp"

#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

namespace ringmaster::runtime {

namespace {

constexpr std::chrono::milliseconds kRetry{10};

}  // namespace

WorkQueue::WorkQueue(Scheduler& scheduler, const char* name, std::size_t max_running,
                     std::size_t max_waiting)
    : scheduler_(scheduler),
      name_(name),
      max_running_(max_running),
      max_waiting_(max_waiting),
      retry_(Callback::of<&WorkQueue::begin_jobs>(*this)),
      idle_(scheduler) {
    assert(max_running > 0);
}

WorkQueue::~WorkQueue() {
    assert(waiting_.empty() && running_.empty());
}

Result<WorkQueue::Ticket> WorkQueue::add(std::unique_ptr<Job> job) {
    for (Entry& entry : waiting_) {
        if (entry.job->merge(*job)) return entry.ticket;
    }
    if (waiting_.size() == max_waiting_) {
        return Error{ErrorCode::unavailable,
                     std::to_string(max_waiting_) + " jobs are waiting for " + name_ + " already"};
    }
    const Ticket ticket{++tickets_};
    waiting_.push_back({ticket, std::move(job), {}});
    begin_jobs();
    return ticket;
}

void WorkQueue::begin_jobs() {
    while (!paused_ && !waiting_.empty() && running_.size() < max_running_) {
        running_.push_back(std::make_unique<Entry>(std::move(waiting_.front())));
        Entry& entry = *running_.back();
        entry.task = scheduler_.spawn(name_, [this, &entry] { run(entry); });
        if (!entry.task) {
            waiting_.front() = std::move(entry);
            running_.pop_back();
            scheduler_.timers().schedule(retry_, scheduler_.now() + kRetry);
            return;
        }
        waiting_.pop_front();
    }
}

void WorkQueue::run(Entry& entry) {
    // However the job ends, the next one must begin.
    struct Leave {
        ~Leave() {
            std::erase_if(queue.running_, [&](const auto& other) { return other.get() == &entry; });
            queue.begin_jobs();
            queue.tell_if_idle();
        }
        WorkQueue& queue;
        Entry& entry;
    } leave{*this, entry};
    entry.job->run();
}

void WorkQueue::tell_if_idle() noexcept {
    if (waiting_.empty() && running_.empty()) idle_.notify_all();
}

bool WorkQueue::cancel(Ticket ticket, std::string_view reason) {
    const auto running =
        std::ranges::find(running_, ticket, [](const auto& entry) { return entry->ticket; });
    if (running != running_.end()) {
        (*running)->task.cancel(reason);
        return true;
    }
    const auto waiting = std::ranges::find(waiting_, ticket, &Entry::ticket);
    if (waiting == waiting_.end()) return false;
    waiting_.erase(waiting);
    tell_if_idle();
    return true;
}

void WorkQueue::resume() {
    paused_ = false;
    begin_jobs();
}

bool WorkQueue::wait_until_idle(Deadline deadline) {
    while (!waiting_.empty() || !running_.empty()) {
        if (idle_.wait(deadline) == WakeReason::timeout) return false;
    }
    return true;
}

}  // namespace ringmaster::runtime
