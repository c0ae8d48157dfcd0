#include "ringmaster/redis/connection.hpp"

#include "ringmaster/redis/command.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

namespace ringmaster::redis {
namespace {

/// Of either buffer of output: what much at one time needed beyond it is given back.
constexpr std::size_t kKeepBytes = 64 * 1024;

Error closed(std::string what) {
    return {ErrorCode::closed, std::move(what)};
}

}  // namespace

/// A stream and the replies on it.
class Connection::Session {
  public:
    Session(std::unique_ptr<net::Stream> stream, const ReplyLimits& limits)
        : stream_(std::move(stream)), reader_(limits) {}

    Result<void> write(std::string_view bytes, Deadline deadline) {
        return stream_->write(bytes, deadline);
    }
    Result<std::optional<Reply>> next() { return reader_.next(); }

    /// Suspends. Whether it was all that there was to read, as far as is known.
    Result<bool> read(Deadline deadline) {
        const auto got = stream_->read_some(buffer_, deadline);
        if (!got) return got.error();
        if (*got == 0) return closed("the server has hung up");
        reader_.feed({buffer_.data(), *got});
        return *got < buffer_.size();
    }
    Result<Reply> receive(Deadline deadline) {
        while (true) {
            auto reply = next();
            if (!reply) return reply.error();
            if (*reply) return **std::move(reply);
            if (const auto got = read(deadline); !got) return got.error();
        }
    }

  private:
    std::unique_ptr<net::Stream> stream_;
    ReplyReader reader_;
    std::array<char, 16 * 1024> buffer_;
};

// ---------------------------------------------------------------------------------------------
// Login

namespace {

/// What the server says, without what it may repeat of our words: "ERR unknown command 'AUTH', with
/// args beginning with: ..." does.
std::string without_secrets(const Reply& reply, const Login& login) {
    std::string text = reply.text.substr(0, reply.text.find(", with args beginning"));
    if (login.password.empty()) return text;
    for (std::size_t at = 0; (at = text.find(login.password, at)) != text.npos;) {
        text.replace(at, login.password.size(), "***");
        at += 3;
    }
    return text;
}

/// Whether it is not us whom the server refuses.
bool is_passing(const Reply& reply) noexcept {
    return reply.is_error("LOADING") || reply.is_error("BUSY") || reply.is_error("MASTERDOWN") ||
           reply.text.starts_with("ERR max number of clients");
}

Result<void> log_in(Connection::Session& session, const Login& login, Deadline deadline) {
    std::string bytes;
    unsigned must_succeed = 0;
    const auto say = [&](std::initializer_list<std::string_view> words) {
        bytes += Command(words).bytes();
    };
    if (!login.password.empty()) {
        login.user.empty() ? say({"AUTH", login.password})
                           : say({"AUTH", login.user, login.password});
        ++must_succeed;
    }
    if (login.database != 0) {
        say({"SELECT", std::to_string(login.database)});
        ++must_succeed;
    }
    // Who may not do this may still do all else; but whether a password is missing shows here.
    login.client_name.empty() ? say({"PING"}) : say({"CLIENT", "SETNAME", login.client_name});

    if (auto written = session.write(bytes, deadline); !written) return written;
    for (unsigned i = 0; i <= must_succeed; ++i) {
        const auto reply = session.receive(deadline);
        if (!reply) return reply.error();
        if (!reply->is_error()) continue;
        if (is_passing(*reply)) {
            return Error{ErrorCode::unavailable, without_secrets(*reply, login)};
        }
        if (i < must_succeed || reply->is_error("NOAUTH") || reply->is_error("DENIED")) {
            return Error{ErrorCode::invalid, without_secrets(*reply, login)};
        }
    }
    return {};
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Life

Result<std::shared_ptr<Connection>> Connection::open(
    runtime::Scheduler& scheduler, runtime::Gate& gate, std::unique_ptr<net::Stream> stream,
    const Login& login, const ConnectionOptions& options, ConnectionCounters& counters,
    Deadline deadline) {
    auto session = std::make_unique<Session>(std::move(stream), options.replies);
    if (auto done = log_in(*session, login, deadline); !done) return done.error();
    auto connection =
        std::make_shared<Connection>(scheduler, std::move(session), options, counters);
    if (!connection->start(gate)) {
        connection->close();
        return Error{ErrorCode::unavailable, "no fiber is free for a connection to Redis"};
    }
    return connection;
}

Connection::Connection(runtime::Scheduler& scheduler, std::unique_ptr<Session> session,
                       const ConnectionOptions& options, ConnectionCounters& counters)
    : scheduler_(scheduler),
      session_(std::move(session)),
      options_(options),
      counters_(counters),
      writable_(scheduler),
      turn_end_(runtime::Callback::of<&Connection::wake_writer>(*this)),
      health_(runtime::Callback::of<&Connection::check_health>(*this)),
      heard_at_(scheduler.now()),
      due_since_(scheduler.now()) {}

Connection::~Connection() {
    assert(pending_.empty());
}

bool Connection::start(runtime::Gate& gate) {
    check_health();
    return start_fiber(gate, "redis reader", reader_, &Connection::read) &&
           start_fiber(gate, "redis writer", writer_, &Connection::write);
}

bool Connection::start_fiber(runtime::Gate& gate, const char* name, runtime::Task& task,
                             Result<void> (Connection::*work)()) {
    auto pass = gate.enter();
    if (!pass) return false;
    task = scheduler_.spawn(name, [pass = *std::move(pass), self = shared_from_this(), work] {
        try {
            if (const auto done = ((*self).*work)(); !done) self->end(done.error());
        } catch (const std::exception&) {
            self->scheduler_.errors().report("connection to Redis", std::current_exception());
            self->end(closed("the connection has failed"));
        }
    });
    return static_cast<bool>(task);
}

void Connection::close() noexcept {
    if (open_) shut(closed("the connection has been closed"));
}

void Connection::end(const Error& why) {
    if (!open_) return;
    shut(why);
    if (const auto tell = std::exchange(on_end_, nullptr)) tell(why);
}

void Connection::shut(const Error& why) noexcept {
    open_ = false;
    health_.cancel();
    turn_end_.unlink();
    for (const Place& place : pending_) {
        if (place.kind != Place::Kind::request) continue;
        place.request->fail(Request::Outcome::lost, why, may_have_left(place));
    }
    pending_.clear();
    // One of them may be the fiber that does this: it waits for nothing any more.
    reader_.cancel(why.message);
    writer_.cancel(why.message);
}

// An idle connection is asked with PING, so that a reply is due on it: a host that is gone without
// a word, or a firewall that has forgotten us, is not noticed otherwise before the next call.
void Connection::check_health() {
    const SteadyTime now = scheduler_.now();
    SteadyTime due = std::max(heard_at_, due_since_) + options_.silence_timeout;
    if (pending_.empty()) {
        due = now + options_.silence_timeout;
        if (now >= heard_at_ + options_.ping_period) {
            static const Command ping({"PING"});
            enqueue(Place::Kind::dropped, nullptr, ping.bytes());
        } else {
            due = std::min(due, heard_at_ + options_.ping_period);
        }
    } else if (now >= due) {
        return end(
            closed("no answer for " + std::to_string(options_.silence_timeout.count()) + " ms"));
    }
    scheduler_.timers().schedule(health_, due);
}

// ---------------------------------------------------------------------------------------------
// Requests

void Connection::take(Request& request) {
    request.hand_over(*this);
    if (!open_) {
        return request.fail(Request::Outcome::lost, closed("the connection has been closed"),
                            false);
    }
    const std::size_t bytes = request.before.size() + request.command.size();
    const bool too_many = pending_.size() >= options_.max_pending;
    if (too_many || output_.size() + leaving_.size() + bytes > options_.max_queued_bytes) {
        return request.fail(
            Request::Outcome::refused,
            {ErrorCode::unavailable,
             too_many ? "too many commands have no reply yet" : "too many bytes wait to be sent"},
            false);
    }
    if (!request.before.empty()) enqueue(Place::Kind::dropped, nullptr, request.before);
    request.place = first_place_ + pending_.size();
    enqueue(Place::Kind::request, &request, request.command);
}

void Connection::enqueue(Place::Kind kind, Request* request, std::string_view bytes) {
    if (pending_.empty()) due_since_ = scheduler_.now();
    pending_.push_back({kind, request, queued_});
    output_ += bytes;
    queued_ += bytes.size();
    scheduler_.defer(turn_end_);
}

bool Connection::forget(Request& request) noexcept {
    Place& place = pending_[request.place - first_place_];
    assert(place.request == &request);
    place.kind = Place::Kind::given_up;
    place.request = nullptr;
    return may_have_left(place);
}

// ---------------------------------------------------------------------------------------------
// Fibers

Result<void> Connection::write() {
    while (open_) {
        if (output_.empty()) {
            writable_.wait();
            continue;
        }
        leaving_.swap(output_);
        handed_ += leaving_.size();
        ++counters_.writes;
        if (auto written = session_->write(leaving_, Deadline::never()); !written) return written;
        leaving_.clear();
        if (leaving_.capacity() > kKeepBytes) leaving_.shrink_to_fit();
    }
    return {};
}

Result<void> Connection::read() {
    while (open_) {
        const auto got = session_->read(Deadline::never());
        if (!got) return got.error();
        heard_at_ = scheduler_.now();
        has_heard_ = true;
        while (open_) {
            auto reply = session_->next();
            if (!reply) return reply.error();
            if (!*reply) break;
            if (!deliver(**std::move(reply))) {
                return Error{ErrorCode::damaged, "the server has answered what nobody asked"};
            }
        }
        // Who has more to say than fits is not let talk all the time.
        if (!*got && open_) scheduler_.yield();
    }
    return {};
}

bool Connection::deliver(Reply&& reply) {
    if (on_message_ && reply.elements.size() == 3 && reply.elements[0].text == "message") {
        on_message_(reply.elements[2].text);
        return true;
    }
    if (pending_.empty()) return false;
    const Place place = pending_.front();
    pending_.pop_front();
    ++first_place_;
    switch (place.kind) {
        case Place::Kind::request: place.request->finish(std::move(reply)); break;
        case Place::Kind::given_up: ++counters_.tombstones; break;
        case Place::Kind::dropped: break;
    }
    return true;
}

}  // namespace ringmaster::redis
