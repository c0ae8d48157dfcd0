#include "ringmaster/ringpool/store.hpp"

namespace ringmaster::ringpool {

std::string_view to_string(OverflowReason reason) noexcept {
    switch (reason) {
        case OverflowReason::exhausted: return "exhausted";
        case OverflowReason::owner_slow: return "owner_slow";
        case OverflowReason::owner_down: return "owner_down";
        case OverflowReason::store_unavailable: return "store_unavailable";
    }
    return "unknown";
}

Allocation overflow_allocation(const PoolDefinition& pool, OverflowReason reason) noexcept {
    Allocation answer;
    answer.reason = reason;
    if (!pool.allow_overflow) return answer;
    answer.outcome = Allocation::Outcome::overflow;
    answer.number = pool.overflow.number;
    answer.formatted = pool.overflow.formatted;
    return answer;
}

}  // namespace ringmaster::ringpool
