#include "connection.hpp"

#include "ringmaster/http/router.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace ringmaster::http {
namespace {

/// How long, and for how many bytes, a client may go on sending after its last answer.
constexpr std::chrono::milliseconds kLingerTimeout{1000};
constexpr std::uint32_t kLingerBytes = 256 * 1024;

/// "Bad Request" -> "BadRequest": errors of the protocol itself are named after their status.
std::string error_class_of(int status) {
    std::string name;
    for (const char c : reason_phrase(status)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
    }
    return name;
}

}  // namespace

Connection::Connection(ServerCore& core, int family, int fd)
    : core_(core),
      socket_(core.reactor, family, fd),
      parser_(std::in_place, core.limits.request, core.streams_body ? &core.streams_body : nullptr),
      timer_(runtime::Callback::of<&Connection::on_timer>(*this)),
      turn_end_(runtime::Callback::of<&Connection::on_turn_end>(*this)) {
    core_.connections.push_back(*this);
    ++core_.stats.connections;
    ++core_.stats.accepted;
}

Connection::~Connection() {
    if (state_ != State::closed) close();
}

void Connection::start() {
    set_read_deadline(now() + core_.limits.idle_timeout);
    wait_readable();
}

void Connection::drain() {
    enter([this] {
        if (state_ == State::open && incoming_ == nullptr) state_ = State::finishing;
        if (open_answer_ != nullptr) tell_gone();
        go_on();
    });
}

void Connection::cut_off() {
    enter([this] { close(); });
}

// ---------------------------------------------------------------------------------------------
// Entry points

// Whatever goes wrong here is this connection's own misfortune: it is reported, and the connection
// closed. Nothing may touch the connection after this.
template <class Action>
void Connection::enter(Action&& action) noexcept {
    try {
        if (state_ != State::closed) action();
    } catch (...) {
        core_.errors.report("http connection", std::current_exception());
        close();
    }
    if (state_ == State::closed && !reading_ && !writing_) core_.connection_slab.destroy(*this);
}

void Connection::on_readable(bool usable) {
    reading_ = false;
    enter([&] { usable ? read() : close(); });
}

void Connection::on_writable(bool usable) {
    writing_ = false;
    enter([&] {
        if (!usable) return close();
        flush();
    });
}

void Connection::on_turn_end() {
    enter([this] {
        collect_answers();
        parse_leftover();
        flush();
    });
}

void Connection::on_timer() {
    timer_expiry_ = SteadyTime::max();
    enter([this] {
        if (now() >= write_deadline_) return close();
        if (now() < read_deadline_) return arm_timer();
        if (incoming_ == nullptr || state_ != State::open) return close();
        refuse(408, body_timed_ ? "the request's body did not come in time"
                                : "the request's header section did not come in time");
        collect_answers();
        flush();
    });
}

void Connection::answered(Exchange& exchange) {
    exchange.answered = true;
    if (&exchange == incoming_) {
        // The rest of its content is not read, so the connection can't go on behind it.
        incoming_ = nullptr;
        exchange.response.close = true;
        read_deadline_ = SteadyTime::max();
        state_ = State::finishing;
    }
    if (OpenAnswer* open = exchange.response.left_open()) leave_open(*open, exchange);
    if (!parsing_) core_.scheduler().defer(turn_end_);
}

void Connection::want_content(Exchange& exchange) {
    exchange.wants_content = true;
    if (exchange.owes_continue && !parsing_) core_.scheduler().defer(turn_end_);
}

void Connection::content_taken(Exchange& exchange) {
    // Reading goes on where it had stopped.
    if (&exchange == incoming_ && !reading_ && !parsing_) core_.scheduler().defer(turn_end_);
}

bool Connection::has_room_for(const Exchange& exchange) noexcept {
    return in_flight_.front() == &exchange && unsent() < core_.limits.output_high_water_bytes;
}

std::size_t Connection::append_content(Exchange& exchange, const Response& head,
                                       std::string_view part) {
    const std::size_t room = core_.limits.output_high_water_bytes - unsent();
    if (output_.empty()) output_ = core_.take_buffer();
    const bool sends_content = has_content(exchange.request, head);
    if (!exchange.head_sent) {
        const int version = exchange.request.minor_version();
        exchange.head_sent = true;
        exchange.owes_continue = false;
        exchange.chunked = sends_content && version > 0;
        exchange.closes = head.close || !exchange.request.keep_alive() || version == 0 ||
                          state_ != State::open || core_.draining;
        append_response(output_, head,
                        {.head_request = !sends_content,
                         .streamed = true,
                         .keep_alive = !exchange.closes,
                         .minor_version = version,
                         .date = core_.date.at(core_.scheduler().wall_now())});
    }
    if (sends_content) {
        part = part.substr(0, room);
        if (exchange.chunked) {
            append_chunk(output_, part);
        } else {
            output_.append(part);
        }
    }
    core_.scheduler().defer(turn_end_);
    return part.size();
}

// ---------------------------------------------------------------------------------------------
// Answers that were left open

/// What is sent from now on is behind the parts that the handler has sent: its answer is the first
/// of those in flight, and collect_answers() will find it to be the last, too.
void Connection::leave_open(OpenAnswer& answer, const Exchange& exchange) noexcept {
    open_answer_ = &answer;
    answer.connection_ = this;
    ++core_.stats.open_answers;
    chunked_ = exchange.chunked;
    state_ = State::finishing;
    if (!has_content(exchange.request, exchange.response) || core_.draining) tell_gone();
}

bool Connection::send_part(std::string_view part) {
    if (unsent() + part.size() > core_.limits.output_high_water_bytes) return false;
    std::string& frame = core_.frame;
    frame.clear();
    if (chunked_) {
        append_chunk(frame, part);
    } else {
        frame.append(part);
    }
    std::string_view rest = frame;
    if (output_.empty() && !writing_) {
        const net::IoResult put = socket_.write_some(rest);
        rest.remove_prefix(put.bytes);
        if (rest.empty()) return true;
    }
    // Why not all of it has left, flush() finds out.
    if (output_.empty()) output_ = core_.take_buffer();
    output_.append(rest);
    core_.scheduler().defer(turn_end_);
    return true;
}

void Connection::end_open_answer() noexcept {
    open_answer_ = nullptr;
    --core_.stats.open_answers;
    core_.scheduler().defer(turn_end_);
}

void Connection::tell_gone() noexcept {
    OpenAnswer& answer = *open_answer_;
    answer.connection_ = nullptr;
    end_open_answer();
    answer.on_gone();
}

/// The rest of what the handler had begun is sent by `open_answer_`, or nobody.
void Connection::collect_open_answer(Exchange& exchange) {
    core_.recycle(exchange);
    abandon_requests();
    parser_.reset();
    if (!input_ended_) read_deadline_ = SteadyTime::max();
}

// ---------------------------------------------------------------------------------------------
// Requests

void Connection::read() {
    if (state_ != State::open) return discard_input();
    const net::IoResult got = socket_.read_some(core_.read_buffer);
    switch (got.status) {
        case net::IoResult::Status::moved:
            parse({core_.read_buffer.data(), got.bytes});
            collect_answers();
            return flush();
        case net::IoResult::Status::would_block: return wait_readable();
        case net::IoResult::Status::end: return end_of_input();
        case net::IoResult::Status::failed: return close();
    }
}

/// Nothing is read any more but whether the client is still there.
void Connection::discard_input() {
    const net::IoResult got = socket_.read_some(core_.read_buffer);
    discarded_bytes_ += static_cast<std::uint32_t>(got.bytes);
    if (got.status == net::IoResult::Status::end && state_ == State::finishing) {
        return end_of_input();
    }
    const bool more = got.status == net::IoResult::Status::moved ||
                      got.status == net::IoResult::Status::would_block;
    if (!more) return close();
    if (discarded_bytes_ <= kLingerBytes) return wait_readable();
    if (state_ == State::lingering) close();
}

/// The client sends no more. It may have closed only its sending side, or have left: TCP doesn't
/// tell, so what it asked for before has some time to be answered.
void Connection::end_of_input() {
    if (incoming_ != nullptr) abandon_incoming();
    state_ = State::finishing;
    input_ended_ = true;
    set_read_deadline(now() + core_.limits.half_close_timeout);
    collect_answers();
    flush();
}

void Connection::parse(std::string_view bytes) {
    std::size_t requests = 0;
    parsing_ = true;
    while (!bytes.empty() && state_ == State::open && may_begin_request() &&
           requests < core_.limits.max_requests_per_turn) {
        if (incoming_ == nullptr) {
            incoming_ = &core_.take_exchange();
            incoming_->connection = this;
            body_timed_ = false;
            read_deadline_ = now() + core_.limits.header_timeout;
        }
        const auto [status, consumed] = parser_->feed(bytes, incoming_->request);
        bytes.remove_prefix(consumed);
        switch (status) {
            case RequestParser::Status::need_more: break;
            case RequestParser::Status::head_complete:
                incoming_->owes_continue = incoming_->request.expects_continue();
                if (incoming_->request.streams_body()) dispatch(*incoming_);
                break;
            case RequestParser::Status::complete:
                ++requests;
                if (incoming_->dispatched) {
                    content_arrived(true);
                } else {
                    Exchange& whole = *std::exchange(incoming_, nullptr);
                    whole.owes_continue = false;
                    dispatch(whole);
                }
                break;
            case RequestParser::Status::failed:
                refuse(parser_->error().status, parser_->error().message);
                break;
        }
    }
    parsing_ = false;
    if (state_ != State::open) return;
    // Empty lines between requests are not the beginning of one.
    if (incoming_ != nullptr && !parser_->in_request()) {
        core_.recycle(*std::exchange(incoming_, nullptr));
    }
    if (incoming_ != nullptr && incoming_->dispatched) {
        content_arrived(false);
    } else if (incoming_ != nullptr && !body_timed_ && parser_->in_body()) {
        body_timed_ = true;
        read_deadline_ = now() + core_.limits.body_timeout;
    }
    if (bytes.empty()) return;
    unparsed_ = core_.take_buffer();
    unparsed_.assign(bytes);
    // Either its share of this turn is used up, or it has to wait for its own answers.
    if (may_begin_request()) core_.scheduler().defer_to_next_turn(turn_end_);
}

void Connection::parse_leftover() {
    if (unparsed_.empty() || state_ != State::open || !may_begin_request()) return;
    std::string bytes = std::exchange(unparsed_, {});
    parse(bytes);
    core_.recycle(std::move(bytes));
    collect_answers();
}

/// Of a request that is streamed, content is still to come.
void Connection::dispatch(Exchange& exchange) {
    exchange.dispatched = true;
    in_flight_.push_back(exchange);
    ++in_flight_count_;
    ++core_.stats.requests;
    if (&exchange != incoming_) request_complete(exchange);

    const auto deadline = Deadline::at(now() + core_.limits.request_timeout);
    const bool started =
        core_.stats.in_flight < core_.limits.max_requests_in_flight &&
        core_.scheduler().run(
            "http request", [core = &core_, &exchange] { serve(*core, exchange); }, deadline);
    if (started) return;
    ++core_.stats.shed;
    set_unavailable(exchange.response, "ServiceUnavailable",
                    "too many requests are in flight; try again later");
    answered(exchange);
}

/// Nothing more of it will come.
void Connection::request_complete(const Exchange& exchange) {
    read_deadline_ = SteadyTime::max();
    if (!exchange.request.keep_alive() || core_.draining) state_ = State::finishing;
}

/// Some content of the request that is streamed has come, or all.
void Connection::content_arrived(bool complete) {
    Exchange& exchange = *incoming_;
    if (complete) {
        incoming_ = nullptr;
        exchange.content_complete = true;
        exchange.owes_continue = false;
        request_complete(exchange);
    } else {
        read_deadline_ = now() + core_.limits.body_timeout;
        body_timed_ = true;
    }
    exchange.wants_content = false;
    exchange.wake_reader();
}

/// The handler is slower than the client: no more is read until it has taken what there is.
bool Connection::content_is_ahead() const noexcept {
    return incoming_ != nullptr && incoming_->dispatched &&
           RequestParser::content_bytes(incoming_->request) >= core_.limits.input_high_water_bytes;
}

// The connection may have gone when the handler returns, the core may not.
void Connection::serve(ServerCore& core, Exchange& exchange) {
    const auto decline = [&] {
        if (OpenAnswer* open = exchange.response.left_open()) open->on_gone();
    };
    const auto fail = [&](int status, std::string_view error_class, std::string_view message) {
        decline();
        exchange.cut_off = exchange.head_sent;
        exchange.response.clear(0);
        set_error(exchange.response, status, error_class, message);
    };
    exchange.begin();
    ++core.stats.in_flight;
    try {
        core.handler(exchange.request, exchange.response);
    } catch (const runtime::FiberUnwound&) {
        throw;
    } catch (const runtime::Cancelled& cancelled) {
        fail(503, "ServiceUnavailable", cancelled.reason);
    } catch (...) {
        const auto handle = core.errors.report(exchange.request.path(), std::current_exception());
        fail(500, "InternalServiceError", "refer to error handle " + std::to_string(handle));
    }
    --core.stats.in_flight;
    if (exchange.refusal) {
        fail(exchange.refusal->status, error_class_of(exchange.refusal->status),
             exchange.refusal->message);
    }
    if (exchange.connection != nullptr) {
        exchange.connection->answered(exchange);
    } else {
        decline();
        core.recycle(exchange);
    }
}

/// The request that is being read gets an error, and is the last one: where it ends is not known.
void Connection::refuse(int status, std::string_view message) {
    Exchange& exchange = *std::exchange(incoming_, nullptr);
    exchange.owes_continue = false;
    read_deadline_ = SteadyTime::max();
    state_ = State::finishing;
    // Where its handler is at work, that comes to its end first.
    if (exchange.dispatched) return exchange.refuse({status, std::string(message)});
    set_error(exchange.response, status, error_class_of(status), message);
    exchange.response.close = true;
    exchange.answered = true;
    in_flight_.push_back(exchange);
    ++in_flight_count_;
}

bool Connection::may_begin_request() const noexcept {
    // One that has begun is read to its end, or its sender would be timed out for our slowness.
    return incoming_ != nullptr || (in_flight_count_ < core_.limits.pipeline_depth &&
                                    unsent() < core_.limits.output_high_water_bytes);
}

bool Connection::idle() const noexcept {
    return incoming_ == nullptr && in_flight_.empty() && unsent() == 0 && open_answer_ == nullptr &&
           !chunked_ && (unparsed_.empty() || state_ != State::open);
}

// ---------------------------------------------------------------------------------------------
// Answers

void Connection::collect_answers() {
    while (Exchange* exchange = in_flight_.front()) {
        if (!exchange->answered) break;
        in_flight_.pop_front();
        --in_flight_count_;
        if (exchange->response.left_open() != nullptr) {
            collect_open_answer(*exchange);
            break;
        }
        // Where no more requests will be read, the last answer says so.
        const bool last = state_ != State::open && in_flight_.empty() && incoming_ == nullptr;
        const bool close = exchange->response.close || exchange->refusal ||
                           !exchange->request.keep_alive() || exchange->closes ||
                           exchange->cut_off || last;
        if (exchange->head_sent) {
            end_stream(*exchange);
            core_.recycle(*exchange);
        } else {
            append_answer(*exchange, close);
        }
        if (state_ == State::closed) return;
        if (close) {
            state_ = State::finishing;
            return abandon_requests();
        }
    }
    if (chunked_ && open_answer_ == nullptr) {
        if (output_.empty()) output_ = core_.take_buffer();
        append_last_chunk(output_);
        chunked_ = false;
    }
    append_continue();
    wake_writer();
}

/// Before the content of a request that is streamed, when its handler asks for it.
void Connection::append_continue() {
    if (incoming_ == nullptr || !incoming_->owes_continue) return;
    const bool its_turn = incoming_->dispatched
                              ? in_flight_.front() == incoming_ && incoming_->wants_content
                              : in_flight_.empty();
    if (!its_turn) return;
    incoming_->owes_continue = false;
    if (output_.empty()) output_ = core_.take_buffer();
    output_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

/// Behind the last part of a streamed answer.
void Connection::end_stream(const Exchange& exchange) {
    if (!exchange.cut_off) {
        if (exchange.chunked) append_last_chunk(output_);
    } else if (!exchange.chunked) {
        // Its end would look like that of the content.
        socket_.reset_when_closed();
        close();
    }
}

/// Not for every few bytes that have left: that would make many small parts of a large one.
void Connection::wake_writer() noexcept {
    if (in_flight_.empty() || unsent() > core_.limits.output_high_water_bytes / 2) return;
    in_flight_.front()->wake_writer();
}

void Connection::append_answer(Exchange& exchange, bool close) {
    if (output_.empty()) output_ = core_.take_buffer();
    append_response(output_, exchange.response,
                    {.head_request = exchange.request.method() == Method::head,
                     .keep_alive = !close,
                     .minor_version = exchange.request.minor_version(),
                     .date = core_.date.at(core_.scheduler().wall_now())});
    core_.recycle(exchange);
}

/// The rest of the request that is being read will not come.
void Connection::abandon_incoming() noexcept {
    Exchange& exchange = *std::exchange(incoming_, nullptr);
    if (!exchange.dispatched) return core_.recycle(exchange);
    static_cast<ListHook<Connection>&>(exchange).unlink();
    --in_flight_count_;
    ++core_.stats.abandoned;
    exchange.abandon();
}

// Fibers that still work for this connection keep their exchange and recycle it themselves.
void Connection::abandon_requests() noexcept {
    if (incoming_ != nullptr) abandon_incoming();
    while (Exchange* exchange = in_flight_.pop_front()) {
        if (exchange->answered) {
            core_.recycle(*exchange);
        } else {
            ++core_.stats.abandoned;
            exchange->abandon();
        }
    }
    in_flight_count_ = 0;
    core_.recycle(std::exchange(unparsed_, {}));
}

void Connection::flush() {
    if (state_ == State::closed) return;
    if (writing_) return go_on();
    while (unsent() > 0) {
        const net::IoResult put = socket_.write_some(std::string_view(output_).substr(sent_));
        if (put.status == net::IoResult::Status::moved) {
            sent_ += put.bytes;
            if (input_ended_) read_deadline_ = now() + core_.limits.half_close_timeout;
            continue;
        }
        if (put.status != net::IoResult::Status::would_block) return close();
        output_.erase(0, std::exchange(sent_, 0));
        wake_writer();
        writing_ = true;
        write_deadline_ = now() + core_.limits.write_timeout;
        arm_timer();
        socket_.wait_writable([this](bool usable) { on_writable(usable); });
        return go_on();
    }
    sent_ = 0;
    if (output_.capacity() > 0) core_.recycle(std::exchange(output_, {}));
    write_deadline_ = SteadyTime::max();
    wake_writer();
    go_on();
}

/// What comes next, now that everything that could be done has been done.
void Connection::go_on() {
    if (state_ == State::finishing) {
        if (idle()) return linger();
        // Who waits for an answer is watched: if he leaves, nobody needs to work for it any more.
        if (!input_ended_ && discarded_bytes_ <= kLingerBytes) wait_readable();
        return arm_timer();
    }
    if (state_ != State::open) return;
    if (!unparsed_.empty()) {
        if (may_begin_request()) core_.scheduler().defer_to_next_turn(turn_end_);
        return;
    }
    if (idle()) read_deadline_ = now() + core_.limits.idle_timeout;
    if (content_is_ahead()) {
        read_deadline_ = SteadyTime::max();
    } else if (may_begin_request()) {
        if (incoming_ != nullptr && incoming_->dispatched && read_deadline_ == SteadyTime::max()) {
            read_deadline_ = now() + core_.limits.body_timeout;
        }
        wait_readable();
    }
    arm_timer();
}

void Connection::linger() {
    state_ = State::lingering;
    socket_.shutdown_write();
    set_read_deadline(now() + kLingerTimeout);
    wait_readable();
}

void Connection::close() noexcept {
    state_ = State::closed;
    if (open_answer_ != nullptr) tell_gone();
    abandon_requests();
    core_.recycle(std::exchange(output_, {}));
    timer_.cancel();
    turn_end_.unlink();
    socket_.close();
    unlink();
    --core_.stats.connections;
    if (core_.on_connection_gone) core_.on_connection_gone();
}

// ---------------------------------------------------------------------------------------------
// Waiting

void Connection::wait_readable() {
    if (reading_) return;
    reading_ = true;
    socket_.wait_readable([this](bool usable) { on_readable(usable); });
}

void Connection::set_read_deadline(SteadyTime when) {
    read_deadline_ = when;
    arm_timer();
}

// Deadlines move with every request, the timer only when it would be late: most of the time it is
// early, finds that nothing is due, and is set to the present deadline.
void Connection::arm_timer() {
    const SteadyTime due = std::min(read_deadline_, write_deadline_);
    if (due >= timer_expiry_) return;
    timer_expiry_ = due;
    core_.scheduler().timers().schedule(timer_, due);
}

}  // namespace ringmaster::http
