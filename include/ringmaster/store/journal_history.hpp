#pragma once

#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/journal_writer.hpp"
#include "ringmaster/store/layout.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmaster::store {

/// The history that a shard's journal is. A number's slot in memory has the position of its latest
/// hold record, and each record that of the one before: "who had it then" walks that chain
/// backwards, on a helper thread, so that neither the reactor nor the journal waits for
/// the disk. Where the number has come from another shard, the chain leads into the stream of that.
class JournalHistory final : public ringpool::HoldHistory {
  public:
    /// What it works on; all of it outlives it.
    struct Parts {
        runtime::Reactor& reactor;
        runtime::Gate& gate;  ///< of the store; once it is closed, no more is read
        Disk& disk;
        const std::filesystem::path& root;            ///< of the data directory
        std::uint32_t stream;                         ///< that the journal is
        const std::vector<Layout::Retired>& retired;  ///< which this shard looks after
        const ringpool::Catalog& catalog;
        Holdings& holdings;
        ringpool::SessionHasher& hasher;
        const HoldClock& clock;
        JournalWriter& journal;
        /// Only for what reads old records or erases them.
        runtime::HelperThread& helper;
    };
    explicit JournalHistory(Parts parts);

    /// While the disk fails, of records that were to be written it says what it would say had they
    /// never been.
    Result<std::vector<ringpool::Hold>> holders(ringpool::PhoneNumber number,
                                                std::optional<WallTime> at, std::size_t max,
                                                Deadline deadline) override;

    /// In this shard's journal, and in the retired ones that it looks after. ErrorCode::closed
    /// where the store is closed meanwhile.
    Result<std::size_t> erase(std::string_view session_id) override;

  private:
    WallTime hold_now() const noexcept { return parts_.clock.at(parts_.reactor.scheduler().now()); }
    Result<void> release_all(std::string_view session_id);
    bool release_some(std::string_view session_id, std::size_t most);
    Result<std::size_t> erase_from(std::uint32_t stream, std::string_view session_id,
                                   std::optional<JournalPosition> end);

    const Parts parts_;
    runtime::Mutex erasing_;  ///< one erasure after the other
};

}  // namespace ringmaster::store
