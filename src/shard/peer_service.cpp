#include "ringmaster/shard/peer_service.hpp"

#include "ringmaster/base/intrusive_list.hpp"
#include "ringmaster/runtime/rare_warning.hpp"
#include "ringmaster/runtime/wait_queue.hpp"
#include "ringmaster/shard/peer_messages.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <exception>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "peer_connection.hpp"

namespace ringmaster::shard {
namespace {

/// Of what one call asks for, whatever it says.
constexpr std::uint64_t kMaxHolders = 65'536;
constexpr std::uint64_t kMaxNumbers = 65'536;
/// Of a call's buffer: what a large call needed beyond it is given back.
constexpr std::size_t kKeepBytes = 64 * 1024;

}  // namespace

class PeerService::State {
  public:
    State(runtime::Reactor& reactor, Log& log, const ringpool::Catalog& catalog, Shard& own,
          CatchUp catch_up, const PeerServiceOptions& options)
        : reactor_(reactor),
          warning_(reactor.scheduler(), log),
          catalog_(catalog),
          own_(own),
          catch_up_(std::move(catch_up)),
          options_(options),
          changed_(reactor.scheduler()) {}

    void serve(int fd);
    bool drain(Deadline deadline);
    PeerServiceStats stats() const noexcept {
        PeerServiceStats stats = stats_;
        stats.connections = clients_.size();
        return stats;
    }

  private:
    class Client;

    /// A call, from its frame to its answer. Reused, so that a call costs no allocation.
    struct Work : ListHook<Client> {
        Client* client = nullptr;  ///< null once its connection has gone
        FrameHead head;
        std::string payload;
        std::string answer;
        // Of an `allocate` call:
        std::vector<ringpool::AllocationRequest> requests;
        std::vector<ringpool::Allocation> answers;
        std::vector<bool> known;  ///< for each row whether there is such a pool: a request then
    };

    Work& take_work();
    void begin(Client& client, const FrameHead& head, std::string_view payload);
    void work_on(Work& work);
    void answer(Work& work);
    void allocate(Work& work, Deadline deadline);
    void release(Work& work, Deadline deadline);
    template <class Call, class Function>
    void answer_with(Work& work, Function&& function);
    static void fail(Work& work, const Error& error);
    void finish(Work& work);
    void gone(Client& client) noexcept;

    runtime::Reactor& reactor_;
    runtime::RareWarning warning_;
    const ringpool::Catalog& catalog_;
    Shard& own_;
    const CatchUp catch_up_;
    const PeerServiceOptions options_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::vector<std::unique_ptr<Work>> works_;  ///< all that exist
    std::vector<Work*> spare_;                  ///< of those, the ones that are in no work
    runtime::WaitQueue changed_;                ///< for drain()
    bool draining_ = false;
    PeerServiceStats stats_;
};

/// Another shard's connection.
class PeerService::State::Client final : public PeerConnection::User {
  public:
    explicit Client(State& state) noexcept : state_(state) {}
    ~Client() override {
        while (Work* const work = works_.pop_front()) work->client = nullptr;
        if (connection_) connection_->close();
    }

    Result<void> start(int fd) {
        const PeerServiceOptions& options = state_.options_;
        auto started = PeerConnection::start(
            state_.reactor_, *this,
            {.frames = options.frames, .high_water_bytes = options.high_water_bytes}, fd);
        if (!started) return started.error();
        connection_ = *std::move(started);
        return {};
    }

    void began(Work& work) {
        work.client = this;
        works_.push_back(work);
        if (++in_work_ == state_.options_.max_calls_per_connection) connection_->pause();
    }
    void ended(Work& work) {
        work.client = nullptr;
        work.unlink();
        --in_work_;
        send(work);
        if (state_.draining_) return drain();
        if (in_work_ + 1 == state_.options_.max_calls_per_connection) connection_->resume();
    }
    void drain() { in_work_ == 0 ? connection_->finish() : connection_->pause(); }

  private:
    void send(Work& work) {
        if (const auto sent = connection_->send(work.head, work.answer); !sent) {
            fail(work, sent.error());
            (void)connection_->send(work.head, work.answer);  // is short
        }
    }
    bool on_frame(const FrameHead& head, std::string_view payload) override {
        if (head.answer) return false;
        state_.begin(*this, head, payload);
        return true;
    }
    void on_end(const Error& why) override {
        if (why.code == ErrorCode::damaged) {
            state_.warning_.tell("a connection from another shard: " + why.message);
        }
        state_.gone(*this);
    }

    State& state_;
    std::shared_ptr<PeerConnection> connection_;
    IntrusiveList<Work, Client> works_;
    std::size_t in_work_ = 0;
};

// ---------------------------------------------------------------------------------------------
// Connections

void PeerService::State::serve(int fd) {
    if (draining_ || clients_.size() == options_.max_connections) {
        ::close(fd);
        return;
    }
    auto client = std::make_unique<Client>(*this);
    if (const auto started = client->start(fd); !started) {
        return warning_.tell("a connection from another shard: " + started.error().message);
    }
    clients_.push_back(std::move(client));
    ++stats_.accepted;
}

void PeerService::State::gone(Client& client) noexcept {
    std::erase_if(clients_, [&](const auto& other) { return other.get() == &client; });
    changed_.notify_all();
}

bool PeerService::State::drain(Deadline deadline) {
    draining_ = true;
    for (const auto& client : clients_) client->drain();
    while (!clients_.empty() || stats_.calls_in_work > 0) {
        if (changed_.wait(deadline) == runtime::WakeReason::notified) continue;
        clients_.clear();
        return stats_.calls_in_work == 0;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------
// Calls

PeerService::State::Work& PeerService::State::take_work() {
    if (spare_.empty()) {
        works_.push_back(std::make_unique<Work>());
        spare_.reserve(works_.size());  // so that finish() needs no memory
        return *works_.back();
    }
    Work& work = *spare_.back();
    spare_.pop_back();
    return work;
}

void PeerService::State::begin(Client& client, const FrameHead& head, std::string_view payload) {
    Work& work = take_work();
    work.head = head;
    work.payload = payload;
    client.began(work);
    ++stats_.calls;
    ++stats_.calls_in_work;
    const bool started = reactor_.scheduler().run(
        "shard call", [this, &work] { work_on(work); }, head.deadline());
    if (started) return;
    ++stats_.refused;
    fail(work, {ErrorCode::unavailable, "too many requests are in flight there"});
    finish(work);
}

void PeerService::State::work_on(Work& work) {
    try {
        const Deadline deadline = reactor_.scheduler().deadline();
        const auto caught_up = catch_up_(deadline);
        if (!caught_up) {
            fail(work, caught_up.error());
        } else if (deadline.expired(reactor_.scheduler().now())) {
            fail(work, {ErrorCode::timeout, "the call came too late"});
        } else {
            answer(work);
        }
    } catch (const runtime::FiberUnwound&) {
        throw;
    } catch (const runtime::Cancelled& cancelled) {
        fail(work, {ErrorCode::unavailable, cancelled.reason});
    } catch (...) {
        const auto handle =
            reactor_.scheduler().errors().report("shard call", std::current_exception());
        fail(work, {ErrorCode::unavailable,
                    "refer to error handle " + std::to_string(handle) + " of that shard"});
    }
    finish(work);
}

void PeerService::State::answer(Work& work) {
    const Deadline deadline = reactor_.scheduler().deadline();
    ringpool::PoolAdministration& pools = own_.pools();
    switch (work.head.type) {
        case CallType::allocate: return allocate(work, deadline);
        case CallType::release: return release(work, deadline);
        case CallType::holders:
            return answer_with<HoldersCall>(work, [&](HoldersCall& call) {
                return own_.holders(call.number, call.at, std::min(call.max, kMaxHolders),
                                    deadline);
            });
        case CallType::erase:
            return answer_with<EraseCall>(
                work, [&](EraseCall& call) { return own_.erase(call.session_id, deadline); });
        case CallType::put_pool:
            return answer_with<PutPoolCall>(work, [&](PutPoolCall& call) {
                return pools.put_pool(std::move(call.definition));
            });
        case CallType::remove_pool:
            return answer_with<RemovePoolCall>(
                work, [&](RemovePoolCall& call) { return pools.remove_pool(call.pool_id); });
        case CallType::edit_numbers:
            return answer_with<EditNumbersCall>(work, [&](EditNumbersCall& call) {
                return pools.edit_numbers(call.pool_id, std::move(call.edit));
            });
        case CallType::set_numbers:
            return answer_with<SetNumbersCall>(work, [&](SetNumbersCall& call) {
                return pools.set_numbers(call.pool_id, std::move(call.wanted));
            });
        case CallType::numbers:
            return answer_with<NumbersCall>(work, [&](NumbersCall& call) {
                return pools.numbers(call.pool_id, call.from,
                                     std::clamp<std::size_t>(call.max, 1, kMaxNumbers));
            });
        case CallType::figures:
            return answer_with<FiguresCall>(
                work, [&](FiguresCall& call) { return pools.figures(call.pool_id); });
        case CallType::overflow_counts:
            return answer_with<OverflowCountsCall>(work, [&](OverflowCountsCall& call) {
                return own_.overflow_counts(call.pool_id, deadline);
            });
        case CallType::look_up:
            return answer_with<LookUpCall>(
                work, [&](LookUpCall& call) { return own_.look_up(call.numbers, deadline); });
        case CallType::sweep:
            return answer_with<SweepCall>(
                work, [&](SweepCall& call) { return own_.sweep(call.pool_id, deadline); });
        case CallType::demand:
            return answer_with<DemandCall>(
                work, [&](DemandCall& call) { return own_.demand(call.pool_id, deadline); });
        case CallType::report:
            return answer_with<ReportCall>(work,
                                           [&](ReportCall&) { return own_.report(deadline); });
        case CallType::profile:
            return answer_with<ProfileCall>(work,
                                            [&](ProfileCall&) { return own_.profile(deadline); });
        case CallType::events:
            return answer_with<EventsCall>(
                work, [&](EventsCall& call) { return own_.events().read(call.query, deadline); });
    }
}

void PeerService::State::allocate(Work& work, Deadline deadline) {
    work.requests.clear();
    work.known.clear();
    for (std::string_view rest = work.payload; !rest.empty();) {
        const auto row = RequestRow::take(rest);
        if (!row) return fail(work, {ErrorCode::invalid, "a row of the call can't be read"});
        const auto pool = catalog_.find(row->pool_id);
        work.known.push_back(pool.has_value());
        if (pool) work.requests.push_back({*pool, row->session, row->keeps_context});
    }
    stats_.rows += work.known.size();
    work.answers.resize(work.requests.size());
    if (!work.requests.empty()) own_.store().allocate(work.requests, work.answers, deadline);
    auto allocation = work.answers.begin();
    for (const bool known : work.known) {
        known ? AnswerRow::append(work.answer, *allocation++)
              : AnswerRow::append_unknown_pool(work.answer);
    }
}

void PeerService::State::release(Work& work, Deadline deadline) {
    answer_with<ReleaseCall>(work, [&](ReleaseCall& call) -> Result<void> {
        const auto pool = catalog_.find(call.pool_id);
        if (!pool) return Error{ErrorCode::not_found, "there is no such pool"};
        return own_.store().release(*pool, call.number, {call.session_id, call.context}, deadline);
    });
}

template <class Call, class Function>
void PeerService::State::answer_with(Work& work, Function&& function) {
    auto call = decode_value<Call>(work.payload);
    if (!call) return fail(work, {ErrorCode::invalid, "the call can't be read"});
    const Result<typename Call::Answer> result = function(*call);
    work.head.failed = !result;
    append_answer(work.answer, result);
}

void PeerService::State::fail(Work& work, const Error& error) {
    work.head.failed = true;
    work.answer.clear();
    append_error(work.answer, error);
}

void PeerService::State::finish(Work& work) {
    work.head.answer = true;
    work.head.deadline_ns = 0;
    if (work.client != nullptr) {
        work.client->ended(work);
    } else {
        ++stats_.dropped;
    }
    for (std::string* const buffer : {&work.payload, &work.answer}) {
        buffer->clear();
        if (buffer->capacity() > kKeepBytes) buffer->shrink_to_fit();
    }
    spare_.push_back(&work);
    --stats_.calls_in_work;
    changed_.notify_all();
}

// ---------------------------------------------------------------------------------------------

PeerService::PeerService(runtime::Reactor& reactor, Log& log, const ringpool::Catalog& catalog,
                         Shard& own, CatchUp catch_up, PeerServiceOptions options)
    : state_(std::make_unique<State>(reactor, log, catalog, own, std::move(catch_up), options)) {}

PeerService::~PeerService() = default;

void PeerService::serve(int fd) {
    state_->serve(fd);
}

bool PeerService::drain(Deadline deadline) {
    return state_->drain(deadline);
}

PeerServiceStats PeerService::stats() const noexcept {
    return state_->stats();
}

}  // namespace ringmaster::shard
