#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/shard/shared_page.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace ringmaster::app {

/// What a supervisor leaves to the program that takes its place, in the same process: the shards
/// are still its children, and the descriptors are still open.
struct Handover {
    struct Shard {
        int public_socket = -1;
        int own_socket = -1;
        int peer_socket = -1;
        int channel = -1;  ///< -1: there is no process
        pid_t pid = 0;     ///< 0: likewise
        shard::ShardPhase phase = shard::ShardPhase::none;
        std::uint32_t stream = 0;
        std::string heard;  ///< the beginning of a line, of which the rest is still to come
        friend bool operator==(const Shard&, const Shard&) = default;
    };
    int page = -1;
    std::optional<int> lock;  ///< of the data directory, where there is one
    int control = -1;
    std::vector<int> clients;       ///< who wait for the outcome
    std::vector<Setting> settings;  ///< that hold until the daemon is stopped
    std::vector<Shard> shards;
    friend bool operator==(const Handover&, const Handover&) = default;

    /// All that is open, in no order.
    std::vector<int> descriptors() const;
};

/// In a text with a version of its format. One line for each client, setting and shard.
std::string write_handover(const Handover& handover);
/// ErrorCode::invalid where it is of another version, or none.
Result<Handover> read_handover(std::string_view text);

/// The variable of the environment that names the descriptor with the text.
inline constexpr const char* kHandoverVariable = "RINGMASTER_HANDOVER";
/// A file in memory with the text, without a name, close-on-exec; or -1 with errno.
int make_handover_file(const Handover& handover);
/// What the environment names, and removes it from there. Nothing: there was no predecessor.
Result<std::optional<Handover>> receive_handover();

/// Whether descriptors get lost when another program is run in this one's place.
void set_close_on_exec(const std::vector<int>& descriptors, bool close) noexcept;

}  // namespace ringmaster::app
