#include "ringmaster/ringpool/slot_queues.hpp"

#include <cassert>

namespace ringmaster::ringpool {

SlotQueues::SlotQueues() {
    for (Node node = 0; node < kCount; ++node) links_.push_back({node, node});
}

void SlotQueues::add_slot() {
    const Node node = static_cast<Node>(links_.size());
    links_.push_back({node, node});
}

void SlotQueues::reserve(std::size_t slots) {
    links_.resize(kCount + slots);
    links_.resize(kCount);
}

// As insert_after() the last, but without a look at that one's link, which is seldom in the cache.
void SlotQueues::push_back(Queue queue, SlotIndex slot) noexcept {
    const Node node = node_of(slot);
    assert(links_[node].next == node);
    const Node last = links_[queue].previous;
    links_[node] = {last, queue};
    links_[last].next = node;
    links_[queue].previous = node;
}

void SlotQueues::insert_after(Queue queue, SlotIndex place, SlotIndex slot) noexcept {
    const Node node = node_of(slot);
    assert(links_[node].next == node);
    const Node before = place == kNoSlot ? Node{queue} : node_of(place);
    const Node after = links_[before].next;
    links_[node] = {before, after};
    links_[before].next = node;
    links_[after].previous = node;
}

void SlotQueues::remove(SlotIndex slot) noexcept {
    const Node node = node_of(slot);
    const Link link = links_[node];
    links_[link.previous].next = link.next;
    links_[link.next].previous = link.previous;
    links_[node] = {node, node};
}

}  // namespace ringmaster::ringpool
