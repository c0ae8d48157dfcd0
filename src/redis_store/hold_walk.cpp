#include "hold_walk.hpp"

namespace ringmaster::redis_store {

using ringpool::Hold;

template <class Record>
void HoldWalk::begin(const Record& record) {
    finish();
    if (record.allocated_at == WallTime() || full()) return;
    Hold& hold = current_.emplace();
    hold.pool_id = pool_id_;
    hold.allocated_at = record.allocated_at;
    hold.last_touch = record.last_touch;
    hold.expires_at = record.expires_at;
    hold.free_at = record.eligible_at;
    choose(record.holder);
}

void HoldWalk::take(const NumberRecord& record) {
    begin(record);
}

void HoldWalk::take(const PastRecord& record) {
    const bool same = record.went_on && current_ && current_->allocated_at == record.allocated_at;
    if (!same) {
        begin(record);
    } else if (at_ < record.superseded_at) {
        choose(record.holder);
    }
}

// The latest one that was in force at the time asked for; where none is known, the one that came
// soonest after.
void HoldWalk::choose(const HolderRecord& holder) {
    current_->detail = holder.erased ? Hold::Detail::erased : Hold::Detail::known;
    current_->session_id = holder.session_id;
    current_->context = holder.context;
}

void HoldWalk::finish() {
    if (current_ && current_->allocated_at <= at_ && !full()) {
        holds_.push_back(*std::move(current_));
    }
    current_.reset();
}

std::vector<Hold> HoldWalk::holds() && {
    finish();
    return std::move(holds_);
}

}  // namespace ringmaster::redis_store
