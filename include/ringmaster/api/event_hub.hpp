#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::api {

struct EventHubOptions {
    std::size_t max_readers = 16;
    /// Of events that were collected and may not have been sent to all readers yet, about.
    std::size_t max_buffer_bytes = 8u << 20;
};

/// What one reader wants to be told.
struct EventFilter {
    ringpool::EventTypes types;
    std::vector<std::string> pools;  ///< empty: all

    bool matches(ringpool::EventType type, std::string_view pool_id) const noexcept;
    /// How many are lost for this reader, where so many of these types are, of all pools.
    std::optional<std::uint64_t> count_of(ringpool::EventTypes lost,
                                          std::optional<std::uint64_t> count) const noexcept {
        return pools.empty() && types.has_all(lost) ? count : std::nullopt;
    }
};

/// An event as the HTTP interface tells it: one JSON object.
///
///     {"time", "pool", "number"?, "session"?, "context"?, "erased"?, "expires_at"?, "reason"?}
///     {"count": N or null, "types": "allocation,overflow,release"}      of lost
void append_event_data(std::string& out, const ringpool::Event& event);

/// Collects the events of several sources for all who read them here: one fiber for each source
/// while there are readers, and none without. What was collected is one sequence, which each reader
/// follows at his own pace; who is too slow misses the oldest, and is told how many. Belongs to one
/// scheduler.
class EventHub {
  public:
    /// For what a source has to tell: after it the fiber asks again.
    static constexpr std::chrono::milliseconds kPatience{200};
    /// How long a source may take beyond that, and how long nobody asks it then.
    static constexpr std::chrono::milliseconds kTimeout{2'000};
    static constexpr std::chrono::milliseconds kRetryAfter{100};
    /// Between two batches of one source: the most that reading takes of the processor is bounded
    /// by that.
    static constexpr std::chrono::milliseconds kPause{5};

    /// All that is passed by reference, and the sources, must outlive this.
    EventHub(runtime::Scheduler& scheduler, std::vector<ringpool::EventSource*> sources,
             EventHubOptions options);
    EventHub(const EventHub&) = delete;
    EventHub& operator=(const EventHub&) = delete;
    ~EventHub();

    std::size_t sources() const noexcept { return sources_.size(); }
    std::size_t readers() const noexcept { return readers_.size(); }
    bool is_full() const noexcept { return readers_.size() == options_.max_readers; }

    /// Suspends. Tells readers that it is over, and waits until no fiber collects any more.
    void stop();
    bool is_stopped() const noexcept { return stopped_; }

    class Reader;

  private:
    struct Entry {
        std::size_t source;
        ringpool::EventPosition from;      ///< without this told
        ringpool::EventPosition position;  ///< and with it
        ringpool::EventType type = ringpool::EventType::lost;
        std::string pool_id = {};
        std::string data = {};  ///< empty of lost, which is told as far as it concerns the reader
        ringpool::EventTypes lost = {};  ///< none: nothing is to be told
        std::optional<std::uint64_t> count = {};

        std::size_t bytes() const noexcept { return sizeof(Entry) + pool_id.size() + data.size(); }
    };

    void start();
    void collect(std::size_t source);
    void take(std::size_t source, const ringpool::EventBatch& batch);
    void add(Entry entry);
    void drop_oldest();
    void leave(Reader& reader) noexcept;
    void learn_types() noexcept;
    bool all_placed() const noexcept;
    std::uint64_t end() const noexcept { return begin_ + entries_.size(); }

    runtime::Scheduler& scheduler_;
    const std::vector<ringpool::EventSource*> sources_;
    const EventHubOptions options_;
    std::vector<Reader*> readers_;
    ringpool::EventTypes types_;  ///< that some reader wants
    /// Up to where all was collected; nothing where a source has not said yet where it stands.
    ringpool::EventPositions positions_;
    std::vector<runtime::Task> collectors_;  ///< one for each source, as long as it runs
    std::deque<Entry> entries_;
    std::uint64_t begin_ = 0;  ///< number of the first entry
    std::size_t bytes_ = 0;
    bool stopped_ = false;
    runtime::WaitQueue changed_;
};

/// One who reads: from where he was, or from now on. On one fiber's stack.
class EventHub::Reader {
  public:
    /// With `after`, which has a position for each source, those that have happened since come
    /// first. Throws runtime::NoFiber where there is none to collect with. Precondition:
    /// !hub.is_full() && !hub.is_stopped().
    Reader(EventHub& hub, EventFilter filter, std::optional<ringpool::EventPositions> after);
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { hub_.leave(*this); }

    /// Suspends, for kTimeout at most, until all sources have said where they stand: what happens
    /// from then on is read; where others read already, from where they are, which may be a little
    /// behind. One that has not by then is read from where it stands when it answers,
    /// and then it is told that some are lost.
    void await_sources();
    /// Suspends, until `deadline` at most. Appends the next events, as an event stream has them,
    /// each with the positions behind it as its id: `max_bytes` of them, or a little more. Nothing
    /// is appended where there are none, and where the hub was stopped.
    void read(std::string& out, std::size_t max_bytes, Deadline deadline);
    /// Up to where all was read.
    const ringpool::EventPositions& positions() const noexcept { return positions_; }

  private:
    friend class EventHub;
    void skip_unwanted() noexcept;
    void catch_up(std::string& out, std::size_t max_bytes, Deadline deadline);
    void leave_source() noexcept;
    void take_missed(const ringpool::EventBatch& batch, ringpool::EventPosition& position,
                     ringpool::EventPosition seam, std::string& out);
    void take_entries(std::string& out, std::size_t max_bytes);
    bool pass(const Entry& entry) noexcept;
    void append(std::string& out, ringpool::EventType type, std::string_view data) const;
    void append_lost(std::string& out, ringpool::EventTypes types,
                     std::optional<std::uint64_t> count) const;

    EventHub& hub_;
    const EventFilter filter_;
    ringpool::EventPositions positions_;
    std::uint64_t next_;        ///< number of the first entry that was not read yet
    std::uint64_t missed_ = 0;  ///< events that he wanted, and that had to go
    /// Where the entries begin that he reads; the first source of which he must be told before what
    /// happened up to there; and how far that was asked. Nothing: not yet.
    ringpool::EventPositions seam_;
    std::size_t behind_;
    std::optional<ringpool::EventPosition> asked_;
};

}  // namespace ringmaster::api
