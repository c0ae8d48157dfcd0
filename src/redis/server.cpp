#include "ringmaster/redis/server.hpp"

#include "ringmaster/redis/command.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <functional>
#include <utility>

namespace ringmaster::redis {
namespace {

using std::chrono::milliseconds;

/// Who waits for replicas hears nothing meanwhile.
constexpr milliseconds kMostReplicaWait{30'000};

Error stopped() {
    return {ErrorCode::unavailable, "the client of Redis is being stopped"};
}

Deadline sooner(Deadline a, SteadyTime b) noexcept {
    return Deadline::at(std::min(a.time(), b));
}

/// For how long WAIT may wait, so that its answer is back by the deadline: a server looks for waits
/// that are over only `hz` times a second, by default 10. Nothing where that can't be.
std::optional<milliseconds> replica_wait(Deadline deadline, SteadyTime now) {
    if (deadline.is_never()) return kMostReplicaWait;
    const auto left = std::chrono::floor<milliseconds>(deadline.time() - now);
    const auto wait = left - std::clamp(left / 4, milliseconds(1), milliseconds(110));
    if (wait < milliseconds(1)) return std::nullopt;  // WAIT takes 0 for ever
    return std::min(wait, kMostReplicaWait);
}

}  // namespace

class Server::Exclusive {
  public:
    Exclusive(std::vector<Exclusive*>& all, std::shared_ptr<Connection> connection)
        : all_(all), connection_(std::move(connection)) {
        all_.push_back(this);
    }
    ~Exclusive() {
        connection_->close();
        std::erase(all_, this);
    }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

    bool usable() const noexcept { return connection_->is_open(); }
    Connection& connection() noexcept { return *connection_; }

  private:
    std::vector<Exclusive*>& all_;
    std::shared_ptr<Connection> connection_;
};

Server::Server(runtime::Scheduler& scheduler, Connect connect, ServerAddress address,
               ServerOptions options, Log& log)
    : scheduler_(scheduler),
      connect_(std::move(connect)),
      address_(std::move(address)),
      options_(std::move(options)),
      log_(log),
      warning_(scheduler, log),
      random_(std::random_device()()),
      fibers_(scheduler),
      durable_(scheduler),
      changed_(scheduler),
      retry_timer_(runtime::Callback::of<&Server::want_connection>(*this)),
      pool_(scheduler, options_.pool,
            [this](Deadline deadline) { return open_exclusive(deadline); }) {}

Server::~Server() {
    assert(connection_ == nullptr && waiting_.empty());
}

// ---------------------------------------------------------------------------------------------
// Requests

void Server::send(Request& request, Deadline deadline) {
    request.begin(*this, deadline);
    if (connection_) return connection_->take(request);
    if (const auto why = hopeless(deadline)) return refuse(request, *why);
    const std::size_t bytes = request.before.size() + request.command.size();
    if (waiting_count_ >= options_.connection.max_pending ||
        waiting_bytes_ + bytes > options_.connection.max_queued_bytes) {
        return refuse(request,
                      named({ErrorCode::unavailable, "too many commands wait for a connection"}));
    }
    waiting_.push_back(request);
    ++waiting_count_;
    waiting_bytes_ += bytes;
    want_connection();
}

/// Why what is asked for can't be done before the deadline, as far as is known.
std::optional<Error> Server::hopeless(Deadline deadline) const {
    if (stopping_) return stopped();
    if (connection_ || is_connecting_ || !is_pausing()) return std::nullopt;
    if (!login_refused_ && deadline.time() > retry_at_) return std::nullopt;
    return named(*failure_);
}

void Server::refuse(Request& request, const Error& why) noexcept {
    request.fail(Request::Outcome::refused, why, false);
}

bool Server::forget(Request& request) noexcept {
    request.unlink();
    --waiting_count_;
    waiting_bytes_ -= request.before.size() + request.command.size();
    return false;
}

Error Server::named(const Error& why) const {
    return {ErrorCode::unavailable, "redis " + address_.text() + ": " + why.message};
}

// ---------------------------------------------------------------------------------------------
// The shared connection

void Server::want_connection() {
    if (connection_ || is_connecting_ || stopping_ || is_pausing()) return;
    auto pass = fibers_.enter();
    if (!pass) return;
    is_connecting_ = true;
    attempt_ = scheduler_.spawn("redis connect", [pass = *std::move(pass), this] { connect(); });
    if (!attempt_) failed({ErrorCode::unavailable, "no fiber is free to connect"});
}

void Server::connect() {
    std::optional<Result<std::shared_ptr<Connection>>> opened;
    try {
        opened =
            open(Deadline::at(scheduler_.now() + options_.connect_timeout), options_.connection);
    } catch (const std::exception& error) {  // no descriptor, no memory
        opened = Error{ErrorCode::unavailable, error.what()};
    }
    if (stopping_) {
        if (*opened) opened->value()->close();
    } else if (*opened) {
        connected(**std::move(opened));
    } else {
        failed(opened->error());
    }
}

Result<std::shared_ptr<Connection>> Server::open(Deadline deadline,
                                                 const ConnectionOptions& options) {
    auto stream = connect_(address_, deadline);
    if (!stream) return stream.error();
    return Connection::open(scheduler_, fibers_, *std::move(stream), options_.login, options,
                            counters_, deadline);
}

void Server::connected(std::shared_ptr<Connection> connection) {
    is_connecting_ = false;
    connection_ = std::move(connection);
    connection_->on_end([this](const Error& why) { lost(why); });
    ++connects_;
    login_refused_ = false;
    if (failure_ || connects_ == 1) log_.info("redis " + address_.text() + ": connected");
    failure_.reset();
    while (Request* const request = waiting_.front()) {
        forget(*request);
        connection_->take(*request);
    }
    changed_.notify_all();
}

void Server::failed(const Error& why) {
    is_connecting_ = false;
    failure_ = why;
    login_refused_ = why.code == ErrorCode::invalid;
    warning_.tell("redis " + address_.text() + ": can't connect: " + why.message);
    pause();
}

// At once again, where the connection was good for something; where each one ends before it has
// said a word, as after failed attempts.
void Server::lost(const Error& why) {
    const auto connection = std::exchange(connection_, nullptr);
    failure_ = why;
    warning_.tell("redis " + address_.text() + ": connection lost: " + why.message);
    if (!connection->has_heard()) return pause();
    pause_ = milliseconds(0);
    want_connection();
    changed_.notify_all();
}

void Server::pause() {
    pause_ = pause_.count() == 0 ? options_.reconnect_first : 2 * pause_;
    if (login_refused_ || pause_ > options_.reconnect_most) pause_ = options_.reconnect_most;
    // Between one half and all of it: many clients lose a server in the same moment.
    std::uniform_int_distribution<milliseconds::rep> jitter(pause_.count() / 2, pause_.count());
    retry_at_ = scheduler_.now() + milliseconds(jitter(random_));
    if (!login_refused_) scheduler_.timers().schedule(retry_timer_, retry_at_);
    for (Request *request = waiting_.front(), *next = nullptr; request != nullptr; request = next) {
        next = waiting_.next(*request);
        if (const auto reason = hopeless(request->deadline())) {
            forget(*request);
            refuse(*request, *reason);
        }
    }
    changed_.notify_all();
}

// ---------------------------------------------------------------------------------------------
// Connections that one call has to itself

Result<std::unique_ptr<Server::Exclusive>> Server::open_exclusive(Deadline deadline) {
    ConnectionOptions options = options_.connection;
    options.silence_timeout = std::max(options.silence_timeout, 2 * kMostReplicaWait);
    try {
        auto connection =
            open(sooner(deadline, scheduler_.now() + options_.connect_timeout), options);
        if (!connection) return connection.error();
        return std::make_unique<Exclusive>(exclusives_, *std::move(connection));
    } catch (const std::exception& error) {
        return Error{ErrorCode::unavailable, error.what()};
    }
}

// The shared connection tells whether it is worth while to try, so that a server that is down is
// not knocked at by every call.
Result<void> Server::wait_for_connection(Deadline deadline) {
    while (!connection_) {
        if (auto why = hopeless(deadline)) return *std::move(why);
        want_connection();
        if (changed_.wait(deadline) == runtime::WakeReason::timeout) {
            return Error{ErrorCode::timeout, "the deadline passed before Redis was connected to"};
        }
    }
    return {};
}

void Server::exchange_durably(std::span<Request* const> requests, unsigned replicas,
                              Deadline deadline) {
    const auto fail_all = [&](const Error& why, Request::Outcome outcome) {
        for (Request* const request : requests) {
            request->begin(*this, deadline);
            request->fail(outcome, why, false);
        }
    };
    const auto or_late = [&](const Error& why, Request::Outcome outcome) {
        const bool late = deadline.expired(scheduler_.now());
        return late ? fail_all({ErrorCode::timeout, why.message}, Request::Outcome::timed_out)
                    : fail_all(why, outcome);
    };
    const auto pass = durable_.enter();
    if (!pass) return fail_all(stopped(), Request::Outcome::refused);
    if (const auto connected = wait_for_connection(deadline); !connected) {
        return or_late(connected.error(), Request::Outcome::refused);
    }
    auto lease = pool_.checkout(deadline);
    // The shared connection is there: so it is worth while to try again.
    if (!lease) return or_late(named(lease.error()), Request::Outcome::lost);
    const auto wait = replica_wait(deadline, scheduler_.now());
    if (!wait) {
        return fail_all({ErrorCode::timeout, "there is no time left to wait for replicas"},
                        Request::Outcome::timed_out);
    }
    exchange_over((*lease)->connection(), requests, replicas, *wait, deadline);
}

void Server::exchange_over(Connection& connection, std::span<Request* const> requests,
                           unsigned replicas, milliseconds replica_wait, Deadline deadline) {
    const Command wait({"WAIT", std::to_string(replicas), std::to_string(replica_wait.count())});
    Batch last(scheduler_, 1);
    last[0].command = wait.bytes();
    for (Request* const request : requests) connection.send(*request, deadline);
    connection.send(last[0], deadline);
    last.wait(deadline);  // its answer is the last one
    std::string why;
    if (!last[0].answered()) {
        why = last[0].error().message;
    } else if (const Reply& reply = last[0].reply(); reply.type != Reply::Type::integer) {
        why = reply.text;
    } else if (reply.integer < replicas) {
        why = "only " + std::to_string(reply.integer) + " of " + std::to_string(replicas) +
              " replicas had it in time";
    }
    for (Request* const request : requests) {
        request->time_out();
        if (why.empty() || !request->answered() || request->reply().is_error()) continue;
        request->withdraw(named({ErrorCode::unavailable, why}));
    }
    if (!last[0].answered()) connection.close();  // or the next user would wait for it too
}

// ---------------------------------------------------------------------------------------------
// For its owner

Result<void> Server::ready() const {
    if (stopping_) return stopped();
    return connection_ || !failure_ ? Result<void>() : named(*failure_);
}

ServerStats Server::stats() const noexcept {
    ServerStats stats;
    stats.connected = connection_ != nullptr;
    stats.pending = waiting_count_ + (connection_ ? connection_->pending() : 0);
    for (Exclusive* const exclusive : exclusives_) {
        stats.pending += exclusive->connection().pending();
    }
    stats.connects = connects_;
    stats.writes = counters_.writes;
    stats.tombstones = counters_.tombstones;
    stats.pool = pool_.stats();
    return stats;
}

void Server::stop() {
    stopping_ = true;
    retry_timer_.cancel();
    attempt_.cancel("the client of Redis is being stopped");
    while (Request* const request = waiting_.front()) {
        forget(*request);
        refuse(*request, stopped());
    }
    if (const auto connection = std::exchange(connection_, nullptr)) connection->close();
    for (Exclusive* const exclusive : exclusives_) exclusive->connection().close();
    changed_.notify_all();
    durable_.close();
    pool_.reap();
    fibers_.close();
}

}  // namespace ringmaster::redis
