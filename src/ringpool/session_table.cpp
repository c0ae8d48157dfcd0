#include "ringmaster/ringpool/session_table.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ringmaster::ringpool {

void SessionTable::reserve(std::size_t sessions) {
    if (2 * sessions <= entries_.size()) return;
    std::vector<Entry> old(std::bit_ceil(2 * sessions));
    std::swap(entries_, old);
    mask_ = entries_.size() - 1;
    place_all(old);
}

void SessionTable::insert(const SessionHash& session, SlotIndex slot) noexcept {
    place({slot, tag(session)});
}

void SessionTable::insert_all(const SessionTable& other) noexcept {
    place_all(other.entries_);
}

void SessionTable::place_all(const std::vector<Entry>& entries) noexcept {
    for (const Entry& entry : entries) {
        if (entry.slot != kNoSlot) place(entry);
    }
}

void SessionTable::place(Entry entry) noexcept {
    std::size_t i = entry.tag & mask_;
    while (entries_[i].slot != kNoSlot) i = next(i);
    entries_[i] = entry;
}

void SessionTable::erase(const SessionHash& session, SlotIndex slot) noexcept {
    std::size_t gap = home(session);
    while (entries_[gap].slot != slot) {
        if (entries_[gap].slot == kNoSlot) return;
        gap = next(gap);
    }
    // An entry further on may fill the gap if its own search would pass there, i.e. if it lies at
    // least as far behind its home as behind the gap (Knuth, TAOCP 6.4, algorithm R).
    for (std::size_t i = next(gap); entries_[i].slot != kNoSlot; i = next(i)) {
        const std::size_t behind_home = (i - entries_[i].tag) & mask_;
        const std::size_t behind_gap = (i - gap) & mask_;
        if (behind_home >= behind_gap) {
            entries_[gap] = entries_[i];
            gap = i;
        }
    }
    entries_[gap] = {};
}

}  // namespace ringmaster::ringpool
