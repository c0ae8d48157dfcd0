#pragma once

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/peer_link.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ringmaster::shard {

struct RemoteStoreOptions {
    /// `allocate` calls to the other shard at one time; what comes meanwhile goes out together, as
    /// the next one. From 1.
    std::size_t max_calls_under_way = 1;
    /// Of each of them; a single row may have more bytes.
    std::size_t max_call_rows = 1024;
    std::size_t max_call_bytes = 256 * 1024;
    /// Calls that are filled or being filled, and not sent yet. Rows that find no room there are
    /// answered at once.
    std::size_t max_calls_waiting = 8;
};

struct RemoteStoreStats {
    /// How many calls had 1 row, 2, up to 4, up to 8, ... up to 1024, and more.
    static constexpr std::size_t kRowBuckets = 12;
    std::array<std::uint64_t, kRowBuckets> rows_per_call{};
    std::uint64_t rows = 0;  ///< of all calls
    // Rows that the other shard has not answered, by what they were answered here:
    std::uint64_t rows_slow = 0;
    std::uint64_t rows_down = 0;
};

/// The pools of another shard. Allocations are *merged*: while a call with some is under way, more
/// collect, and share the cost of the next one. Each caller waits until its own deadline, whatever
/// it shares a call with; a call for which nobody waits any more holds no other back. A caller
/// that leaves before its rows were sent takes them along.
///
/// Nobody may wait when it is destroyed.
class RemoteStore final : public ringpool::Store {
  public:
    /// All must outlive the store.
    RemoteStore(const ringpool::Catalog& catalog, PeerLink& link, RemoteStoreOptions options);
    ~RemoteStore() override;

    /// Suspends. Rows without an answer are answered with the overflow number: with owner_slow
    /// where it did not come in time, or too much waits already, with owner_down where the shard is
    /// gone, with store_unavailable where it does not know the pool.
    void allocate(std::span<const ringpool::AllocationRequest> requests,
                  std::span<ringpool::Allocation> answers, Deadline deadline) override;
    /// Suspends. ErrorCode::unavailable too where the shard is gone or does not answer in time.
    Result<void> release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                         const ringpool::Session& session, Deadline deadline) override;
    /// That the other shard is not, is told by its answers.
    Result<void> ready() const override { return {}; }

    RemoteStoreStats stats() const noexcept { return stats_; }

  private:
    struct Caller;
    class MergedCall;
    using Calls = IntrusiveList<MergedCall, RemoteStore>;

    bool add(Caller& caller, std::size_t row);
    MergedCall* call_with_room(std::size_t bytes);
    void send_calls();
    void send(MergedCall& call);
    void ended(MergedCall& call) noexcept;
    void recycle(MergedCall& call) noexcept;
    void leave(Caller& caller) noexcept;
    void answer_without(Caller& caller, std::size_t row, ringpool::OverflowReason reason) noexcept;

    const ringpool::Catalog& catalog_;
    PeerLink& link_;
    const RemoteStoreOptions options_;
    runtime::Deferred turn_end_;
    std::vector<std::unique_ptr<MergedCall>> calls_;  ///< all that exist, each in one of these:
    Calls spare_;
    Calls waiting_;    ///< in the order in which they go out; the last one takes more rows
    Calls under_way_;  ///< the oldest first
    MergedCall* last_waiting_ = nullptr;
    std::size_t waiting_count_ = 0;
    std::size_t under_way_count_ = 0;
    RemoteStoreStats stats_;
};

}  // namespace ringmaster::shard
