#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/redis/client.hpp"
#include "ringmaster/redis/request.hpp"
#include "ringmaster/redis/server.hpp"

#include <chrono>
#include <cstdint>
#include <random>

namespace ringmaster::redis {

/// Whether a server can't carry out a command for the time being: it is loading, busy with a
/// script, or is not (or no longer) the one that may. The command has not been carried out then.
bool is_for_later(const Reply& reply) noexcept;

/// Whether the server refuses us: not the command's own business, and not to be tried again.
bool refuses_us(const Reply& reply) noexcept;

/// What to do about a call whose request has come to its end.
enum class Next : std::uint8_t {
    done,         ///< call.answer is its answer
    again_now,    ///< the connection was lost, and it may be sent once more
    again_later,  ///< the server says so; call.answer is the error for when there is no time
};

/// A call whose answer is too long, or that kills the server, must not do so for ever.
inline constexpr unsigned kMostLosses = 3;

/// Moves what became of `request` to `call`. `losses`: how often it may have lost its connection
/// before.
Next settle(Call& call, Request& request, unsigned losses);

/// How long to wait before a server is asked again that said "later": a little longer each time.
class LaterPauses {
  public:
    explicit LaterPauses(std::minstd_rand& random) noexcept : random_(random) {}
    std::chrono::milliseconds next();

  private:
    static constexpr std::chrono::milliseconds kFirst{10};
    static constexpr std::chrono::milliseconds kMost{200};
    std::minstd_rand& random_;
    std::chrono::milliseconds pause_ = kFirst;
};

/// The options of each server of a client.
ServerOptions server_options(const ClientOptions& options);

}  // namespace ringmaster::redis
