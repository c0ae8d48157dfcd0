#pragma once

#include "ringmaster/ringpool/phone_number.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// What is known of each of many numbers. Entries lie in one array, in no particular order, so that
/// millions of them can be filled in, gone through and thrown away quickly; beside it lies an open
/// addressing table of four bytes a place, at most half full.
template <class Value>
class NumberMap {
  public:
    using Entry = std::pair<ringpool::PhoneNumber, Value>;

    /// The value of `number`, or null.
    const Value* find(ringpool::PhoneNumber number) const noexcept {
        if (entries_.empty()) return nullptr;
        const std::uint32_t entry = index_[probe(number)];
        return entry == 0 ? nullptr : &entries_[entry - 1].second;
    }
    Value* find(ringpool::PhoneNumber number) noexcept {
        return const_cast<Value*>(std::as_const(*this).find(number));
    }
    /// The value of `number`; a new one where there is none. Invalidates pointers.
    Value& at(ringpool::PhoneNumber number) {
        if (2 * (entries_.size() + 1) > index_.size()) index_anew(2 * index_.size());
        const std::size_t place = probe(number);
        if (index_[place] == 0) {
            entries_.emplace_back(number, Value());
            index_[place] = static_cast<std::uint32_t>(entries_.size());
        }
        return entries_[index_[place] - 1].second;
    }
    /// False where `number` is not there. Invalidates pointers.
    bool erase(ringpool::PhoneNumber number) noexcept;
    /// Erases each entry of which `is_over(number, value)` is true. O(n).
    template <class Predicate>
    void erase_if(Predicate&& is_over) {
        const auto erased = std::erase_if(
            entries_, [&](const Entry& entry) { return is_over(entry.first, entry.second); });
        if (erased > 0) index_anew(index_.size());
    }
    bool has_room_for(std::size_t size) const noexcept {
        return size <= entries_.capacity() && 2 * size <= index_.size();
    }
    /// Makes room for `size` entries. O(n) where there is not enough, but not each time.
    void reserve(std::size_t size) {
        const std::size_t capacity = entries_.capacity();
        if (size > capacity) entries_.reserve(std::max(size, capacity + capacity / 2));
        if (2 * size > index_.size()) index_anew(2 * size);
    }

    std::size_t size() const noexcept { return entries_.size(); }
    const Entry* begin() const noexcept { return entries_.data(); }
    const Entry* end() const noexcept { return entries_.data() + entries_.size(); }
    Entry* begin() noexcept { return entries_.data(); }
    Entry* end() noexcept { return entries_.data() + entries_.size(); }

  private:
    static constexpr std::size_t kLeastPlaces = 64;

    // The upper half of the hash is the better one: it is a multiplication.
    std::size_t home(ringpool::PhoneNumber number) const noexcept {
        return (std::hash<ringpool::PhoneNumber>()(number) >> 32) & (index_.size() - 1);
    }
    std::size_t after(std::size_t place) const noexcept {
        return (place + 1) & (index_.size() - 1);
    }
    // Where the number stands in the index, or the free place where it would.
    std::size_t probe(ringpool::PhoneNumber number) const noexcept {
        std::size_t place = home(number);
        while (index_[place] != 0 && entries_[index_[place] - 1].first != number) {
            place = after(place);
        }
        return place;
    }
    void index_anew(std::size_t places) {
        index_.assign(std::bit_ceil(std::max(kLeastPlaces, places)), 0);
        for (std::uint32_t i = 0; i < entries_.size(); ++i)
            index_[probe(entries_[i].first)] = i + 1;
    }

    std::vector<Entry> entries_;
    std::vector<std::uint32_t> index_;  ///< 1 + place in entries_; 0 = free
};

template <class Value>
bool NumberMap<Value>::erase(ringpool::PhoneNumber number) noexcept {
    if (entries_.empty()) return false;
    std::size_t gap = probe(number);
    const std::uint32_t entry = index_[gap];
    if (entry == 0) return false;
    // The last entry moves to where this one was.
    if (entry != entries_.size()) {
        index_[probe(entries_.back().first)] = entry;
        entries_[entry - 1] = std::move(entries_.back());
    }
    entries_.pop_back();
    // An entry further on may fill the gap if its own search would pass there, i.e. if it lies at
    // least as far behind its home as behind the gap (Knuth, TAOCP 6.4, algorithm R).
    const std::size_t mask = index_.size() - 1;
    for (std::size_t i = after(gap); index_[i] != 0; i = after(i)) {
        const std::size_t behind_home = (i - home(entries_[index_[i] - 1].first)) & mask;
        const std::size_t behind_gap = (i - gap) & mask;
        if (behind_home >= behind_gap) {
            index_[gap] = index_[i];
            gap = i;
        }
    }
    index_[gap] = 0;
    return true;
}

}  // namespace ringmaster::store
