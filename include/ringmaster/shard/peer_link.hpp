#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/endpoint.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/peer_format.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::shard {

struct PeerLinkOptions {
    std::string peer = "another shard";  ///< what logs and errors call it, e.g. "shard 3"
    std::size_t max_calls = 1024;        ///< under way at one time; up to 65536
    std::size_t max_unsent_bytes = 4 * 1024 * 1024;  ///< while more wait, no call is taken
    FrameLimits frames{};
    /// After an attempt to connect that came to nothing, for so long there is no other.
    std::chrono::milliseconds retry_after{5};
};

struct PeerLinkStats {
    std::uint64_t calls = 0;         ///< sent
    std::uint64_t refused = 0;       ///< not even sent: too many under way, or nobody there
    std::uint64_t timeouts = 0;      ///< calls whose answer did not come in time
    std::uint64_t late_answers = 0;  ///< to calls for which nobody waited any more
    std::uint64_t connections = 0;   ///< made; one more than reconnects
    std::uint64_t failures = 0;      ///< attempts to connect that came to nothing
    std::size_t under_way = 0;       ///< calls, now
};

/// A connection to another shard that is kept, and made anew when a call needs it. Calls overtake
/// each other as their answers do; all that are made in one turn leave in one write. Belongs to one
/// reactor.
class PeerLink {
  public:
    /// Gives a connected Unix socket, of which the link becomes the owner. Does not suspend.
    using Connect = std::function<Result<int>()>;

    /// Whoever has made a call and waits for its answer. On destruction it waits no more, and the
    /// answer, when it comes, is dropped. Must not outlive the link.
    class Call {
      public:
        Call() noexcept = default;
        Call(const Call&) = delete;
        Call& operator=(const Call&) = delete;
        virtual ~Call() { leave(); }

        /// The answer, on the reactor's stack; `payload` is valid until this returns. False: it
        /// makes no sense. Then the connection ends, and lost() follows.
        virtual bool answered(const FrameHead& head, std::string_view payload) = 0;
        /// There will be no answer. On the reactor's stack; must not make a call.
        virtual void lost(const Error& why) = 0;

        /// The deadline has passed: waits no more.
        void time_out() noexcept;
        /// The same for other reasons. Harmless where it does not wait.
        void leave() noexcept;

      private:
        friend class PeerLink;
        PeerLink* link_ = nullptr;  ///< null unless it waits
        std::uint64_t id_ = 0;
    };

    PeerLink(runtime::Reactor& reactor, Log& log, PeerLinkOptions options, Connect connect);
    /// No call is under way then.
    ~PeerLink();

    /// Makes a call, whose answer is awaited until `deadline` by whoever waits: the link only tells
    /// it the other side. Does not suspend. Fails at once, and `call` does not wait then, with
    /// ErrorCode::unavailable where too much is under way or unsent, with ErrorCode::closed where
    /// nobody is there, and with ErrorCode::invalid where the payload is larger than allowed.
    Result<void> send(Call& call, CallType type, Deadline deadline, std::string_view payload);

    PeerLinkStats stats() const noexcept;
    const std::string& peer() const noexcept;
    runtime::Scheduler& scheduler() const noexcept;

  private:
    class State;
    std::unique_ptr<State> state_;
};

/// Connects to a Unix socket, which comes to its end at once. ErrorCode::closed where nobody
/// listens, ErrorCode::unavailable where too many wait there already to be accepted.
PeerLink::Connect connect_to(net::Endpoint endpoint);

}  // namespace ringmaster::shard
