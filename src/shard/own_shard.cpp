#include "ringmaster/shard/own_shard.hpp"

namespace ringmaster::shard {

// Where the number is is asked first: of one that has come into a pool by then the history, which
// is read later, misses no hold.
Result<HoldersFound> OwnShard::holders(ringpool::PhoneNumber number, std::optional<WallTime> at,
                                       std::size_t max, Deadline deadline) {
    const bool in_pool = parts_.has_number(number);
    auto holds = parts_.history.holders(number, at, max, deadline);
    if (!holds) return holds.error();
    return HoldersFound{*std::move(holds), in_pool};
}

Result<std::size_t> OwnShard::erase(std::string_view session_id, Deadline) {
    return parts_.history.erase(session_id);
}

Result<std::vector<store::NumberKnowledge>> OwnShard::look_up(
    std::span<const ringpool::PhoneNumber> numbers, Deadline) {
    return parts_.look_up(numbers);
}

Result<void> OwnShard::sweep(std::string_view pool_id, Deadline) {
    return parts_.sweep_left(pool_id);
}

Result<OverflowCounts> OwnShard::overflow_counts(std::string_view pool_id, Deadline) {
    return parts_.overflow_counts(pool_id);
}

Result<std::vector<ops::DemandHour>> OwnShard::demand(std::string_view pool_id, Deadline) {
    return parts_.demand(pool_id);
}

Result<std::string> OwnShard::report(Deadline) {
    return parts_.report();
}

Result<std::string> OwnShard::profile(Deadline) {
    return parts_.profile();
}

}  // namespace ringmaster::shard
