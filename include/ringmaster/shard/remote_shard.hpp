#pragma once

#include "ringmaster/shard/peer_link.hpp"
#include "ringmaster/shard/remote_store.hpp"
#include "ringmaster/shard/shard.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace ringmaster::shard {

struct RemoteShardOptions {
    PeerLinkOptions link{};
    RemoteStoreOptions store{};
    /// How long a change or a look at a pool may take: pools() is given no deadlines.
    std::chrono::milliseconds pools_timeout{10'000};
};

struct RemoteShardStats {
    PeerLinkStats requests;  ///< of the connection for allocations and releases
    PeerLinkStats others;    ///< of the connection for all else
    RemoteStoreStats store;
};

/// Another shard, over its Unix socket. Two connections, so that the numbers of a large pool do not
/// hold up allocations. Belongs to one reactor. Nobody may wait in it when it is destroyed.
class RemoteShard final : public Shard {
  public:
    /// All must outlive the shard.
    RemoteShard(runtime::Reactor& reactor, Log& log, const ringpool::Catalog& catalog,
                const RemoteShardOptions& options, const PeerLink::Connect& connect);
    ~RemoteShard() override;

    ringpool::Store& store() noexcept override { return store_; }
    ringpool::PoolAdministration& pools() noexcept override;
    ringpool::EventSource& events() noexcept override;
    Result<HoldersFound> holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                 std::size_t max, Deadline deadline) override;
    Result<std::size_t> erase(std::string_view session_id, Deadline deadline) override;
    Result<std::vector<store::NumberKnowledge>> look_up(
        std::span<const ringpool::PhoneNumber> numbers, Deadline deadline) override;
    Result<void> sweep(std::string_view pool_id, Deadline deadline) override;
    Result<OverflowCounts> overflow_counts(std::string_view pool_id, Deadline deadline) override;
    Result<std::vector<ops::DemandHour>> demand(std::string_view pool_id,
                                                Deadline deadline) override;
    Result<std::string> report(Deadline deadline) override;
    Result<std::string> profile(Deadline deadline) override;

    RemoteShardStats stats() const noexcept;

  private:
    class Pools;
    class Events;
    PeerLink requests_;
    PeerLink others_;
    RemoteStore store_;
    std::unique_ptr<Pools> pools_;
    std::unique_ptr<Events> events_;
};

}  // namespace ringmaster::shard
