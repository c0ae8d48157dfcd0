#include "ringmaster/store/slot_map.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace ringmaster::store {

// Where the number stands in the index, or the free place where it would. The upper half of the
// hash is the better one (it is a multiplication).
std::size_t SlotMap::probe(ringpool::PhoneNumber number) const noexcept {
    const std::size_t mask = index_.size() - 1;
    std::size_t place = (std::hash<ringpool::PhoneNumber>()(number) >> 32) & mask;
    while (index_[place] != 0 && entries_[index_[place] - 1].first != number) {
        place = (place + 1) & mask;
    }
    return place;
}

ringpool::Slot* SlotMap::find(ringpool::PhoneNumber number) noexcept {
    if (entries_.empty()) return nullptr;
    const std::uint32_t entry = index_[probe(number)];
    return entry == 0 ? nullptr : &entries_[entry - 1].second;
}

ringpool::Slot& SlotMap::at(ringpool::PhoneNumber number) {
    if (2 * (entries_.size() + 1) > index_.size()) grow();
    const std::size_t place = probe(number);
    if (index_[place] == 0) {
        entries_.emplace_back(number, ringpool::Slot());
        index_[place] = static_cast<std::uint32_t>(entries_.size());
    }
    return entries_[index_[place] - 1].second;
}

void SlotMap::grow() {
    index_.assign(std::max<std::size_t>(64, index_.size() * 2), 0);
    for (std::uint32_t i = 0; i < entries_.size(); ++i) index_[probe(entries_[i].first)] = i + 1;
}

}  // namespace ringmaster::store
