#include "ringmaster/redis/subscription.hpp"

#include "ringmaster/redis/command.hpp"

#include <algorithm>
#include <cassert>
#include <deque>
#include <exception>
#include <random>
#include <utility>

namespace ringmaster::redis {

using std::chrono::milliseconds;

class Subscription::State {
  public:
    State(runtime::Scheduler& scheduler, Connect connect, Where where, ServerOptions server,
          SubscriptionOptions options, std::function<void()> connected,
          std::function<void(std::string_view)> heard, Log& log)
        : scheduler_(scheduler),
          connect_(std::move(connect)),
          where_(std::move(where)),
          server_(std::move(server)),
          options_(std::move(options)),
          connected_(std::move(connected)),
          heard_(std::move(heard)),
          warning_(scheduler, log),
          random_(std::random_device()()),
          retry_timer_(runtime::Callback::of<&State::begin>(*this)),
          fibers_(scheduler),
          changed_(scheduler) {
        begin();
    }

    /// Once more later, where there is no fiber.
    void begin() {
        auto pass = fibers_.enter();
        if (!pass) return;
        task_ = scheduler_.spawn("redis subscription", [pass = *std::move(pass), this] { run(); });
        if (!task_) scheduler_.timers().schedule(retry_timer_, scheduler_.now() + pause());
    }

    void stop() {
        retry_timer_.cancel();
        task_.cancel("the subscription is being stopped");
        fibers_.close();
    }

  private:
    void hang_up() noexcept {
        if (const auto connection = std::exchange(connection_, nullptr)) connection->close();
    }

    void run() {
        struct End {
            ~End() { state.hang_up(); }
            State& state;
        } end{*this};
        while (true) {
            try {
                if (const auto done = listen(); !done) {
                    // Who refuses our password is not to be asked again and again.
                    if (done.error().code == ErrorCode::invalid) pause_ = server_.reconnect_most;
                    warning_.tell("redis, channel " + options_.channel + ": " +
                                  done.error().message);
                }
            } catch (const std::exception&) {
                scheduler_.errors().report("subscription to Redis", std::current_exception());
            }
            hang_up();
            scheduler_.sleep_until(scheduler_.now() + pause());
        }
    }

    /// Suspends for as long as all goes well.
    Result<void> listen() {
        const Deadline until = Deadline::at(scheduler_.now() + server_.connect_timeout);
        const auto address = where_(until);
        if (!address) return address.error();
        const auto named = [&](const Error& why) {
            return Error{why.code, address.value().text() + ": " + why.message};
        };
        auto stream = connect_(address.value(), until);
        if (!stream) return named(stream.error());
        auto opened = Connection::open(scheduler_, fibers_, *std::move(stream), server_.login,
                                       server_.connection, counters_, until);
        if (!opened) return named(opened.error());
        connection_ = *std::move(opened);
        std::optional<Error> ended;
        unheard_.clear();
        has_missed_ = true;  // what was said before this
        connection_->on_end([&](const Error& why) {
            ended = why;
            changed_.notify_all();
        });
        connection_->on_message([this](std::string_view payload) {
            if (unheard_.size() >= options_.max_unheard) {
                unheard_.clear();
                has_missed_ = true;
            } else {
                unheard_.emplace_back(payload);
            }
            changed_.notify_all();
        });
        const Command subscribe({"SUBSCRIBE", options_.channel});
        Batch batch(scheduler_, 1);
        batch[0].command = subscribe.bytes();
        connection_->send(batch[0], until);
        batch.wait(until);
        if (!batch[0].answered()) return named(batch[0].error());
        if (batch[0].reply().is_error()) {
            return named({ErrorCode::unavailable, batch[0].reply().text});
        }
        pause_ = milliseconds(0);
        while (!ended) {
            if (std::exchange(has_missed_, false)) {
                connected_();
            } else if (unheard_.empty()) {
                changed_.wait();
            } else {
                const std::string payload = std::move(unheard_.front());
                unheard_.pop_front();
                heard_(payload);
            }
        }
        return named(*ended);
    }

    milliseconds pause() {
        pause_ = pause_.count() == 0 ? server_.reconnect_first
                                     : std::min(2 * pause_, server_.reconnect_most);
        std::uniform_int_distribution<milliseconds::rep> jitter(pause_.count() / 2, pause_.count());
        return milliseconds(jitter(random_));
    }

    runtime::Scheduler& scheduler_;
    const Connect connect_;
    const Where where_;
    const ServerOptions server_;
    const SubscriptionOptions options_;
    const std::function<void()> connected_;
    const std::function<void(std::string_view)> heard_;
    runtime::RareWarning warning_;
    std::minstd_rand random_;
    runtime::Timer retry_timer_;
    runtime::Gate fibers_;
    ConnectionCounters counters_;
    std::shared_ptr<Connection> connection_;
    runtime::Task task_;
    std::deque<std::string> unheard_;
    bool has_missed_ = false;
    runtime::WaitQueue changed_;
    milliseconds pause_{0};
};

Subscription::Subscription(runtime::Scheduler& scheduler, Connect connect, Where where,
                           ServerOptions server_options, SubscriptionOptions options,
                           std::function<void()> connected,
                           std::function<void(std::string_view)> heard, Log& log)
    : state_(std::make_unique<State>(scheduler, std::move(connect), std::move(where),
                                     std::move(server_options), std::move(options),
                                     std::move(connected), std::move(heard), log)) {}

Subscription::~Subscription() = default;

void Subscription::stop() {
    state_->stop();
}

}  // namespace ringmaster::redis
