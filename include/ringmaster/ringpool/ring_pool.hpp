#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/session_table.hpp"
#include "ringmaster/ringpool/slot.hpp"
#include "ringmaster/ringpool/slot_queues.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::ringpool {

/// The rules of a pool that the allocator itself needs.
struct HoldRules {
    std::chrono::milliseconds lifetime;
    std::chrono::milliseconds cooldown;
    std::chrono::milliseconds max_hold{0};  ///< 0 = no limit
    friend bool operator==(const HoldRules&, const HoldRules&) noexcept = default;
};

/// When a hold ended, or will.
struct HoldEnd {
    WallTime last_touch{};
    WallTime expires_at{};
    WallTime eligible_at{};
};

/// The allocator: which number of one pool goes to which session. Pure: no I/O, no clock, O(1).
///
/// Invariants:
///  1. A slot that was touched at t by session s goes to another session only at or after
///     t + lifetime + cooldown as the rules stood at t; released at r, only at or after r +
///     cooldown as they stood at r.
///  2. Of all eligible slots, the one that has been eligible longest is handed out first; slots
///     never held come first of all, in the order in which they were added. Draining slots, and
///     what restore() and undrain() have left unsettled, are handed out to nobody.
///  3. A session has at most one slot. It keeps or takes back the slot it had last, until that
///     goes to someone else. Only a hold that reached max_hold, or whose number is draining, is not
///     taken back once it is over: its session is then like a new one.
///
/// Slots wait in queues, each ordered by eligible_at by construction, because within one queue all
/// waits are equally long: touched slots (lifetime + cooldown), released slots (cooldown), slots
/// never held (none), and all others (restored, or touched under rules since made shorter), which
/// settle() and change_rules() sort in. The oldest of the heads is the pool's least recently used
/// number. A slot that drains, is unsettled or has no number waits in no queue.
class RingPool {
  public:
    using SlotIndex = ringpool::SlotIndex;
    static constexpr SlotIndex kNone = kNoSlot;
    static constexpr std::size_t kMaxNumbers = 1u << 24;

    explicit RingPool(HoldRules rules) noexcept : rules_(rules) {}

    enum class Outcome : std::uint8_t {
        fresh,      ///< a hold begins: new session, or the same one after its time was over
        refreshed,  ///< the same hold goes on; its clock starts anew
        capped,     ///< the same hold goes on, but max_hold no longer lets its clock start anew
        exhausted,  ///< no number is eligible; slot is kNone
    };
    struct Decision {
        Outcome outcome;
        SlotIndex slot;
        HoldEnd previous{};  ///< of a fresh hold: the number's last one; zero where nobody had it
        bool reissued = false;  ///< and that was another session's
        /// By how much later than before the call, or than now if that is later, the number becomes
        /// eligible.
        std::chrono::milliseconds longer{0};
    };
    /// Precondition: `session` is not zero; `now` does not go backwards. No promise is ever
    /// shortened: a touch under rules that became shorter leaves the later end standing.
    Decision allocate(const SessionHash& session, WallTime now) noexcept;

    /// The session gives its slot back: from now on only the cool-down protects it. False where the
    /// session does not hold it at `now` (never had it, or its lifetime is over).
    bool release(const SessionHash& session, SlotIndex slot, WallTime now) noexcept;

    /// Adds a number nobody has held. Precondition: size() < kMaxNumbers. Invalidates Slot
    /// references. O(1) up to capacity(), and on average.
    SlotIndex add(const PoolNumber& number);
    /// How many numbers there is room for.
    std::size_t capacity() const noexcept { return slots_.capacity(); }
    /// An empty pool with room for so many: takes as long as it takes to touch all that memory.
    static RingPool with_room_for(std::size_t numbers);
    /// Moves everything into a pool from with_room_for(), and becomes that; `room` is left with the
    /// memory of before. O(n), but as quick as memory can be copied: add() would be slower by
    /// far. Invalidates Slot references. Precondition: room.capacity() >= end_slot().
    void grow_into(RingPool& room);
    /// The number is not handed to a new session again. It leaves when its time is over, which
    /// needs no further call: its own session may keep refreshing until max_hold, or lifetime where
    /// there is no max_hold. Harmless where it is draining already.
    void drain(SlotIndex slot) noexcept;
    /// The number stays after all, whether or not its time is over. Harmless where it does not
    /// drain. Call settle() after the last of a series.
    void undrain(SlotIndex slot);
    /// Takes the number out, and returns what stood in its slot, which a number added later may
    /// get. Whatever that promises is the caller's to keep.
    Slot take_out(SlotIndex slot);

    /// Puts back what a snapshot or journal says of a slot: everything in `state` but draining. May
    /// be called again for the same slot. Where several slots name one session, it has the one it
    /// touched last (of equal times, the one with the later record).
    /// Call settle() after the last of a series. Precondition: `state.session` is not zero.
    void restore(SlotIndex slot, const Slot& state);
    /// Sorts in what restore() and undrain() have left: O(k log k), and a walk past all slots of
    /// the fourth queue that become eligible later than the first of those.
    void settle();
    /// Holds that began before keep what they were promised; max_hold applies to them too. O(n)
    /// where a wait becomes shorter.
    void change_rules(HoldRules rules);

    /// Fetches into the cache what allocate() of this session will look at first; and, as a second
    /// step some dozens of instructions later, what it will look at next, including number().
    /// Batches hide the latency of memory that way. Have no other effect.
    void prefetch_session(const SessionHash& session) const noexcept;
    void prefetch_slot(const SessionHash& session) const noexcept;

    /// The slot that `session` had last and nobody else since; kNone where there is none.
    SlotIndex find(const SessionHash& session) const noexcept {
        return table_.find(session, slots_);
    }
    Slot& slot(SlotIndex index) noexcept { return slots_[index]; }
    const Slot& slot(SlotIndex index) const noexcept { return slots_[index]; }
    const PoolNumber& number(SlotIndex index) const noexcept { return numbers_[index]; }
    /// How many numbers there are.
    std::size_t size() const noexcept { return slots_.size() - vacant_.size(); }
    /// All slots are less than this; one whose number was taken out has none in number().
    SlotIndex end_slot() const noexcept { return static_cast<SlotIndex>(slots_.size()); }
    const HoldRules& rules() const noexcept { return rules_; }
    /// Until when the holder of a slot has been promised it.
    WallTime expires_at(SlotIndex index) const noexcept { return slots_[index].expires_at; }

  private:
    bool may_extend(const Slot& slot, WallTime now) const noexcept;
    bool may_take_back(const Slot& slot) const noexcept;
    std::chrono::milliseconds touch(SlotIndex index, WallTime now) noexcept;
    SlotIndex oldest_eligible(WallTime now) const noexcept;
    std::chrono::milliseconds hand_over(SlotIndex index, const SessionHash& session,
                                        WallTime now) noexcept;
    void merge_into_older(const std::vector<SlotIndex>& slots) noexcept;
    std::vector<SlotIndex> take_all(SlotQueues::Queue queue);

    HoldRules rules_;
    SessionTable table_;
    SlotQueues queues_;
    std::vector<Slot> slots_;
    std::vector<PoolNumber> numbers_;   ///< of the same index
    std::vector<SlotIndex> vacant_;     ///< slots whose number was taken out
    std::vector<SlotIndex> unsettled_;  ///< among them slots that meanwhile have found a queue
};

}  // namespace ringmaster::ringpool
