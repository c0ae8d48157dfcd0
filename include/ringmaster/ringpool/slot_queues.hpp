#pragma once

#include "ringmaster/ringpool/slot.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::ringpool {

/// The queues in which slots wait for their next session; a slot is in one of them or in none.
/// Lists linked by index, apart from the slots: to move one slot, its neighbours' links are
/// written, and eight of these share a cache line.
class SlotQueues {
  public:
    enum Queue : std::uint32_t { unused, touched, released, older };
    static constexpr std::size_t kCount = 4;

    SlotQueues();

    /// Makes the next slot known, in no queue.
    void add_slot();

    /// Makes room for `slots` of them, and touches it. Precondition: no slot is known yet.
    void reserve(std::size_t slots);

    /// The slot that waits longest in `queue`, or kNoSlot.
    SlotIndex front(Queue queue) const noexcept { return slot_at(links_[queue].next); }
    /// The slot that has come last, or kNoSlot.
    SlotIndex back(Queue queue) const noexcept { return slot_at(links_[queue].previous); }
    /// The one that waits behind `slot`, which must be in a queue, or kNoSlot.
    SlotIndex next(SlotIndex slot) const noexcept { return slot_at(links_[node_of(slot)].next); }
    /// The one in front of it.
    SlotIndex previous(SlotIndex slot) const noexcept {
        return slot_at(links_[node_of(slot)].previous);
    }
    bool contain(SlotIndex slot) const noexcept {
        return links_[node_of(slot)].next != node_of(slot);
    }
    /// Precondition: `slot` is in no queue.
    void push_back(Queue queue, SlotIndex slot) noexcept;
    /// Puts `slot` behind `place`, which must be in `queue`; in front of all where that is kNoSlot.
    /// Precondition: `slot` is in no queue.
    void insert_after(Queue queue, SlotIndex place, SlotIndex slot) noexcept;
    /// Harmless where `slot` is in no queue.
    void remove(SlotIndex slot) noexcept;

    void prefetch(SlotIndex slot) const noexcept { __builtin_prefetch(&links_[node_of(slot)], 1); }

  private:
    /// Each list is a ring through the queue's own node; a node in no queue is a ring by itself.
    using Node = std::uint32_t;
    struct Link {
        Node previous;
        Node next;
    };
    static Node node_of(SlotIndex slot) noexcept { return slot + Node{kCount}; }
    /// A queue's own node wraps around to one of the highest indices, which no slot has.
    static SlotIndex slot_at(Node node) noexcept {
        return node < kCount ? kNoSlot : node - Node{kCount};
    }

    std::vector<Link> links_;  ///< the queues' own nodes, then one for each slot
};

}  // namespace ringmaster::ringpool
