#include "ringmaster/replay/pool_replay.hpp"

#include <algorithm>

namespace ringmaster::replay {

using ringpool::HoldRules;
using ringpool::RingPool;
using std::chrono::milliseconds;
using Kind = RecordedRequest::Kind;

namespace {

HoldRules rules_of(const RecordedPool& pool) {
    if (!pool.definition) return {milliseconds(0), milliseconds(0)};
    return {pool.definition->lifetime, pool.definition->cooldown, pool.definition->max_hold};
}

HoldRules changed(const HoldRules& rules, const Changes& changes) {
    return {changes.lifetime.value_or(rules.lifetime), changes.cooldown.value_or(rules.cooldown),
            changes.max_hold.value_or(rules.max_hold)};
}

}  // namespace

PoolReplay::PoolReplay(const RecordedPool& pool, const Changes& changes)
    : changes_(changes), recorded_rules_(rules_of(pool)), pool_(changed(recorded_rules_, changes)) {
    add_numbers(pool.numbers);
}

std::uint32_t PoolReplay::wanted(std::uint32_t recorded) const noexcept {
    if (changes_.numbers) return *changes_.numbers;
    constexpr std::uint64_t kMost = RingPool::kMaxNumbers;
    const std::uint64_t percent = changes_.numbers_percent.value_or(100);
    const std::uint64_t least = recorded > 0 ? 1 : 0;
    return static_cast<std::uint32_t>(std::clamp(recorded * percent / 100, least, kMost));
}

// Which numbers they are makes no difference.
void PoolReplay::add_numbers(std::uint32_t recorded) {
    for (const std::uint32_t all = wanted(recorded); pool_.size() < all;) pool_.add({});
}

void PoolReplay::apply(const RecordedRequest& request, std::uint32_t numbers) {
    add_numbers(numbers);
    learn_rules(request);
    count_recorded(request);
    if (request.kind == Kind::release) {
        give_back(request);
    } else {
        ask(request);
    }
}

// What left an end standing that was promised before tells only that the lifetime is not longer.
void PoolReplay::learn_rules(const RecordedRequest& request) {
    const ringpool::HoldEnd& end = request.end;
    const ringpool::HoldEnd& before = request.previous_end;
    const bool known = request.kind == Kind::begin || before.last_touch != WallTime();
    if (request.kind == Kind::release || !known || end.last_touch != request.at) return;
    HoldRules rules = recorded_rules_;
    const milliseconds lifetime = end.expires_at - end.last_touch;
    const bool extended = end.expires_at > before.expires_at;
    if (extended || lifetime < rules.lifetime) rules.lifetime = lifetime;
    if (extended && end.eligible_at > before.eligible_at) {
        rules.cooldown = end.eligible_at - end.expires_at;
    }
    if (rules == recorded_rules_) return;
    recorded_rules_ = rules;
    const HoldRules others = changed(rules, changes_);
    if (others != pool_.rules()) pool_.change_rules(others);
}

void PoolReplay::count_recorded(const RecordedRequest& request) {
    if (request.kind == Kind::release) return recorded_.release(request.number, request.at);
    sessions_.add(request.session);
    Tally::Hold hold{request.number, request.end.expires_at, request.kind == Kind::begin};
    if (hold.begins && request.previous_end.last_touch != WallTime()) {
        // Where the journal does not say whose it was, it will have been somebody else's.
        hold.reissued = request.previous_session != request.session;
        hold.early = hold.reissued && request.at - request.previous_end.eligible_at <
                                          request.end.expires_at - request.end.last_touch;
    }
    recorded_.hold(hold, request.at);
}

void PoolReplay::ask(const RecordedRequest& request) {
    const WallTime hour = std::chrono::floor<std::chrono::hours>(request.at);
    if (hours_.empty() || hours_.back().hour != hour) hours_.push_back({.hour = hour});
    ++hours_.back().requests;
    const RingPool::Decision decision = pool_.allocate(request.session, request.at);
    if (decision.outcome == RingPool::Outcome::exhausted) {
        ++hours_.back().overflows;
        return replayed_.overflow();
    }
    const bool early =
        decision.reissued && request.at - decision.previous.eligible_at < pool_.rules().lifetime;
    replayed_.hold({decision.slot, pool_.expires_at(decision.slot),
                    decision.outcome == RingPool::Outcome::fresh, decision.reissued, early},
                   request.at);
}

void PoolReplay::give_back(const RecordedRequest& request) {
    const ringpool::SlotIndex slot = pool_.find(request.session);
    if (!pool_.release(request.session, slot, request.at)) return;
    replayed_.release(slot, request.at);
}

void PoolReplay::start(WallTime now) {
    sessions_ = {};
    recorded_.start(now);
    replayed_.start(now);
    hours_.clear();
}

PoolReport PoolReplay::report(const RecordedPool& pool) const {
    PoolReport report;
    report.id = pool.id;
    report.deleted = !pool.definition.has_value();
    report.gone = pool.gone;
    report.sessions = sessions_.count();
    report.sessions_exact = sessions_.exact();
    report.recorded = recorded_.figures(pool.numbers, recorded_rules_);
    report.replayed = replayed_.figures(static_cast<std::uint32_t>(pool_.size()), pool_.rules());
    report.hours = hours_;
    return report;
}

}  // namespace ringmaster::replay
