#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/http/open_answer.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/wait_queue.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace ringmaster::api {

/// Tells everybody who watches how the daemon is, once each period: one snapshot is taken and
/// written for all of them, however many they are, and none while nobody watches. Who takes less
/// than he is sent misses snapshots, and goes on with the one that is the latest then. Belongs to
/// one reactor.
class StatusFeed {
  public:
    struct Options {
        std::size_t max_watchers = 1000;  ///< above it, 503
        std::chrono::milliseconds period{1'000};
        /// Who has left so many bytes untaken is sent no more until he takes them.
        std::size_t max_behind_bytes = 32 * 1024;
    };
    /// `snapshot` gives a text; it may suspend. What it throws is reported, and costs one snapshot.
    StatusFeed(runtime::Scheduler& scheduler, std::function<std::string()> snapshot,
               Options options);
    /// close() must have returned, and watchers must have gone, as they have when the server is
    /// drained.
    ~StatusFeed();

    /// Answers a request: a stream of events (text/event-stream), each with a snapshot as its data,
    /// which goes on when this has returned. Suspends, as Response::write() does.
    void watch(http::Response& response);
    std::size_t watchers() const noexcept { return count_; }

    /// Suspends. Lets nobody in any more; afterwards no snapshot is taken.
    void close();

  private:
    class Watcher;

    void run();
    void take_snapshot();
    void tell_all();

    runtime::Scheduler& scheduler_;
    const std::function<std::string()> snapshot_;
    const Options options_;
    IntrusiveList<Watcher, StatusFeed> watchers_;
    std::size_t count_ = 0;
    std::string latest_;  ///< the event, as it is sent; empty while nobody watches
    bool running_ = false;
    bool closed_ = false;
    runtime::WaitQueue changed_;  ///< there is no watcher any more, or no fiber
};

}  // namespace ringmaster::api
