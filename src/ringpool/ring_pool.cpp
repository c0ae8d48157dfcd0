#include "ringmaster/ringpool/ring_pool.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

namespace ringmaster::ringpool {

using enum SlotQueues::Queue;

namespace {

HoldEnd end_of(const Slot& slot) noexcept {
    return {slot.last_touch, slot.expires_at, slot.eligible_at};
}

}  // namespace

RingPool::Decision RingPool::allocate(const SessionHash& session, WallTime now) noexcept {
    assert(session);
    const SlotIndex own = find(session);
    if (own != kNone) {
        Slot& slot = slots_[own];
        if (now < slot.expires_at) {
            if (!may_extend(slot, now)) return {Outcome::capped, own, {}};
            return {Outcome::refreshed, own, {}, false, touch(own, now)};
        }
        if (may_take_back(slot)) {
            const HoldEnd previous = end_of(slot);
            slot.allocated_at = now;
            return {Outcome::fresh, own, previous, false, touch(own, now)};
        }
    }

    const SlotIndex oldest = oldest_eligible(now);
    if (oldest == kNone) return {Outcome::exhausted, kNone, {}};
    if (own != kNone) table_.erase(session, own);
    const Slot& slot = slots_[oldest];
    const HoldEnd previous = end_of(slot);
    const bool reissued = slot.session && slot.session != session;
    const auto longer = hand_over(oldest, session, now);
    return {Outcome::fresh, oldest, previous, reissued, longer};
}

std::chrono::milliseconds RingPool::hand_over(SlotIndex index, const SessionHash& session,
                                              WallTime now) noexcept {
    Slot& slot = slots_[index];
    if (slot.session) table_.erase(slot.session, index);
    table_.insert(session, index);
    slot.session = session;
    slot.allocated_at = now;
    const auto longer = touch(index, now);

    // The next hand-over will need the slot that is now the oldest, and that one's session, which
    // is to be erased. Fetched two steps ahead, both are at hand even for the next row of a batch.
    const SlotIndex first = queues_.front(touched);
    table_.prefetch(slots_[first].session);
    __builtin_prefetch(&numbers_[first]);
    const SlotIndex second = queues_.next(first);
    if (second == kNone) return longer;
    __builtin_prefetch(&slots_[second], 1);
    queues_.prefetch(second);
    return longer;
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

std::chrono::milliseconds RingPool::touch(SlotIndex index, WallTime now) noexcept {
    Slot& slot = slots_[index];
    slot.last_touch = now;
    slot.expires_at = std::max(slot.expires_at, now + rules_.lifetime);
    const WallTime eligible_at = now + rules_.lifetime + rules_.cooldown;
    // Promised even longer under older rules: then its place among the older ones is still right.
    if (eligible_at < slot.eligible_at) return std::chrono::milliseconds(0);
    const auto longer = eligible_at - std::max(slot.eligible_at, now);
    slot.eligible_at = eligible_at;
    if (slot.draining) return longer;
    queues_.remove(index);
    queues_.push_back(touched, index);
    return longer;
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
    SlotIndex index = end_slot();
    if (vacant_.empty()) {
        table_.reserve(slots_.size() + 1);
        numbers_.push_back(number);
        slots_.emplace_back();
        queues_.add_slot();
    } else {
        index = vacant_.back();
        vacant_.pop_back();
        numbers_[index] = number;
    }
    queues_.push_back(unused, index);
    return index;
}

RingPool RingPool::with_room_for(std::size_t numbers) {
    RingPool room({});
    room.table_.reserve(numbers);
    room.queues_.reserve(numbers);
    room.slots_.resize(numbers);
    room.slots_.clear();
    room.numbers_.resize(numbers);
    room.numbers_.clear();
    return room;
}

// Vectors that are assigned to keep the memory that they have.
void RingPool::grow_into(RingPool& room) {
    assert(room.capacity() >= slots_.size());
    room.rules_ = rules_;
    room.table_.insert_all(table_);
    room.queues_ = queues_;
    room.slots_ = slots_;
    room.numbers_ = numbers_;
    room.vacant_ = std::move(vacant_);
    room.unsettled_ = std::move(unsettled_);
    std::swap(*this, room);
}

void RingPool::drain(SlotIndex index) noexcept {
    slots_[index].draining = true;
    queues_.remove(index);
}

void RingPool::undrain(SlotIndex index) {
    Slot& slot = slots_[index];
    if (!slot.draining) return;
    slot.draining = false;
    if (slot.session) {
        unsettled_.push_back(index);
    } else {
        queues_.push_back(unused, index);
    }
}

Slot RingPool::take_out(SlotIndex index) {
    vacant_.push_back(index);
    Slot state = std::exchange(slots_[index], Slot());
    if (state.session) table_.erase(state.session, index);
    queues_.remove(index);
    numbers_[index] = {};
    state.draining = false;
    return state;
}

void RingPool::restore(SlotIndex index, const Slot& state) {
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
    unsettled_.push_back(index);
}

void RingPool::settle() {
    struct Waiting {
        WallTime eligible_at;
        SlotIndex slot;
    };
    std::vector<Waiting> waiting;
    waiting.reserve(unsettled_.size());
    for (const SlotIndex i : unsettled_) {
        const Slot& slot = slots_[i];
        if (!slot.session || slot.draining || queues_.contain(i)) continue;
        waiting.push_back({slot.eligible_at, i});
    }
    std::ranges::stable_sort(waiting, {}, &Waiting::eligible_at);
    unsettled_.clear();
    for (const Waiting& w : waiting) unsettled_.push_back(w.slot);
    merge_into_older(unsettled_);
    unsettled_ = {};
}

// `slots` are in order. From the back, because what is added late mostly waits longest.
void RingPool::merge_into_older(const std::vector<SlotIndex>& slots) noexcept {
    SlotIndex place = queues_.back(older);
    for (auto slot = slots.rbegin(); slot != slots.rend(); ++slot) {
        if (queues_.contain(*slot)) continue;  // named twice
        const WallTime eligible_at = slots_[*slot].eligible_at;
        while (place != kNone && slots_[place].eligible_at > eligible_at) {
            place = queues_.previous(place);
        }
        queues_.insert_after(older, place, *slot);
    }
}

std::vector<SlotIndex> RingPool::take_all(SlotQueues::Queue queue) {
    std::vector<SlotIndex> slots;
    for (SlotIndex i = queues_.front(queue); i != kNone; i = queues_.front(queue)) {
        slots.push_back(i);
        queues_.remove(i);
    }
    return slots;
}

// Where a wait becomes longer, who comes later still becomes eligible later, and the queue is right
// as it is.
void RingPool::change_rules(HoldRules rules) {
    const HoldRules before = std::exchange(rules_, rules);
    if (rules.lifetime + rules.cooldown < before.lifetime + before.cooldown) {
        merge_into_older(take_all(touched));
    }
    if (rules.cooldown < before.cooldown) merge_into_older(take_all(released));
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
