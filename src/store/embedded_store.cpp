#include "ringmaster/store/embedded_store.hpp"

#include "ringmaster/store/crc32c.hpp"
#include "ringmaster/store/load_pools.hpp"
#include "ringmaster/store/recovery.hpp"
#include "ringmaster/store/retry_delay.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace ringmaster::store {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using ringpool::RingPool;
using ringpool::Slot;

namespace {

Result<void> check(const EmbeddedStoreOptions& options) {
    constexpr std::uint32_t kLeast = 4u << 10;
    constexpr std::uint32_t kMost = 1u << 30;
    if (options.segment_bytes >= kLeast && options.segment_bytes <= kMost) return {};
    return Error{ErrorCode::invalid, "segment_bytes is " + std::to_string(options.segment_bytes) +
                                         ", expected " + std::to_string(kLeast) + " to " +
                                         std::to_string(kMost)};
}

}  // namespace

/// What a store has itself where it shares its directory with no other.
struct EmbeddedStore::Alone {
    explicit Alone(DataDirectory own) : directory(std::move(own)) {}
    DataDirectory directory;
    std::atomic<std::int64_t> ahead_ms{0};
};

struct EmbeddedStore::Parts {
    ShardSeat seat;
    std::vector<Layout::Retired> retired_streams;
    HoldClock clock;
    Holdings holdings;
    ringpool::SessionHasher::Key secret;
    SegmentShape shape;
    Segment first;
    std::uint32_t oldest_segment;
    std::uint64_t replayed_bytes;
};

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(runtime::Reactor& reactor,
                                                           ringpool::Catalog& catalog,
                                                           EmbeddedStoreOptions options, Log& log) {
    static Disk disk;  // has no state
    return open(reactor, catalog, std::move(options), log, disk, BootTime::read());
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(runtime::Reactor& reactor,
                                                           ringpool::Catalog& catalog,
                                                           EmbeddedStoreOptions options, Log& log,
                                                           Disk& disk, const BootTime& boot) {
    static NoNeighbours alone;  // has no state
    return open(reactor, catalog, std::move(options), log, disk, boot, alone);
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(runtime::Reactor& reactor,
                                                           ringpool::Catalog& catalog,
                                                           EmbeddedStoreOptions options, Log& log,
                                                           Disk& disk, const BootTime& boot,
                                                           Neighbours& neighbours) {
    reactor.scheduler().update_time();
    if (auto good = check(options); !good) return good.error();
    auto directory = DataDirectory::open(disk, options.directory);
    if (!directory) return directory.error();
    auto alone = std::make_unique<Alone>(*std::move(directory));
    const auto all_here = [](std::string_view) { return std::size_t{0}; };
    const auto layout = prepare_layout(disk, alone->directory, 1, all_here, log);
    if (!layout) return layout.error();
    const auto clock = common_hold_clock(alone->directory, *layout, reactor.scheduler().now(),
                                         reactor.scheduler().wall_now(), boot);
    if (!clock) return clock.error();
    const ShardSeat seat{&alone->directory, layout->streams[0], true, *clock,
                         &alone->ahead_ms,  &neighbours};
    auto store = open(reactor, catalog, std::move(options), log, disk, seat);
    if (store) (*store)->alone_ = std::move(alone);
    return store;
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(runtime::Reactor& reactor,
                                                           ringpool::Catalog& catalog,
                                                           EmbeddedStoreOptions options, Log& log,
                                                           Disk& disk, const ShardSeat& seat) {
    reactor.scheduler().update_time();
    const SteadyTime now = reactor.scheduler().now();
    if (auto good = check(options); !good) return good.error();
    Holdings holdings;
    const PoolFiles pool_files(disk, seat.directory->pools());
    if (auto loaded = load_pools(pool_files, *seat.neighbours, catalog, holdings); !loaded) {
        return loaded.error();
    }
    const std::filesystem::path shard = stream_path(seat.directory->root(), seat.stream);
    auto recovered = recover(disk, shard, seat.stream, log);
    if (!recovered) return recovered.error();
    const auto secret = seat.directory->secret(disk, false);
    if (!secret) return secret.error();
    std::vector<Layout::Retired> retired;
    if (seat.first) {
        auto taken = take_over_retired(disk, *seat.directory);
        if (!taken) return taken.error();
        retired = *std::move(taken);
    }
    holdings.restore(recovered->slots);

    HoldClock clock(seat.clock, *seat.ahead_ms);
    clock.catch_up(now, recovered->latest);
    const std::uint32_t segment = recovered->next_segment;
    const SegmentShape shape{shard, options.segment_bytes, options.fsync == Fsync::always};
    auto first = lay_out_segment(
        disk, shape, {segment, 0, clock.anchor(now), position_at(segment, SegmentHeader::kBytes)});
    if (!first) return first.error();

    log.info("store: " + std::to_string(recovered->slots.size()) + " numbers recovered, " +
             std::to_string(recovered->replayed_bytes) + " bytes of journal replayed");
    Parts parts{seat,
                std::move(retired),
                clock,
                std::move(holdings),
                *secret,
                shape,
                *std::move(first),
                recovered->first_segment,
                recovered->replayed_bytes};
    std::unique_ptr<EmbeddedStore> store(
        new EmbeddedStore(reactor, catalog, std::move(options), log, disk, std::move(parts)));
    // Not before the reactor runs: until then the store may be destroyed without close().
    reactor.post([self = store.get()] { self->start(); });
    return store;
}

EmbeddedStore::EmbeddedStore(runtime::Reactor& reactor, ringpool::Catalog& catalog,
                             EmbeddedStoreOptions options, Log& log, Disk& disk, Parts parts)
    : reactor_(reactor),
      catalog_(catalog),
      options_(std::move(options)),
      log_(log),
      disk_(disk),
      seat_(parts.seat),
      shard_(parts.shape.directory),
      retired_streams_(std::move(parts.retired_streams)),
      clock_(parts.clock),
      holdings_(std::move(parts.holdings)),
      hasher_(parts.secret),
      sync_helper_(reactor, "journal sync"),
      file_helper_(reactor, "store files"),
      history_helper_(reactor, "journal history"),
      supply_(
          reactor, file_helper_, disk, parts.shape, parts.first.header.segment + 1,
          [this](std::uint32_t segment) {
              return SegmentHeader{segment, 0, clock_.anchor(reactor_.scheduler().now()),
                                   journal_.durable()};
          },
          log),
      journal_(reactor, sync_helper_, disk, supply_, options_.fsync, std::move(parts.first),
               runtime::Callback::of<&EmbeddedStore::journal_failed>(*this)),
      snapshotter_(reactor, file_helper_, disk, shard_),
      snapshot_at_(options_.snapshot_after_bytes -
                   std::min(options_.snapshot_after_bytes, parts.replayed_bytes)),
      retained_{position_at(parts.oldest_segment, 0)},
      gate_(reactor.scheduler()),
      adoption_(gate_, journal_, holdings_),
      pool_keeper_(
          {reactor, PoolFiles(disk, seat_.directory->pools()), catalog, holdings_, clock_, gate_,
           *seat_.neighbours,
           [this](std::span<const NumberKnowledge> known) { return adoption_.adopt(known); }},
          {options_.max_pools, options_.max_numbers}),
      history_({reactor, gate_, disk, seat_.directory->root(), seat_.stream, retired_streams_,
                catalog, holdings_, hasher_, clock_, journal_, history_helper_}),
      events_({reactor, gate_, history_helper_, seat_.directory->root(), shard_, seat_.stream,
               catalog, holdings_, clock_, journal_}),
      keeper_work_(reactor.scheduler()),
      part_ended_(reactor.scheduler()) {}

EmbeddedStore::~EmbeddedStore() = default;

void EmbeddedStore::start() {
    run_part("journal sync", &EmbeddedStore::sync_journal);
    run_part("journal segments", &EmbeddedStore::supply_segments);
    run_part("store keeper", &EmbeddedStore::keep);
}

void EmbeddedStore::run_part(const char* name, void (EmbeddedStore::*part)()) {
    const runtime::Task started = reactor_.scheduler().spawn(name, [this, part] {
        (this->*part)();
        --parts_running_;
        part_ended_.notify_all();
    });
    if (!started) throw std::runtime_error("the store found no fiber to run in");
    ++parts_running_;
}

// The journal and the segments are needed up to the keeper's end, which then ends them.
void EmbeddedStore::close() {
    gate_.close();
    stopping_ = true;
    wake_keeper();
    while (parts_running_ > 0) part_ended_.wait();
}

// --- allocation --------------------------------------------------------------------------------

void EmbeddedStore::allocate(std::span<const AllocationRequest> requests,
                             std::span<Allocation> answers, Deadline deadline) {
    const auto pass = gate_.enter();
    std::size_t done = 0;
    bool any_allocated = false;
    while (pass && done < requests.size()) {
        std::size_t bytes = 0;
        const std::size_t count = chunk_of(requests.subspan(done), bytes);
        if (count == 0) {  // this row alone is too much, or of a pool that is not here
            refuse(requests.subspan(done, 1), answers.subspan(done, 1));
            ++done;
            continue;
        }
        if (!journal_.reserve(bytes, deadline)) break;
        any_allocated |=
            allocate_chunk(requests.subspan(done, count), answers.subspan(done, count));
        done += count;
    }
    refuse(requests.subspan(done), answers.subspan(done));
    if (snapshot_due()) wake_keeper();
    if (!any_allocated || journal_.commit(deadline)) return;
    for (std::size_t i = 0; i < done; ++i) {
        if (answers[i].outcome != Allocation::Outcome::allocated) continue;
        --holdings_.counters(requests[i].pool).allocations;
        refuse(requests.subspan(i, 1), answers.subspan(i, 1));
    }
}

void EmbeddedStore::refuse(std::span<const AllocationRequest> requests,
                           std::span<Allocation> answers) noexcept {
    for (std::size_t i = 0; i < requests.size(); ++i) {
        count_overflow(requests[i].pool, OverflowReason::store_unavailable);
        answers[i] = ringpool::overflow_allocation(catalog_.at(requests[i].pool),
                                                   OverflowReason::store_unavailable);
    }
}

// How many of the first requests fit into one reservation, and are of pools that are here; and how
// much to reserve.
std::size_t EmbeddedStore::chunk_of(std::span<const AllocationRequest> requests,
                                    std::size_t& bytes) const noexcept {
    const std::size_t limit = std::min(journal_.max_reserve_bytes(), kMaxPayloadBytes);
    std::size_t count = 0;
    for (const AllocationRequest& request : requests) {
        const ringpool::Session& session = request.session;
        const std::size_t most =
            record_bytes(HoldRecord::kFixedBytes + catalog_.at(request.pool).id.size() +
                         session.id.value_or("").size() + session.context.bytes().size());
        if (bytes + most > limit || !holdings_.has_pool(request.pool)) break;
        bytes += most;
        ++count;
    }
    return count;
}

// Must not suspend: memory and journal change together. False where nothing was allocated.
bool EmbeddedStore::allocate_chunk(std::span<const AllocationRequest> requests,
                                   std::span<Allocation> answers) {
    const WallTime now = hold_now();
    const WallTime wall_now = reactor_.scheduler().wall_now();
    sessions_.resize(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const AllocationRequest& request = requests[i];
        sessions_[i] = hasher_.hash(catalog_.at(request.pool).id, request.session);
        holdings_.pool(request.pool).prefetch_session(sessions_[i]);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
        holdings_.pool(requests[i].pool).prefetch_slot(sessions_[i]);
    }
    bool any_allocated = false;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const AllocationRequest& request = requests[i];
        RingPool& pool = holdings_.pool(request.pool);
        const RingPool::Decision decision = pool.allocate(sessions_[i], now);
        if (decision.outcome == RingPool::Outcome::exhausted) {
            count_overflow(request.pool, OverflowReason::exhausted);
            answers[i] =
                ringpool::overflow_allocation(catalog_.at(request.pool), OverflowReason::exhausted);
            continue;
        }
        count(request.pool, decision, now);
        record(request, sessions_[i], decision);
        const ringpool::PoolNumber& number = pool.number(decision.slot);
        answers[i].outcome = Allocation::Outcome::allocated;
        answers[i].number = number.number;
        answers[i].formatted = number.formatted;
        answers[i].expires_at = wall_now + (pool.expires_at(decision.slot) - now);
        answers[i].is_new = decision.outcome == RingPool::Outcome::fresh;
        any_allocated = true;
    }
    return any_allocated;
}

void EmbeddedStore::count(ringpool::PoolIndex pool, const RingPool::Decision& decision,
                          WallTime now) noexcept {
    ringpool::PoolCounters& counters = holdings_.counters(pool);
    ++counters.allocations;
    counters.extended_ms += decision.longer.count();
    if (decision.outcome != RingPool::Outcome::fresh) return;
    ++counters.new_holds;
    const ringpool::HoldRules& rules = holdings_.pool(pool).rules();
    counters.extended_ms -= (rules.lifetime + rules.cooldown).count();
    const bool early = decision.reissued && now - decision.previous.eligible_at < rules.lifetime;
    counters.early_reissues += early ? 1 : 0;
}

void EmbeddedStore::count_overflow(ringpool::PoolIndex pool, OverflowReason reason) noexcept {
    if (!holdings_.has_pool(pool)) return;
    ++holdings_.counters(pool).overflows[static_cast<std::size_t>(reason)];
}

// A hold that goes on with the same context needs its new times recorded and nothing else. With
// another context it needs a record of its own: a call is attributed to the latest one. So does one
// that began in another stream, which is not kept for its sake.
void EmbeddedStore::record(const AllocationRequest& request, const ringpool::SessionHash& session,
                           const RingPool::Decision& decision) {
    RingPool& pool = holdings_.pool(request.pool);
    Slot& slot = pool.slot(decision.slot);
    const ringpool::PhoneNumber number = pool.number(decision.slot).number;
    // Not keyed: who makes two contexts collide only keeps his own call from the later one.
    const std::uint32_t context = crc32c(std::as_bytes(std::span(request.session.context.bytes())));
    const bool goes_on = decision.outcome != RingPool::Outcome::fresh;
    const bool recorded =
        is_good(slot.record) && is_own(slot.record) && slot.record > retained_.aged_before;
    if (goes_on && recorded && (slot.context == context || request.keeps_context)) {
        if (decision.outcome == RingPool::Outcome::refreshed) {
            journal_.append_times(RecordType::touch, {number, times_of(slot)});
        }
        return;
    }
    HoldRecord hold;
    hold.number = number;
    hold.times = times_of(slot);
    hold.allocated_at = slot.allocated_at;
    hold.since = goes_on ? hold_now() : slot.allocated_at;
    hold.previous = slot.record;
    hold.previous_end = {decision.previous.last_touch, decision.previous.expires_at,
                         decision.previous.eligible_at};
    hold.session = session;
    hold.continuation = goes_on;
    hold.pool_id = catalog_.at(request.pool).id;
    hold.session_id = request.session.id;
    hold.context = request.session.context.bytes();
    slot.record = journal_.append_hold(hold);
    slot.context = context;
}

Result<void> EmbeddedStore::release(ringpool::PoolIndex index, ringpool::PhoneNumber number,
                                    const ringpool::Session& session, Deadline deadline) {
    const auto pass = gate_.enter();
    if (!pass) return Error{ErrorCode::unavailable, "the store is closed"};
    const auto not_held = [&] {
        return Error{ErrorCode::not_found, "the session does not hold " + number.e164()};
    };
    if (!holdings_.has_pool(index)) return not_held();
    if (auto room = journal_.reserve(kTimesRecordBytes, deadline); !room) {
        return Error{ErrorCode::unavailable, room.error().message};
    }
    RingPool& pool = holdings_.pool(index);
    const auto hash = hasher_.hash(catalog_.at(index).id, session);
    const auto slot = pool.find(hash);
    if (slot == RingPool::kNone || pool.number(slot).number != number ||
        !holdings_.release(index, hash, slot, hold_now())) {
        return not_held();
    }
    journal_.append_times(RecordType::release, {number, times_of(pool.slot(slot))});
    if (auto done = journal_.commit(deadline); !done) {
        return Error{ErrorCode::unavailable, done.error().message};
    }
    return {};
}

Result<void> EmbeddedStore::ready() const {
    if (gate_.closed()) return Error{ErrorCode::closed, "the store is closed"};
    return journal_.ready();
}

// --- the keeper: snapshots, repair, and what is no longer needed -------------------------------

void EmbeddedStore::keep() {
    while (!stopping_) {
        if (journal_.failure()) {
            repair();
        } else if (snapshot_due()) {
            take_due_snapshot();
        } else {
            keeper_work_.wait();
        }
    }
    keep_for_the_last_time();
    journal_.stop();
    supply_.stop();
}

void EmbeddedStore::keep_for_the_last_time() {
    if (journal_.failure()) repair();
    if (journal_.failure()) return;
    auto done = take_snapshot(false);
    if (done) done = remove_old_files();
    if (!done) log_.error("store: no snapshot at the end: " + done.error().message);
    if (auto sealed = journal_.seal(); !sealed) {
        log_.error("store: the journal was not closed in good order: " + sealed.error().message);
    }
}

// False where the store is being closed meanwhile.
bool EmbeddedStore::pause(std::chrono::milliseconds delay) {
    if (!stopping_) keeper_work_.wait(Deadline::at(reactor_.scheduler().now() + delay));
    return !stopping_;
}

// While the journal is being repaired it has no records yet; but whoever finds the snapshot must
// know what it stands for.
Result<void> EmbeddedStore::take_snapshot(bool repairing) {
    std::uint64_t appended = 0;
    auto done = snapshotter_.take(
        holdings_,
        [&] {
            appended = journal_.appended_bytes();
            // Of who had one that nobody may be kept from any more, there is something to be told
            // for as long as its record is there.
            holdings_.forget_strays_if([this, now = hold_now()](const Slot& slot) {
                return slot.eligible_at <= now && !has_history(slot);
            });
            return SnapshotHeader{journal_.end(), clock_.anchor(reactor_.scheduler().now())};
        },
        [&] { return repairing ? journal_.record_gap() : journal_.sync(Deadline::never()); });
    if (done) snapshot_at_ = appended + options_.snapshot_after_bytes;
    return done;
}

// Of a record in another stream it is known only when that will have been removed at the latest.
bool EmbeddedStore::has_history(const Slot& slot) const noexcept {
    const JournalPosition record = position_of(slot.record);
    if (is_own(record)) return record >= retained_.begin;
    return record != 0 && hold_now() - slot.last_touch <= retired_age(options_.history);
}

void EmbeddedStore::take_due_snapshot() {
    auto done = take_snapshot(false);
    if (done) done = remove_old_files();
    if (done || journal_.failure()) return;
    log_.error("store: no snapshot: " + done.error().message);
    snapshot_at_ = journal_.appended_bytes() + options_.snapshot_after_bytes / 4;
}

Result<void> EmbeddedStore::remove_old_files() {
    const WallTime now = hold_now();
    const HistoryLimits limits{options_.history, options_.history_max_bytes};
    const auto retained =
        file_helper_.run([&] { return apply_retention(disk_, shard_, now, limits); });
    if (!retained) return retained.error();
    retained_ = *retained;
    return file_helper_.run([&]() -> Result<void> {
        for (const auto& [stream, end] : retired_streams_) {
            const auto path = stream_path(seat_.directory->root(), stream);
            auto done = retain_retired(disk_, path, end, now, retired_age(options_.history));
            if (!done) return done;
        }
        return {};
    });
}

void EmbeddedStore::repair() {
    log_.error("store: can't " + journal_.failure()->message +
               "; overflow numbers are handed out until it can be written again");
    RetryDelay retry;
    bool begun = false;
    do {
        if (!begun) {
            auto segment = supply_.take();
            if (!segment) continue;
            journal_.begin_anew(*std::move(segment));
            begun = true;
        }
        if (take_snapshot(true)) {
            journal_.resume();
            log_.info("store: the journal can be written again");
            return;
        }
    } while (pause(retry.next()));
}

void EmbeddedStore::journal_failed() {
    forget_lost_records();
    wake_keeper();
}

// Memory has it all, and so will the snapshot; but who reads the history must not be sent to
// records that may never have reached the disk.
void EmbeddedStore::forget_lost_records() {
    journal_.for_each_unwritten_hold([&](JournalPosition position, const HoldRecord& hold) {
        Slot* const slot = holdings_.find(hold.number);
        if (slot == nullptr || !is_own(slot->record) || slot->record < position) return;
        slot->record = hold.previous | (hold.continuation ? kDoubtful : kUnrecorded);
    });
    const JournalPosition durable = journal_.durable();
    holdings_.change_each([&](Slot& slot) {
        if (is_own(slot.record) && slot.record >= durable) slot.record |= kDoubtful;
    });
}

}  // namespace ringmaster::store
