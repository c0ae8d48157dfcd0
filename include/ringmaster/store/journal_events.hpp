#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/event_reading.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/journal_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace ringmaster::store {

/// What happens to a shard's numbers, as its journal tells it: the files are read again behind the
/// writer, on a helper thread. So the order is the journal's, nothing is told before it was
/// acknowledged, and while nobody reads it costs nothing.
class JournalEvents {
  public:
    /// What it works on; all of it outlives it.
    struct Parts {
        runtime::Reactor& reactor;
        runtime::Gate& gate;  ///< of the store; once it is closed, no more is read
        /// That of JournalHistory: records are never read while they are being erased.
        runtime::HelperThread& helper;
        const std::filesystem::path& root;   ///< of the data directory
        const std::filesystem::path& shard;  ///< where the stream lies
        std::uint32_t stream;                ///< that the journal is
        const ringpool::Catalog& catalog;
        const Holdings& holdings;
        const HoldClock& clock;
        const JournalWriter& journal;
    };
    explicit JournalEvents(Parts parts) : parts_(parts), begin_(parts.journal.committed()) {}

    /// Where this process has begun to write; and up to where it can be read.
    JournalPosition begin() const noexcept { return begin_; }
    JournalPosition end() const noexcept { return parts_.journal.committed(); }
    /// Whether that is a position of what this process has written.
    bool is_present(JournalPosition position) const noexcept {
        return stream_of(position) == parts_.stream && position >= begin_;
    }

    /// Suspends. Events of these types from there on, as read_events() has them, but with civil
    /// times and the pools and sessions of all of them, as far as they are known. A position of
    /// another stream is before all that is in this one. ErrorCode::closed where the store is
    /// closed.
    Result<JournalEventBatch> read(JournalPosition from, ringpool::EventTypes types);

  private:
    void complete(JournalEventBatch& batch);

    const Parts parts_;
    const JournalPosition begin_;
};

}  // namespace ringmaster::store
