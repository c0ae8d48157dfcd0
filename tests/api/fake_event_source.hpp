#pragma once

#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ringmaster::api {

/// A source whose events are the test's: event n has the position {100 + n, 0}. All are kept.
class FakeEventSource final : public ringpool::EventSource {
  public:
    explicit FakeEventSource(runtime::Scheduler& scheduler)
        : scheduler_(scheduler), happened_(scheduler) {}

    void happens(ringpool::EventType type, std::string session, std::string pool = "autos") {
        ringpool::Event event;
        event.type = type;
        event.pool_id = std::move(pool);
        event.session_id = std::move(session);
        add(std::move(event));
    }
    void loses(ringpool::EventTypes types, std::optional<std::uint64_t> count) {
        add(ringpool::lost_events(types, count, {}, {}));
    }

    Result<ringpool::EventBatch> read(const ringpool::EventQuery& query,
                                      Deadline deadline) override {
        asked.push_back(query);
        const Deadline until = Deadline::at(std::min(
            deadline.time(),
            scheduler_.now() + (is_silent ? Patience(std::chrono::hours(24)) : query.patience)));
        while (true) {
            if (!is_silent && (!query.after || query.after->journal < end())) break;
            if (happened_.wait(until) == runtime::WakeReason::timeout) break;
        }
        if (is_silent) return Error{ErrorCode::timeout, "it is silent"};
        ringpool::EventBatch batch{{}, {end(), 0}, true};
        if (!query.after) return batch;
        for (const ringpool::Event& event : events_) {
            if (event.position.journal <= query.after->journal) continue;
            const bool wanted = event.type == ringpool::EventType::lost
                                    ? !(event.lost & query.types).empty()
                                    : query.types.has(event.type);
            if (!wanted) continue;
            if (batch.events.size() == batch_events) {
                batch.next = batch.events.back().position;
                batch.complete = false;
                break;
            }
            batch.events.push_back(event);
        }
        return batch;
    }
    /// Whoever waits looks again.
    void wake() { happened_.notify_all(); }

    bool is_silent = false;
    std::size_t batch_events = 100;
    std::vector<ringpool::EventQuery> asked;

  private:
    using Patience = std::chrono::milliseconds;
    std::uint64_t end() const { return 100 + events_.size(); }
    void add(ringpool::Event event) {
        event.position = {end() + 1, 0};
        events_.push_back(std::move(event));
        happened_.notify_all();
    }

    runtime::Scheduler& scheduler_;
    runtime::WaitQueue happened_;
    std::vector<ringpool::Event> events_;
};

}  // namespace ringmaster::api
