#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/store/journal_format.hpp"

#include <cstddef>
#include <filesystem>
#include <vector>

/// The journal read forwards, as the events that it tells of. All of it blocks, and changes
/// nothing.
namespace ringmaster::store {

/// What the journal has of them; holds that end because their time is over leave no trace.
inline constexpr ringpool::EventTypes kJournalEvents{
    ringpool::EventType::allocation, ringpool::EventType::touch, ringpool::EventType::release};

struct JournalEventBatch {
    /// In order; `position.journal` is behind each event's record. Times are the store's own. Of a
    /// touch with the same context and of a release it is known only which number it was.
    std::vector<ringpool::Event> events;
    JournalPosition next = 0;
};

/// How much is read at one time.
struct EventReadLimits {
    std::size_t max_events = ringpool::EventSource::kMaxBatchEvents;
    std::size_t max_text_bytes = ringpool::EventSource::kMaxBatchBytes;
    std::size_t max_journal_bytes = 1u << 20;  ///< but one record at least
};

/// Reads events of these types from the records between two positions of the stream whose files lie
/// in `shard`. `until` is where the records end that have been acknowledged.
///
/// Goes on in the next segment where one ends, with a seal or, after a crash, without. What the
/// disk's failure has left in doubt is not told: there, and where segments have been removed or
/// can't be read, a `lost` event of unknown count stands. ErrorCode::unavailable where a file can't
/// be opened or read for other reasons.
Result<JournalEventBatch> read_events(const std::filesystem::path& shard, JournalPosition from,
                                      JournalPosition until, ringpool::EventTypes types,
                                      const EventReadLimits& limits = {});

/// Fills in pool and session of an event whose record stands in front of `event.position`: those of
/// the number's latest hold record before it. `latest` links to the number's latest of today.
/// Leaves the event as it is where that record is lost, gone, damaged, or too many came after it.
void find_holder(const std::filesystem::path& root, RecordLink latest, ringpool::Event& event);

}  // namespace ringmaster::store
