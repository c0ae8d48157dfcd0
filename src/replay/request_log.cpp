#include "ringmaster/replay/request_log.hpp"

#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/layout.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::replay {

namespace fs = std::filesystem;

using ringpool::PoolIndex;
using ringpool::SessionHash;
using store::RecordType;

namespace {

/// Whoever has a number of which the journal does not say it. Real ones are keyed hashes, which do
/// not come out like that.
SessionHash unknown_session(ringpool::PhoneNumber number) noexcept {
    return {number.digits(), 0};
}

ringpool::HoldEnd end_of(const store::HoldTimes& times) noexcept {
    return {times.last_touch, times.expires_at, times.eligible_at};
}

}  // namespace

Result<RequestLog> RequestLog::open(const fs::path& data_dir,
                                    const store::JournalCursor::OnFinding& on_finding) {
    RequestLog log;
    if (auto done = log.open_streams(data_dir, on_finding); !done) return done.error();
    if (auto done = log.load_pools(data_dir); !done) return done.error();
    for (std::size_t i = 0; i < log.streams_.size(); ++i) {
        if (auto done = log.advance(i); !done) return done.error();
    }
    return log;
}

Result<void> RequestLog::open_streams(const fs::path& data_dir,
                                      const store::JournalCursor::OnFinding& on_finding) {
    std::error_code error;
    if (!fs::is_directory(data_dir, error)) {
        return Error{ErrorCode::not_found, data_dir.string() + " is not a directory"};
    }
    auto streams = store::list_streams(data_dir);
    if (!streams) return streams.error();
    if (streams->empty()) {
        return Error{ErrorCode::not_found, data_dir.string() + " is no data directory"};
    }
    const auto layout = store::load_layout(data_dir);
    if (!layout) {
        on_finding(
            {true, store::layout_path(data_dir), 0, "it is damaged: " + layout.error().message});
    } else if (*layout) {
        has_begin_ = streams->size() >= (*layout)->next_stream;
        for (const std::uint32_t stream : (*layout)->streams) {
            if (std::ranges::binary_search(*streams, stream)) continue;
            on_finding({true, store::stream_path(data_dir, stream), 0, "it is missing"});
        }
    }
    for (const std::uint32_t stream : *streams) {
        auto cursor = store::JournalCursor::open(data_dir, stream, on_finding);
        if (!cursor) return cursor.error();
        has_begin_ = has_begin_ && cursor->has_begin();
        streams_.push_back({*std::move(cursor)});
    }
    return {};
}

Result<void> RequestLog::load_pools(const fs::path& data_dir) {
    store::Disk disk;
    const fs::path directory = data_dir / "pools";
    std::error_code error;
    if (!fs::exists(directory, error)) return {};
    const store::PoolFiles files(disk, directory);
    const auto ids = files.list();
    if (!ids) return ids.error();
    for (const std::string& id : *ids) {
        auto stored = files.load(id);
        // A daemon that runs may have deleted it meanwhile.
        if (!stored && stored.error().code == ErrorCode::not_found) continue;
        if (!stored) return stored.error();
        const PoolIndex number = pool_of(id);
        RecordedPool& pool = pools_[number];
        pool.definition = std::move(stored->definition);
        numbers_.reserve(numbers_.size() + stored->numbers.size());
        for (const store::StoredNumber& each : stored->numbers) {
            NumberState& state = numbers_.at(each.number.number);
            state.home = state.last = {number, pool.numbers++};
            if (each.draining) ++pool.gone;
        }
    }
    return {};
}

PoolIndex RequestLog::pool_of(std::string_view id) {
    id_.assign(id);
    const auto [entry, is_new] = by_id_.emplace(id_, static_cast<PoolIndex>(pools_.size()));
    if (is_new) pools_.push_back({.id = id_, .definition = {}});
    return entry->second;
}

// A number that a pool's file does not have is the pool's from when the journal names it on.
RequestLog::Place RequestLog::place_in(PoolIndex pool, NumberState& state) {
    if (state.last.pool == pool) return state.last;
    if (state.home.pool == pool) {
        state.last = state.home;
    } else {
        state.last = {pool, pools_[pool].numbers++};
        ++pools_[pool].gone;
    }
    return state.last;
}

std::uint64_t RequestLog::done_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const Stream& stream : streams_) sum += stream.cursor.done_bytes();
    return sum;
}

std::uint64_t RequestLog::all_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const Stream& stream : streams_) sum += stream.cursor.all_bytes();
    return sum;
}

// To the stream's next record that says anything of a number.
Result<void> RequestLog::advance(std::size_t index) {
    Stream& stream = streams_[index];
    while (true) {
        const auto found = stream.cursor.next();
        if (!found) return found.error();
        if (!*found) return {};
        if (!read_time(stream)) continue;
        turns_.push_back({stream.at, index});
        std::push_heap(turns_.begin(), turns_.end());
        return {};
    }
}

// When the record was written. That of an adopt record is not known: behind what it tells of.
bool RequestLog::read_time(Stream& stream) {
    const auto& record = stream.cursor.record();
    std::optional<WallTime> at;
    switch (record.type) {
        case RecordType::hold:
            if (const auto hold = store::HoldRecord::decode(record.payload);
                hold && hold->session) {
                at = hold->since;
            }
            break;
        case RecordType::touch:
        case RecordType::release:
            if (const auto times = store::TimesRecord::decode(record.payload);
                times && times->number) {
                at = record.type == RecordType::touch ? times->times.last_touch
                                                      : times->times.expires_at;
            }
            break;
        case RecordType::adopt:
            if (const auto adopt = store::AdoptRecord::decode(record.payload)) {
                at = adopt->slot.last_touch;
            }
            break;
        case RecordType::sync:
        case RecordType::gap:
        case RecordType::seal: return false;
    }
    if (!at) {
        stream.cursor.refuse_record();
        return false;
    }
    stream.at = std::max(stream.at, *at);
    return true;
}

Result<const RecordedRequest*> RequestLog::next() {
    while (true) {
        if (current_) {
            if (auto done = advance(*std::exchange(current_, std::nullopt)); !done) {
                return done.error();
            }
        }
        if (turns_.empty()) return static_cast<const RecordedRequest*>(nullptr);
        std::pop_heap(turns_.begin(), turns_.end());
        request_.at = turns_.back().at;
        current_ = turns_.back().stream;
        turns_.pop_back();
        if (take(streams_[*current_])) return &request_;
    }
}

// False where it is no request.
bool RequestLog::take(const Stream& stream) {
    const auto& record = stream.cursor.record();
    switch (record.type) {
        case RecordType::hold: return take_hold(*store::HoldRecord::decode(record.payload));
        case RecordType::touch:
        case RecordType::release:
            return take_times(record.type, *store::TimesRecord::decode(record.payload));
        case RecordType::adopt:
            take_adopted(*store::AdoptRecord::decode(record.payload));
            return false;
        default: return false;
    }
}

bool RequestLog::take_hold(const store::HoldRecord& hold) {
    NumberState& state = numbers_.at(hold.number);
    const Place place = place_in(pool_of(hold.pool_id), state);
    request_.kind = hold.continuation ? RecordedRequest::Kind::go_on : RecordedRequest::Kind::begin;
    request_.pool = place.pool;
    request_.number = place.index;
    request_.previous_session = state.session;
    request_.previous_end = hold.continuation ? state.end : end_of(hold.previous_end);
    request_.session = hold.session;
    state.session = hold.session;
    request_.end = state.end = end_of(hold.times);
    return true;
}

bool RequestLog::take_times(RecordType type, const store::TimesRecord& times) {
    NumberState& state = numbers_.at(times.number);
    if (state.last.pool == kNoPool) {
        ++left_out_;
        return false;
    }
    if (!state.session) state.session = unknown_session(times.number);
    request_.kind =
        type == RecordType::touch ? RecordedRequest::Kind::go_on : RecordedRequest::Kind::release;
    request_.pool = state.last.pool;
    request_.number = state.last.index;
    request_.session = state.session;
    request_.previous_end = state.end;
    request_.end = state.end = end_of(times.times);
    return true;
}

void RequestLog::take_adopted(const store::AdoptRecord& adopt) {
    NumberState& state = numbers_.at(adopt.number);
    state.session = adopt.slot.session;
    state.end = {adopt.slot.last_touch, adopt.slot.expires_at, adopt.slot.eligible_at};
}

}  // namespace ringmaster::replay
