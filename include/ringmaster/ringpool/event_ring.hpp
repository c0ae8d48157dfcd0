#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/events.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace ringmaster::ringpool {

/// The latest events of one process that are in no journal, numbered in the order in which they
/// happened. All are counted, but kept only while somebody asks for them: an event for which nobody
/// asks costs an addition. Where there is no room, the oldest go.
class EventRing {
  public:
    /// How long after the last question events are still kept: for readers who come back.
    static constexpr std::chrono::seconds kLinger{60};

    /// `kept` are the types that it is for. Those that are `often` come in such numbers that they
    /// are kept, and counted, only while somebody asks for just these. `max_bytes` is of all that
    /// is kept, about.
    EventRing(EventTypes kept, EventTypes often, std::size_t max_bytes) noexcept
        : kept_(kept), often_(often), max_bytes_(max_bytes) {}

    EventTypes types() const noexcept { return kept_ | often_; }

    /// Somebody asks for these types at `now`.
    void ask(EventTypes types, SteadyTime now) noexcept;
    /// Whether an event of that type is to be given to add() at `now`; if not, this was all.
    bool wants(EventType type, SteadyTime now) noexcept {
        if (often_.has(type)) return now < often_asked_until_;
        if (!kept_.has(type)) return false;
        if (now < asked_until_) return true;
        skip();
        return false;
    }
    /// Its position is its number; the ring sets it.
    void add(Event event);
    /// The first that is kept; and the next one to come.
    std::uint64_t begin() const noexcept { return end_ - events_.size(); }
    std::uint64_t end() const noexcept { return end_; }
    /// Precondition: begin() <= number < end().
    const Event& at(std::uint64_t number) const noexcept { return events_[number - begin()]; }

  private:
    void clear() noexcept;
    void skip() noexcept {
        if (!events_.empty()) clear();
        ++end_;
    }
    static std::size_t bytes_of(const Event& event) noexcept {
        return sizeof(Event) + event.text_bytes();
    }

    const EventTypes kept_;
    const EventTypes often_;
    const std::size_t max_bytes_;
    SteadyTime asked_until_ = SteadyTime::min();
    SteadyTime often_asked_until_ = SteadyTime::min();
    std::deque<Event> events_;
    std::size_t bytes_ = 0;
    std::uint64_t end_ = 0;
};

}  // namespace ringmaster::ringpool
