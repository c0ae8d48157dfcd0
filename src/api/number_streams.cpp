#include "ringmaster/api/number_streams.hpp"

#include "ringmaster/http/event_stream.hpp"
#include "ringmaster/http/open_answer.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmaster::api {

namespace {

using ringpool::Allocation;
using std::chrono::milliseconds;

/// Pings that are due within so long leave together, and at most so many of them before the reactor
/// looks at its sockets again.
constexpr milliseconds kPingsTogether{100};
constexpr std::size_t kPingsAtOnce = 256;
/// Between two renewals of one stream, whatever it was promised.
constexpr milliseconds kLeastRenewal{100};

/// In reports.
constexpr const char* kRenewing = "renewal of streams";

std::string comment() {
    std::string text;
    http::append_comment(text);
    return text;
}

}  // namespace

/// One open stream, or one that has ended and of which the store is still to hear.
class NumberStreams::Stream final : public http::OpenAnswer,
                                    public ListHook<Pings>,
                                    public ListHook<Due> {
  public:
    enum class Told : std::uint8_t { nothing, number, overflow };

    Stream(NumberStreams& streams, const ringpool::AllocationRequest& request)
        : renewal(runtime::Callback::of<&Stream::on_renewal>(*this)),
          pool(request.pool),
          streams_(streams),
          session_size_(
              static_cast<std::uint32_t>(request.session.id ? request.session.id->size() : 0)),
          context_size_(static_cast<std::uint32_t>(request.session.context.bytes().size())),
          has_session_id_(request.session.id.has_value()),
          words_(std::make_unique<char[]>(session_size_ + context_size_)) {
        if (has_session_id_) std::ranges::copy(*request.session.id, words_.get());
        std::ranges::copy(request.session.context.bytes(), words_.get() + session_size_);
    }

    /// What it asked for. Points into this.
    ringpool::AllocationRequest request() const noexcept {
        ringpool::AllocationRequest again;
        again.pool = pool;
        again.keeps_context = true;
        if (has_session_id_) again.session.id = std::string_view(words_.get(), session_size_);
        again.session.context = ringpool::Context({words_.get() + session_size_, context_size_});
        return again;
    }

    /// What it is to be told from now on. Whether that is something else than before.
    bool take(const Allocation& answer) noexcept {
        Told now = Told::nothing;
        if (answer.outcome == Allocation::Outcome::allocated) {
            now = Told::number;
            promised_until = answer.expires_at;
        } else if (answer.outcome == Allocation::Outcome::overflow) {
            now = Told::overflow;
        }
        const bool news = now != told || (now != Told::nothing && answer.number != number);
        told = now;
        number = answer.number;
        return news;
    }

    /// Of the events that tell it; the client's Last-Event-ID.
    std::string event_id() const {
        std::string id;
        if (told != Told::nothing) number.append_e164(id);
        if (told == Told::overflow) id += ";overflow";
        return id;
    }

    runtime::Timer renewal;
    SteadyTime next_ping;
    WallTime promised_until{};     ///< where a number is told
    ringpool::PhoneNumber number;  ///< that is told
    const ringpool::PoolIndex pool;
    Told told = Told::nothing;
    bool asked = false;  ///< the store has been asked for it: not to be destroyed
    bool ended = false;

  private:
    void on_renewal() { streams_.make_due(*this); }
    void on_gone() noexcept override;

    NumberStreams& streams_;
    const std::uint32_t session_size_;
    const std::uint32_t context_size_;
    const bool has_session_id_;
    const std::unique_ptr<char[]> words_;  ///< session and context
};

// Who was told an overflow number holds nothing.
void NumberStreams::Stream::on_gone() noexcept {
    ended = true;
    ListHook<Pings>::unlink();
    renewal.cancel();
    if (asked) return;
    if (told == Told::number) return streams_.make_due(*this);
    streams_.destroy(*this);
}

/// Room for one stream that is about to be.
class NumberStreams::Place {
  public:
    explicit Place(NumberStreamStats& stats) noexcept : stats_(&stats) { ++stats.streams; }
    ~Place() {
        if (stats_ != nullptr) --stats_->streams;
    }
    Place(Place&&) = delete;
    void keep() noexcept { stats_ = nullptr; }

  private:
    NumberStreamStats* stats_;
};

/// Asks the store again for all that are due.
class NumberStreams::Renewal final : public runtime::WorkQueue::Job {
  public:
    explicit Renewal(NumberStreams& streams) noexcept : streams_(streams) {}
    void run() override { streams_.renew(); }
    bool merge(Job&) override { return true; }

  private:
    NumberStreams& streams_;
};

NumberStreams::NumberStreams(const ringpool::Catalog& catalog, ringpool::Store& store,
                             runtime::Scheduler& scheduler, const Clock& clock,
                             ErrorReporter& errors, const ApiLimits& api_limits,
                             const NumberStreamLimits& limits, CatchUp catch_up)
    : catalog_(catalog),
      store_(store),
      scheduler_(scheduler),
      errors_(errors),
      limits_(limits),
      catch_up_(std::move(catch_up)),
      reader_(catalog, api_limits),
      allocator_(catalog, store, scheduler, clock, errors),
      ping_text_(comment()),
      memory_(std::make_unique<ObjectSlab<Stream>>()),
      ping_timer_(runtime::Callback::of<&NumberStreams::ping>(*this)),
      renewing_(scheduler, kRenewing, 1, 1) {}

NumberStreams::~NumberStreams() {
    while (Stream* stream = pings_.front()) destroy(*stream);
    while (Stream* stream = due_.front()) destroy(*stream);
}

void NumberStreams::register_routes(http::Router& router) {
    router.add(http::Method::get, "/numbers/stream",
               [this](const http::Request& request, const http::PathParameters&,
                      http::Response& response) { open(request, response); });
}

void NumberStreams::open(const http::Request& request, http::Response& response) {
    if (stats_.streams >= limits_.max_streams) {
        return http::set_unavailable(response, "ServiceUnavailable",
                                     "too many streams are open; try again later");
    }
    Place place(stats_);
    BatchAllocator::Lease batch(allocator_);
    reader_.read_query(request.query(), batch->request);
    allocator_.allocate("GET /numbers/stream", *batch);
    std::optional<Allocation> answer;
    allocator_.for_each_row(
        *batch, [&](const auto&, const auto&, const Allocation& got) { answer = got; },
        [&](const auto&, const ApiError& error) {
            response.add_header("Cache-Control", "no-store");
            set_error(response, error);
        });
    if (!answer) return;

    auto stream = memory_->make(*this, batch->request.allocations().front());
    stream->take(*answer);
    allocator_.add_processing_time(*batch, response);
    response.close = true;
    http::set_event_stream(response);
    std::string beginning;
    http::append_retry(beginning, limits_.retry);
    if (request.header("Last-Event-ID") == stream->event_id()) {
        beginning += ping_text_;
    } else {
        append_number(beginning, *stream, *answer);
    }
    response.write(beginning);
    response.leave_open(*stream);
    place.keep();
    keep(*stream.release(), *answer);
}

/// From here on it is on_gone() that ends it, which also tells where the client has left already.
void NumberStreams::keep(Stream& stream, const Allocation& answer) {
    ++stats_.opened;
    stream.next_ping = scheduler_.now() + limits_.ping;
    pings_.push_back(stream);
    if (!ping_timer_.scheduled()) scheduler_.timers().schedule(ping_timer_, stream.next_ping);
    schedule_renewal(stream, answer);
}

void NumberStreams::destroy(Stream& stream) noexcept {
    --stats_.streams;
    memory_->destroy(stream);
}

// --- pings -------------------------------------------------------------------------------------

// They are due in the order in which they were sent the last time, so that no stream that is not
// due is looked at.
void NumberStreams::ping() {
    const SteadyTime until = scheduler_.now() + kPingsTogether;
    for (std::size_t sent = 0; sent < kPingsAtOnce; ++sent) {
        Stream* const stream = pings_.front();
        if (stream == nullptr || stream->next_ping > until) break;
        pings_.pop_front();
        // To who doesn't take what there is for it nothing needs to be added.
        if (stream->send(ping_text_)) ++stats_.pings;
        stream->next_ping = scheduler_.now() + limits_.ping;
        pings_.push_back(*stream);
    }
    if (Stream* const next = pings_.front()) {
        scheduler_.timers().schedule(ping_timer_, next->next_ping);
    }
}

// --- renewals ----------------------------------------------------------------------------------

void NumberStreams::schedule_renewal(Stream& stream, const Allocation& answer) {
    const SteadyTime::duration lifetime = catalog_.at(stream.pool).lifetime;
    SteadyTime::duration wait = lifetime / kRenewals;
    if (stream.told == Stream::Told::number) {
        wait = std::min<SteadyTime::duration>(wait, stream.promised_until - scheduler_.wall_now());
    }
    // What could not be had now may be there soon.
    if (answer.outcome != Allocation::Outcome::allocated) {
        wait = std::min<SteadyTime::duration>(wait, limits_.ping);
    }
    wait = std::max<SteadyTime::duration>(wait, kLeastRenewal);
    scheduler_.timers().schedule(stream.renewal, scheduler_.now() + wait);
}

void NumberStreams::make_due(Stream& stream) noexcept {
    try {
        due_.push_back(stream);
        static_cast<void>(renewing_.add(std::make_unique<Renewal>(*this)));
    } catch (...) {
        errors_.report(kRenewing, std::current_exception());
    }
}

/// In its own fiber, one at a time. What becomes due meanwhile is asked for in the next batch.
void NumberStreams::renew() {
    std::vector<Stream*> batch;
    std::vector<ringpool::AllocationRequest> requests;
    std::vector<Allocation> answers;
    while (!due_.empty()) {
        batch.clear();
        requests.clear();
        answers.clear();
        while (batch.size() < limits_.max_batch) {
            Stream* const stream = due_.pop_front();
            if (stream == nullptr) break;
            stream->asked = true;
            batch.push_back(stream);
            requests.push_back(stream->request());
            answers.push_back(ringpool::overflow_allocation(
                catalog_.at(stream->pool), ringpool::OverflowReason::store_unavailable));
        }
        stats_.renewals += batch.size();
        try {
            const auto deadline = Deadline::at(scheduler_.now() + limits_.renewal_timeout);
            catch_up_(deadline);
            store_.allocate(requests, answers, deadline);
        } catch (const std::exception&) {
            errors_.report(kRenewing, std::current_exception());
        }
        for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i]->asked = false;
            renewed(*batch[i], answers[i]);
        }
    }
}

void NumberStreams::renewed(Stream& stream, const Allocation& answer) {
    const bool failed = answer.outcome != Allocation::Outcome::allocated &&
                        answer.reason != ringpool::OverflowReason::exhausted;
    stats_.failed_renewals += failed ? 1 : 0;
    if (stream.ended) return destroy(stream);

    std::string text;
    if (is_gone(stream.pool)) {
        append_unavailable(text, {ErrorClass::invalid_key, "the pool is gone"});
        stream.send(text);
        stream.end();
        return destroy(stream);
    }
    // Where nobody could say otherwise, what was promised holds until its time is over.
    const bool still_promised =
        stream.told == Stream::Told::number && scheduler_.wall_now() < stream.promised_until;
    if (!(failed && still_promised) && stream.take(answer)) {
        ++stats_.changes;
        if (stream.told == Stream::Told::nothing) {
            append_unavailable(text, BatchAllocator::exhausted(catalog_.at(stream.pool), answer));
        } else {
            append_number(text, stream, answer);
        }
        // Who does not read can't be told. It comes back, and is told then.
        if (!stream.send(text)) {
            stream.end();
            return destroy(stream);
        }
    }
    schedule_renewal(stream, answer);
}

bool NumberStreams::is_gone(ringpool::PoolIndex pool) const {
    return catalog_.find(catalog_.at(pool).id) != pool;
}

// --- events ------------------------------------------------------------------------------------

void NumberStreams::append_number(std::string& out, const Stream& stream,
                                  const Allocation& answer) {
    std::string row;
    writer_.append_row(row, std::nullopt, answer);
    http::append_event(out, {.name = "number", .data = row, .id = stream.event_id()});
}

void NumberStreams::append_unavailable(std::string& out, const ApiError& error) {
    std::string row;
    NumbersWriter::append_error(row, std::nullopt, error);
    http::append_event(out, {.name = "unavailable", .data = row, .id = ""});
}

}  // namespace ringmaster::api
