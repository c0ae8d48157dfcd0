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

void SlotQueues::push_back(Queue queue, SlotIndex slot) noexcept {
    const Node node = node_of(slot);
    assert(links_[node].next == node);
    const Node last = links_[queue].previous;
    links_[node] = {last, queue};
    links_[last].next = node;
    links_[queue].previous = node;
}

void SlotQueues::remove(SlotIndex slot) noexcept {
    const Node node = node_of(slot);
    const Link link = links_[node];
    links_[link.previous].next = link.next;
    links_[link.next].previous = link.previous;
    links_[node] = {node, node};
}

}  // namespace ringmaster::ringpool
