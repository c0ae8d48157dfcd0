#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/event_ring.hpp"
#include "ringmaster/ringpool/events.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/store/journal_events.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace ringmaster::shard {

/// This process's events: those of its journal, where it has one, and those that are in memory
/// alone. Belongs to one reactor.
class OwnEvents final : public ringpool::EventSource {
  public:
    /// How long after the last look whoever waits looks again. There may be thousands of events in
    /// that time, and to be woken for each would cost more than to read it.
    static constexpr std::chrono::milliseconds kLookAgain{10};
    /// A query that waits is answered at the latest then, whatever its patience.
    static constexpr std::chrono::milliseconds kMostPatience{10'000};

    /// Without a journal, `life` stands for it: a number that is greater in each later process. All
    /// that is passed by reference must outlive this.
    OwnEvents(runtime::Scheduler& scheduler, ringpool::EventRing& ring,
              store::JournalEvents& journal) noexcept
        : scheduler_(scheduler), ring_(ring), journal_(&journal), life_(0) {}
    OwnEvents(runtime::Scheduler& scheduler, ringpool::EventRing& ring, std::uint64_t life) noexcept
        : scheduler_(scheduler), ring_(ring), journal_(nullptr), life_(life) {}

    Result<ringpool::EventBatch> read(const ringpool::EventQuery& query,
                                      Deadline deadline) override;

  private:
    using Query = ringpool::EventQuery;
    using Batch = ringpool::EventBatch;

    bool is_present(ringpool::EventPosition position) const noexcept {
        return journal_ != nullptr ? journal_->is_present(position.journal)
                                   : position.journal == life_;
    }
    Result<void> read_journal(const Query& query, Batch& batch);
    void begin_ring(const Query& query, Batch& batch);
    void read_ring(const Query& query, Batch& batch);
    void tell_lost(const Query& query, Batch& batch, std::optional<std::uint64_t> count);

    runtime::Scheduler& scheduler_;
    ringpool::EventRing& ring_;
    store::JournalEvents* const journal_;  ///< null: there is none
    const std::uint64_t life_;
};

}  // namespace ringmaster::shard
