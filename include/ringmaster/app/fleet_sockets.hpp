#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/store/disk.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ringmaster::app {

struct FleetSocketOptions {
    net::Endpoint listen;  ///< TCP; where the port is 0 the kernel chooses
    /// Of the first shard alone, the others having the ports behind it; port 0: they begin behind
    /// that of `listen`.
    net::Endpoint shard_listen;
    std::filesystem::path run_dir;
    int backlog = 1024;
    std::size_t shards = 1;
};

/// All sockets that the daemon listens on. They are opened before the first shard is forked, and
/// the supervisor keeps them for its life: the connections that wait for a shard survive its death.
/// All are close-on-exec and do not block.
struct FleetSockets {
    // One for each shard:
    std::vector<store::UniqueFd> public_sockets;  ///< all on the public port
    std::vector<store::UniqueFd> own_sockets;     ///< each on a port of its own
    std::vector<store::UniqueFd> peer_sockets;    ///< Unix sockets, for the other shards
    store::UniqueFd control;                      ///< a Unix socket, for commands

    /// Makes the run directory where there is none. ErrorCode::unavailable tells the address and
    /// the system's reason, and where another process listens there: also on a port that the kernel
    /// would let two of us share, and on a Unix socket, of which what a dead process left is
    /// removed. Blocks.
    static Result<FleetSockets> open(const FleetSocketOptions& options);

    /// Changes how many connections may wait for each shard.
    void set_backlog(int backlog) noexcept;
};

/// Of a socket that is bound.
net::Endpoint local_endpoint(int fd);

std::filesystem::path peer_path(const std::filesystem::path& run_dir, shard::ShardIndex shard);
std::filesystem::path control_path(const std::filesystem::path& run_dir);

/// A connected Unix socket, close-on-exec. ErrorCode::not_found where nobody listens.
Result<store::UniqueFd> connect_unix(const std::filesystem::path& path);

}  // namespace ringmaster::app
