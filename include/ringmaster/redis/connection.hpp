#pragma once

#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/result.hpp"
#include "ringmaster/net/stream.hpp"
#include "ringmaster/redis/reply_reader.hpp"
#include "ringmaster/redis/request.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace ringmaster::redis {

/// Who a server is told we are.
struct Login {
    std::string user = {};      ///< empty: the default user
    std::string password = {};  ///< empty: no AUTH. Stands in no error text
    unsigned database = 0;
    std::string client_name = {};  ///< empty: none
};

struct ConnectionOptions {
    ReplyLimits replies{};
    std::size_t max_queued_bytes = 16u << 20;          ///< not yet written
    std::size_t max_pending = 10'000;                  ///< commands without a reply
    std::chrono::milliseconds ping_period{5'000};      ///< idle for so long: asks whether it lives
    std::chrono::milliseconds silence_timeout{3'000};  ///< a reply is due, and no byte comes: dead
};

/// Of all connections of one server together: outlives each of them.
struct ConnectionCounters {
    std::uint64_t writes = 0;      ///< calls / writes is the depth of pipelines
    std::uint64_t tombstones = 0;  ///< replies for which nobody waited any more
};

/// A connection that is logged in, and over which requests are pipelined: those of one turn leave
/// in one write, at its end, and replies are matched in order. A request that is given up leaves
/// its place in the queue behind, and its reply is dropped. When the connection ends, for whatever
/// reason, all its requests end with Outcome::lost, and each knows whether it may have been sent.
///
/// Has two fibers, which keep it in memory until they have ended, and a pass through the owner's
/// gate for each.
class Connection final : public Carrier, public std::enable_shared_from_this<Connection> {
  public:
    /// Suspends: AUTH, SELECT and CLIENT SETNAME, in one write. ErrorCode::timeout at `deadline`;
    /// ErrorCode::invalid where the server refuses who we are, with its text;
    /// ErrorCode::unavailable where it can't serve us now (it is loading, too many clients), or
    /// there is no fiber; ErrorCode::closed where it has hung up. `counters`, `gate` and what the
    /// functions refer to must live until the gate has been closed.
    static Result<std::shared_ptr<Connection>> open(
        runtime::Scheduler& scheduler, runtime::Gate& gate, std::unique_ptr<net::Stream> stream,
        const Login& login, const ConnectionOptions& options, ConnectionCounters& counters,
        Deadline deadline);

    /// Called when it has ended by itself, once, in whatever fiber or on the scheduler's stack;
    /// must not suspend.
    void on_end(std::function<void(const Error&)> function) { on_end_ = std::move(function); }
    /// Makes it a connection for SUBSCRIBE: called for each message, in the fiber that reads; must
    /// not suspend. Replies to SUBSCRIBE and PING go to their requests as ever.
    void on_message(std::function<void(std::string_view payload)> function) {
        on_message_ = std::move(function);
    }

    /// Takes the request; does not suspend. Where the connection has ended, or is full, the request
    /// ends at once with Outcome::lost or Outcome::refused.
    void send(Request& request, Deadline deadline) {
        request.begin(*this, deadline);
        take(request);
    }
    /// The same with one that another carrier has had.
    void take(Request& request);

    /// Ends it now; on_end is not called. Harmless where it has ended.
    void close() noexcept;

    bool is_open() const noexcept { return open_; }
    /// Whether the server has said anything since it was opened.
    bool has_heard() const noexcept { return has_heard_; }
    /// Commands that have no reply yet.
    std::size_t pending() const noexcept { return pending_.size(); }

    bool forget(Request& request) noexcept override;

    class Session;
    /// Use open().
    Connection(runtime::Scheduler& scheduler, std::unique_ptr<Session> session,
               const ConnectionOptions& options, ConnectionCounters& counters);
    ~Connection() override;

  private:
    /// What is due: of a request, of one that was given up, or of nobody's.
    struct Place {
        enum class Kind : std::uint8_t { request, given_up, dropped };
        Kind kind;
        Request* request;         ///< null unless of a request
        std::uint64_t begins_at;  ///< in bytes queued since the beginning
    };

    bool start(runtime::Gate& gate);
    bool start_fiber(runtime::Gate& gate, const char* name, runtime::Task& task,
                     Result<void> (Connection::*work)());
    Result<void> read();
    Result<void> write();
    bool deliver(Reply&& reply);
    void enqueue(Place::Kind kind, Request* request, std::string_view bytes);
    void wake_writer() noexcept { writable_.notify_one(); }
    void check_health();
    void end(const Error& why);
    void shut(const Error& why) noexcept;
    bool may_have_left(const Place& place) const noexcept { return place.begins_at < handed_; }

    runtime::Scheduler& scheduler_;
    std::unique_ptr<Session> session_;
    const ConnectionOptions options_;
    ConnectionCounters& counters_;
    std::function<void(const Error&)> on_end_;
    std::function<void(std::string_view)> on_message_;

    std::deque<Place> pending_;
    std::uint64_t first_place_ = 0;  ///< of pending_.front()
    std::string output_;             ///< queued
    std::string leaving_;            ///< being written
    std::uint64_t queued_ = 0;       ///< bytes, since the beginning
    std::uint64_t handed_ = 0;       ///< of them, to the stream
    runtime::WaitQueue writable_;
    runtime::Deferred turn_end_;
    runtime::Timer health_;
    SteadyTime heard_at_;   ///< when bytes came last
    SteadyTime due_since_;  ///< when pending_ was empty last
    runtime::Task reader_;
    runtime::Task writer_;
    bool open_ = true;
    bool has_heard_ = false;
};

}  // namespace ringmaster::redis
