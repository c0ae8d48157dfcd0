#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace ringmaster::app {

/// A shard's end of the socket between it and its supervisor: see the channel namespace in
/// shard_process.hpp for what is said there. One fiber listens, any may speak.
class SupervisorLink {
  public:
    static constexpr std::size_t kMaxLineBytes = 4096;

    /// Takes over `fd`.
    SupervisorLink(runtime::Reactor& reactor, int fd);

    /// Suspends. The next line, without its end. ErrorCode::closed where the supervisor is gone,
    /// ErrorCode::invalid for a line that is too long.
    Result<std::string> hear();
    /// Suspends. `word`, or where there is a text, `word` and that; newlines in it become blanks,
    /// and what exceeds a line is cut off. Where the supervisor is gone, nobody misses it.
    void say(std::string_view word, std::string_view text = {});

  private:
    net::SocketStream stream_;
    runtime::Mutex speaking_;
    std::string heard_;  ///< and not taken yet
};

/// One line of the channel.
std::string channel_line(std::string_view word, std::string_view text = {});

}  // namespace ringmaster::app
