#include "ringmaster/store/journal_events.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace ringmaster::store {

using ringpool::Event;
using ringpool::EventType;
using ringpool::EventTypes;

Result<JournalEventBatch> JournalEvents::read(JournalPosition from, EventTypes types) {
    const auto pass = parts_.gate.enter();
    if (!pass) return Error{ErrorCode::closed, "the store is closed"};
    const JournalPosition until = end();
    const bool other_stream = stream_of(from) != parts_.stream;
    // The number of shards has changed: what happened until then was written by others.
    if (other_stream) from = position_at(first_segment(parts_.stream), SegmentHeader::kBytes);
    const bool elsewhere = other_stream || from > until;
    from = std::min(from, until);
    auto batch = parts_.helper.run([&] { return read_events(parts_.shard, from, until, types); });
    if (!batch) return batch;
    const bool told = !batch->events.empty() && batch->events.front().type == EventType::lost;
    const EventTypes journaled = types & kJournalEvents;
    if (elsewhere && !told && !journaled.empty()) {
        batch->events.insert(batch->events.begin(),
                             ringpool::lost_events(journaled, {}, {from, 0}, {}));
    }
    complete(*batch);
    return batch;
}

void JournalEvents::complete(JournalEventBatch& batch) {
    struct Unknown {
        Event* event;
        RecordLink latest;
    };
    std::vector<Unknown> unknown;
    for (Event& event : batch.events) {
        if (event.type != EventType::release) continue;
        const auto* const slot = parts_.holdings.find(event.number);
        if (slot != nullptr) unknown.push_back({&event, slot->record});
    }
    if (!unknown.empty()) {
        parts_.helper.run([&] {
            for (const auto& [event, latest] : unknown) find_holder(parts_.root, latest, *event);
        });
    }
    const auto& scheduler = parts_.reactor.scheduler();
    const WallTime wall_now = scheduler.wall_now();
    const auto ahead = wall_now - parts_.clock.at(scheduler.now());
    for (Event& event : batch.events) {
        if (event.type == EventType::lost) {
            event.time = wall_now;
            continue;
        }
        event.time += ahead;
        if (event.expires_at) *event.expires_at += ahead;
        if (!event.pool_id.empty()) continue;
        const auto* const place = parts_.holdings.place(event.number);
        if (place != nullptr) event.pool_id = parts_.catalog.at(place->pool).id;
    }
}

}  // namespace ringmaster::store
