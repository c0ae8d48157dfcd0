// A random stream of operations on a RingPool, against two judges: a model that does the same by
// plain searches, and a history that knows nothing of either and only checks the promise (no two
// sessions at once, sticky, least recently used) on what was answered.
//
// RINGMASTER_PROPERTY_STEPS sets how many steps, RINGMASTER_PROPERTY_SEED the first seed; a failure
// prints the seed and the step.

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/ring_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using std::chrono::milliseconds;
using Outcome = RingPool::Outcome;
using SessionId = int;
constexpr SessionId kNobody = -1;

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t kDefaultSteps = 500'000;
#else
constexpr std::uint64_t kDefaultSteps = 10'000'000;
#endif

std::uint64_t setting(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

/// The allocator as one would write it without a thought for speed.
class Model {
  public:
    struct Number {
        SessionId holder = kNobody;
        WallTime allocated_at{};
        WallTime last_touch{};
        WallTime expires_at{};
        WallTime eligible_at{};
        std::uint64_t record = 0;
        bool draining = false;
        bool unsettled = false;
        bool vacant = false;
        std::uint64_t turn = 0;  ///< where never held: those that came first go first

        bool goes_to_others(WallTime now) const {
            return !draining && !unsettled && !vacant && eligible_at <= now;
        }
    };
    struct Verdict {
        Outcome outcome;
        std::vector<SlotIndex> slots;  ///< any of these
    };

    HoldRules rules;
    std::vector<Number> numbers;
    std::map<SessionId, SlotIndex>
        last;  ///< what each session had last, if nobody has had it since

    /// What must come out; nothing is changed before commit().
    Verdict allocate(SessionId session, WallTime now) const {
        if (const auto own = last.find(session); own != last.end()) {
            const Number& number = numbers[own->second];
            const auto held = now - number.allocated_at;
            if (now < number.expires_at) {
                const bool over = rules.max_hold > milliseconds(0)
                                      ? held >= rules.max_hold
                                      : number.draining && held >= rules.lifetime;
                return {over ? Outcome::capped : Outcome::refreshed, {own->second}};
            }
            const bool spent = rules.max_hold > milliseconds(0) &&
                               number.expires_at - number.allocated_at >= rules.max_hold;
            if (!spent && !number.draining) return {Outcome::fresh, {own->second}};
        }
        std::vector<SlotIndex> best;
        for (SlotIndex i = 0; i < numbers.size(); ++i) {
            const Number& number = numbers[i];
            if (!number.goes_to_others(now)) continue;
            const bool first = best.empty();
            const bool never_held = number.holder == kNobody;
            if (first || number.eligible_at < numbers[best[0]].eligible_at) best = {i};
            // Of those that were never held, only the first will do.
            else if (never_held && number.turn < numbers[best[0]].turn)
                best = {i};
            else if (!never_held && number.eligible_at == numbers[best[0]].eligible_at)
                best.push_back(i);
        }
        return {best.empty() ? Outcome::exhausted : Outcome::fresh, best};
    }

    void commit(Outcome outcome, SlotIndex slot, SessionId session, WallTime now,
                std::uint64_t record) {
        if (outcome == Outcome::capped || outcome == Outcome::exhausted) return;
        Number& number = numbers[slot];
        if (outcome == Outcome::fresh) {
            const auto loser = last.find(number.holder);
            if (loser != last.end() && loser->second == slot) last.erase(loser);
            last[session] = slot;
            number.holder = session;
            number.allocated_at = now;
            number.record = record;
        }
        number.last_touch = now;
        number.expires_at = std::max(number.expires_at, now + rules.lifetime);
        const WallTime eligible_at = now + rules.lifetime + rules.cooldown;
        if (eligible_at >= number.eligible_at) number.unsettled = false;
        number.eligible_at = std::max(number.eligible_at, eligible_at);
    }

    bool release(SessionId session, SlotIndex slot, WallTime now) {
        const auto own = last.find(session);
        if (own == last.end() || own->second != slot || now >= numbers[slot].expires_at)
            return false;
        numbers[slot].expires_at = now;
        numbers[slot].eligible_at = now + rules.cooldown;
        numbers[slot].unsettled = false;
        return true;
    }

    void add(SlotIndex slot) {
        if (slot == numbers.size()) numbers.emplace_back();
        numbers[slot] = {};
        numbers[slot].turn = ++turns_;
    }

    void undrain(SlotIndex slot) {
        Number& number = numbers[slot];
        if (!number.draining) return;
        number.draining = false;
        number.unsettled = number.holder != kNobody;
        number.turn = ++turns_;
    }

    Number take_out(SlotIndex slot) {
        const Number number = std::exchange(numbers[slot], Number());
        numbers[slot].vacant = true;
        const auto own = last.find(number.holder);
        if (own != last.end() && own->second == slot) last.erase(own);
        return number;
    }

    /// A number comes back, and all that was known of it.
    void adopt(SlotIndex slot, Number number) {
        add(slot);
        number.draining = false;
        number.unsettled = true;
        numbers[slot] = number;
        const auto [own, is_new] = last.try_emplace(number.holder, slot);
        if (!is_new && age(own->second) <= age(slot)) own->second = slot;
    }

    void settle() {
        for (Number& number : numbers) number.unsettled = false;
    }

    /// After a restart a session is known only from the slots that name it.
    void restart() {
        last.clear();
        settle();
        for (SlotIndex i = 0; i < numbers.size(); ++i) {
            numbers[i].turn = ++turns_;
            if (numbers[i].holder == kNobody) continue;
            const auto [own, is_new] = last.try_emplace(numbers[i].holder, i);
            if (!is_new && age(own->second) < age(i)) own->second = i;
        }
    }

  private:
    std::pair<WallTime, std::uint64_t> age(SlotIndex i) const {
        return {numbers[i].last_touch, numbers[i].record};
    }

    std::uint64_t turns_ = 0;
};

/// What was answered, and whether the promise was kept. Every complaint is a broken invariant of
/// the design; none is worded in terms of queues, slots' fields or the model.
class History {
  public:
    void add(SlotIndex slot) {
        if (slot == numbers_.size()) numbers_.emplace_back();
        numbers_[slot] = {};
    }
    void drain(SlotIndex slot) {
        numbers_[slot].draining = true;
        numbers_[slot].for_all = false;
    }
    /// From now on it may go to others; settle() says that it must.
    void undrain(SlotIndex slot) { numbers_[slot].draining = false; }
    void settle() {
        for (Number& number : numbers_) number.for_all = !number.draining && !number.vacant;
    }
    void take_out(SlotIndex slot) {
        numbers_[slot] = {.for_all = false, .vacant = true};
        std::erase_if(promised_, [&](const auto& entry) { return entry.second.slot == slot; });
    }
    void adopt(SlotIndex slot, SessionId session, WallTime until, WallTime protected_until,
               bool of_session) {
        add(slot);
        numbers_[slot] = {.holder = session, .protected_until = protected_until, .for_all = false};
        if (of_session) promised_[session] = {.slot = slot, .until = until};
    }

    std::string allocated(Outcome outcome, SlotIndex slot, SessionId session, WallTime now,
                          const HoldRules& rules) {
        const auto mine = promised_.find(session);
        if (mine != promised_.end() && now < mine->second.until) {
            if (slot != mine->second.slot) return "a session lost its number within its lifetime";
            if (outcome == Outcome::fresh) return "a hold began within another";
        }
        if (outcome == Outcome::exhausted) {
            for (const Number& number : numbers_) {
                if (number.for_all && number.protected_until <= now) {
                    return "exhausted, though a number was eligible";
                }
            }
            return "";
        }
        if (outcome == Outcome::capped) {
            const bool held = mine != promised_.end() && now < mine->second.until;
            return held ? "" : "capped, though its time was over";
        }
        Number& number = numbers_[slot];
        if (number.holder != session) {
            if (outcome != Outcome::fresh) return "a hold went on that never began";
            if (number.draining) return "a draining number went to a new session";
            if (now < number.protected_until) return "two sessions had one number at a time";
            for (const Number& other : numbers_) {
                if (other.for_all && other.protected_until < number.protected_until) {
                    return "another number had been free longer";
                }
            }
            number.holder = session;
            number.protected_until = {};
        }
        const WallTime end = now + rules.lifetime;
        number.protected_until = std::max(number.protected_until, end + rules.cooldown);
        Promise& promise = promised_[session];
        if (promise.slot != slot) promise = {.slot = slot, .until = {}};
        promise.until = std::max(promise.until, end);
        return "";
    }

    void released(SlotIndex slot, SessionId session, WallTime now, const HoldRules& rules) {
        numbers_[slot].protected_until = now + rules.cooldown;
        promised_.erase(session);
    }

  private:
    struct Number {
        SessionId holder = kNobody;
        WallTime protected_until{};  ///< by what was promised at the touches of its holder
        bool for_all = true;         ///< who have the right to it once its time is over
        bool draining = false;
        bool vacant = false;
    };
    struct Promise {
        SlotIndex slot = kNoSlot;
        WallTime until{};
    };
    std::vector<Number> numbers_;
    std::map<SessionId, Promise> promised_;
};

/// One pool, its judges, and the dice.
class Trial {
  public:
    explicit Trial(std::uint64_t seed) : random_(seed), pool_(random_rules()) {
        model_.rules = pool_.rules();
        const int size = 1 + roll(one_in(10) ? 200 : 12);
        sessions_ = 1 + roll(3 * size + 2);
        // Now and then most hashes collide in what the table keeps of them.
        tags_ = one_in(3) ? 1 + static_cast<std::uint64_t>(roll(4)) : ~std::uint64_t{0};
        for (int i = 0; i < size; ++i) add();
    }

    /// What is wrong after one more operation, or an empty text.
    std::string step() {
        advance();
        const int dice = roll(1000);
        if (dice < 870) return allocate();
        if (dice < 970) return release();
        if (dice < 975) return drain();
        if (dice < 979) return undrain();
        if (dice < 982) return take_out();
        if (dice < 986) return adopt();
        if (dice < 990) return add();
        if (dice < 994) return settle();
        if (dice < 997) return change_rules();
        return restart();
    }

  private:
    int roll(int sides) { return static_cast<int>(random_() % static_cast<std::uint64_t>(sides)); }
    bool one_in(int n) { return roll(n) == 0; }

    HoldRules random_rules() {
        return {.lifetime = milliseconds(1 + roll(one_in(2) ? 20 : 200)),
                .cooldown = milliseconds(one_in(2) ? 0 : roll(100)),
                .max_hold = milliseconds(one_in(2) ? 0 : 1 + roll(300))};
    }

    SessionHash hash(SessionId session) const {
        const auto id = static_cast<std::uint64_t>(session) + 1;
        const std::uint64_t mixed = id * 0x9E3779B97F4A7C15u;
        return {(mixed ^ mixed >> 32) % tags_, id};
    }

    void advance() {
        if (one_in(2)) return;
        clock_.advance(milliseconds(one_in(50) ? roll(500) : roll(4)));
    }

    std::string allocate() {
        const SessionId session = roll(sessions_);
        const WallTime now = clock_.wall_now();
        const Model::Verdict expected = model_.allocate(session, now);
        const RingPool::Decision decision = pool_.allocate(hash(session), now);
        const auto [outcome, slot] = std::pair(decision.outcome, decision.slot);
        // The promise is judged first, so that a failure names it where it can.
        if (auto broken = history_.allocated(outcome, slot, session, now, model_.rules);
            !broken.empty()) {
            return "promise: " + broken;
        }
        if (outcome != expected.outcome) return "allocate: another outcome than the model's";
        if (outcome == Outcome::exhausted) return slot == kNoSlot ? "" : "exhausted, with a slot";
        if (std::ranges::count(expected.slots, slot) == 0) return "allocate: not the model's slot";
        if (outcome == Outcome::fresh) {
            const Model::Number& before = model_.numbers[slot];
            const HoldEnd& previous = decision.previous;
            if (previous.last_touch != before.last_touch ||
                previous.expires_at != before.expires_at ||
                previous.eligible_at != before.eligible_at) {
                return "allocate: not the end of the hold before";
            }
            if (decision.reissued != (before.holder != kNobody && before.holder != session)) {
                return "allocate: reissued is wrong";
            }
            pool_.slot(slot).record = ++records_;
        }
        model_.commit(outcome, slot, session, now, records_);
        return compare(slot);
    }

    std::string release() {
        const SessionId session = roll(sessions_);
        const auto own = model_.last.find(session);
        const int any = roll(static_cast<int>(model_.numbers.size()));
        const SlotIndex slot =
            own == model_.last.end() || one_in(5) ? static_cast<SlotIndex>(any) : own->second;
        const WallTime now = clock_.wall_now();
        const bool expected = model_.release(session, slot, now);
        if (pool_.release(hash(session), slot, now) != expected) return "release: not as the model";
        if (expected) history_.released(slot, session, now, model_.rules);
        return compare(slot);
    }

    /// The slot that a new number got, or kNoSlot where it is none that it may get.
    SlotIndex add_to_pool() {
        const bool has_vacant =
            std::ranges::count(model_.numbers, true, &Model::Number::vacant) > 0;
        const std::size_t before = pool_.size();
        if (one_in(4)) {
            auto room =
                RingPool::with_room_for(pool_.end_slot() + static_cast<std::size_t>(roll(20)));
            pool_.grow_into(room);
        }
        const SlotIndex slot = pool_.add({PhoneNumber::from_digits(18665550100), {}});
        const bool new_slot = slot == model_.numbers.size();
        const bool good = has_vacant ? !new_slot && model_.numbers.at(slot).vacant : new_slot;
        return good && pool_.size() == before + 1 ? slot : kNoSlot;
    }

    std::string add() {
        if (pool_.size() >= 250) return "";
        const SlotIndex slot = add_to_pool();
        if (slot == kNoSlot) return "add: not a slot that it may be";
        model_.add(slot);
        history_.add(slot);
        return compare(slot);
    }

    SlotIndex any_slot() {
        return static_cast<SlotIndex>(roll(static_cast<int>(pool_.end_slot())));
    }

    std::string drain() {
        const SlotIndex slot = any_slot();
        if (model_.numbers[slot].vacant) return "";
        pool_.drain(slot);
        model_.numbers[slot].draining = true;
        model_.numbers[slot].unsettled = false;
        history_.drain(slot);
        return compare(slot);
    }

    std::string undrain() {
        const SlotIndex slot = any_slot();
        if (model_.numbers[slot].vacant) return "";
        pool_.undrain(slot);
        model_.undrain(slot);
        history_.undrain(slot);
        return one_in(2) ? settle() : compare(slot);
    }

    std::string settle() {
        pool_.settle();
        model_.settle();
        history_.settle();
        return "";
    }

    std::string take_out() {
        const SlotIndex slot = any_slot();
        if (model_.numbers[slot].vacant) return "";
        const Model::Number known = model_.take_out(slot);
        const Slot taken = pool_.take_out(slot);
        history_.take_out(slot);
        if (taken.draining || taken.eligible_at != known.eligible_at) return "take_out: wrong slot";
        if (pool_.number(slot).number) return "take_out: the number is still there";
        if (taken.session) strays_.push_back({taken, known});
        return compare_all();
    }

    std::string adopt() {
        if (pool_.size() >= 250 || strays_.empty()) return "";
        const auto stray = strays_.begin() + roll(static_cast<int>(strays_.size()));
        const auto [state, known] = *stray;
        strays_.erase(stray);
        const SlotIndex slot = add_to_pool();
        if (slot == kNoSlot) return "add: not a slot that it may be";
        pool_.restore(slot, state);
        model_.adopt(slot, known);
        history_.adopt(slot, known.holder, known.expires_at, known.eligible_at,
                       model_.last[known.holder] == slot);
        if (one_in(2)) settle();
        return compare_all();
    }

    std::string change_rules() {
        model_.rules = random_rules();
        pool_.change_rules(model_.rules);
        return compare_all();
    }

    /// As a process that starts reads a snapshot: slots in any order, drained before or after.
    std::string restart() {
        RingPool successor(pool_.rules());
        std::vector<SlotIndex> order(pool_.end_slot());
        std::iota(order.begin(), order.end(), SlotIndex{0});
        std::ranges::shuffle(order, random_);
        for (SlotIndex i = 0; i < pool_.end_slot(); ++i) successor.add(pool_.number(i));
        for (SlotIndex i = 0; i < pool_.end_slot(); ++i) {
            if (model_.numbers[i].vacant) successor.take_out(i);
        }
        const bool drain_first = one_in(2);
        for (const SlotIndex i : order) {
            const Slot& slot = pool_.slot(i);
            if (slot.draining && drain_first) successor.drain(i);
            if (slot.session) successor.restore(i, slot);
        }
        successor.settle();
        for (const SlotIndex i : order) {
            if (pool_.slot(i).draining && !drain_first) successor.drain(i);
        }
        pool_ = std::move(successor);
        model_.restart();
        history_.settle();
        return compare_all();
    }

    std::string compare(SlotIndex index) const {
        const Slot& slot = pool_.slot(index);
        const Model::Number& number = model_.numbers[index];
        const SessionHash holder = number.holder == kNobody ? SessionHash{} : hash(number.holder);
        if (slot.session != holder) return "slot: session";
        if (slot.allocated_at != number.allocated_at) return "slot: allocated_at";
        if (slot.last_touch != number.last_touch) return "slot: last_touch";
        if (pool_.expires_at(index) != number.expires_at) return "slot: expires_at";
        if (slot.eligible_at != number.eligible_at) return "slot: eligible_at";
        if (slot.draining != number.draining) return "slot: draining";
        if (number.holder == kNobody) return "";
        const auto last = model_.last.find(number.holder);
        const SlotIndex expected = last == model_.last.end() ? kNoSlot : last->second;
        return pool_.find(holder) == expected ? "" : "find: not as the model";
    }

    std::string compare_all() const {
        for (SlotIndex i = 0; i < pool_.end_slot(); ++i) {
            if (auto wrong = compare(i); !wrong.empty()) return wrong;
        }
        return "";
    }

    std::mt19937_64 random_;
    FakeClock clock_;
    RingPool pool_;
    Model model_;
    History history_;
    std::vector<std::pair<Slot, Model::Number>> strays_;
    int sessions_ = 0;
    std::uint64_t tags_ = 0;
    std::uint64_t records_ = 0;
};

TEST(RingPoolProperty, KeepsItsPromisesUnderAnyOperations) {
    constexpr std::uint64_t kStepsPerTrial = 5'000;
    const std::uint64_t steps = setting("RINGMASTER_PROPERTY_STEPS", kDefaultSteps);
    std::uint64_t seed = setting("RINGMASTER_PROPERTY_SEED", 1);
    for (std::uint64_t done = 0; done < steps; done += kStepsPerTrial, ++seed) {
        Trial trial(seed);
        for (std::uint64_t step = 0; step < kStepsPerTrial; ++step) {
            const std::string wrong = trial.step();
            ASSERT_EQ(wrong, "") << "RINGMASTER_PROPERTY_SEED=" << seed << ", step " << step;
        }
    }
}

}  // namespace
}  // namespace ringmaster::ringpool
