#pragma once

#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/slot.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// Numbers and who has them, without any pool: what a snapshot and a journal amount to. Entries lie
/// in one array, so that millions of them can be filled in and thrown away quickly.
class SlotMap {
  public:
    using Entry = std::pair<ringpool::PhoneNumber, ringpool::Slot>;

    /// The slot of `number`, or null.
    ringpool::Slot* find(ringpool::PhoneNumber number) noexcept;
    /// The slot of `number`; a new one where there is none. Invalidates pointers.
    ringpool::Slot& at(ringpool::PhoneNumber number);

    std::size_t size() const noexcept { return entries_.size(); }
    const Entry* begin() const noexcept { return entries_.data(); }
    const Entry* end() const noexcept { return entries_.data() + entries_.size(); }

  private:
    std::size_t probe(ringpool::PhoneNumber number) const noexcept;
    void grow();

    std::vector<Entry> entries_;
    std::vector<std::uint32_t> index_;  ///< open addressing: 1 + place in entries_; 0 = free
};

}  // namespace ringmaster::store
