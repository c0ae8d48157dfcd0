#include "connection.hpp"

#include "ringmaster/http/router.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

namespace ringmaster::http {
namespace {

/// What one read may bring; a request of usual size is whole in it.
constexpr std::size_t kReadBufferBytes = 64 * 1024;
/// Buffers that were larger than this are given back instead of being kept for the next request.
constexpr std::size_t kKeepBytes = 64 * 1024;
constexpr std::size_t kSpareExchanges = 256;
constexpr std::size_t kSpareBuffers = 64;
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

ServerCore::ServerCore(runtime::Reactor& r, RequestHandler h, const ServerLimits& l,
                       ErrorReporter& e)
    : reactor(r), handler(std::move(h)), limits(l), errors(e), read_buffer(kReadBufferBytes) {
    spare_buffers_.reserve(kSpareBuffers);
}

ServerCore::~ServerCore() {
    while (Exchange* exchange = exchanges_.pop_front()) delete exchange;
}

Exchange& ServerCore::take_exchange() {
    if (Exchange* spare = spare_exchanges_.pop_front()) {
        --spare_count_;
        return *spare;
    }
    auto* fresh = new Exchange;
    exchanges_.push_back(*fresh);
    return *fresh;
}

void ServerCore::recycle(Exchange& exchange) noexcept {
    if (spare_count_ == kSpareExchanges) {
        delete &exchange;
        return;
    }
    exchange.request.clear(kKeepBytes);
    exchange.response.clear(kKeepBytes);
    exchange.connection = nullptr;
    exchange.answered = exchange.owes_continue = false;
    spare_exchanges_.push_front(exchange);
    ++spare_count_;
}

std::string ServerCore::take_buffer() noexcept {
    if (spare_buffers_.empty()) return {};
    std::string buffer = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffer;
}

void ServerCore::recycle(std::string&& buffer) noexcept {
    std::string taken = std::exchange(buffer, {});
    if (taken.capacity() > kKeepBytes || spare_buffers_.size() == kSpareBuffers) return;
    taken.clear();
    spare_buffers_.push_back(std::move(taken));
}

Connection::Connection(ServerCore& core, int family, int fd)
    : core_(core),
      socket_(core.reactor, family, fd),
      parser_(core.limits.request),
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
        go_on();
    });
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
    if (state_ == State::closed && !reading_ && !writing_) delete this;
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
    if (!parsing_) core_.scheduler().defer(turn_end_);
}

// ---------------------------------------------------------------------------------------------
// Requests

void Connection::read() {
    if (state_ == State::lingering) return discard_input();
    const net::IoResult got = socket_.read_some(core_.read_buffer);
    switch (got.status) {
        case net::IoResult::Status::moved:
            parse({core_.read_buffer.data(), got.bytes});
            collect_answers();
            return flush();
        case net::IoResult::Status::would_block: return wait_readable();
        case net::IoResult::Status::end:
            // It may have closed only its sending side: what it asked for before is answered.
            if (incoming_ != nullptr) core_.recycle(*std::exchange(incoming_, nullptr));
            read_deadline_ = SteadyTime::max();
            state_ = State::finishing;
            return go_on();
        case net::IoResult::Status::failed: return close();
    }
}

void Connection::discard_input() {
    const net::IoResult got = socket_.read_some(core_.read_buffer);
    discarded_bytes_ += static_cast<std::uint32_t>(got.bytes);
    const bool more = got.status == net::IoResult::Status::moved ||
                      got.status == net::IoResult::Status::would_block;
    if (!more || discarded_bytes_ > kLingerBytes) return close();
    wait_readable();
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
        const auto [status, consumed] = parser_.feed(bytes, incoming_->request);
        bytes.remove_prefix(consumed);
        switch (status) {
            case RequestParser::Status::need_more: break;
            case RequestParser::Status::head_complete: incoming_->owes_continue = true; break;
            case RequestParser::Status::complete:
                ++requests;
                dispatch(*std::exchange(incoming_, nullptr));
                break;
            case RequestParser::Status::failed:
                refuse(parser_.error().status, parser_.error().message);
                break;
        }
    }
    parsing_ = false;
    if (state_ != State::open) return;
    // Empty lines between requests are not the beginning of one.
    if (incoming_ != nullptr && !parser_.in_request()) {
        core_.recycle(*std::exchange(incoming_, nullptr));
    }
    if (incoming_ != nullptr && !body_timed_ && parser_.in_body()) {
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

void Connection::dispatch(Exchange& exchange) {
    exchange.owes_continue = false;
    in_flight_.push_back(exchange);
    ++in_flight_count_;
    ++core_.stats.requests;
    read_deadline_ = SteadyTime::max();
    if (!exchange.request.keep_alive() || core_.draining) state_ = State::finishing;

    const auto deadline = Deadline::at(now() + core_.limits.request_timeout);
    const bool started = core_.scheduler().run(
        "http request", [core = &core_, &exchange] { serve(*core, exchange); }, deadline);
    if (started) return;
    ++core_.stats.shed;
    set_error(exchange.response, 503, "ServiceUnavailable",
              "too many requests are in flight; try again later");
    exchange.response.add_header("Retry-After", "1");
    exchange.answered = true;
}

// The connection may have gone when the handler returns, the core may not.
void Connection::serve(ServerCore& core, Exchange& exchange) {
    try {
        core.handler(exchange.request, exchange.response);
    } catch (const runtime::FiberUnwound&) {
        throw;
    } catch (...) {
        const auto handle = core.errors.report(exchange.request.path(), std::current_exception());
        exchange.response.clear(kKeepBytes);
        set_error(exchange.response, 500, "InternalServiceError",
                  "refer to error handle " + std::to_string(handle));
    }
    if (exchange.connection != nullptr) {
        exchange.connection->answered(exchange);
    } else {
        core.recycle(exchange);
    }
}

/// The request that is being read gets an error, and is the last one: where it ends is not known.
void Connection::refuse(int status, std::string_view message) {
    Exchange& exchange = *std::exchange(incoming_, nullptr);
    set_error(exchange.response, status, error_class_of(status), message);
    exchange.response.close = true;
    exchange.answered = true;
    exchange.owes_continue = false;
    in_flight_.push_back(exchange);
    ++in_flight_count_;
    read_deadline_ = SteadyTime::max();
    state_ = State::finishing;
}

bool Connection::may_begin_request() const noexcept {
    // One that has begun is read to its end, or its sender would be timed out for our slowness.
    return incoming_ != nullptr || (in_flight_count_ < core_.limits.pipeline_depth &&
                                    unsent() < core_.limits.output_high_water_bytes);
}

bool Connection::idle() const noexcept {
    return incoming_ == nullptr && in_flight_.empty() && unsent() == 0 &&
           (unparsed_.empty() || state_ != State::open);
}

// ---------------------------------------------------------------------------------------------
// Answers

void Connection::collect_answers() {
    while (Exchange* exchange = in_flight_.front()) {
        if (!exchange->answered) return;
        in_flight_.pop_front();
        --in_flight_count_;
        // Where no more requests will be read, the last answer says so.
        const bool last = state_ != State::open && in_flight_.empty() && incoming_ == nullptr;
        const bool close = exchange->response.close || !exchange->request.keep_alive() || last;
        append_answer(*exchange, close);
        if (close) {
            state_ = State::finishing;
            return abandon_requests();
        }
    }
    if (incoming_ != nullptr && incoming_->owes_continue) {
        incoming_->owes_continue = false;
        if (output_.empty()) output_ = core_.take_buffer();
        output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
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

// Fibers that still work for this connection keep their exchange and recycle it themselves.
void Connection::abandon_requests() noexcept {
    while (Exchange* exchange = in_flight_.pop_front()) {
        exchange->connection = nullptr;
        if (exchange->answered) core_.recycle(*exchange);
    }
    in_flight_count_ = 0;
    if (incoming_ != nullptr) core_.recycle(*std::exchange(incoming_, nullptr));
    core_.recycle(std::exchange(unparsed_, {}));
}

void Connection::flush() {
    if (writing_ || state_ == State::closed) return;
    while (unsent() > 0) {
        const net::IoResult put = socket_.write_some(std::string_view(output_).substr(sent_));
        if (put.status == net::IoResult::Status::moved) {
            sent_ += put.bytes;
            continue;
        }
        if (put.status != net::IoResult::Status::would_block) return close();
        output_.erase(0, std::exchange(sent_, 0));
        writing_ = true;
        write_deadline_ = now() + core_.limits.write_timeout;
        arm_timer();
        socket_.wait_writable([this](bool usable) { on_writable(usable); });
        return go_on();
    }
    sent_ = 0;
    if (output_.capacity() > 0) core_.recycle(std::exchange(output_, {}));
    write_deadline_ = SteadyTime::max();
    go_on();
}

/// What comes next, now that everything that could be done has been done.
void Connection::go_on() {
    if (state_ == State::finishing && idle()) return linger();
    if (state_ != State::open) return;
    if (!unparsed_.empty()) {
        if (may_begin_request()) core_.scheduler().defer_to_next_turn(turn_end_);
        return;
    }
    if (idle()) read_deadline_ = now() + core_.limits.idle_timeout;
    if (may_begin_request()) wait_readable();
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
