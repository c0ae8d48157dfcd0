#include "ringmaster/store/journal_history.hpp"

#include "ringmaster/store/chain_walk.hpp"
#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_reader.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace ringmaster::store {

namespace fs = std::filesystem;

using ringpool::Hold;
using ringpool::RingPool;
using ringpool::Slot;

namespace {

// Between two looks at the deadline.
constexpr std::size_t kRecordsAtOnce = 16;
// So many are released at once; a pool holds one number at most for a session.
constexpr std::size_t kReleasesAtOnce = 100;

Error closed() {
    return {ErrorCode::closed, "the store is closed"};
}

}  // namespace

JournalHistory::JournalHistory(Parts parts) : parts_(parts), erasing_(parts.reactor.scheduler()) {}

Result<std::vector<Hold>> JournalHistory::holders(ringpool::PhoneNumber number,
                                                  std::optional<WallTime> at, std::size_t max,
                                                  Deadline deadline) {
    const auto pass = parts_.gate.enter();
    if (!pass) return closed();
    const auto& scheduler = parts_.reactor.scheduler();
    const auto ahead = scheduler.wall_now() - hold_now();
    // Where this fails, no record that was lost is in the chain any more.
    parts_.journal.flush();
    const Slot* const slot = parts_.holdings.find(number);
    if (slot == nullptr || !slot->session || max == 0) return std::vector<Hold>();

    ChainWalk walk(parts_.root, number, *slot, at.value_or(scheduler.wall_now()) - ahead, max);
    while (true) {
        const auto more = parts_.helper.run([&] { return walk.go_on(kRecordsAtOnce); });
        if (!more) return more.error();
        if (!*more) break;
        if (deadline.expired(scheduler.now())) {
            return Error{ErrorCode::timeout, "the history was not read in time"};
        }
    }
    std::vector<Hold> holds = std::move(walk).holds();
    for (Hold& hold : holds) {
        for (WallTime* time :
             {&hold.allocated_at, &hold.last_touch, &hold.expires_at, &hold.free_at}) {
            *time += ahead;
        }
    }
    return holds;
}

Result<std::size_t> JournalHistory::erase(std::string_view session_id) {
    const auto pass = parts_.gate.enter();
    if (!pass) return closed();
    const auto lock = erasing_.lock();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    if (auto done = release_all(session_id); !done) return done.error();
    // No record of the session that is added from here on belongs to what it is to be forgotten
    // for.
    const JournalPosition end = parts_.journal.end();
    if (auto done = parts_.journal.sync(Deadline::never()); !done) return done.error();
    auto erased = erase_from(parts_.stream, session_id, end);
    for (const Layout::Retired& retired : parts_.retired) {
        if (!erased) break;
        const auto more = erase_from(retired.stream, session_id, {});
        erased = more ? Result(*erased + *more) : more;
    }
    return erased;
}

// Up to `end`, or all of the stream.
Result<std::size_t> JournalHistory::erase_from(std::uint32_t stream, std::string_view session_id,
                                               std::optional<JournalPosition> end) {
    const fs::path shard = stream_path(parts_.root, stream);
    // An erasure that failed halfway has left records that can't be read.
    auto done = parts_.helper.run([&] { return finish_erasure(parts_.disk, shard); });
    if (!done) return done.error();
    const auto files = parts_.helper.run([&] { return list_shard(shard); });
    if (!files) return was_removed(shard, 0) ? Result(std::size_t{0}) : files.error();
    if (files->segments.empty()) return std::size_t{0};
    const JournalPosition last = end.value_or(position_at(files->segments.back(), UINT32_MAX));
    std::vector<Erasable> found;
    for (const std::uint32_t segment : files->segments) {
        if (segment > segment_of(last)) break;
        if (parts_.gate.closed()) return closed();
        // Segment by segment, so that who asks for a holder need not wait for all of them.
        done = parts_.helper.run(
            [&] { return find_erasable(parts_.disk, shard, segment, session_id, last, found); });
        if (!done) return done.error();
    }
    if (found.empty()) return std::size_t{0};
    done = parts_.helper.run([&] {
        auto listed = begin_erasure(parts_.disk, shard, found);
        return listed ? finish_erasure(parts_.disk, shard) : listed;
    });
    if (!done) return done.error();
    // Should such a hold go on all the same (its number was in no pool, and comes back to one), its
    // next touch is to be recorded in full.
    for (const Erasable& record : found) {
        Slot* const slot = parts_.holdings.find(record.number);
        if (slot != nullptr && position_of(slot->record) == record.position) {
            slot->record |= kDoubtful;
        }
    }
    return found.size();
}

// When it returns, and until the caller suspends, the session holds nothing.
Result<void> JournalHistory::release_all(std::string_view session_id) {
    const std::size_t most =
        std::min(kReleasesAtOnce, parts_.journal.max_reserve_bytes() / kTimesRecordBytes);
    do {
        auto room = parts_.journal.reserve(most * kTimesRecordBytes, Deadline::never());
        if (!room) return Error{ErrorCode::unavailable, room.error().message};
    } while (!release_some(session_id, most));
    return {};
}

// True where that was all. Does not suspend.
bool JournalHistory::release_some(std::string_view session_id, std::size_t most) {
    const WallTime now = hold_now();
    std::size_t released = 0;
    parts_.catalog.for_each(
        [&](ringpool::PoolIndex index, const ringpool::PoolDefinition& definition) {
            if (released == most || !parts_.holdings.has_pool(index)) return;
            RingPool& pool = parts_.holdings.pool(index);
            const auto session = parts_.hasher.hash(definition.id, {session_id, {}});
            const auto slot = pool.find(session);
            if (!parts_.holdings.release(index, session, slot, now)) return;
            const Slot& state = pool.slot(slot);
            parts_.journal.append_times(RecordType::release,
                                        {pool.number(slot).number, times_of(state)});
            ++released;
        });
    return released < most;
}

}  // namespace ringmaster::store
