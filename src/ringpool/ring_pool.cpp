#include "ringmaster/ringpool/ring_pool.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace ringmaster::ringpool {

using enum SlotQueues::Queue;

RingPool::Decision RingPool::allocate(const SessionHash& session, WallTime now) noexcept {
    assert(session);
    const SlotIndex own = find(session);
    if (own != kNone) {
        Slot& slot = slots_[own];
        if (now < slot.expires_at) {
            if (!may_extend(slot, now)) return {Outcome::capped, own};
            touch(own, now);
            return {Outcome::refreshed, own};
        }
        if (may_take_back(slot)) {
            slot.allocated_at = now;
            touch(own, now);
            return {Outcome::fresh, own};
        }
    }

    const SlotIndex oldest = oldest_eligible(now);
    if (oldest == kNone) return {Outcome::exhausted, kNone};
    if (own != kNone) table_.erase(session, own);
    hand_over(oldest, session, now);
    return {Outcome::fresh, oldest};
}

void RingPool::hand_over(SlotIndex index, const SessionHash& session, WallTime now) noexcept {
    Slot& slot = slots_[index];
    if (slot.session) table_.erase(slot.session, index);
    table_.insert(session, index);
    slot.session = session;
    slot.allocated_at = now;
    touch(index, now);

    // The next hand-over will need the slot that is now the oldest, and that one's session, which
    // is to be erased. Fetched two steps ahead, both are at hand even for the next row of a batch.
    const SlotIndex first = queues_.front(touched);
    table_.prefetch(slots_[first].session);
    __builtin_prefetch(&numbers_[first]);
    const SlotIndex second = queues_.next(first);
    if (second == kNone) return;
    __builtin_prefetch(&slots_[second], 1);
    queues_.prefetch(second);
}

bool RingPool::may_extend(const Slot& slot, WallTime now) const noexcept {
    const auto limit =
        slot.draining && rules_.max_hold.count() == 0 ? rules_.lifetime : rules_.max_hold;
    return limit.count() == 0 || now - slot.allocated_at < limit;
}

bool RingPool::may_take_back(const Slot& slot) const noexcept {
    const bool reached_max_hold =
        rules_.max_hold.count() != 0 && slot.expires_at - slot.allocated_at >= rules_.max_hold;
    return !slot.draining && !reached_max_hold;
}

void RingPool::touch(SlotIndex index, WallTime now) noexcept {
    Slot& slot = slots_[index];
    slot.last_touch = now;
    slot.expires_at = std::max(slot.expires_at, now + rules_.lifetime);
    const WallTime eligible_at = now + rules_.lifetime + rules_.cooldown;
    // Promised even longer under older rules: then its place among the older ones is still right.
    if (eligible_at < slot.eligible_at) return;
    slot.eligible_at = eligible_at;
    if (slot.draining) return;
    queues_.remove(index);
    queues_.push_back(touched, index);
}

SlotIndex RingPool::oldest_eligible(WallTime now) const noexcept {
    // Slots never held are eligible since the epoch, and so come first of all.
    SlotIndex oldest = kNone;
    WallTime oldest_time = now;
    for (const auto queue : {older, released, touched, unused}) {
        const SlotIndex front = queues_.front(queue);
        if (front == kNone || slots_[front].eligible_at > oldest_time) continue;
        oldest = front;
        oldest_time = slots_[front].eligible_at;
    }
    return oldest;
}

bool RingPool::release(const SessionHash& session, SlotIndex index, WallTime now) noexcept {
    if (index == kNone || find(session) != index || now >= slots_[index].expires_at) return false;
    Slot& slot = slots_[index];
    slot.expires_at = now;
    slot.eligible_at = now + rules_.cooldown;
    if (slot.draining) return true;
    queues_.remove(index);
    queues_.push_back(released, index);
    return true;
}

SlotIndex RingPool::add(const PoolNumber& number) {
    assert(size() < kMaxNumbers);
    const auto index = static_cast<SlotIndex>(size());
    table_.reserve(size() + 1);
    numbers_.push_back(number);
    slots_.emplace_back();
    queues_.add_slot();
    queues_.push_back(unused, index);
    return index;
}

void RingPool::drain(SlotIndex index) noexcept {
    slots_[index].draining = true;
    queues_.remove(index);
}

void RingPool::restore(SlotIndex index, const Slot& state) noexcept {
    assert(state.session);
    Slot& slot = slots_[index];
    const bool draining = slot.draining;
    if (slot.session) table_.erase(slot.session, index);
    slot = state;
    slot.draining = draining;

    const auto age = [](const Slot& s) { return std::tuple(s.last_touch, s.record); };
    const SlotIndex rival = find(slot.session);
    if (rival == kNone || age(slots_[rival]) <= age(slot)) {
        if (rival != kNone) table_.erase(slot.session, rival);
        table_.insert(slot.session, index);
    }
    queues_.remove(index);
    if (!draining) queues_.push_back(older, index);
}

void RingPool::settle() {
    struct Waiting {
        WallTime eligible_at;
        SlotIndex slot;
    };
    std::vector<Waiting> waiting;
    waiting.reserve(size());
    for (const auto queue : {older, released, touched}) {
        for (SlotIndex i = queues_.front(queue); i != kNone; i = queues_.front(queue)) {
            queues_.remove(i);
            waiting.push_back({slots_[i].eligible_at, i});
        }
    }
    std::ranges::stable_sort(waiting, {}, &Waiting::eligible_at);
    for (const Waiting& w : waiting) queues_.push_back(older, w.slot);
}

void RingPool::change_rules(HoldRules rules) {
    if (rules == rules_) return;
    rules_ = rules;
    settle();
}

void RingPool::prefetch_session(const SessionHash& session) const noexcept {
    table_.prefetch(session);
}

void RingPool::prefetch_slot(const SessionHash& session) const noexcept {
    const SlotIndex index = table_.guess(session);
    if (index == kNone) return;  // a new session: see hand_over()
    __builtin_prefetch(&slots_[index], 1);
    __builtin_prefetch(&numbers_[index]);
    queues_.prefetch(index);
}

}  // namespace ringmaster::ringpool
