#pragma once

#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/slot.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::ringpool {

/// Which slot a session has: a hash table with linear probing, at most half full. An entry is
/// eight bytes, so a probe seldom leaves its cache line; the session itself stands in the slot and
/// is looked at only where 32 bits of its hash agree. Erasing moves later entries back, so that no
/// tombstones pile up in a table that lives for months.
class SessionTable {
  public:
    /// Makes room for `sessions` of them. O(n) where it grows.
    void reserve(std::size_t sessions);

    /// The slot of `session`, or kNoSlot. `slots[i].session` must be the session of each entry i.
    SlotIndex find(const SessionHash& session, const std::vector<Slot>& slots) const noexcept {
        for (std::size_t i = home(session);; i = next(i)) {
            const Entry& entry = entries_[i];
            if (entry.slot == kNoSlot) return kNoSlot;
            if (entry.tag == tag(session) && slots[entry.slot].session == session) {
                return entry.slot;
            }
        }
    }
    /// The slot that find() will look at first, or kNoSlot where it will look at none.
    SlotIndex guess(const SessionHash& session) const noexcept {
        std::size_t i = home(session);
        while (entries_[i].slot != kNoSlot && entries_[i].tag != tag(session)) i = next(i);
        return entries_[i].slot;
    }
    void prefetch(const SessionHash& session) const noexcept {
        __builtin_prefetch(&entries_[home(session)]);
    }

    /// Preconditions: `session` has no entry, and reserve() made room for it.
    void insert(const SessionHash& session, SlotIndex slot) noexcept;
    /// Inserts all that `other` has; preconditions as of insert().
    void insert_all(const SessionTable& other) noexcept;
    /// Takes the entry of `session` out if it names `slot`; otherwise does nothing.
    void erase(const SessionHash& session, SlotIndex slot) noexcept;

  private:
    struct Entry {
        SlotIndex slot = kNoSlot;
        std::uint32_t tag = 0;
    };

    static std::uint32_t tag(const SessionHash& session) noexcept {
        return static_cast<std::uint32_t>(session.low);
    }
    std::size_t home(const SessionHash& session) const noexcept { return tag(session) & mask_; }
    std::size_t next(std::size_t i) const noexcept { return (i + 1) & mask_; }
    void place(Entry entry) noexcept;
    void place_all(const std::vector<Entry>& entries) noexcept;

    std::vector<Entry> entries_ = std::vector<Entry>(2);  ///< a power of two of them
    std::size_t mask_ = 1;
};

}  // namespace ringmaster::ringpool
