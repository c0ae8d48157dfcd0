#include "ringmaster/shard/observed_store.hpp"

#include <utility>

namespace ringmaster::shard {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::Event;
using ringpool::EventType;

namespace {

EventType type_of(const Allocation& answer) noexcept {
    if (answer.outcome != Allocation::Outcome::allocated) return EventType::overflow;
    return answer.is_new ? EventType::allocation : EventType::touch;
}

}  // namespace

void ObservedStore::allocate(std::span<const AllocationRequest> requests,
                             std::span<Allocation> answers, Deadline deadline) {
    observed_.allocate(requests, answers, deadline);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const Allocation& answer = answers[i];
        const EventType type = type_of(answer);
        if (!ring_.wants(type, scheduler_.now())) continue;
        Event seen = event(type, requests[i].pool, answer.number, requests[i].session);
        if (type == EventType::overflow) {
            seen.reason = answer.reason;
        } else {
            seen.expires_at = answer.expires_at;
        }
        ring_.add(std::move(seen));
    }
}

Result<void> ObservedStore::release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                                    const ringpool::Session& session, Deadline deadline) {
    auto released = observed_.release(pool, number, session, deadline);
    if (released && ring_.wants(EventType::release, scheduler_.now())) {
        ring_.add(event(EventType::release, pool, number, session));
    }
    return released;
}

Event ObservedStore::event(EventType type, ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                           const ringpool::Session& session) const {
    Event event;
    event.type = type;
    event.time = scheduler_.wall_now();
    event.pool_id = catalog_.at(pool).id;
    event.number = number;
    if (session.id) event.session_id.emplace(*session.id);
    event.context = session.context.bytes();
    return event;
}

}  // namespace ringmaster::shard
