#include "ringmaster/redis/request.hpp"

#include <cassert>
#include <utility>

namespace ringmaster::redis {

void Request::begin(Carrier& carrier, Deadline deadline) noexcept {
    assert(batch_ != nullptr && carrier_ == nullptr);
    carrier_ = &carrier;
    deadline_ = deadline;
    outcome_ = Outcome::none;
    maybe_sent_ = false;
    ++batch_->under_way_;
}

void Request::finish(Reply&& reply) noexcept {
    answer_ = std::move(reply);
    outcome_ = Outcome::answered;
    end();
}

void Request::fail(Outcome outcome, Error why, bool maybe_sent) noexcept {
    answer_ = std::move(why);
    outcome_ = outcome;
    maybe_sent_ = maybe_sent;
    end();
}

void Request::withdraw(Error why) noexcept {
    assert(answered());
    answer_ = std::move(why);
    outcome_ = Outcome::withdrawn;
    maybe_sent_ = true;
}

void Request::time_out() noexcept {
    if (carrier_ == nullptr) return;
    const bool maybe_sent = carrier_->forget(*this);
    fail(Outcome::timed_out, {ErrorCode::timeout, "the deadline passed before Redis answered"},
         maybe_sent);
}

void Request::end() noexcept {
    assert(carrier_ != nullptr);
    carrier_ = nullptr;
    batch_->one_has_ended_ = true;
    if (--batch_->under_way_ == 0 || batch_->wants_each_) batch_->waiter_.notify_all();
}

Batch::Batch(runtime::Scheduler& scheduler, std::size_t count)
    : waiter_(scheduler), requests_(std::make_unique<Request[]>(count)), count_(count) {
    for (Request& request : *this) request.batch_ = this;
}

Batch::~Batch() {
    for (Request& request : *this) {
        if (request.carrier_ != nullptr) request.carrier_->forget(request);
    }
}

void Batch::wait(Deadline deadline) {
    while (under_way_ > 0) {
        if (waiter_.wait(deadline) == runtime::WakeReason::notified) continue;
        for (Request& request : *this) request.time_out();
    }
}

void Batch::wait_for_some(Deadline until) {
    if (under_way_ > 0 && !one_has_ended_) {
        wants_each_ = true;
        waiter_.wait(until);
        wants_each_ = false;
    }
    one_has_ended_ = false;
}

}  // namespace ringmaster::redis
