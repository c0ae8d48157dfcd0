#include "ringmaster/api/event_hub.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ringmaster::api {

using ringpool::Event;
using ringpool::EventBatch;
using ringpool::EventPosition;
using ringpool::EventPositions;
using ringpool::EventQuery;
using ringpool::EventType;
using ringpool::EventTypes;

namespace {

std::string names_of(EventTypes types) {
    std::string names;
    for (std::size_t i = 0; i < ringpool::kEventTypes; ++i) {
        const auto type = static_cast<EventType>(i);
        if (types.has(type)) names.append(names.empty() ? "" : ",").append(to_string(type));
    }
    return names;
}

void append_lost_data(std::string& out, EventTypes types, std::optional<std::uint64_t> count) {
    JsonObject object(out);
    object.value("count") += count ? std::to_string(*count) : "null";
    object.text("types", names_of(types));
    object.end();
}

// Of two positions neither need be behind the other: sources are read in two places. An event that
// is in memory moves the number, and others don't; in a new process it may begin anew.

/// Whether the event that leads from one position to the next is not among those that lead up to
/// `known`.
bool is_beyond(EventPosition from, EventPosition to, EventPosition known) noexcept {
    return to.number != from.number ? to.number > known.number : to.journal > known.journal;
}
bool is_past(EventPosition position, EventPosition other) noexcept {
    return position.journal >= other.journal && position.number >= other.number;
}
EventPosition later_of_both(EventPosition a, EventPosition b) noexcept {
    return {std::max(a.journal, b.journal), std::max(a.number, b.number)};
}
EventPosition earlier_of_both(EventPosition a, EventPosition b) noexcept {
    return {std::min(a.journal, b.journal), std::min(a.number, b.number)};
}
bool counts_anew(EventPosition from, EventPosition to) noexcept {
    return to.number < from.number;
}

}  // namespace

bool EventFilter::matches(EventType type, std::string_view pool_id) const noexcept {
    return types.has(type) && (pools.empty() || std::ranges::find(pools, pool_id) != pools.end());
}

void append_event_data(std::string& out, const Event& event) {
    if (event.type == EventType::lost) return append_lost_data(out, event.lost, event.count);
    JsonObject object(out);
    object.time("time", event.time);
    if (!event.pool_id.empty()) object.text("pool", event.pool_id);
    if (event.number) object.number("number", event.number);
    if (event.erased) object.boolean("erased", true);
    if (event.session_id) object.text("session", *event.session_id);
    const bool has_context =
        event.type == EventType::allocation || event.type == EventType::overflow;
    if (!event.context.empty() || (has_context && !event.erased)) {
        JsonObject context(object.value("context"));
        ringpool::Context(event.context)
            .for_each(
                [&](std::string_view name, std::string_view value) { context.text(name, value); });
        context.end();
    }
    if (event.expires_at) object.time("expires_at", *event.expires_at);
    if (event.type == EventType::overflow) object.text("reason", to_string(event.reason));
    object.end();
}

// --- collecting ----------------------------------------------------------------------------------

EventHub::EventHub(runtime::Scheduler& scheduler, std::vector<ringpool::EventSource*> sources,
                   EventHubOptions options)
    : scheduler_(scheduler),
      sources_(std::move(sources)),
      options_(options),
      positions_(sources_.size()),
      collectors_(sources_.size()),
      changed_(scheduler) {}

EventHub::~EventHub() {
    assert(readers_.empty());
}

void EventHub::start() {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        if (collectors_[i].is_running()) continue;
        collectors_[i] = scheduler_.spawn("events", [this, i] { collect(i); });
        if (!collectors_[i]) throw runtime::NoFiber("no fiber to collect events with");
    }
}

void EventHub::stop() {
    stopped_ = true;
    changed_.notify_all();
    for (const runtime::Task& collector : collectors_) collector.cancel("events end");
    while (std::ranges::any_of(collectors_, &runtime::Task::is_running)) changed_.wait();
}

void EventHub::collect(std::size_t source) {
    struct Farewell {
        runtime::WaitQueue& changed;
        ~Farewell() { changed.notify_all(); }
    } const farewell{changed_};
    bool was_silent = false;
    while (!readers_.empty() && !stopped_) {
        const EventQuery query{positions_[source], types_, kPatience};
        const auto batch =
            sources_[source]->read(query, Deadline::at(scheduler_.now() + kPatience + kTimeout));
        if (!batch) {
            was_silent = !query.after;
            scheduler_.sleep_until(scheduler_.now() + kRetryAfter);
            continue;
        }
        // Who has joined meanwhile may want more, or from elsewhere on.
        if (positions_[source] != query.after || !query.types.has_all(types_)) continue;
        if (!query.after) {
            Entry placed{.source = source, .from = batch->next, .position = batch->next};
            if (was_silent) placed.lost = query.types;
            add(std::move(placed));
        }
        take(source, *batch);
        if (batch->events.empty()) continue;
        scheduler_.sleep_until(scheduler_.now() + kPause);
    }
}

void EventHub::take(std::size_t source, const EventBatch& batch) {
    EventPosition from = positions_[source].value_or(batch.next);
    for (const Event& event : batch.events) {
        Entry entry{.source = source, .from = from, .position = event.position, .type = event.type};
        from = event.position;
        if (event.type == EventType::lost) {
            entry.lost = event.lost;
            entry.count = event.count;
        } else {
            entry.pool_id = event.pool_id;
            append_event_data(entry.data, event);
        }
        add(std::move(entry));
    }
    positions_[source] = batch.next;
    changed_.notify_all();
}

void EventHub::add(Entry entry) {
    bytes_ += entry.bytes();
    entries_.push_back(std::move(entry));
    while (bytes_ > options_.max_buffer_bytes && entries_.size() > 1) drop_oldest();
}

void EventHub::drop_oldest() {
    const Entry& oldest = entries_.front();
    for (Reader* const reader : readers_) {
        if (reader->next_ != begin_) continue;
        ++reader->next_;
        if (reader->filter_.matches(oldest.type, oldest.pool_id)) ++reader->missed_;
    }
    bytes_ -= oldest.bytes();
    entries_.pop_front();
    ++begin_;
}

void EventHub::leave(Reader& reader) noexcept {
    std::erase(readers_, &reader);
    learn_types();
    if (!readers_.empty()) return;
    begin_ += entries_.size();
    entries_.clear();
    bytes_ = 0;
}

void EventHub::learn_types() noexcept {
    types_ = {};
    for (const Reader* const reader : readers_) types_ = types_ | reader->filter_.types;
}

bool EventHub::all_placed() const noexcept {
    return std::ranges::all_of(positions_,
                               [](const auto& position) { return position.has_value(); });
}

// --- reading -------------------------------------------------------------------------------------

EventHub::Reader::Reader(EventHub& hub, EventFilter filter, std::optional<EventPositions> after)
    : hub_(hub), filter_(std::move(filter)), next_(hub.end()), behind_(hub.sources()) {
    assert(!hub.is_full() && !hub.is_stopped());
    assert(!after || after->size() == hub.sources());
    hub.start();
    if (hub.readers_.empty()) hub.positions_.assign(hub.sources(), std::nullopt);
    if (after) {
        // Of a source that nobody has read yet, all read what this one has missed.
        for (std::size_t i = 0; i < after->size(); ++i) {
            if (!hub.positions_[i]) hub.positions_[i] = (*after)[i];
        }
        behind_ = 0;
    }
    seam_ = hub.positions_;
    positions_ = after ? *std::move(after) : seam_;
    hub.readers_.push_back(this);
    hub.learn_types();
}

void EventHub::Reader::await_sources() {
    const Deadline deadline = Deadline::at(hub_.scheduler_.now() + kTimeout);
    while (!hub_.all_placed() && !hub_.stopped_) {
        if (hub_.changed_.wait(deadline) == runtime::WakeReason::timeout) return;
    }
}

void EventHub::Reader::read(std::string& out, std::size_t max_bytes, Deadline deadline) {
    const std::size_t before = out.size();
    while (out.size() == before && !hub_.stopped_) {
        if (behind_ < hub_.sources()) {
            catch_up(out, max_bytes, deadline);
        } else if (next_ < hub_.end()) {
            take_entries(out, max_bytes);
        } else {
            skip_unwanted();
            hub_.changed_.wait(deadline);
        }
        if (deadline.expired(hub_.scheduler_.now())) return;
    }
}

// All that was collected was told, and much may have happened besides that nobody here wants to
// know.
void EventHub::Reader::skip_unwanted() noexcept {
    for (std::size_t i = 0; i < positions_.size(); ++i) {
        const auto& collected = hub_.positions_[i];
        if (!positions_[i] || (collected && is_past(*collected, *positions_[i]))) {
            positions_[i] = collected;
        }
    }
}

// Asks a source for what has happened up to where the entries begin. Where others have read further
// than those who read here, that is nothing.
void EventHub::Reader::catch_up(std::string& out, std::size_t max_bytes, Deadline deadline) {
    const std::size_t source = behind_;
    std::optional<EventPosition>& position = positions_[source];
    const std::optional<EventPosition>& seam = seam_[source];
    if (!position && seam) append_lost(out, filter_.types, {});
    if (!position) position = seam;
    if (!asked_) asked_ = position;
    if (!seam || is_past(*position, *seam)) return leave_source();
    runtime::Scheduler& scheduler = hub_.scheduler_;
    while (out.size() < max_bytes) {
        const auto batch = hub_.sources_[source]->read({asked_, filter_.types, {}},
                                                       Deadline::at(scheduler.now() + kTimeout));
        if (!batch) {
            scheduler.sleep_until(scheduler.now() + kRetryAfter);
        } else {
            take_missed(*batch, *position, *seam, out);
            if (batch->complete || is_past(*asked_, *seam)) {
                position = later_of_both(*position, *seam);
                return leave_source();
            }
        }
        if (hub_.stopped_ || deadline.expired(scheduler.now())) return;
    }
}

void EventHub::Reader::leave_source() noexcept {
    ++behind_;
    asked_.reset();
}

// Of those that lead beyond the seam he is told by the entries.
void EventHub::Reader::take_missed(const EventBatch& batch, EventPosition& position,
                                   EventPosition seam, std::string& out) {
    EventPosition from = *asked_;
    std::string data;
    for (const Event& event : batch.events) {
        const EventPosition before = std::exchange(from, event.position);
        if (is_beyond(before, event.position, seam)) continue;
        if (counts_anew(before, event.position)) position.number = 0;
        position = later_of_both(position, earlier_of_both(event.position, seam));
        if (event.type == EventType::lost) {
            append_lost(out, event.lost, filter_.count_of(event.lost, event.count));
        } else if (filter_.matches(event.type, event.pool_id)) {
            data.clear();
            append_event_data(data, event);
            append(out, event.type, data);
        }
    }
    if (counts_anew(*asked_, batch.next)) {  // though of that he may not have been told
        position.number = std::min(batch.next.number, seam.number);
    }
    asked_ = batch.next;
}

void EventHub::Reader::take_entries(std::string& out, std::size_t max_bytes) {
    const std::size_t before = out.size();
    if (missed_ > 0) append_lost(out, filter_.types, std::exchange(missed_, 0));
    while (next_ < hub_.end() && out.size() - before < max_bytes) {
        const Entry& entry = hub_.entries_[next_++ - hub_.begin_];
        if (!pass(entry)) continue;
        if (entry.data.empty()) {
            append_lost(out, entry.lost, filter_.count_of(entry.lost, entry.count));
        } else if (filter_.matches(entry.type, entry.pool_id)) {
            append(out, entry.type, entry.data);
        }
    }
}

// False where he knows of it from elsewhere.
bool EventHub::Reader::pass(const Entry& entry) noexcept {
    std::optional<EventPosition>& position = positions_[entry.source];
    if (!position) {
        position = entry.position;
        return true;
    }
    const bool anew = counts_anew(entry.from, entry.position);
    if (!anew && !is_beyond(entry.from, entry.position, *position)) return false;
    if (anew) position->number = 0;
    position = later_of_both(*position, entry.position);
    return true;
}

void EventHub::Reader::append(std::string& out, EventType type, std::string_view data) const {
    out.append("event: ").append(to_string(type));
    out.append("\nid: ").append(to_text(positions_));
    out.append("\ndata: ").append(data).append("\n\n");
}

void EventHub::Reader::append_lost(std::string& out, EventTypes types,
                                   std::optional<std::uint64_t> count) const {
    types = types & filter_.types;
    if (types.empty()) return;
    std::string data;
    append_lost_data(data, types, count);
    append(out, EventType::lost, data);
}

}  // namespace ringmaster::api
