#include "ringmaster/store/chain_walk.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <string>

namespace ringmaster::store {

using ringpool::Hold;

ChainWalk::ChainWalk(const std::filesystem::path& root, ringpool::PhoneNumber number,
                     const ringpool::Slot& slot, WallTime at, std::size_t max)
    : reader_(root),
      root_(root),
      number_(number),
      at_(at),
      max_(max),
      link_(slot.record),
      end_(Ended{slot.allocated_at, times_of(slot)}) {
    if ((link_ & kUnrecorded) != 0) add_lost();
}

Result<bool> ChainWalk::go_on(std::size_t records) {
    for (std::size_t i = 0; i < records; ++i) {
        auto more = step();
        if (!more || !*more) return more;
    }
    return true;
}

Result<bool> ChainWalk::step() {
    if (full() || position_of(link_) == 0) return false;
    const auto record = read();
    if (!record) {
        const bool damaged = record.error().code == ErrorCode::damaged;
        if (!damaged || (link_ & kDoubtful) == 0) return record.error();
        if (!current_) add_lost();
    }
    if (record && *record) return take(**record);
    if (current_) finish();
    return false;
}

Result<std::optional<HoldRecord>> ChainWalk::read() {
    const JournalPosition position = position_of(link_);
    auto record = reader_.read_hold(position);
    if (!record || !*record) return record;
    if ((*record)->number != number_ || !leads_back(**record)) {
        return damage(find_segment(root_, segment_of(position)), offset_of(position),
                      "the record of " + number_.e164() + " should stand there");
    }
    return record;
}

// What tells a chain from a circle: times never rise, and among records of one time positions fall
// within a stream, and no more than all streams are gone through.
bool ChainWalk::leads_back(const HoldRecord& record) {
    if (record.since > since_) return false;
    if (record.since < since_) crossings_ = 0;
    since_ = record.since;
    const JournalPosition from = position_of(link_);
    const JournalPosition to = position_of(record.previous);
    if (stream_of(from) == stream_of(to)) return to < from;
    return ++crossings_ < kMaxStreams;
}

// Whether there is more to read.
bool ChainWalk::take(const HoldRecord& record) {
    if (!current_) begin(record);
    choose_context(record);
    link_ = record.previous;
    if (record.continuation && (link_ & kUnrecorded) == 0) {
        // The same hold's, and only its context may still be of interest.
        if (holds_.size() + 1 < max_ || current_->context_since > at_) return true;
        finish();
        return false;
    }
    finish();
    end_.reset();
    if (record.continuation) return true;
    const HoldTimes& end = record.previous_end;
    if (end.last_touch != WallTime()) end_ = Ended{end.last_touch, end};
    if ((link_ & kUnrecorded) != 0 && !full()) add_lost();
    return true;
}

void ChainWalk::begin(const HoldRecord& record) {
    const HoldTimes& times = end_ ? end_->times : record.times;
    Current& current = current_.emplace(Current());
    current.hold.pool_id = record.pool_id;
    current.hold.allocated_at = record.allocated_at;
    current.hold.last_touch = times.last_touch;
    current.hold.expires_at = times.expires_at;
    current.hold.free_at = times.eligible_at;
}

// The latest one that was in force at the time asked for; where none is known, the one that came
// soonest after.
void ChainWalk::choose_context(const HoldRecord& record) {
    if (current_->context_since <= at_) return;
    current_->context_since = record.since;
    Hold& hold = current_->hold;
    hold.detail = record.erased ? Hold::Detail::erased : Hold::Detail::known;
    hold.session_id = record.session_id;
    hold.context = record.context;
}

void ChainWalk::finish() {
    if (current_->hold.allocated_at <= at_) holds_.push_back(std::move(current_->hold));
    current_.reset();
}

// The hold of which nothing but its end is known.
void ChainWalk::add_lost() {
    if (!end_) return;
    if (end_->allocated_at <= at_) {
        Hold& hold = holds_.emplace_back();
        hold.detail = Hold::Detail::lost;
        hold.allocated_at = end_->allocated_at;
        hold.last_touch = end_->times.last_touch;
        hold.expires_at = end_->times.expires_at;
        hold.free_at = end_->times.eligible_at;
    }
    end_.reset();
}

}  // namespace ringmaster::store
