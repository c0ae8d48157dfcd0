#pragma once

#include "ringmaster/base/clock.hpp"
#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_administration.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace ringmaster::store_contract {

/// A store as one would write it without a thought for speed or disks: all numbers there are, and
/// for each a list of who had it. Where the contract leaves a choice, it tells all that is right,
/// and takes over what the store has chosen.
class Model {
  public:
    struct Session {
        std::optional<std::string> id;
        std::string context;
        /// Sessions are the same one where this is.
        std::string key() const { return id ? "id " + *id : "context " + context; }
    };
    struct Hold {
        std::string pool;
        std::string key;
        std::optional<std::string> id;
        WallTime allocated_at{};
        WallTime last_touch{};
        WallTime expires_at{};
        WallTime eligible_at{};
        struct Part {
            WallTime since;
            std::string context;
            bool erased = false;
        };
        std::vector<Part> parts{};
    };
    struct Number {
        std::string pool{};  ///< empty: in none
        bool draining = false;
        std::vector<Hold> holds{};  ///< the last one may be going on

        WallTime eligible_at() const {
            return holds.empty() ? WallTime::min() : holds.back().eligible_at;
        }
    };
    using PhoneNumber = ringpool::PhoneNumber;
    using Choice = std::set<PhoneNumber>;

    std::map<std::string, ringpool::PoolDefinition> pools;
    std::map<PhoneNumber, Number> numbers;
    /// Of each pool, since begin_counting().
    std::map<std::string, ringpool::PoolCounters> counters;

    /// Time has gone on: numbers that drained leave. To be called before anything else.
    void pass(WallTime now) {
        now_ = now;
        for (auto& [number, n] : numbers) {
            if (n.draining && n.eligible_at() <= now_) n.pool.clear(), n.draining = false;
        }
    }

    // --- requests ---

    /// What a session may be told now: one of these numbers; PhoneNumber() is overflow.
    Choice choice(const std::string& pool, const std::string& key) const {
        const PhoneNumber own = own_number(pool, key);
        if (own && keeps(pool, own) && !is_doubtful(pool, key)) return {own};
        Choice best;
        WallTime best_time = now_;
        for (const auto& [number, n] : numbers) {
            if (n.pool != pool || n.draining || n.eligible_at() > best_time) continue;
            if (n.eligible_at() < best_time) best.clear();
            best_time = n.eligible_at();
            best.insert(number);
        }
        if (best.empty()) best.insert(PhoneNumber());
        if (own && keeps(pool, own)) best.insert(own);
        return best;
    }
    /// The session did get `number`. Returns for how long, and what that was.
    std::pair<WallTime, const char*> commit(const std::string& pool, const Session& session,
                                            PhoneNumber number) {
        const auto& rules = pools.at(pool);
        Number& n = numbers.at(number);
        const std::string key = session.key();
        const bool was_own = number == own_number(pool, key);
        last_given_[{pool, key}] = number;
        ringpool::PoolCounters& count = counters[pool];
        ++count.allocations;
        if (was_own && now_ < n.holds.back().expires_at) {
            Hold& hold = n.holds.back();
            if (hold.parts.back().erased || hold.parts.back().context != session.context) {
                hold.parts.push_back({now_, session.context});
            }
            auto limit = rules.max_hold;
            if (n.draining && limit.count() == 0) limit = rules.lifetime;
            if (limit.count() != 0 && now_ - hold.allocated_at >= limit) {
                return {hold.expires_at, "capped"};
            }
            touch(hold, rules);
            return {hold.expires_at, "refreshed"};
        }
        ++count.new_holds;
        Hold hold{pool, key, session.id, now_, {}, {}, n.eligible_at(), {{now_, session.context}}};
        const char* what = "new";
        if (!n.holds.empty()) {
            const bool same = n.holds.back().pool == pool && n.holds.back().key == key;
            what = same ? "taken back" : "reissued";
            if (!same && now_ - n.eligible_at() < rules.lifetime) ++count.early_reissues;
        }
        touch(hold, rules);
        n.holds.push_back(hold);
        return {hold.expires_at, what};
    }
    void commit_exhausted(const std::string& pool) { ++counters[pool].overflows[0]; }

    /// Whether the session can give it back; nothing where either is right.
    std::optional<bool> may_release(const std::string& pool, const std::string& key,
                                    PhoneNumber number) const {
        if (number != own_number(pool, key) || !is_held(number)) return false;
        return is_doubtful(pool, key) ? std::nullopt : std::optional(true);
    }
    void commit_release(const std::string& pool, PhoneNumber number) {
        Hold& hold = numbers.at(number).holds.back();
        hold.expires_at = now_;
        hold.eligible_at = now_ + pools.at(pool).cooldown;
        ++counters[pool].releases;
    }

    // --- pools ---

    bool can_put(const ringpool::PoolDefinition& pool) const {
        const auto n = numbers.find(pool.overflow.number);
        return n == numbers.end() || n->second.pool.empty();
    }
    /// Returns whether it is created.
    bool put(const ringpool::PoolDefinition& pool) {
        return pools.insert_or_assign(pool.id, pool).second;
    }
    bool remove(const std::string& id) {
        for (auto& [number, n] : numbers) {
            if (n.pool == id) n.pool.clear(), n.draining = false;
        }
        return pools.erase(id) > 0;
    }
    void begin_counting(const std::string& pool) { counters[pool] = {}; }

    /// What the change comes to, and makes it, unless something is refused.
    ringpool::NumbersChange edit(const std::string& id, const std::set<PhoneNumber>& add,
                                 std::set<PhoneNumber> remove, bool exactly) {
        ringpool::NumbersChange change;
        for (const PhoneNumber number : add) {
            const std::string& where = numbers[number].pool;
            const bool overflow = std::ranges::any_of(
                pools, [&](const auto& pool) { return pool.second.overflow.number == number; });
            if (overflow || (!where.empty() && where != id)) {
                change.refused.push_back({number, {}});
            }
        }
        if (!change.refused.empty()) return change;
        for (auto& [number, n] : numbers) {
            if (add.contains(number)) {
                if (n.pool.empty() || n.draining) change.added.push_back(number);
                n.pool = id;
                n.draining = false;
            } else if (n.pool == id && !n.draining && (exactly || remove.contains(number))) {
                n.draining = true;
                auto& list = n.eligible_at() <= now_ ? change.removed : change.draining;
                list.push_back(number);
            }
        }
        pass(now_);
        return change;
    }

    // --- questions ---

    std::vector<ringpool::Hold> holders(PhoneNumber number, WallTime at, std::size_t max) const {
        std::vector<ringpool::Hold> answer;
        const auto& holds = numbers.at(number).holds;
        for (auto hold = holds.rbegin(); hold != holds.rend() && answer.size() < max; ++hold) {
            if (hold->allocated_at > at) continue;
            Hold::Part part = hold->parts.front();
            for (const Hold::Part& later : hold->parts) {
                if (later.since <= at) part = later;
            }
            ringpool::Hold& told = answer.emplace_back();
            told.pool_id = hold->pool;
            if (part.erased) {
                told.detail = ringpool::Hold::Detail::erased;
            } else {
                told.session_id = hold->id;
                told.context = part.context;
            }
            told.allocated_at = hold->allocated_at;
            told.last_touch = hold->last_touch;
            told.expires_at = hold->expires_at;
            told.free_at = hold->eligible_at;
        }
        return answer;
    }
    /// Of the pools that are there now.
    bool is_doubtful_anywhere(const std::string& key) const {
        return std::ranges::any_of(pools,
                                   [&](const auto& pool) { return is_doubtful(pool.first, key); });
    }
    /// Whether there was anything to be erased.
    bool erase(const std::string& id) {
        const std::string key = Session{id, {}}.key();
        for (const auto& [pool, definition] : pools) {
            const PhoneNumber own = own_number(pool, key);
            if (own && is_held(own)) commit_release(pool, own);
        }
        bool any = false;
        for (auto& [number, n] : numbers) {
            for (Hold& hold : n.holds) {
                if (hold.id != id) continue;
                for (Hold::Part& part : hold.parts) any |= !std::exchange(part.erased, true);
            }
        }
        return any;
    }

  private:
    void touch(Hold& hold, const ringpool::PoolDefinition& rules) const {
        hold.last_touch = now_;
        hold.expires_at = std::max(hold.expires_at, now_ + rules.lifetime);
        hold.eligible_at = std::max(hold.eligible_at, now_ + rules.lifetime + rules.cooldown);
    }
    bool is_held(PhoneNumber number) const {
        return now_ < numbers.at(number).holds.back().expires_at;
    }
    /// The one of the pool that the session touched last, and nobody has had since. Or none.
    PhoneNumber own_number(const std::string& pool, const std::string& key) const {
        PhoneNumber own;
        for (const auto& [number, n] : numbers) {
            if (n.pool != pool || n.holds.empty()) continue;
            const Hold& last = n.holds.back();
            if (last.pool != pool || last.key != key) continue;
            if (!own || numbers.at(own).holds.back().last_touch < last.last_touch) own = number;
        }
        return own;
    }
    /// Whether its last session, should it ask now, goes on with it or takes it back.
    bool keeps(const std::string& pool, PhoneNumber number) const {
        const Number& n = numbers.at(number);
        const Hold& hold = n.holds.back();
        const auto max_hold = pools.at(pool).max_hold;
        const bool spent = max_hold.count() != 0 && hold.expires_at - hold.allocated_at >= max_hold;
        return now_ < hold.expires_at || (!n.draining && !spent);
    }
    /// The session got another number after its own one, while that was away, and has lost it: the
    /// older one may be its own again, or not.
    bool is_doubtful(const std::string& pool, const std::string& key) const {
        const PhoneNumber own = own_number(pool, key);
        return own && own != last_given_.at({pool, key});
    }

    WallTime now_{};
    std::map<std::pair<std::string, std::string>, PhoneNumber> last_given_;
};

}  // namespace ringmaster::store_contract
