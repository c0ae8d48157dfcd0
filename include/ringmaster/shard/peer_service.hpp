#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/peer_format.hpp"
#include "ringmaster/shard/shard.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace ringmaster::shard {

struct PeerServiceOptions {
    std::size_t max_connections = 1024;  ///< one more is closed at once
    /// Calls of one connection in work; then no more are read until one has ended.
    std::size_t max_calls_per_connection = 64;
    std::size_t high_water_bytes = 4 * 1024 * 1024;  ///< unsent: the same
    FrameLimits frames{};
};

struct PeerServiceStats {
    std::size_t connections = 0;    ///< now
    std::size_t calls_in_work = 0;  ///< now, those whose connection has gone among them
    std::uint64_t accepted = 0;     ///< connections
    std::uint64_t calls = 0;
    std::uint64_t rows = 0;     ///< of `allocate` calls
    std::uint64_t refused = 0;  ///< calls for which there was no fiber
    std::uint64_t dropped = 0;  ///< answers whose connection had gone
};

/// What this shard does for the others: answers what they ask over their connections, each call in
/// a fiber of its own with the deadline that it came with. A connection that goes cancels nothing,
/// for a change of a pool that has begun goes on; only its answers are dropped. Belongs to one
/// reactor.
class PeerService {
  public:
    /// Suspends. Brings the catalog up to date; is asked before every call, and so is cheap where
    /// there is nothing to do. Where it fails so does the call.
    using CatchUp = std::function<Result<void>(Deadline)>;

    /// All must outlive the service.
    PeerService(runtime::Reactor& reactor, Log& log, const ringpool::Catalog& catalog, Shard& own,
                CatchUp catch_up, PeerServiceOptions options);
    /// Closes what is open. The fibers of calls in work must have ended: after drain() has returned
    /// true they have.
    ~PeerService();

    /// Takes over `fd`, a Unix connection from another shard. On the reactor's stack.
    void serve(int fd);

    /// Suspends. Takes no more connections and reads no more calls; those in work are answered, and
    /// when the answers have left the connections are closed. False where `deadline` passed first:
    /// then they are closed all the same, and some calls may still be in work. May be called again.
    bool drain(Deadline deadline);

    PeerServiceStats stats() const noexcept;

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace ringmaster::shard
