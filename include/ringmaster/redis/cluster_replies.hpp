#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis/key_slot.hpp"
#include "ringmaster/redis/redis_url.hpp"
#include "ringmaster/redis/reply.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ringmaster::redis {

/// Which server of a cluster is the primary of which slot.
class SlotMap {
  public:
    static constexpr std::size_t kMaxServers = 1000;  ///< as many as Redis recommends at most

    SlotMap() : owners_(kSlots, kNobody) {}

    /// Reads the reply to CLUSTER SLOTS, which `asked` has given: where it leaves a host out, its
    /// own is meant. ErrorCode::invalid where it is something else, too much, or has no slots.
    static Result<SlotMap> from_reply(const Reply& reply, const ServerAddress& asked);

    /// Null where nobody serves the slot.
    const ServerAddress* primary(std::uint16_t slot) const noexcept;
    /// What MOVED says. Where there are kMaxServers already, nothing.
    void move(std::uint16_t slot, const ServerAddress& to);

    /// Those that have slots; after move() maybe one that had.
    const std::vector<ServerAddress>& primaries() const noexcept { return primaries_; }
    const std::vector<ServerAddress>& replicas() const noexcept { return replicas_; }
    bool has(const ServerAddress& server) const noexcept;

    friend bool operator==(const SlotMap&, const SlotMap&) noexcept = default;

  private:
    static constexpr std::uint16_t kNobody = 0xffff;

    std::vector<ServerAddress> primaries_;
    std::vector<ServerAddress> replicas_;
    std::vector<std::uint16_t> owners_;  ///< of each slot: index in primaries_
};

/// Whether the reply to CLUSTER INFO says that commands are carried out.
bool is_state_ok(const Reply& reply) noexcept;

/// "Ask another server", as an error of a command.
struct Redirect {
    enum class Kind : std::uint8_t {
        moved,  ///< for good: this is the slot's server
        ask,    ///< for this once, after ASKING: the slot is on its way there
    };
    Kind kind;
    std::uint16_t slot;
    ServerAddress to;
};

/// Reads "MOVED 3999 127.0.0.1:6381" and the same with ASK, which `asked` has answered. Nothing
/// where it is another error, or names no server that could be found.
std::optional<Redirect> parse_redirect(const Reply& reply, const ServerAddress& asked);

}  // namespace ringmaster::redis
