#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/app/number_files.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/shard/placement.hpp"
#include "ringmaster/shard/shared_page.hpp"
#include "ringmaster/store/data_directory.hpp"

#include <optional>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// What supervisor and shard say to each other, over a socket between the two: a word, or a word, a
/// blank and a text, in one line of at most 4 KiB. The shard drains when the supervisor's end is
/// closed, and closes its own only when it has nothing left to do but to end.
namespace channel {
// From the supervisor:
inline constexpr std::string_view kConfigure = "configure";  ///< apply the configuration's pools
inline constexpr std::string_view kServe = "serve";          ///< accept clients
inline constexpr std::string_view kDrain = "drain";
inline constexpr std::string_view kStop = "stop";  ///< at once
inline constexpr std::string_view kReopenLog = "reopen-log";
// From the shard:
inline constexpr std::string_view kRecovered = "recovered";    ///< it answers other shards
inline constexpr std::string_view kConfigured = "configured";  ///< with a text: not all of it
inline constexpr std::string_view kServing = "serving";
inline constexpr std::string_view kFailed = "failed";  ///< with the reason; it ends then
}  // namespace channel

/// All that a shard's process has of its supervisor, whose child it is by fork(2) alone.
/// Descriptors are listening sockets unless said otherwise, and not owned by this.
struct ShardSetup {
    shard::ShardIndex index = 0;
    /// On the public port, one for each shard: this one accepts from its own, and from that of a
    /// neighbour which hangs.
    std::vector<int> public_sockets;
    int own_socket = -1;               ///< on the port of this shard alone
    int peer_socket = -1;              ///< for the other shards
    std::vector<net::Endpoint> peers;  ///< where they listen for each other, by index
    int channel = -1;                  ///< connected, to the supervisor; does not block
    shard::SharedPage* page = nullptr;
    const store::DataDirectory* directory = nullptr;  ///< locked by the supervisor
    std::uint32_t stream = 0;                         ///< of the journal, see store::Layout
};

/// Serves as one shard until told to stop; to be called in the child right after the fork, with all
/// descriptors closed that the setup does not name, and with no signal blocked: those of a terminal
/// (SIGINT, SIGQUIT, SIGHUP) are ignored, and all others have their default effect. Returns the
/// exit status: 0 where all that was begun came to its end. `numbers` are those of the
/// configuration's files, where they have been read already.
int run_shard(const Config& config, const ShardSetup& setup, std::optional<NumberFiles> numbers);

}  // namespace ringmaster::app
