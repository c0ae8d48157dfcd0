#pragma once

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/http/server.hpp"
#include "ringmaster/net/stream_socket.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::http {

class Connection;
struct ServerCore;

/// One request and its answer, from the request's first byte to the answer's serialisation. Reused,
/// so that a request costs no allocation. Owned by the ServerCore, used by a connection or, where
/// that has gone, by the handler's fiber alone.
struct Exchange : ListHook<Connection>, ListHook<ServerCore> {
    Request request;
    Response response;
    Connection* connection = nullptr;  ///< null once the client has gone
    bool answered = false;
    bool owes_continue = false;  ///< "100 Continue" is due when it is this one's turn
};

/// What the connections of one server share.
struct ServerCore {
    ServerCore(runtime::Reactor& r, RequestHandler h, const ServerLimits& l, ErrorReporter& e);
    ~ServerCore();

    Exchange& take_exchange();
    void recycle(Exchange& exchange) noexcept;
    std::string take_buffer() noexcept;
    void recycle(std::string&& buffer) noexcept;

    runtime::Scheduler& scheduler() noexcept { return reactor.scheduler(); }

    runtime::Reactor& reactor;
    const RequestHandler handler;
    const ServerLimits limits;
    ErrorReporter& errors;
    ServerStats stats;
    DateCache date;
    std::vector<char> read_buffer;  ///< for whichever connection is readable at the moment
    bool draining = false;
    IntrusiveList<Connection, ServerCore> connections;
    std::function<void()> on_connection_gone;

  private:
    IntrusiveList<Exchange, ServerCore> exchanges_;        ///< all that exist
    IntrusiveList<Exchange, Connection> spare_exchanges_;  ///< of those, the ones nobody uses
    std::size_t spare_count_ = 0;
    std::vector<std::string> spare_buffers_;
};

/// One client. Destroys itself when it is closed and the last of its waits has been answered.
class Connection : public ListHook<ServerCore> {
  public:
    /// Takes over `fd`; throws boost::system::system_error where the kernel refuses to watch it.
    Connection(ServerCore& core, int family, int fd);
    ~Connection();

    /// Begins to read.
    void start();
    /// Reads no more requests than the one that has begun, and ends when nothing is in flight.
    void drain();
    /// A handler has filled in the exchange's response. Does not destroy the connection.
    void answered(Exchange& exchange);

  private:
    enum class State : std::uint8_t {
        open,
        finishing,  ///< no more requests are read; what is in flight is answered, then:
        lingering,  ///< all is sent; waits for the client to close, so that no reset overtakes the
                    ///< last answer (RFC 9112, 9.6)
        closed,
    };

    // The entry points: each is called from the reactor's stack, and ends with leave().
    void on_readable(bool usable);
    void on_writable(bool usable);
    void on_timer();
    void on_turn_end();
    template <class Action>
    void enter(Action&& action) noexcept;

    void read();
    void discard_input();
    void parse(std::string_view bytes);
    void parse_leftover();
    void dispatch(Exchange& exchange);
    static void serve(ServerCore& core, Exchange& exchange);
    void refuse(int status, std::string_view message);
    bool may_begin_request() const noexcept;
    bool idle() const noexcept;

    void collect_answers();
    void append_answer(Exchange& exchange, bool close);
    void abandon_requests() noexcept;
    void flush();
    void go_on();
    void linger();
    void close() noexcept;

    void wait_readable();
    void set_read_deadline(SteadyTime when);
    void arm_timer();
    SteadyTime now() const noexcept { return core_.reactor.scheduler().now(); }
    std::size_t unsent() const noexcept { return output_.size() - sent_; }

    ServerCore& core_;
    net::StreamSocket socket_;
    RequestParser parser_;
    runtime::Timer timer_;
    runtime::Deferred turn_end_;
    SteadyTime read_deadline_ = SteadyTime::max();   ///< for the client's next bytes
    SteadyTime write_deadline_ = SteadyTime::max();  ///< for the client to take some bytes
    SteadyTime timer_expiry_ = SteadyTime::max();    ///< may lie before both: deadlines move often
    IntrusiveList<Exchange, Connection> in_flight_;  ///< in the order of the requests
    Exchange* incoming_ = nullptr;                   ///< the request that is being read
    std::string unparsed_;                           ///< read, but not to be looked at yet
    std::string output_;                             ///< of which sent_ bytes are sent
    std::size_t sent_ = 0;
    std::uint32_t in_flight_count_ = 0;
    std::uint32_t discarded_bytes_ = 0;
    State state_ = State::open;
    bool reading_ = false;     ///< a wait for bytes is out
    bool writing_ = false;     ///< a wait for room is out
    bool parsing_ = false;     ///< answers are collected when the whole read has been looked at
    bool body_timed_ = false;  ///< the time for the body is running, not for the head
};

}  // namespace ringmaster::http
