// A random stream of allocations, releases, changes of rules and of numbers, and leaps of time on a
// pool in a real Redis server, against a RingPool that is told the same at the same times.
//
// Time goes on between any two calls, and never so that two numbers of different calls become
// eligible in the same millisecond, and no number comes back that is eligible at the same time as
// another: the order of those is left open (functions/common.lua).
//
// RINGMASTER_PROPERTY_STEPS sets how many steps, RINGMASTER_PROPERTY_SEED the first seed; a failure
// prints the seed and the step.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "redis_store/function_pool.hpp"
#include <gtest/gtest.h>

namespace ringmaster::redis_store::testing {
namespace {

using ringpool::HoldRules;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;
using ringpool::RingPool;
using ringpool::SessionHash;
using ringpool::Slot;
using ringpool::SlotIndex;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kHistory = seconds(60);
constexpr SessionHash kForeign{7, 7};  ///< of another pool

std::uint64_t setting(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

template <class T>
std::string packed(T value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}
std::string packed(WallTime time) {
    return packed(time.time_since_epoch().count());
}

/// What stands in `past` when a hold is over, or its context changes.
struct Past {
    WallTime superseded_at;
    Slot hold;
    std::uint64_t previous;
    std::uint8_t kind;
    PhoneNumber number;
    std::string holder;

    std::string bytes() const {
        return packed(superseded_at) + packed(hold.allocated_at) + packed(hold.last_touch) +
               packed(hold.expires_at) + packed(hold.eligible_at) + packed(previous) +
               packed(kind) + packed(number.digits()) + holder;
    }
};

/// One pool in Redis, the model of it, and the dice.
class Trial {
  public:
    Trial(redis::RedisServer& server, std::uint64_t seed)
        : random_(seed),
          server_(server),
          pool_(server, "trial" + std::to_string(seed)),
          model_(random_rules()) {
        set_time();
        pool_.put_rules(model_.rules());
        const int size = 1 + roll(one_in(5) ? 60 : 15);
        sessions_ = 1 + roll(2 * size + 4);
        for (int i = 0; i < size; ++i) add();
    }

    void step() {
        advance();
        const int dice = roll(100);
        if (dice < 60) return allocate();
        if (dice < 75) return release();
        if (dice < 80) return change_rules();
        if (dice < 90) return add();
        return remove();
    }

    /// Everything that stands in Redis.
    void compare_all() {
        for (SlotIndex i = 0; i < model_.end_slot(); ++i) {
            if (model_.number(i).number) compare(i);
        }
        for (const auto& [number, slot] : strays_) {
            const State state = pool_.state(number);
            ASSERT_EQ(state.flags & 3, 0u) << "a number that has left";
            ASSERT_EQ(state.eligible_at, slot.eligible_at);
            ASSERT_EQ(state.session, bytes_of(slot.session));
        }
        compare_past();
    }

  private:
    /// What Redis knows and the model does not.
    struct Known {
        std::uint64_t past_id = 0;
        std::string holder;
        bool foreign = false;
        bool left = false;  ///< a number that is not in the pool: its session has another
    };

    int roll(int sides) { return static_cast<int>(random_() % static_cast<std::uint64_t>(sides)); }
    bool one_in(int n) { return roll(n) == 0; }
    HoldRules random_rules() {
        return {.lifetime = seconds(1 + roll(one_in(2) ? 3 : 20)),
                .cooldown = seconds(one_in(2) ? 0 : roll(8)),
                .max_hold = seconds(one_in(2) ? 0 : 1 + roll(20))};
    }

    static SessionHash hash(int session) {
        const auto id = static_cast<std::uint64_t>(session) + 1;
        return {id * 0x9E3779B97F4A7C15u, id};
    }
    /// Odd sessions have an id, and contexts that change; of others the context is the session.
    std::string holder(int session) {
        if (session % 2 == 0)
            return packed(std::uint32_t{0}) + "context " + std::to_string(session);
        const std::string word = "\1id " + std::to_string(session);
        return packed(static_cast<std::uint32_t>(word.size())) + word + "context " +
               std::to_string(one_in(4) ? roll(3) : 0);
    }

    void set_time() { server_.set_time(now_.time_since_epoch().count()); }
    void advance() {
        now_ += milliseconds(1 + roll(one_in(10) ? 20'000 : one_in(2) ? 1'000 : 5));
        while (would_tie()) now_ += milliseconds(1);
        set_time();
    }
    bool would_tie() const {
        const auto& rules = model_.rules();
        return ties(now_ + rules.lifetime + rules.cooldown) || ties(now_ + rules.cooldown);
    }
    /// Whether more than `most` numbers become eligible then.
    bool ties(WallTime eligible_at, std::ptrdiff_t most = 0) const {
        std::ptrdiff_t count = 0;
        for (SlotIndex i = 0; i < model_.end_slot(); ++i) {
            count += model_.slot(i).session && model_.slot(i).eligible_at == eligible_at;
        }
        return count + std::ranges::count_if(strays_,
                                             [&](const auto& stray) {
                                                 return stray.second.eligible_at == eligible_at;
                                             }) >
               most;
    }

    void allocate() {
        std::vector<int> sessions(1 + roll(one_in(3) ? 40 : 3));
        std::vector<std::pair<std::string, std::string>> rows;
        for (int& session : sessions) {
            session = roll(sessions_);
            rows.emplace_back(bytes_of(hash(session)), holder(session));
        }
        const std::vector<Row> answers = pool_.allocate(rows, kHistory);
        ASSERT_EQ(pool_.answered_now(), now_);
        ASSERT_EQ(pool_.answered_version(), pool_.version());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const Row expected = allocate_in_model(hash(sessions[i]), rows[i].second);
            ASSERT_EQ(answers[i].outcome, expected.outcome) << "row " << i;
            ASSERT_EQ(answers[i], expected) << "row " << i << ": " << answers[i].outcome << " "
                                            << answers[i].number << ", not " << expected.number;
            if (HasFatalFailure()) return;
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const SlotIndex slot = model_.find(hash(sessions[i]));
            if (slot != ringpool::kNoSlot) compare(slot);
        }
    }

    Row allocate_in_model(const SessionHash& session, const std::string& holder) {
        std::vector<Slot> before;
        for (SlotIndex i = 0; i < model_.end_slot(); ++i) before.push_back(model_.slot(i));
        const RingPool::Decision decision = model_.allocate(session, now_);
        Row row{.outcome = 'x'};
        if (decision.outcome == RingPool::Outcome::exhausted) return row;
        const Slot& slot = before[decision.slot];
        const PoolNumber& number = model_.number(decision.slot);
        Known& known = known_[number.number];
        row.number = number.number.digits();
        row.expires_at = model_.expires_at(decision.slot);
        row.formatted = std::string(number.formatted.view());
        if (decision.outcome == RingPool::Outcome::fresh) {
            const bool early =
                decision.reissued && now_ - decision.previous.eligible_at < model_.rules().lifetime;
            row.outcome = early ? 'e' : 'n';
            if (slot.session && !known.foreign) supersede(0, slot, number.number);
        } else {
            row.outcome = decision.outcome == RingPool::Outcome::refreshed ? 'r' : 'c';
            if (holder != known.holder) supersede(1, slot, number.number);
        }
        known.holder = holder;
        known.foreign = false;
        return row;
    }

    void supersede(std::uint8_t kind, const Slot& slot, PhoneNumber number) {
        Known& known = known_[number];
        past_.push_back({now_, slot, known.past_id, kind, number, known.holder});
        known.past_id = past_.size();
    }

    void release() {
        const int session = roll(sessions_);
        SlotIndex slot = model_.find(hash(session));
        if (slot == ringpool::kNoSlot || one_in(8)) slot = any_slot();
        const PhoneNumber number = model_.number(slot).number;
        if (!number) return;
        const bool expected = model_.release(hash(session), slot, now_);
        ASSERT_EQ(pool_.release(number, bytes_of(hash(session))), expected);
        compare(slot);
    }

    void change_rules() {
        model_.change_rules(random_rules());
        pool_.put_rules(model_.rules());
    }

    SlotIndex any_slot() {
        return static_cast<SlotIndex>(roll(static_cast<int>(model_.end_slot())));
    }

    /// A new number, or one that was there before, or one that drains.
    void add() {
        if (model_.size() >= 80) return;
        for (SlotIndex i = 0; i < model_.end_slot(); ++i) {
            if (!model_.slot(i).draining || ties(model_.slot(i).eligible_at, 1)) continue;
            if (one_in(2)) continue;
            pool_.edit({{model_.number(i)}}, {});
            model_.undrain(i);
            model_.settle();
            return compare(i);
        }
        PoolNumber number{PhoneNumber::from_digits(18665550000 + ++numbers_),
                          ringpool::FormattedNumber("866-" + std::to_string(numbers_))};
        std::optional<Slot> stray;
        if (!strays_.empty() && one_in(2)) {
            const auto found = std::next(strays_.begin(), roll(static_cast<int>(strays_.size())));
            if (ties(found->second.eligible_at, 1) || is_disputed(*found)) return;
            number.number = found->first;
            stray = found->second;
            strays_.erase(found);
        }
        std::string other;
        if (one_in(5)) stray = take_from_other_pool(number.number, stray, other);
        pool_.edit({{number, other}}, {});
        const SlotIndex slot = model_.add(number);
        if (stray) {
            model_.restore(slot, *stray);
            model_.settle();
        }
        compare(slot);
    }

    /// Whether its session had another number after it. A RingPool forgets that when a number goes;
    /// Redis does not.
    bool is_disputed(const std::pair<const PhoneNumber, Slot>& stray) {
        const auto& [number, slot] = stray;
        const SlotIndex other = model_.find(slot.session);
        return known_[number].left ||
               (other != ringpool::kNoSlot && model_.slot(other).last_touch < slot.last_touch);
    }

    /// Another pool had the number last, and someone there is still protected, or not any more.
    Slot take_from_other_pool(PhoneNumber number, const std::optional<Slot>& stray,
                              std::string& state) {
        Slot slot;
        slot.session = kForeign;
        slot.last_touch = now_ - milliseconds(roll(10'000));
        slot.expires_at = slot.last_touch + milliseconds(roll(12'000));
        slot.eligible_at = slot.expires_at + seconds(roll(5));
        if (stray && stray->last_touch >= slot.last_touch) slot.last_touch = now_;
        slot.eligible_at = std::max(slot.eligible_at, stray ? stray->eligible_at : WallTime{});
        while (ties(slot.eligible_at)) slot.eligible_at += milliseconds(1);
        state = packed(std::uint8_t{0}) + packed(slot.allocated_at) + packed(slot.last_touch) +
                packed(slot.expires_at) + packed(slot.eligible_at) + packed(std::uint64_t{0}) +
                bytes_of(kForeign) + std::string(1, '\0');
        Known& known = known_[number];
        if (stray && !known.foreign) supersede(0, *stray, number);
        known.foreign = true;
        known.holder.clear();
        return slot;
    }
    void remove() {
        const SlotIndex slot = any_slot();
        const PhoneNumber number = model_.number(slot).number;
        if (!number || model_.slot(slot).draining) return;
        pool_.edit({}, {digits_of(number)});
        if (model_.slot(slot).eligible_at > now_) {
            model_.drain(slot);
            return compare(slot);
        }
        known_[number].left = model_.find(model_.slot(slot).session) != slot;
        const Slot state = model_.take_out(slot);
        if (state.session) strays_[number] = state;
    }

    void compare(SlotIndex index) {
        const PoolNumber& number = model_.number(index);
        const Slot& slot = model_.slot(index);
        const Known& known = known_[number.number];
        SCOPED_TRACE(digits_of(number.number));
        const State state = pool_.state(number.number);
        ASSERT_EQ(state.flags & 1, 1u);
        ASSERT_EQ((state.flags & 2) != 0, slot.draining);
        ASSERT_EQ(state.last_touch, slot.last_touch);
        ASSERT_EQ(state.expires_at, slot.expires_at);
        ASSERT_EQ(state.eligible_at, slot.eligible_at);
        ASSERT_EQ(state.session, bytes_of(slot.session));
        ASSERT_EQ(state.formatted, number.formatted.view());
        ASSERT_EQ(state.holder, known.holder);
        ASSERT_EQ(state.past_id, known.past_id);
        ASSERT_EQ(state.allocated_at, known.foreign ? WallTime{} : slot.allocated_at);

        const std::string score =
            pool_.command({"ZSCORE", pool_.keys().queue, digits_of(number.number)});
        if (slot.draining) {
            ASSERT_EQ(score, "(nil)");
        } else if (slot.session) {
            ASSERT_EQ(score.substr(0, score.find('.')), ms_text(slot.eligible_at));
        } else {
            ASSERT_EQ(score.front(), '-');
        }
        if (!slot.session || slot.session == kForeign) return;
        const std::string owned =
            pool_.command({"HGET", pool_.keys().sessions, bytes_of(slot.session)});
        const bool owns = model_.find(slot.session) == index;
        ASSERT_EQ(owned == digits_of(number.number), owns);
        ASSERT_EQ((state.flags & 4) == 0, owns);
    }

    /// The oldest are missing, none of which is within the history; of the rest nothing is.
    void compare_past() {
        const std::string oldest = pool_.command({"HGET", pool_.keys().meta, "past_oldest"});
        const std::size_t first = oldest == "(nil)" ? 1 : std::stoul(oldest);
        ASSERT_EQ(pool_.command({"HLEN", pool_.keys().past}),
                  std::to_string(past_.size() + 1 - first));
        for (std::size_t id = 1; id <= past_.size(); ++id) {
            const std::string entry =
                pool_.command({"HGET", pool_.keys().past, std::to_string(id)});
            if (id < first) {
                ASSERT_LT(past_[id - 1].superseded_at, now_ - kHistory);
                ASSERT_EQ(entry, "(nil)");
            } else {
                ASSERT_EQ(entry, past_[id - 1].bytes()) << "entry " << id;
            }
        }
    }

    static bool HasFatalFailure() { return ::testing::Test::HasFatalFailure(); }

    std::mt19937_64 random_;
    redis::RedisServer& server_;
    FunctionPool pool_;
    RingPool model_;
    WallTime now_ = FakeClock().wall_now();
    std::map<PhoneNumber, Slot> strays_;
    std::map<PhoneNumber, Known> known_;
    std::vector<Past> past_;  ///< all there have been; the first has id 1
    int sessions_ = 0;
    std::uint64_t numbers_ = 0;
};

TEST(AllocateFunction, DoesWhatARingPoolDoes) {
    constexpr std::uint64_t kStepsPerTrial = 500;
    const std::uint64_t steps = setting("RINGMASTER_PROPERTY_STEPS", 5'000);
    std::uint64_t seed = setting("RINGMASTER_PROPERTY_SEED", 1);
    redis::RedisServer server({.settable_clock = true});
    for (std::uint64_t done = 0; done < steps; done += kStepsPerTrial, ++seed) {
        Trial trial(server, seed);
        for (std::uint64_t step = 0; step < kStepsPerTrial; ++step) {
            SCOPED_TRACE("RINGMASTER_PROPERTY_SEED=" + std::to_string(seed) + ", step " +
                         std::to_string(step));
            trial.step();
            if (step % 100 == 99) trial.compare_all();
            if (HasFatalFailure()) return;
        }
        server.command({"FLUSHALL"});
    }
}

}  // namespace
}  // namespace ringmaster::redis_store::testing
