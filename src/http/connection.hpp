#pragma once

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/http/open_answer.hpp"
#include "ringmaster/net/stream_socket.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server_core.hpp"

namespace ringmaster::http {

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

    /// Ends now, whatever is in flight.
    void cut_off();

    // For handlers, in their fibers. None of these destroys the connection.

    /// A handler has filled in the exchange's response, or sent it.
    void answered(Exchange& exchange);
    /// More of the request's content is wanted than has come.
    void want_content(Exchange& exchange);
    /// What had come was taken.
    void content_taken(Exchange& exchange);
    /// Whether a part of that answer may leave now: the ones before it have, and not too much is
    /// unsent. Where not, Exchange::wake_writer() is called when it may.
    bool has_room_for(const Exchange& exchange) noexcept;
    /// Appends as much of `part` as there is room for, behind `head` where that is to come first.
    /// Returns how much. Precondition: has_room_for().
    std::size_t append_content(Exchange& exchange, const Response& head, std::string_view part);

    // For an answer that was left open. Neither destroys the connection.

    /// As OpenAnswer::send().
    bool send_part(std::string_view part);
    /// Nothing more of it will come.
    void end_open_answer() noexcept;

    /// Bytes that wait for the client to take them.
    std::size_t unsent() const noexcept { return output_.size() - sent_; }

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
    void end_of_input();
    void parse(std::string_view bytes);
    void parse_leftover();
    void dispatch(Exchange& exchange);
    static void serve(ServerCore& core, Exchange& exchange);
    void request_complete(const Exchange& exchange);
    void content_arrived(bool complete);
    bool content_is_ahead() const noexcept;
    void refuse(int status, std::string_view message);
    bool may_begin_request() const noexcept;
    bool idle() const noexcept;

    void collect_answers();
    void append_answer(Exchange& exchange, bool close);
    void end_stream(const Exchange& exchange);
    void leave_open(OpenAnswer& answer, const Exchange& exchange) noexcept;
    void collect_open_answer(Exchange& exchange);
    void tell_gone() noexcept;
    void append_continue();
    void wake_writer() noexcept;
    void abandon_incoming() noexcept;
    void abandon_requests() noexcept;
    void flush();
    void go_on();
    void linger();
    void close() noexcept;

    void wait_readable();
    void set_read_deadline(SteadyTime when);
    void arm_timer();
    SteadyTime now() const noexcept { return core_.reactor.scheduler().now(); }

    ServerCore& core_;
    net::StreamSocket socket_;
    /// None any more behind a request whose answer was left open: it is the last one.
    std::optional<RequestParser> parser_;
    runtime::Timer timer_;
    runtime::Deferred turn_end_;
    SteadyTime read_deadline_ = SteadyTime::max();   ///< for the client's next bytes
    SteadyTime write_deadline_ = SteadyTime::max();  ///< for the client to take some bytes
    SteadyTime timer_expiry_ = SteadyTime::max();    ///< may lie before both: deadlines move often
    IntrusiveList<Exchange, Connection> in_flight_;  ///< in the order of the requests
    Exchange* incoming_ = nullptr;                   ///< the request that is being read
    OpenAnswer* open_answer_ = nullptr;              ///< of a handler that has returned
    std::string unparsed_;                           ///< read, but not to be looked at yet
    std::string output_;                             ///< of which sent_ bytes are sent
    std::size_t sent_ = 0;
    std::uint32_t in_flight_count_ = 0;
    std::uint32_t discarded_bytes_ = 0;
    State state_ = State::open;
    bool input_ended_ = false;
    bool reading_ = false;     ///< a wait for bytes is out
    bool writing_ = false;     ///< a wait for room is out
    bool parsing_ = false;     ///< answers are collected when the whole read has been looked at
    bool chunked_ = false;     ///< the open answer's content goes out in chunks
    bool body_timed_ = false;  ///< the time for the body is running, not for the head
};

}  // namespace ringmaster::http
