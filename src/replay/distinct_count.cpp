#include "ringmaster/replay/distinct_count.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::replay {
namespace {

constexpr std::size_t kLeastPlaces = 64;

}  // namespace

// The low bits decide who is in the sample, the high ones where in the table.
void DistinctCount::add(const ringpool::SessionHash& session) {
    const std::uint64_t hash = session.low ^ session.high;
    if (hash == 0 || !sampled(hash)) return;
    if (2 * (size_ + 1) > places_.size()) grow(std::max(kLeastPlaces, 2 * places_.size()));
    insert(hash);
    while (size_ > kExact) {
        ++level_;
        grow(places_.size());
    }
}

void DistinctCount::insert(std::uint64_t hash) noexcept {
    std::size_t place = (hash >> 32) & (places_.size() - 1);
    while (places_[place] != 0 && places_[place] != hash)
        place = (place + 1) & (places_.size() - 1);
    if (places_[place] == hash) return;
    places_[place] = hash;
    ++size_;
}

// Keeps what is in the sample now.
void DistinctCount::grow(std::size_t places) {
    const auto before = std::exchange(places_, std::vector<std::uint64_t>(places));
    size_ = 0;
    for (const std::uint64_t hash : before) {
        if (hash != 0 && sampled(hash)) insert(hash);
    }
}

}  // namespace ringmaster::replay
