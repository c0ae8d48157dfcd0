#include "ringmaster/api/status_feed.hpp"

#include "ringmaster/http/event_stream.hpp"
#include "ringmaster/http/router.hpp"

#include <exception>
#include <memory>
#include <utility>

namespace ringmaster::api {
namespace {

/// Before a browser connects anew.
constexpr std::chrono::milliseconds kRetry{2'000};

}  // namespace

/// One stream; destroys itself when its client has gone.
class StatusFeed::Watcher final : public http::OpenAnswer, public ListHook<StatusFeed> {
  public:
    explicit Watcher(StatusFeed& feed) : feed_(feed) {
        feed_.watchers_.push_back(*this);
        ++feed_.count_;
    }
    ~Watcher() override {
        if (--feed_.count_ == 0) feed_.changed_.notify_all();
    }

  private:
    void on_gone() noexcept override { delete this; }

    StatusFeed& feed_;
};

StatusFeed::StatusFeed(runtime::Scheduler& scheduler, std::function<std::string()> snapshot,
                       Options options)
    : scheduler_(scheduler),
      snapshot_(std::move(snapshot)),
      options_(options),
      changed_(scheduler) {}

StatusFeed::~StatusFeed() = default;

void StatusFeed::watch(http::Response& response) {
    if (closed_ || count_ >= options_.max_watchers) {
        return http::set_unavailable(response, "TooManyWatchers",
                                     "so many watch already; try again later");
    }
    auto watcher = std::make_unique<Watcher>(*this);
    if (!running_) {
        running_ = static_cast<bool>(scheduler_.spawn("status feed", [this] { run(); }));
        if (!running_) {
            return http::set_unavailable(response, "ServiceUnavailable",
                                         "too many requests are in flight; try again later");
        }
    }
    http::set_event_stream(response);
    response.close = true;
    std::string begin;
    http::append_retry(begin, kRetry);
    begin += latest_;  // who comes between two snapshots need not wait
    response.write(begin);
    response.leave_open(*watcher.release());
}

void StatusFeed::close() {
    closed_ = true;
    changed_.notify_all();
    while (running_) changed_.wait();
}

void StatusFeed::run() {
    const struct Run {
        StatusFeed& feed;
        ~Run() {
            feed.running_ = false;
            feed.latest_.clear();
            feed.changed_.notify_all();
        }
    } run{*this};
    while (count_ > 0 && !closed_) {
        const Deadline next = Deadline::at(scheduler_.now() + options_.period);
        take_snapshot();
        while (count_ > 0 && !closed_ && changed_.wait(next) == runtime::WakeReason::notified) {
        }
    }
}

void StatusFeed::take_snapshot() {
    try {
        const std::string text = snapshot_();
        latest_.clear();
        http::append_event(latest_, {.data = text});
    } catch (const std::exception&) {
        scheduler_.errors().report("status snapshot", std::current_exception());
        return;
    }
    tell_all();
}

void StatusFeed::tell_all() {
    for (Watcher* watcher = watchers_.front(); watcher != nullptr;
         watcher = watchers_.next(*watcher)) {
        if (watcher->unsent_bytes() <= options_.max_behind_bytes) watcher->send(latest_);
    }
}

}  // namespace ringmaster::api
