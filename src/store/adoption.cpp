#include "ringmaster/store/adoption.hpp"

#include <algorithm>
#include <cstddef>

namespace ringmaster::store {

using ringpool::Slot;

namespace {

// So many are taken over in one turn.
constexpr std::size_t kAtOnce = 1000;

}  // namespace

Result<void> Adoption::adopt(std::span<const NumberKnowledge> known) {
    const auto pass = gate_.enter();
    if (!pass) return Error{ErrorCode::unavailable, "the store is closed"};
    const std::size_t most = std::min(kAtOnce, journal_.max_reserve_bytes() / kAdoptRecordBytes);
    Result<void> done;
    while (done && !known.empty()) {
        const auto some = known.first(std::min(most, known.size()));
        known = known.subspan(some.size());
        done = journal_.reserve(some.size() * kAdoptRecordBytes, Deadline::never());
        if (done) adopt_some(some);
    }
    if (done) done = journal_.sync(Deadline::never());
    if (!done) return Error{ErrorCode::unavailable, done.error().message};
    return {};
}

// Must not suspend: memory and journal change together.
void Adoption::adopt_some(std::span<const NumberKnowledge> known) {
    SlotMap newer;
    for (const NumberKnowledge& one : known) {
        const Slot* here = newer.find(one.number);
        if (here == nullptr) here = holdings_.find(one.number);
        const bool known_here = here != nullptr && here->session;
        if (!one.slot.session || (known_here && !is_newer(one.slot, *here))) continue;
        Slot& slot = newer.at(one.number);
        slot = one.slot;
        slot.draining = false;
        // As far as is known here, the record may never have reached the disk.
        if (position_of(slot.record) != 0) slot.record |= kDoubtful;
        journal_.append_adopt({one.number, slot});
    }
    holdings_.restore(newer);
}

}  // namespace ringmaster::store
