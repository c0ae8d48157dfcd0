#include "ringmaster/shard/guarded_store.hpp"

#include <algorithm>
#include <cstddef>

namespace ringmaster::shard {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::OverflowReason;
using Permit = flow::EaseInGate::Permit;

namespace {

Deadline earlier(Deadline a, SteadyTime b) noexcept {
    return Deadline::at(std::min(a.time(), b));
}

}  // namespace

GuardedStore::GuardedStore(ringpool::Store& guarded, const ringpool::Catalog& catalog,
                           runtime::Scheduler& scheduler, const flow::EaseInGateOptions& options,
                           std::uint32_t seed, Guarded who)
    : guarded_(guarded),
      catalog_(catalog),
      scheduler_(scheduler),
      deadline_(options.deadline),
      who_(who),
      gate_(options, seed),
      refusal_(who.slow) {}

// A call begins when it is made, not when the turn began: what other fibers did before it in this
// turn is not the neighbour's slowness. And it ends when the turn began that brought its answer: so
// is not what they do until its fiber's turn comes. Hence two readings, the second of which may be
// the older one where something else was told in between.
SteadyTime GuardedStore::not_back(SteadyTime time) noexcept {
    return latest_ = std::max(latest_, time);
}

void GuardedStore::allocate(std::span<const AllocationRequest> requests,
                            std::span<Allocation> answers, Deadline deadline) {
    if (requests.empty()) return;  // whatever became of it would prove nothing
    const SteadyTime now = not_back(scheduler_.precise_now());
    std::optional<Permit> permit = gate_.try_enter(now);
    if (!permit) return refuse(requests, answers);
    const SteadyTime patience = now + deadline_;
    guarded_.allocate(requests, answers, earlier(deadline, patience));
    if (const auto failure = count_failed(requests, answers)) {
        tell_failure(*permit, *failure, deadline, patience);
    } else {
        tell_success(*permit);
    }
}

Result<void> GuardedStore::release(ringpool::PoolIndex pool, ringpool::PhoneNumber number,
                                   const ringpool::Session& session, Deadline deadline) {
    const SteadyTime now = not_back(scheduler_.precise_now());
    std::optional<Permit> permit = gate_.try_enter(now);
    if (!permit) {
        return unavailable(refusal_ == who_.slow ? "is too slow at the moment"
                                                 : "is gone at the moment");
    }
    const SteadyTime patience = now + deadline_;
    auto released = guarded_.release(pool, number, session, earlier(deadline, patience));
    if (released) {
        tell_success(*permit);
        return released;
    }
    switch (released.error().code) {
        case ErrorCode::timeout:
            tell_failure(*permit, who_.slow, deadline, patience);
            return unavailable("does not answer in time; it may have released the number");
        case ErrorCode::closed:
            tell_failure(*permit, who_.gone, deadline, patience);
            return unavailable("is gone; it may have released the number");
        case ErrorCode::unavailable: break;  // its disk, or too much is asked of it: no verdict
        case ErrorCode::invalid:
        case ErrorCode::not_found:
        case ErrorCode::damaged: tell_success(*permit); break;
    }
    return released;
}

Error GuardedStore::unavailable(std::string_view why) const {
    return {ErrorCode::unavailable, std::string(who_.name) + " " + std::string(why)};
}

OverflowCounts GuardedStore::overflows(ringpool::PoolIndex pool) const noexcept {
    return pool < overflows_.size() ? overflows_[pool] : OverflowCounts{};
}

// Who gave up by himself, before the gate's deadline, does not know what the store would have done.
void GuardedStore::tell_failure(Permit& permit, OverflowReason reason, Deadline callers,
                                SteadyTime patience) noexcept {
    const SteadyTime now = not_back(scheduler_.now());
    const bool gave_up = callers.time() < patience && callers.expired(now);
    if (reason == who_.slow && gave_up) return;
    refusal_ = reason;
    permit.failed(now);
}

void GuardedStore::tell_success(Permit& permit) noexcept {
    refusal_ = who_.slow;
    permit.succeeded(not_back(scheduler_.now()));
}

void GuardedStore::refuse(std::span<const AllocationRequest> requests,
                          std::span<Allocation> answers) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
        const ringpool::PoolIndex pool = requests[i].pool;
        answers[i] = ringpool::overflow_allocation(catalog_.at(pool), refusal_);
        count(pool, refusal_);
    }
}

// How the batch failed, if it did: a store that is gone for one row is gone.
std::optional<OverflowReason> GuardedStore::count_failed(
    std::span<const AllocationRequest> requests, std::span<const Allocation> answers) {
    std::optional<OverflowReason> failure;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (answers[i].outcome == Allocation::Outcome::allocated) continue;
        const OverflowReason reason = answers[i].reason;
        if (reason != who_.slow && reason != who_.gone) continue;
        count(requests[i].pool, reason);
        if (failure != who_.gone) failure = reason;
    }
    return failure;
}

void GuardedStore::count(ringpool::PoolIndex pool, OverflowReason reason) {
    if (pool >= overflows_.size()) overflows_.resize(catalog_.end_index());
    const auto which = static_cast<std::size_t>(reason);
    ++overflows_[pool][which];
    ++overflows_of_all_[which];
}

}  // namespace ringmaster::shard
