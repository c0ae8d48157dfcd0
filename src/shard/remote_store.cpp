#include "ringmaster/shard/remote_store.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <string>
#include <utility>

#include "ask.hpp"

namespace ringmaster::shard {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;

namespace {

OverflowReason reason_of(const Error& error) noexcept {
    return error.code == ErrorCode::closed ? OverflowReason::owner_down
                                           : OverflowReason::owner_slow;
}

}  // namespace

/// A fiber in allocate(), on its own stack.
struct RemoteStore::Caller {
    Caller(RemoteStore& s, std::span<const AllocationRequest> r, std::span<Allocation> a,
           Deadline d) noexcept
        : store(s), requests(r), answers(a), deadline(d) {}
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    ~Caller() {
        if (open > 0) store.leave(*this);
    }

    void answered(std::size_t rows) noexcept {
        open -= rows;
        if (open == 0) waker.wake();
    }

    RemoteStore& store;
    const std::span<const AllocationRequest> requests;
    const std::span<Allocation> answers;
    const Deadline deadline;
    std::size_t open = 0;  ///< rows in calls
    runtime::Waker waker;
};

/// One `allocate` call, from its first row to its answer.
class RemoteStore::MergedCall final : public PeerLink::Call, public ListHook<RemoteStore> {
  public:
    explicit MergedCall(RemoteStore& store) noexcept : store_(store) {}

    void add(Caller& caller, std::size_t row, const RequestRow& encoded) {
        const bool goes_on = !parts_.empty() && parts_.back().caller == &caller &&
                             parts_.back().first_row + parts_.back().rows == row;
        if (!goes_on) parts_.push_back({&caller, row, 0, 0});
        encoded.append_to(payload_);
        parts_.back().rows += 1;
        parts_.back().bytes += encoded.bytes();
        rows_ += 1;
        latest_ = Deadline::at(std::max(latest_.time(), caller.deadline.time()));
    }

    /// The caller waits no more: its rows are taken out, or where they are sent already, passed
    /// over when the answer comes.
    void remove(const Caller& caller, bool is_sent) noexcept {
        std::size_t offset = 0;
        for (Part& part : parts_) {
            if (part.caller == &caller) {
                answer_without(part, OverflowReason::owner_slow);
                part.caller = nullptr;
                if (!is_sent) {
                    payload_.erase(offset, part.bytes);
                    rows_ -= part.rows;
                    part = {};
                }
            }
            offset += part.bytes;
        }
    }
    bool is_awaited() const noexcept {
        return std::ranges::any_of(parts_, [](const Part& p) { return p.caller != nullptr; });
    }

    bool answered(const FrameHead& head, std::string_view payload) override {
        if (head.failed) {
            lost(decode_error(payload));
            return true;
        }
        if (payload.size() != rows_ * AnswerRow::kBytes) return false;
        for (Part& part : parts_) {
            if (part.caller != nullptr && !decode(part, payload.data())) return false;
            payload.remove_prefix(part.rows * AnswerRow::kBytes);
            finish(part);
        }
        store_.ended(*this);
        return true;
    }
    void lost(const Error& why) override {
        for (Part& part : parts_) {
            answer_without(part, reason_of(why));
            finish(part);
        }
        store_.ended(*this);
    }

    std::size_t rows() const noexcept { return rows_; }
    std::string_view payload() const noexcept { return payload_; }
    /// The last of its callers waits until then.
    Deadline deadline() const noexcept { return latest_; }
    void clear() noexcept {
        leave();
        parts_.clear();
        payload_.clear();
        // One large row may have made it grow further.
        if (payload_.capacity() > 2 * store_.options_.max_call_bytes) payload_ = {};
        rows_ = 0;
        latest_ = Deadline::at(SteadyTime::min());
    }

  private:
    /// Successive rows of one caller.
    struct Part {
        Caller* caller = nullptr;  ///< null: it waits no more
        std::size_t first_row = 0;
        std::size_t rows = 0;
        std::size_t bytes = 0;
    };

    bool decode(const Part& part, const char* row) noexcept {
        for (std::size_t i = part.first_row; i < part.first_row + part.rows; ++i) {
            switch (AnswerRow::decode(row, part.caller->answers[i])) {
                case AnswerRow::Kind::answered: break;
                case AnswerRow::Kind::unknown_pool:
                    store_.answer_without(*part.caller, i, OverflowReason::store_unavailable);
                    break;
                case AnswerRow::Kind::invalid: return false;
            }
            row += AnswerRow::kBytes;
        }
        return true;
    }
    void answer_without(const Part& part, OverflowReason reason) noexcept {
        for (std::size_t i = 0; part.caller != nullptr && i < part.rows; ++i) {
            store_.answer_without(*part.caller, part.first_row + i, reason);
        }
    }
    static void finish(Part& part) noexcept {
        if (Caller* const caller = std::exchange(part.caller, nullptr)) caller->answered(part.rows);
    }

    RemoteStore& store_;
    std::string payload_;
    std::vector<Part> parts_;
    std::size_t rows_ = 0;
    Deadline latest_ = Deadline::at(SteadyTime::min());
};

RemoteStore::RemoteStore(const ringpool::Catalog& catalog, PeerLink& link,
                         RemoteStoreOptions options)
    : catalog_(catalog),
      link_(link),
      options_(options),
      turn_end_(runtime::Callback::of<&RemoteStore::send_calls>(*this)) {
    assert(options.max_calls_under_way > 0 && options.max_call_rows > 0);
}

RemoteStore::~RemoteStore() = default;

void RemoteStore::allocate(std::span<const AllocationRequest> requests,
                           std::span<Allocation> answers, Deadline deadline) {
    runtime::Scheduler& scheduler = link_.scheduler();
    const bool in_time = !deadline.expired(scheduler.now());
    Caller caller(*this, requests, answers, deadline);
    for (std::size_t row = 0; row < requests.size(); ++row) {
        if (in_time && add(caller, row)) continue;
        answer_without(caller, row, OverflowReason::owner_slow);
    }
    if (caller.open == 0) return;
    const runtime::Waiting waiting(scheduler, runtime::WaitsFor::peer);
    scheduler.suspend([&](runtime::Waker waker) { caller.waker = waker; }, deadline);
    // Where rows are still open, the deadline has passed, and they go with the caller.
}

Result<void> RemoteStore::release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                                  const ringpool::Session& session, Deadline deadline) {
    auto released = ask(
        link_, ReleaseCall{catalog_.at(pool).id, number, session.id, session.context}, deadline);
    if (released || released.error().code == ErrorCode::not_found) return released;
    return Error{ErrorCode::unavailable, released.error().message};
}

bool RemoteStore::add(Caller& caller, std::size_t row) {
    const AllocationRequest& request = caller.requests[row];
    const RequestRow encoded{catalog_.at(request.pool).id, request.session, request.keeps_context};
    MergedCall* const call = call_with_room(encoded.bytes());
    if (call == nullptr) return false;
    call->add(caller, row, encoded);
    ++caller.open;
    return true;
}

/// The last of those that wait, or a new one; null where too many do.
RemoteStore::MergedCall* RemoteStore::call_with_room(std::size_t bytes) {
    if (last_waiting_ != nullptr && last_waiting_->rows() < options_.max_call_rows &&
        last_waiting_->payload().size() + bytes <= options_.max_call_bytes) {
        return last_waiting_;
    }
    if (waiting_count_ == options_.max_calls_waiting) return nullptr;
    if (spare_.empty()) spare_.push_back(*calls_.emplace_back(std::make_unique<MergedCall>(*this)));
    last_waiting_ = spare_.pop_front();
    waiting_.push_back(*last_waiting_);
    ++waiting_count_;
    link_.scheduler().defer(turn_end_);
    return last_waiting_;
}

void RemoteStore::send_calls() {
    while (under_way_count_ < options_.max_calls_under_way && !waiting_.empty()) {
        MergedCall& call = *waiting_.pop_front();
        --waiting_count_;
        if (&call == last_waiting_) last_waiting_ = nullptr;
        under_way_.push_back(call);
        ++under_way_count_;
        send(call);
    }
}

void RemoteStore::send(MergedCall& call) {
    const std::size_t rows = call.rows();
    ++stats_.rows_per_call[std::min<std::size_t>(std::bit_width(rows - 1),
                                                 RemoteStoreStats::kRowBuckets - 1)];
    stats_.rows += rows;
    const auto sent = link_.send(call, CallType::allocate, call.deadline(), call.payload());
    if (!sent) call.lost(sent.error());
}

/// A call that was under way is no more.
void RemoteStore::ended(MergedCall& call) noexcept {
    --under_way_count_;
    recycle(call);
    if (!waiting_.empty()) link_.scheduler().defer(turn_end_);
}

void RemoteStore::recycle(MergedCall& call) noexcept {
    static_cast<ListHook<RemoteStore>&>(call).unlink();
    call.clear();
    spare_.push_back(call);
}

void RemoteStore::leave(Caller& caller) noexcept {
    for (MergedCall* call = waiting_.front(); call != nullptr;) {
        MergedCall* const next = waiting_.next(*call);
        call->remove(caller, false);
        if (call->rows() == 0) {
            --waiting_count_;
            if (call == last_waiting_) last_waiting_ = nullptr;
            recycle(*call);
        }
        call = next;
    }
    const bool too_late = caller.deadline.expired(link_.scheduler().now());
    for (MergedCall* call = under_way_.front(); call != nullptr;) {
        MergedCall* const next = under_way_.next(*call);
        call->remove(caller, true);
        if (!call->is_awaited()) {
            if (too_late) call->time_out();
            ended(*call);
        }
        call = next;
    }
}

void RemoteStore::answer_without(Caller& caller, std::size_t row, OverflowReason reason) noexcept {
    if (reason == OverflowReason::owner_slow) ++stats_.rows_slow;
    if (reason == OverflowReason::owner_down) ++stats_.rows_down;
    const ringpool::PoolDefinition& pool = catalog_.at(caller.requests[row].pool);
    caller.answers[row] = ringpool::overflow_allocation(pool, reason);
}

}  // namespace ringmaster::shard
