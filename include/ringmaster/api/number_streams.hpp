#pragma once

#include "ringmaster/api/batch_allocator.hpp"
#include "ringmaster/api/numbers_request.hpp"
#include "ringmaster/api/numbers_writer.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/deadline.hpp"
#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/slab.hpp"
#include "ringmaster/http/request.hpp"
#include "ringmaster/http/response.hpp"
#include "ringmaster/http/router.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/store.hpp"
#include "ringmaster/runtime/scheduler.hpp"
#include "ringmaster/runtime/timer_wheel.hpp"
#include "ringmaster/runtime/work_queue.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ringmaster::api {

struct NumberStreamLimits {
    /// Of one shard, those that have ended and are still told to the store among them; above it,
    /// 503.
    std::size_t max_streams = 20'000;
    std::chrono::milliseconds ping{15'000};
    std::chrono::milliseconds retry{3'000};  ///< after which clients are to come back
    std::size_t max_batch = 1'000;           ///< renewals that the store is asked for at once
    std::chrono::milliseconds renewal_timeout{2'000};  ///< for the store to answer them
};

/// Live figures, since the start unless said otherwise.
struct NumberStreamStats {
    std::size_t streams = 0;  ///< now
    std::uint64_t opened = 0;
    std::uint64_t pings = 0;
    std::uint64_t renewals = 0;         ///< rows that the store was asked for
    std::uint64_t failed_renewals = 0;  ///< of those, the ones that it could not answer in time
    std::uint64_t changes = 0;          ///< numbers told behind the first one of a stream
};

/// Numbers that are held by presence: a visitor's page keeps an event stream open (text/
/// event-stream; WHATWG HTML, 9.2), and as long as it is open the number is the visitor's. When it
/// closes, the lifetime starts to run.
///
/// To the store a stream is a client that asks again, without changing what the session's calls are
/// attributed to, well before its lifetime is over (kRenewals times in each), and once more when it
/// has ended. So neither the store nor the journal nor Redis knows of streams, nothing is written
/// when one is pinged, several streams of a session, on whatever shards, need not know of each
/// other, and where a process dies its visitors have most of their lifetime left to come back in.
/// What is promised to a session that asks (max_hold, draining numbers) is what is promised to a
/// stream: where its number's time ends, it is told another one.
///
/// Belongs to one reactor. An open stream costs no fiber.
class NumberStreams {
  public:
    static constexpr int kRenewals = 3;  ///< in one lifetime

    /// Suspends. Brings the catalog up to date; is called before each batch of renewals.
    using CatchUp = std::function<void(Deadline)>;

    /// All that is passed must outlive this. `clock` is the one that drives `scheduler`.
    NumberStreams(const ringpool::Catalog& catalog, ringpool::Store& store,
                  runtime::Scheduler& scheduler, const Clock& clock, ErrorReporter& errors,
                  const ApiLimits& api_limits, const NumberStreamLimits& limits, CatchUp catch_up);
    /// No renewal may be under way: see drain().
    ~NumberStreams();
    NumberStreams(const NumberStreams&) = delete;
    NumberStreams& operator=(const NumberStreams&) = delete;

    /// Adds the route below to `router`, which must not outlive this.
    void register_routes(http::Router& router);

    /// Suspends. GET /numbers/stream: allocates as GET /numbers does, and fails as that does. Then
    /// sends `event: number` with the row, again whenever the number is another one, and comments
    /// in between. The id of an event is the number: a client who comes back with it as
    /// Last-Event-ID is not told what it knows. `event: unavailable`, with an error, where a pool
    /// that allows no overflow has no number any more, or, as the last event, where the pool is
    /// gone.
    void open(const http::Request& request, http::Response& response);

    /// Suspends until the store has been told of the streams that have ended, so that their
    /// lifetimes start now. False where `deadline` passed first.
    bool drain(Deadline deadline) { return renewing_.wait_until_idle(deadline); }

    const NumberStreamStats& stats() const noexcept { return stats_; }

  private:
    class Stream;
    class Place;
    class Renewal;
    struct Pings;
    struct Due;

    void keep(Stream& stream, const ringpool::Allocation& answer);
    void destroy(Stream& stream) noexcept;
    void ping();
    void schedule_renewal(Stream& stream, const ringpool::Allocation& answer);
    void make_due(Stream& stream) noexcept;
    void renew();
    void renewed(Stream& stream, const ringpool::Allocation& answer);
    bool is_gone(ringpool::PoolIndex pool) const;
    void append_number(std::string& out, const Stream& stream, const ringpool::Allocation& answer);
    static void append_unavailable(std::string& out, const ApiError& error);

    const ringpool::Catalog& catalog_;
    ringpool::Store& store_;
    runtime::Scheduler& scheduler_;
    ErrorReporter& errors_;
    const NumberStreamLimits limits_;
    const CatchUp catch_up_;
    NumbersReader reader_;
    NumbersWriter writer_;
    BatchAllocator allocator_;
    const std::string ping_text_;
    NumberStreamStats stats_;
    const std::unique_ptr<ObjectSlab<Stream>> memory_;
    IntrusiveList<Stream, Pings> pings_;  ///< all open streams, in the order of their next pings
    runtime::Timer ping_timer_;
    IntrusiveList<Stream, Due> due_;  ///< to be renewed
    runtime::WorkQueue renewing_;
};

}  // namespace ringmaster::api
