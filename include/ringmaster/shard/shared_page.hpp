#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/store/hold_clock.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringmaster::shard {

/// How far a shard is.
enum class ShardPhase : std::uint32_t { none, starting, recovered, serving, draining, dead };

/// What one shard tells the others and the supervisor, or the supervisor of it. A cache line of its
/// own, so that writing it costs no other shard anything.
struct alignas(64) ShardCell {
    /// Nanoseconds of the monotonic clock (which is the same in all processes of a boot) at which
    /// the shard's loop turned last; 0: never since it was started.
    std::atomic<std::int64_t> heartbeat_ns{0};
    /// It has been told to stop, and still answers clients, for whom it may ask the others.
    std::atomic<bool> answering{false};
    // Written by the supervisor:
    std::atomic<std::int32_t> pid{0};  ///< 0: there is none
    std::atomic<std::uint32_t> restarts{0};
    std::atomic<ShardPhase> phase{ShardPhase::none};
    std::atomic<std::int64_t> started_ns{0};
};

/// The memory that the supervisor and all shards have in common: made before the first fork, and
/// there until the last of them has ended; it outlives the death of each. Everything in it is
/// lock-free. A value in the memory of each process, which all refer to the same pages.
class SharedPage {
  public:
    /// So many changes of pools are remembered one by one.
    static constexpr std::size_t kRemembered = 64;
    static constexpr std::size_t kMaxIdBytes = 64;

    /// One of the changes of pools, see CatalogFeed.
    struct Change {
        std::array<std::atomic<std::uint64_t>, kMaxIdBytes / 8> id{};  ///< filled up with zeros
    };
    struct Contents {
        std::uint64_t layout;  ///< of this struct: another program's page must not be attached
        std::uint64_t shard_count;
        /// How many changes of pools there have been. Change number n is changes[n % kRemembered].
        std::atomic<std::uint64_t> catalog_version{0};
        std::array<Change, kRemembered> changes;
        /// Not 0 while somebody changes pools; who died of it left it so.
        std::atomic<std::uint32_t> changing{0};
        /// The store's clock, which is the same for all: where it began, before the first fork, and
        /// by how much it is ahead of that.
        alignas(64) store::HoldClock::Base hold_clock{};
        std::atomic<std::int64_t> hold_clock_ahead_ms{0};
        alignas(64) std::array<ShardCell, Placement::kMaxShards> shards;
    };

    /// ErrorCode::unavailable where there is no memory.
    static Result<SharedPage> create(std::size_t shard_count);
    /// That of the descriptor of another process's page. ErrorCode::invalid where it is none.
    static Result<SharedPage> attach(int fd);
    SharedPage(SharedPage&& other) noexcept;
    SharedPage& operator=(SharedPage&&) = delete;
    ~SharedPage();

    /// What attach() takes; close-on-exec. Owned by this.
    int fd() const noexcept { return fd_; }
    std::size_t shard_count() const noexcept { return contents_->shard_count; }
    ShardCell& shard(ShardIndex i) noexcept { return contents_->shards[i]; }
    const ShardCell& shard(ShardIndex i) const noexcept { return contents_->shards[i]; }
    Contents& contents() noexcept { return *contents_; }
    const Contents& contents() const noexcept { return *contents_; }

  private:
    SharedPage(int fd, Contents* contents) noexcept : fd_(fd), contents_(contents) {}

    int fd_;
    Contents* contents_;
};

}  // namespace ringmaster::shard
