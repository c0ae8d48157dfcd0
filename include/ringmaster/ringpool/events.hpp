#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::ringpool {

/// What happens to the numbers of pools, as others are told of it.
enum class EventType : std::uint8_t {
    allocation,  ///< a hold begins: the number is a session's from now on
    touch,       ///< the hold goes on, perhaps with another context
    overflow,    ///< a session was given the overflow number, or none
    release,     ///< a session has given its number back
    lost,        ///< some events can't be told any more
};
inline constexpr std::size_t kEventTypes = 5;

/// The word that the HTTP interface uses, e.g. "allocation".
std::string_view to_string(EventType type) noexcept;

/// A set of them.
class EventTypes {
  public:
    constexpr EventTypes() noexcept = default;
    constexpr EventTypes(std::initializer_list<EventType> types) noexcept {
        for (const EventType type : types) bits_ |= bit(type);
    }
    static constexpr EventTypes from_bits(std::uint8_t bits) noexcept {
        EventTypes types;
        types.bits_ = bits & ((1u << kEventTypes) - 1);
        return types;
    }
    constexpr std::uint8_t bits() const noexcept { return bits_; }
    constexpr bool has(EventType type) const noexcept { return (bits_ & bit(type)) != 0; }
    constexpr bool has_all(EventTypes others) const noexcept {
        return (others.bits_ & ~bits_) == 0;
    }
    constexpr bool empty() const noexcept { return bits_ == 0; }
    friend constexpr EventTypes operator|(EventTypes a, EventTypes b) noexcept {
        return from_bits(a.bits_ | b.bits_);
    }
    friend constexpr EventTypes operator&(EventTypes a, EventTypes b) noexcept {
        return from_bits(a.bits_ & b.bits_);
    }
    friend constexpr bool operator==(EventTypes, EventTypes) noexcept = default;

  private:
    static constexpr std::uint8_t bit(EventType type) noexcept {
        return static_cast<std::uint8_t>(1u << static_cast<unsigned>(type));
    }
    std::uint8_t bits_ = 0;
};

/// Up to where a source's events have been told. What is kept of them is in two places: events that
/// are in a journal are in front of `journal`, a position there, and those that are only in memory
/// have a number below `number`, counted since the process started. A source without a journal has
/// in the place of the former a value of its own for each process.
struct EventPosition {
    std::uint64_t journal = 0;
    std::uint64_t number = 0;
    friend constexpr bool operator==(EventPosition, EventPosition) noexcept = default;
};

/// Positions in several sources, one for each; nothing where it is not known.
using EventPositions = std::vector<std::optional<EventPosition>>;

/// E.g. "100000040-0,10000100000118-7"; "x" for what is not known. Not empty unless there are none.
std::string to_text(const EventPositions& positions);
/// The inverse; nothing where the text is no such. At most `most` of them.
std::optional<EventPositions> parse_event_positions(std::string_view text, std::size_t most);

struct Event {
    EventType type = EventType::lost;
    EventPosition position;  ///< with this event told, and all before it
    WallTime time{};         ///< civil time by today's clock, as HoldHistory has it

    // Of all but lost; what is not known, or was erased at the session's wish, is left out:
    std::string pool_id;
    PhoneNumber number;  ///< none where the pool allows no overflow
    std::optional<std::string> session_id;
    std::string context;  ///< canonical, see Context
    bool erased = false;
    std::optional<WallTime> expires_at;  ///< of allocation and touch
    OverflowReason reason{};             ///< of overflow

    // Of lost:
    EventTypes lost;                     ///< of which types they were
    std::optional<std::uint64_t> count;  ///< how many; nothing: that is not known, perhaps none

    /// Of its texts, about.
    std::size_t text_bytes() const noexcept {
        return pool_id.size() + session_id.value_or("").size() + context.size();
    }
};

Event lost_events(EventTypes types, std::optional<std::uint64_t> count, EventPosition position,
                  WallTime time);

/// What is asked of a source.
struct EventQuery {
    /// What has been told already. Nothing: all that has happened until now is not asked for.
    std::optional<EventPosition> after;
    EventTypes types;
    std::chrono::milliseconds patience{0};  ///< for the first event to happen
};
struct EventBatch {
    std::vector<Event> events;  ///< in order
    EventPosition next;         ///< where to go on
    bool complete = false;      ///< nothing more had happened by then
};

/// Where events can be read in the order in which they happened, again and again: whoever reads
/// keeps his own position, and the source knows of no readers. Positions stay valid when processes
/// are started anew. An event is there when what it tells of was acknowledged as durable as the
/// configuration promises; those that are not kept any more are told as EventType::lost, in their
/// place.
class EventSource {
  public:
    /// Of one batch; it may be less for other reasons.
    static constexpr std::size_t kMaxBatchEvents = 512;
    /// Of the texts of one batch, but for the last of its events.
    static constexpr std::size_t kMaxBatchBytes = 1u << 20;

    virtual ~EventSource() = default;

    /// Suspends. Events of these types that come after a position, at most so many as a batch has;
    /// none where nothing happened within the query's patience. Only ErrorCode::closed,
    /// ErrorCode::timeout and ErrorCode::unavailable: nothing is lost by them, ask again.
    virtual Result<EventBatch> read(const EventQuery& query, Deadline deadline) = 0;
};

}  // namespace ringmaster::ringpool
