#include "ringmaster/shard/own_events.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ringmaster::shard {

using ringpool::Event;
using ringpool::EventBatch;
using ringpool::EventQuery;
using ringpool::EventTypes;

Result<EventBatch> OwnEvents::read(const EventQuery& query, Deadline deadline) {
    EventBatch batch;
    ring_.ask(query.types, scheduler_.now());
    if (!query.after) {
        batch.next = {journal_ != nullptr ? journal_->end() : life_, ring_.end()};
        batch.complete = true;
        return batch;
    }
    batch.next = *query.after;
    const SteadyTime patience = scheduler_.now() + std::min(query.patience, kMostPatience);
    const SteadyTime until = std::min(deadline.time(), patience);
    while (true) {
        batch.complete = true;
        const bool was_present = is_present(batch.next);
        if (auto done = read_journal(query, batch); !done) return done.error();
        if (!was_present && (journal_ == nullptr || is_present(batch.next))) {
            begin_ring(query, batch);
        }
        if (is_present(batch.next)) read_ring(query, batch);
        if (!batch.events.empty() || scheduler_.now() >= until) return batch;
        scheduler_.sleep_until(batch.complete ? std::min(scheduler_.now() + kLookAgain, until)
                                              : scheduler_.now());
        ring_.ask(query.types, scheduler_.now());
    }
}

Result<void> OwnEvents::read_journal(const EventQuery& query, EventBatch& batch) {
    if (journal_ == nullptr) return {};
    const store::JournalPosition end = journal_->end();
    if (batch.next.journal == end) return {};
    auto read = journal_->read(batch.next.journal, query.types);
    if (!read) return read.error();
    for (Event& event : read->events) event.position.number = batch.next.number;
    batch.events = std::move(read->events);
    batch.next.journal = read->next;
    batch.complete = batch.next.journal >= end;
    return {};
}

// What came in another process's time was in its memory alone.
void OwnEvents::begin_ring(const EventQuery& query, EventBatch& batch) {
    if (journal_ == nullptr) batch.next.journal = life_;
    batch.next.number = ring_.begin();
    tell_lost(query, batch, {});
}

void OwnEvents::read_ring(const EventQuery& query, EventBatch& batch) {
    std::uint64_t& next = batch.next.number;
    next = std::min(next, ring_.end());
    if ((query.types & ring_.types()).empty()) {
        next = ring_.end();
        return;
    }
    if (next < ring_.begin()) {
        const std::uint64_t count = ring_.begin() - std::exchange(next, ring_.begin());
        // Which types they were of is not known any more.
        const bool is_known = query.types.has_all(ring_.types());
        tell_lost(query, batch, is_known ? std::optional(count) : std::nullopt);
    }
    std::size_t bytes = 0;
    for (const Event& event : batch.events) bytes += event.text_bytes();
    for (; next < ring_.end(); ++next) {
        if (batch.events.size() >= kMaxBatchEvents || bytes >= kMaxBatchBytes) {
            batch.complete = false;
            return;
        }
        const Event& event = ring_.at(next);
        if (!query.types.has(event.type)) continue;
        bytes += event.text_bytes();
        batch.events.push_back(event);
        batch.events.back().position = {batch.next.journal, next + 1};
    }
}

void OwnEvents::tell_lost(const EventQuery& query, EventBatch& batch,
                          std::optional<std::uint64_t> count) {
    const EventTypes types = query.types & ring_.types();
    if (types.empty()) return;
    batch.events.push_back(ringpool::lost_events(types, count, batch.next, scheduler_.wall_now()));
}

}  // namespace ringmaster::shard
