#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "call_rules.hpp"
#include "routed_client.hpp"

namespace ringmaster::redis {
namespace {

/// Of one call in a row: then the servers contradict each other, and need a moment.
constexpr unsigned kMostRedirects = 3;

Error stopped() {
    return {ErrorCode::unavailable, "the client of Redis is being stopped"};
}

/// Suspends until each has answered the same command, in the order of `batch`, or until `deadline`.
void ask_each(const std::vector<std::shared_ptr<Server>>& servers, std::string_view command,
              Batch& batch, Deadline deadline) {
    for (std::size_t i = 0; i < servers.size(); ++i) {
        batch[i].command = command;
        servers[i]->send(batch[i], deadline);
    }
    batch.wait(deadline);
}

}  // namespace

/// One call on its way, over several servers maybe.
struct RoutedClient::Attempt {
    Attempt(Call& the_call, Request& the_request, std::minstd_rand& random)
        : call(the_call), request(the_request), pauses(random) {
        request.command = call.command;
    }

    Call& call;
    Request& request;
    LaterPauses pauses;
    std::shared_ptr<Server> server;    ///< that has it, or had it last
    std::optional<ServerAddress> ask;  ///< whom to ask next, for this once
    SteadyTime due = SteadyTime::min();
    unsigned redirects = 0;  ///< in a row
    unsigned losses = 0;     ///< of its connection
    bool is_sent = false;    ///< and nothing has been concluded yet
    bool is_done = false;
};

/// All calls that one fiber waits for.
class RoutedClient::Round {
  public:
    Round(RoutedClient& client, std::span<Call> calls, Deadline the_deadline)
        : deadline(the_deadline), batch(client.scheduler_, calls.size()), client_(client) {
        attempts_.reserve(calls.size());
        for (std::size_t i = 0; i < calls.size(); ++i) {
            attempts_.emplace_back(calls[i], batch[i], client.random_);
        }
    }

    /// Calls `send(attempt)` for each that is due, with its server. It must begin to send it.
    template <class Send>
    void send_due(const Send& send) {
        for (Attempt& attempt : attempts_) {
            if (attempt.is_done || attempt.is_sent || attempt.due > now()) continue;
            if (!choose_server(attempt)) continue;
            attempt.is_sent = true;
            send(attempt);
        }
    }
    /// Draws the conclusions from all that have come to their end.
    void conclude() {
        for (Attempt& attempt : attempts_) {
            if (!attempt.is_sent || attempt.request.is_under_way()) continue;
            attempt.is_sent = false;
            conclude(attempt);
        }
    }
    bool is_done() const {
        return std::ranges::all_of(attempts_, [](const Attempt& each) { return each.is_done; });
    }
    bool is_under_way() const {
        return std::ranges::any_of(attempts_, [](const Attempt& each) { return each.is_sent; });
    }
    /// When the next one that is not under way is due.
    SteadyTime next_due() const {
        SteadyTime next = SteadyTime::max();
        for (const Attempt& attempt : attempts_) {
            if (!attempt.is_done && !attempt.is_sent) next = std::min(next, attempt.due);
        }
        return next;
    }
    /// Suspends until then, or until something is new: then all may be tried again.
    void pause() {
        if (client_.news_.wait(Deadline::at(next_due())) == runtime::WakeReason::timeout) return;
        for (Attempt& attempt : attempts_) attempt.due = SteadyTime::min();
    }
    SteadyTime now() const { return client_.scheduler_.now(); }

    const Deadline deadline;
    Batch batch;

  private:
    bool choose_server(Attempt& attempt);
    void conclude(Attempt& attempt);
    void redirect(Attempt& attempt, const Redirect& redirect);
    void try_later(Attempt& attempt, Error why);

    RoutedClient& client_;
    std::vector<Attempt> attempts_;
};

bool RoutedClient::Round::choose_server(Attempt& attempt) {
    static const Command kAsking{"ASKING"};
    attempt.request.before = attempt.ask ? kAsking.bytes() : std::string_view();
    const auto asked = std::exchange(attempt.ask, std::nullopt);
    const ServerAddress* const address =
        asked ? &*asked : client_.topology_->find(attempt.call.key);
    if (address == nullptr) {
        client_.want_refresh();
        try_later(attempt, client_.not_known());
        return false;
    }
    attempt.server = client_.servers_.at(*address);
    // Maybe it has been replaced meanwhile: then what waits for it goes to the other one.
    if (!attempt.server->ready()) client_.want_refresh();
    return true;
}

void RoutedClient::Round::conclude(Attempt& attempt) {
    Request& request = attempt.request;
    if (request.answered()) {
        Reply& reply = request.reply();
        if (const auto to = parse_redirect(reply, attempt.server->address())) {
            return redirect(attempt, *to);
        }
        // A server that is unknown to the one that points to it.
        const bool is_lost = reply.is_error("MOVED") || reply.is_error("ASK");
        if (reply.is_error("CLUSTERDOWN")) client_.topology_->set_down();
        if (is_lost || is_for_later(reply)) {
            if (!reply.is_error("TRYAGAIN") && !reply.is_error("BUSY")) client_.want_refresh();
            return try_later(attempt, {ErrorCode::unavailable, "Redis says: " + reply.text});
        }
    } else {
        client_.want_refresh();
        if (request.outcome() == Request::Outcome::refused) {
            return try_later(attempt, request.error());
        }
    }
    switch (settle(attempt.call, request, attempt.losses)) {
        case Next::again_now:
            attempt.losses += request.maybe_sent() ? 1 : 0;
            try_later(attempt, attempt.call.answer.error());
            break;
        case Next::again_later: try_later(attempt, attempt.call.answer.error()); break;
        case Next::done: attempt.is_done = true; break;
    }
}

void RoutedClient::Round::redirect(Attempt& attempt, const Redirect& redirect) {
    ++client_.counters_.redirects;
    if (redirect.kind == Redirect::Kind::moved) {
        client_.topology_->move(redirect);
        client_.want_refresh();
    }
    if (++attempt.redirects > kMostRedirects) {
        return try_later(attempt, {ErrorCode::unavailable,
                                   "Redis says: " + attempt.request.reply().text + ", again"});
    }
    if (redirect.kind == Redirect::Kind::ask) attempt.ask = redirect.to;
}

void RoutedClient::Round::try_later(Attempt& attempt, Error why) {
    attempt.call.answer = std::move(why);
    attempt.redirects = 0;
    attempt.due = now() + attempt.pauses.next();
    // Who has no time for the pause learns it before the pause.
    attempt.is_done = client_.stopping_ || deadline.expired(attempt.due);
}

// ---------------------------------------------------------------------------------------------
// Calls

void RoutedClient::call(std::span<Call> calls, Deadline deadline) {
    run(calls, deadline, [this](Round& round) { exchange(round); });
}

void RoutedClient::call_durably(std::span<Call> calls, unsigned replicas, Deadline deadline) {
    if (replicas == 0) return call(calls, deadline);
    run(calls, deadline, [=, this](Round& round) { exchange_durably(round, replicas); });
}

void RoutedClient::run(std::span<Call> calls, Deadline deadline, const Exchange& exchange) {
    counters_.calls += calls.size();
    const runtime::Waiting waiting(scheduler_, runtime::WaitsFor::server);
    const auto pass = inside_.enter();
    if (pass) {
        start();
        Round round(*this, calls, deadline);
        while (true) {
            exchange(round);
            round.conclude();
            if (round.is_done()) break;
            if (!round.is_under_way() && round.next_due() > round.now()) round.pause();
        }
    } else {
        for (Call& call : calls) call.answer = stopped();
    }
    for (const Call& call : calls) {
        if (call.answer.ok()) continue;
        ++counters_.errors;
        if (call.answer.error().code == ErrorCode::timeout) ++counters_.timeouts;
    }
}

// One that must go somewhere else does so while others still wait for theirs.
void RoutedClient::exchange(Round& round) {
    round.send_due(
        [&](Attempt& attempt) { attempt.server->send(attempt.request, round.deadline); });
    const SteadyTime until = std::min(round.next_due(), round.deadline.time());
    round.batch.wait_for_some(Deadline::at(until));
    if (round.deadline.expired(round.now())) round.batch.wait(round.deadline);
}

// Those of each server go over one connection, and wait for the replicas together.
void RoutedClient::exchange_durably(Round& round, unsigned replicas) {
    std::map<std::shared_ptr<Server>, std::vector<Request*>> by_server;
    round.send_due(
        [&](Attempt& attempt) { by_server[attempt.server].push_back(&attempt.request); });
    std::vector<std::function<void()>> jobs;
    jobs.reserve(by_server.size());
    for (const auto& one : by_server) {
        jobs.push_back([&] { one.first->exchange_durably(one.second, replicas, round.deadline); });
    }
    if (jobs.size() == 1) return jobs[0]();
    const auto work = [&](std::size_t i) { jobs[i](); };
    bool has_fibers = true;
    try {
        runtime::parallel_for(scheduler_, jobs.size(), jobs.size(), work);
    } catch (const runtime::NoFiber&) {
        has_fibers = false;
    }
    for (std::size_t i = 0; i < jobs.size() && !has_fibers; ++i) work(i);
}

Result<void> RoutedClient::call_primaries(std::string_view command, Deadline deadline) {
    const auto pass = inside_.enter();
    if (!pass) return stopped();
    start();
    LaterPauses pauses(random_);
    std::vector<ServerAddress> done;
    while (true) {
        std::vector<std::shared_ptr<Server>> servers;
        for (const ServerAddress& address : topology_->primaries()) {
            const bool is_done = std::ranges::find(done, address) != done.end();
            if (!is_done) servers.push_back(servers_.at(address));
        }
        if (servers.empty() && !done.empty()) return {};
        std::optional<Error> trouble;
        if (servers.empty()) trouble = not_known();
        Batch batch(scheduler_, servers.size());
        ask_each(servers, command, batch, deadline);
        for (std::size_t i = 0; i < servers.size(); ++i) {
            Call call{.key = {}, .command = command};
            const Next next = settle(call, batch[i], 0);
            if (next != Next::done || batch[i].outcome() == Request::Outcome::refused) {
                trouble = call.answer.error();
                continue;
            }
            const std::string name = "redis " + servers[i]->address().text() + ": ";
            if (!call.answer) {
                return Error{call.answer.error().code, name + call.answer.error().message};
            }
            if (call.answer->is_error()) return Error{ErrorCode::invalid, name + call.answer->text};
            done.push_back(servers[i]->address());
        }
        if (!trouble) continue;
        want_refresh();
        const SteadyTime again = scheduler_.now() + pauses.next();
        if (stopping_ || deadline.expired(again)) return *std::move(trouble);
        news_.wait(Deadline::at(again));
    }
}

std::vector<ServerAnswer> RoutedClient::ask_primaries(std::string_view command, Deadline deadline) {
    const auto pass = inside_.enter();
    if (!pass) return {};
    start();
    std::vector<std::shared_ptr<Server>> servers;
    for (const ServerAddress& address : topology_->primaries()) {
        servers.push_back(servers_.at(address));
    }
    Batch batch(scheduler_, servers.size());
    ask_each(servers, command, batch, deadline);
    std::vector<ServerAnswer> answers;
    for (std::size_t i = 0; i < servers.size(); ++i) {
        answers.push_back({servers[i]->address(), std::move(batch[i].answer())});
    }
    return answers;
}

}  // namespace ringmaster::redis
