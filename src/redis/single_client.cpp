#include "single_client.hpp"

#include <utility>

#include "call_rules.hpp"

namespace ringmaster::redis {

SingleClient::SingleClient(runtime::Reactor& reactor, ClientOptions options, Log& log)
    : scheduler_(reactor.scheduler()),
      connector_(std::make_unique<Connector>(reactor)),
      connect_([connector = connector_.get()](const ServerAddress& address, Deadline deadline) {
          return connector->connect(address, deadline);
      }),
      options_(std::move(options)),
      log_(log),
      server_(scheduler_, connect_, options_.url.servers.at(0), server_options(options_), log),
      random_(std::random_device()()),
      calls_(scheduler_),
      stopping_(scheduler_) {}

SingleClient::SingleClient(runtime::Scheduler& scheduler, Connect connect, ClientOptions options,
                           Log& log)
    : scheduler_(scheduler),
      connect_(std::move(connect)),
      options_(std::move(options)),
      log_(log),
      server_(scheduler_, connect_, options_.url.servers.at(0), server_options(options_), log),
      random_(std::random_device()()),
      calls_(scheduler_),
      stopping_(scheduler_) {}

SingleClient::~SingleClient() = default;

void SingleClient::call(std::span<Call> calls, Deadline deadline) {
    run(calls, deadline, [this](std::span<Request* const> requests, Deadline until) {
        for (Request* const request : requests) server_.send(*request, until);
    });
}

void SingleClient::call_durably(std::span<Call> calls, unsigned replicas, Deadline deadline) {
    if (replicas == 0) return call(calls, deadline);
    run(calls, deadline, [this, replicas](std::span<Request* const> requests, Deadline until) {
        server_.exchange_durably(requests, replicas, until);
    });
}

void SingleClient::run(std::span<Call> calls, Deadline deadline, const Exchange& exchange) {
    counters_.calls += calls.size();
    const runtime::Waiting waiting(scheduler_, runtime::WaitsFor::server);
    const auto pass = calls_.enter();
    Batch batch(scheduler_, calls.size());
    std::vector<Request*> left;  // those without an answer
    left.reserve(calls.size());
    for (std::size_t i = 0; i < calls.size(); ++i) {
        calls[i].answer = Error{ErrorCode::unavailable, "the client of Redis is being stopped"};
        batch[i].command = calls[i].command;
        left.push_back(&batch[i]);
    }
    unsigned losses = 0;
    LaterPauses pauses(random_);
    while (pass && !left.empty()) {
        exchange(left, deadline);
        batch.wait(deadline);
        bool lost = false;
        bool later = false;
        std::erase_if(left, [&](Request* request) {
            const Next next =
                settle(calls[static_cast<std::size_t>(request - batch.begin())], *request, losses);
            lost |= next == Next::again_now;
            later |= next == Next::again_later;
            return next == Next::done;
        });
        losses += lost ? 1 : 0;
        if (!later) continue;
        // Who has no time for the pause learns it before the pause.
        const SteadyTime again = scheduler_.now() + pauses.next();
        if (deadline.expired(again) || stopping_.wait(Deadline::at(again))) break;
    }
    for (const Call& call : calls) {
        if (call.answer.ok()) continue;
        ++counters_.errors;
        if (call.answer.error().code == ErrorCode::timeout) ++counters_.timeouts;
    }
}

Result<void> SingleClient::call_primaries(std::string_view command, Deadline deadline) {
    Call one{.key = {}, .command = command};
    call({&one, 1}, deadline);
    if (!one.answer) return one.answer.error();
    if (one.answer->is_error()) return Error{ErrorCode::invalid, one.answer->text};
    return {};
}

std::vector<ServerAnswer> SingleClient::ask_primaries(std::string_view command, Deadline deadline) {
    const auto pass = calls_.enter();
    if (!pass) return {};
    Batch batch(scheduler_, 1);
    batch[0].command = command;
    server_.send(batch[0], deadline);
    batch.wait(deadline);
    std::vector<ServerAnswer> answers;
    answers.push_back({server_.address(), std::move(batch[0].answer())});
    return answers;
}

void SingleClient::subscribe(std::string channel, std::function<void()> connected,
                             std::function<void(std::string_view)> heard) {
    subscriptions_.push_back(std::make_unique<Subscription>(
        scheduler_, connect_,
        [this](Deadline) -> Result<ServerAddress> { return options_.url.servers.at(0); },
        server_options(options_), SubscriptionOptions{.channel = std::move(channel)},
        std::move(connected), std::move(heard), log_));
}

ClientStats SingleClient::stats() const noexcept {
    const ServerStats server = server_.stats();
    ClientStats stats = counters_;
    stats.servers = 1;
    stats.connected = server.connected ? 1 : 0;
    stats.pending = server.pending;
    stats.tombstones = server.tombstones;
    stats.writes = server.writes;
    stats.reconnects = server.connects > 0 ? server.connects - 1 : 0;
    stats.pool = server.pool;
    return stats;
}

void SingleClient::stop() {
    stopping_.set();
    for (const auto& subscription : subscriptions_) subscription->stop();
    server_.stop();
    calls_.close();
    if (connector_) connector_->stop();
}

}  // namespace ringmaster::redis
