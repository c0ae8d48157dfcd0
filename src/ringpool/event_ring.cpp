#include "ringmaster/ringpool/event_ring.hpp"

#include <utility>

namespace ringmaster::ringpool {

void EventRing::ask(EventTypes types, SteadyTime now) noexcept {
    asked_until_ = now + kLinger;
    if (!(types & often_).empty()) often_asked_until_ = now + kLinger;
}

void EventRing::add(Event event) {
    event.position.number = ++end_;
    bytes_ += bytes_of(event);
    events_.push_back(std::move(event));
    while (bytes_ > max_bytes_) {
        bytes_ -= bytes_of(events_.front());
        events_.pop_front();
    }
}

void EventRing::clear() noexcept {
    events_.clear();
    bytes_ = 0;
}

}  // namespace ringmaster::ringpool
