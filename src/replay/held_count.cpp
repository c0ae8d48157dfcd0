#include "ringmaster/replay/held_count.hpp"

#include <algorithm>

namespace ringmaster::replay {

void HeldCount::hold(std::uint32_t number, WallTime now, WallTime until) {
    expire(now);
    if (number >= numbers_.size())
        numbers_.resize(std::max<std::size_t>(64, std::size_t{number} * 2));
    Number& state = numbers_[number];
    state.until = until;
    if (!state.waits || until < state.waits_until) wait(number);
    if (state.held) return;
    state.held = true;
    if (++held_ <= most_) return;
    most_ = held_;
    most_at_ = now;
}

void HeldCount::release(std::uint32_t number, WallTime now) {
    expire(now);
    if (number >= numbers_.size() || !numbers_[number].held) return;
    numbers_[number].held = false;
    --held_;
}

void HeldCount::start(WallTime now) {
    expire(now);
    most_ = held_;
    most_at_ = now;
}

void HeldCount::wait(std::uint32_t number) {
    Number& state = numbers_[number];
    state.waits = true;
    state.waits_until = state.until;
    entries_.push_back({state.until, number});
    std::push_heap(entries_.begin(), entries_.end());
}

void HeldCount::expire(WallTime now) {
    while (!entries_.empty() && entries_.front().until <= now) {
        const Entry entry = entries_.front();
        std::pop_heap(entries_.begin(), entries_.end());
        entries_.pop_back();
        Number& state = numbers_[entry.number];
        if (!state.waits || state.waits_until != entry.until) continue;  // of a hold before
        state.waits = false;
        if (!state.held) continue;
        if (state.until > now) {
            wait(entry.number);
        } else {
            state.held = false;
            --held_;
        }
    }
}

}  // namespace ringmaster::replay
