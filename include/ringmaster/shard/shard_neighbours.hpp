#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/shard/catalog_feed.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shard.hpp"
#include "ringmaster/store/neighbours.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace ringmaster::shard {

/// The other shards, as the store sees them when pools are changed.
///
/// The right to change pools is a lock of a file (flock(2)). The kernel gives it back when its
/// process dies, at whatever point; and a process that hangs keeps it, as it must: it may go on
/// with its change at any time. (A snapshot that is being written by a child of a process that has
/// died keeps it too, until it is written.)
class ShardNeighbours final : public store::Neighbours {
  public:
    struct Options {
        std::filesystem::path lock_file;  ///< made where it is not there
        /// For the right to change pools, and for catching up with those who had it before.
        std::chrono::milliseconds permit_timeout{5000};
        std::chrono::milliseconds ask_timeout{2000};  ///< for the answers to one question
    };
    /// `shards[i]` is shard i; that of `self` is never asked. All that is passed by reference, and
    /// the shards, must outlive this; this must outlive its permits.
    ShardNeighbours(runtime::Scheduler& scheduler, const Placement& placement, ShardIndex self,
                    std::vector<Shard*> shards, CatalogFeed& feed, Options options);

    bool owns(std::string_view pool_id) const noexcept override {
        return placement_.owner(pool_id) == self_;
    }
    /// Only one at a time can be had within a process, too.
    Result<std::unique_ptr<Permit>> begin_change() override;
    Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers) override;
    Result<void> sweep(std::string_view pool_id) override;
    void announce(std::string_view pool_id) noexcept override { feed_.announce(pool_id); }

  private:
    runtime::Scheduler& scheduler_;
    const Placement placement_;
    const ShardIndex self_;
    const std::vector<Shard*> shards_;
    CatalogFeed& feed_;
    const Options options_;
};

}  // namespace ringmaster::shard
