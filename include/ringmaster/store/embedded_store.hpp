#pragma once

#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/store/adoption.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/hold_clock.hpp"
#include "ringmaster/store/holdings.hpp"
#include "ringmaster/store/journal_events.hpp"
#include "ringmaster/store/journal_history.hpp"
#include "ringmaster/store/journal_writer.hpp"
#include "ringmaster/store/layout.hpp"
#include "ringmaster/store/neighbours.hpp"
#include "ringmaster/store/pool_keeper.hpp"
#include "ringmaster/store/retention.hpp"
#include "ringmaster/store/segment_supply.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace ringmaster::store {

struct EmbeddedStoreOptions {
    std::filesystem::path directory;
    Fsync fsync = Fsync::everysec;
    std::uint32_t segment_bytes = 64u << 20;          ///< 4 KiB to 1 GiB
    std::uint64_t snapshot_after_bytes = 256u << 20;  ///< of journal
    std::chrono::hours history = std::chrono::days(90);
    std::uint64_t history_max_bytes = 0;  ///< of journal kept for history alone; 0 = no limit
    std::size_t max_pools = 10'000;
    std::size_t max_numbers = ringpool::RingPool::kMaxNumbers;  ///< of one pool; at most that
};

/// What a store shares with the others in its data directory, which are those of other processes.
/// All of it outlives the store.
struct ShardSeat {
    const DataDirectory* directory;
    std::uint32_t stream;  ///< in which its journal goes on, see Layout
    bool first;            ///< it looks after the retired streams, too
    HoldClock::Base clock;
    std::atomic<std::int64_t>* ahead_ms;  ///< see HoldClock
    Neighbours* neighbours;
};

/// This process's pools, in memory and journaled: what is acknowledged is in the journal first.
///
/// While the journal can't be written, every allocation is answered with the overflow number at
/// once, and memory stays as it is; the store keeps trying, and service resumes by itself behind a
/// fresh snapshot.
///
/// Belongs to one reactor. Has fibers of its own as soon as that runs; then close() must have
/// returned before destruction.
class EmbeddedStore final : public ringpool::Store {
  public:
    /// Recovers what is in the directory, which this store has alone, or begins a new one. The
    /// pools' definitions are put into `catalog`, which must be empty; from then on only pools()
    /// may change it. Blocks; to be called before the reactor runs. The references must outlive the
    /// store. Fails with ErrorCode::damaged where the files are, with file and offset;
    /// ErrorCode::unavailable where the disk fails or another process has the directory;
    /// ErrorCode::invalid for wrong options.
    static Result<std::unique_ptr<EmbeddedStore>> open(runtime::Reactor& reactor,
                                                       ringpool::Catalog& catalog,
                                                       EmbeddedStoreOptions options, Log& log);
    /// The same on another disk and at another time since boot, and with neighbours in the same
    /// directory of pools: for tests.
    static Result<std::unique_ptr<EmbeddedStore>> open(runtime::Reactor& reactor,
                                                       ringpool::Catalog& catalog,
                                                       EmbeddedStoreOptions options, Log& log,
                                                       Disk& disk, const BootTime& boot);
    static Result<std::unique_ptr<EmbeddedStore>> open(runtime::Reactor& reactor,
                                                       ringpool::Catalog& catalog,
                                                       EmbeddedStoreOptions options, Log& log,
                                                       Disk& disk, const BootTime& boot,
                                                       Neighbours& neighbours);
    /// One of several in the directory of `seat`, which prepare_layout() has made ready; that of
    /// the options does not matter.
    static Result<std::unique_ptr<EmbeddedStore>> open(runtime::Reactor& reactor,
                                                       ringpool::Catalog& catalog,
                                                       EmbeddedStoreOptions options, Log& log,
                                                       Disk& disk, const ShardSeat& seat);
    ~EmbeddedStore() override;

    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    Result<void> ready() const override;

    /// What else can be asked of it. As long as the store.
    PoolKeeper& pools() noexcept { return pool_keeper_; }
    ringpool::HoldHistory& history() noexcept { return history_; }
    JournalEvents& events() noexcept { return events_; }

    /// Suspends. Takes over what other processes know of numbers, see Adoption.
    Result<void> adopt(std::span<const NumberKnowledge> known) { return adoption_.adopt(known); }

    /// Suspends. Lets nobody in any more, waits for those inside, takes a snapshot and leaves the
    /// journal sealed. Where the disk fails, the log says so, and the next start replays the
    /// journal.
    void close();

    /// Of all pools of this store together, since it was opened.
    ringpool::PoolCounters counters() const noexcept { return holdings_.all_counters(); }
    /// Of one. Precondition: has_pool(index).
    const ringpool::PoolCounters& counters(ringpool::PoolIndex index) const noexcept {
        return holdings_.counters(index);
    }
    /// Whether the pool's numbers are here.
    bool has_pool(ringpool::PoolIndex index) const noexcept { return holdings_.has_pool(index); }
    /// Whether the number is in one of this store's pools.
    bool has_number(ringpool::PhoneNumber number) const noexcept {
        return holdings_.place(number) != nullptr;
    }
    /// Who has what. Precondition: has_pool().
    const ringpool::RingPool& pool(ringpool::PoolIndex index) const noexcept {
        return holdings_.pool(index);
    }
    /// The store's time in this turn.
    WallTime hold_now() const noexcept { return clock_.at(reactor_.scheduler().now()); }

  private:
    struct Alone;
    struct Parts;
    EmbeddedStore(runtime::Reactor& reactor, ringpool::Catalog& catalog,
                  EmbeddedStoreOptions options, Log& log, Disk& disk, Parts parts);

    void start();
    void run_part(const char* name, void (EmbeddedStore::*part)());
    void sync_journal() { journal_.run(); }
    void supply_segments() { supply_.run(); }
    void keep();
    void keep_for_the_last_time();

    std::size_t chunk_of(std::span<const ringpool::AllocationRequest> requests,
                         std::size_t& bytes) const noexcept;
    bool allocate_chunk(std::span<const ringpool::AllocationRequest> requests,
                        std::span<ringpool::Allocation> answers);
    void record(const ringpool::AllocationRequest& request, const ringpool::SessionHash& session,
                const ringpool::RingPool::Decision& decision);
    void count(ringpool::PoolIndex pool, const ringpool::RingPool::Decision& decision,
               WallTime now) noexcept;
    void count_overflow(ringpool::PoolIndex pool, ringpool::OverflowReason reason) noexcept;
    void refuse(std::span<const ringpool::AllocationRequest> requests,
                std::span<ringpool::Allocation> answers) noexcept;

    bool snapshot_due() const noexcept { return journal_.appended_bytes() >= snapshot_at_; }
    void wake_keeper() noexcept { keeper_work_.notify_all(); }
    void journal_failed();
    Result<void> take_snapshot(bool repairing);
    void take_due_snapshot();
    Result<void> remove_old_files();
    void repair();
    void forget_lost_records();
    bool is_own(JournalPosition position) const noexcept {
        return stream_of(position) == seat_.stream;
    }
    bool has_history(const ringpool::Slot& slot) const noexcept;
    bool pause(std::chrono::milliseconds delay);

    runtime::Reactor& reactor_;
    const ringpool::Catalog& catalog_;
    const EmbeddedStoreOptions options_;
    Log& log_;
    Disk& disk_;
    std::unique_ptr<Alone> alone_;  ///< nothing where the seat is another's
    const ShardSeat seat_;
    const std::filesystem::path shard_;  ///< the directory of its stream
    std::vector<Layout::Retired> retired_streams_;
    HoldClock clock_;
    Holdings holdings_;
    ringpool::SessionHasher hasher_;
    std::vector<ringpool::SessionHash> sessions_;  ///< of the chunk in work

    runtime::HelperThread sync_helper_;
    runtime::HelperThread file_helper_;
    runtime::HelperThread history_helper_;
    SegmentSupply supply_;
    JournalWriter journal_;
    Snapshotter snapshotter_;
    std::uint64_t snapshot_at_;  ///< the next one is due when this much was appended
    Retained retained_;

    bool stopping_ = false;
    std::size_t parts_running_ = 0;
    runtime::Gate gate_;
    Adoption adoption_;
    PoolKeeper pool_keeper_;
    JournalHistory history_;
    JournalEvents events_;
    runtime::WaitQueue keeper_work_;
    runtime::WaitQueue part_ended_;
};

}  // namespace ringmaster::store
