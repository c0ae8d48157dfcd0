#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/net/stream_socket.hpp"
#include "ringmaster/runtime/reactor.hpp"
#include "ringmaster/shard/peer_format.hpp"

#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace ringmaster::shard {

struct PeerConnectionLimits {
    FrameLimits frames{};
    /// While more than this is unsent, no frames are taken from the other side. Only one of the two
    /// sides may have this limit, or both could wait for each other.
    std::size_t high_water_bytes = std::numeric_limits<std::size_t>::max();
};

/// One side of a connection between two shards: greetings, and frames in both directions. What is
/// sent in one turn leaves in one write; frames are decoded where they were read to. On the
/// reactor's stack, but for send(). Stays in memory for as long as a wait of its socket is out.
class PeerConnection : public std::enable_shared_from_this<PeerConnection> {
  public:
    /// Who uses the connection.
    class User {
      public:
        /// A frame has come; `payload` is valid until this returns. False: it makes no sense, and
        /// the connection ends.
        virtual bool on_frame(const FrameHead& head, std::string_view payload) = 0;
        /// The connection has ended by itself, and the user is not called again.
        /// ErrorCode::damaged where nonsense came over it, else ErrorCode::closed.
        virtual void on_end(const Error& why) = 0;
        virtual ~User() = default;
    };

    /// Takes over `fd`, a connected Unix socket, and begins. ErrorCode::closed where the kernel
    /// refuses to watch it.
    static Result<std::shared_ptr<PeerConnection>> start(runtime::Reactor& reactor, User& user,
                                                         const PeerConnectionLimits& limits,
                                                         int fd);
    /// Use start().
    PeerConnection(runtime::Reactor& reactor, User& user, const PeerConnectionLimits& limits,
                   int fd);

    /// `head.payload_bytes` is set here. ErrorCode::invalid where the payload is larger than the
    /// limits allow; then nothing is sent.
    Result<void> send(FrameHead head, std::string_view payload);
    std::size_t unsent() const noexcept { return output_.size() - sent_; }
    /// Whether the other side has greeted: it is there, and is a shard that can be talked to.
    bool was_greeted() const noexcept { return was_greeted_; }

    /// No frames are taken until resume(). May be called in on_frame().
    void pause() noexcept { is_paused_ = true; }
    void resume() noexcept;
    /// Takes no more frames, and ends when all is sent, with ErrorCode::closed.
    void finish() noexcept;
    /// Ends now; the user is not called any more. Harmless where it has ended.
    void close() noexcept;

  private:
    void on_readable(bool usable);
    void on_writable(bool usable);
    void on_turn_end();
    template <class Action>
    void enter(Action&& action) noexcept;

    void read();
    void take_frames();
    void make_room(std::size_t bytes);
    void flush();
    void wait_readable();
    void end(const Error& why);
    bool may_take_frames() const noexcept {
        return user_ != nullptr && !is_paused_ && unsent() <= limits_.high_water_bytes;
    }

    runtime::Reactor& reactor_;
    User* user_;  ///< null once it has ended
    const PeerConnectionLimits limits_;
    net::StreamSocket socket_;
    runtime::Deferred turn_end_;
    std::unique_ptr<char[]> input_;  ///< [begin_, end_) is read, and not yet decoded
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::string output_;  ///< of which sent_ bytes are sent
    std::size_t sent_ = 0;
    bool was_greeted_ = false;
    bool is_paused_ = false;
    bool is_finishing_ = false;
    bool reading_ = false;  ///< a wait for bytes is out
    bool writing_ = false;  ///< a wait for room is out
};

}  // namespace ringmaster::shard
