/// A walk at random through changes of pools in several stores at once, which come and go, against
/// a model that knows only what the stores have answered.
///
///     POOL_WALK_SEED=7 POOL_WALK_STEPS=3000 store_tests --gtest_filter='*PoolWalk*'

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store/neighbourhood.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;

constexpr std::size_t kStores = 3;
constexpr unsigned kNumbers = 24;
constexpr unsigned kSessions = 6;
const std::vector<std::string> kPools = {"a0", "a1", "b0", "b1", "c0", "c1"};
/// The steady and the wall clock count whole milliseconds, but not the same ones.
constexpr auto kSkew = 2ms;

class PoolWalk {
  public:
    PoolWalk(unsigned seed, unsigned long steps) : random_(seed), steps_(steps) {}

    /// What went wrong first; empty where nothing did.
    std::string run() {
        for (; step_ < steps_ && failure_.empty(); ++step_) {
            take_step();
            revive();
            check_files();
            check_catalogs();
        }
        if (failure_.empty()) return {};
        std::string text = "step " + std::to_string(step_) + ": " + failure_ + "\nThe last steps:";
        for (const std::string& line : trace_) text += "\n  " + line;
        return text;
    }
    const std::map<std::string, unsigned>& counts() const { return counts_; }

  private:
    using Job = std::function<void()>;
    struct Holder {
        std::string pool;
        unsigned session = 0;
        friend bool operator==(const Holder&, const Holder&) = default;
    };
    /// What the holder of a number was told, as far as it is sure.
    struct Claim {
        Holder holder;
        WallTime expires_at{};
        WallTime eligible_at{};
        unsigned pool_life = 0;  ///< a pool that comes back may have lost the session
    };

    unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
    const std::string& draw_pool() { return kPools[draw(static_cast<unsigned>(kPools.size()))]; }
    static PoolNumber a_number(unsigned i) { return test_number(0, i); }
    void expect(bool holds, const std::string& what) {
        if (!holds && failure_.empty()) failure_ = what;
    }

    void trace(const std::string& what, const std::string& which) {
        trace_.push_back(std::to_string(step_) + ": " + what + " " + which);
        if (trace_.size() > 60) trace_.pop_front();
    }

    void take_step() {
        const unsigned chance = draw(100);
        if (chance < 10) {
            // Alone, so that it is known what was released.
            const Holder holder{draw_pool(), draw(kSessions)};
            run_together({[=, this] { release(holder); }});
        } else if (chance < 60) {
            std::vector<Job> jobs;
            for (unsigned i = 1 + draw(8); i > 0; --i) jobs.push_back(draw_request());
            run_together(jobs);
        } else if (chance < 85) {
            std::vector<Job> jobs;
            for (unsigned i = 1 + draw(3); i > 0; --i) jobs.push_back(draw_change());
            for (unsigned i = draw(3); i > 0; --i) jobs.push_back(draw_request());
            run_together(jobs);
        } else if (chance < 94) {
            const std::chrono::seconds by(draw(draw(3) == 0 ? 2400 : 400));
            trace("leap", std::to_string(by.count()) + " s");
            all_.leap(by);
        } else if (chance < 98) {
            all_.disk(draw(kStores)).freeze_after(static_cast<int>(draw(14)));
        } else {
            all_.disk(draw(kStores)).freeze();
        }
    }
    void run_together(const std::vector<Job>& jobs) {
        all_.run([&] {
            std::size_t left = jobs.size();
            for (const Job& job : jobs) {
                all_.scheduler().spawn("job", [&] {
                    job();
                    --left;
                });
            }
            while (left > 0) all_.scheduler().yield();
        });
    }

    // --- requests ---

    Job draw_request() {
        const std::string pool = draw_pool();
        const unsigned session = draw(kSessions);
        return [=, this] { allocate({pool, session}); };
    }
    void allocate(const Holder& holder) {
        const std::size_t owner = Neighbourhood::owner_of(holder.pool);
        const auto index = all_.catalog(owner).find(holder.pool);
        if (!index) return;
        const std::string session = "v-" + std::to_string(holder.session);
        const ringpool::AllocationRequest request{*index, {session, {}}};
        Allocation answer;
        const WallTime from = all_.now();
        const unsigned life = lives_[holder.pool];
        const auto rules = all_.catalog(owner).at(*index);
        all_.store(owner).allocate({&request, 1}, {&answer, 1}, {});
        const bool same_rules = all_.catalog(owner).at(*index) == rules;
        if (answer.outcome == Allocation::Outcome::allocated) {
            ++counts_["allocated"];
            trace(holder.pool + " v-" + std::to_string(holder.session),
                  "has " + answer.number.e164());
            told(holder, answer, from, same_rules ? rules.cooldown : 0s);
            claims_[answer.number].pool_life = life;
        } else if (answer.reason == OverflowReason::exhausted) {
            const PhoneNumber number = sure_number_of(holder);
            expect(!number, holder.pool + " v-" + std::to_string(holder.session) + " holds " +
                                number.e164() + " and was told that there is none");
        }
    }
    void told(const Holder& holder, const Allocation& answer, WallTime from,
              std::chrono::seconds cooldown) {
        const std::string who = holder.pool + " v-" + std::to_string(holder.session);
        const PhoneNumber sure = sure_number_of(holder);
        expect(!sure || sure == answer.number,
               who + " holds " + sure.e164() + " and was told " + answer.number.e164());
        Claim& claim = claims_[answer.number];
        if (claim.holder != holder) {
            if (claim.eligible_at > all_.now()) {
                expect(false, answer.number.e164() + " was promised to " + claim.holder.pool +
                                  " v-" + std::to_string(claim.holder.session) + " and went to " +
                                  who);
            }
            if (!claim.holder.pool.empty() && claim.holder.pool[0] != holder.pool[0]) {
                ++counts_["went to a session of another store"];
            }
            claim = {holder};
        }
        // Where max_hold or draining does not let the clock start anew, the cool-down is not known.
        const bool touched = answer.expires_at + kSkew >= from + 600s;
        claim.expires_at = std::max(claim.expires_at, answer.expires_at - kSkew);
        claim.eligible_at =
            std::max(claim.eligible_at, claim.expires_at + (touched ? cooldown : 0s));
    }
    /// None where it can't be known.
    PhoneNumber sure_number_of(const Holder& holder) {
        for (const auto& [number, claim] : claims_) {
            if (claim.holder == holder && claim.expires_at > all_.now() &&
                claim.pool_life == lives_[holder.pool]) {
                return number;
            }
        }
        return {};
    }
    void release(const Holder& holder) {
        const PhoneNumber number = sure_number_of(holder);
        const std::size_t owner = Neighbourhood::owner_of(holder.pool);
        const auto index = all_.catalog(owner).find(holder.pool);
        if (!number || !index) return;
        // From now on no more than the cool-down is sure.
        Claim& claim = claims_[number];
        claim.expires_at = {};
        claim.eligible_at = std::min(claim.eligible_at,
                                     all_.now() + all_.catalog(owner).at(*index).cooldown - kSkew);
        const std::string session = "v-" + std::to_string(holder.session);
        const auto released = all_.store(owner).release(*index, number, {session, {}}, {});
        trace(holder.pool + " " + session,
              (released ? "gave back " : "perhaps gave back ") + number.e164());
    }

    // --- changes ---

    Job draw_change() {
        const std::string id = draw_pool();
        const unsigned chance = draw(20);
        if (chance < 5) {
            ringpool::PoolDefinition pool;
            pool.id = id;
            pool.key = std::string("secret");
            pool.lifetime = 600s;
            pool.cooldown = std::chrono::seconds(draw(3) * 100);
            pool.overflow.number = draw(3) == 0 ? a_number(draw(kNumbers)).number
                                                : a_number(kNumbers + draw(4)).number;
            return [=, this] { put(pool); };
        }
        if (chance < 8) return [=, this] { remove(id); };
        if (chance < 11) return [=, this, wanted = draw_numbers()] { set(id, wanted); };
        std::vector<PhoneNumber> out;
        for (const PoolNumber& number : draw_numbers()) out.push_back(number.number);
        return [=, this, in = draw_numbers()] { edit(id, {in, out}); };
    }
    std::vector<PoolNumber> draw_numbers() {
        std::vector<PoolNumber> result;
        for (unsigned i = draw(7); i > 0; --i) result.push_back(a_number(draw(kNumbers)));
        return result;
    }
    ringpool::PoolAdministration& pools(const std::string& id) { return all_.owner(id).pools(); }
    void put(const ringpool::PoolDefinition& pool) {
        const auto done = pools(pool.id).put_pool(pool);
        if (!done && done.error().code == ErrorCode::invalid) ++counts_["overflow refused"];
        if (!done) return;
        ++counts_["pool put"];
        trace("put", pool.id);
    }
    void remove(const std::string& id) {
        // Up to then sessions get numbers of the old one.
        const auto removed = pools(id).remove_pool(id);
        ++lives_[id];
        if (removed) {
            ++counts_["pool removed"];
            trace("removed", id);
        } else if (removed.error().code == ErrorCode::unavailable) {
            perhaps_removed_.insert(id);
            trace("perhaps removed", id);
        }
    }
    void set(const std::string& id, const std::vector<PoolNumber>& wanted) {
        note(id, pools(id).set_numbers(id, wanted));
    }
    void edit(const std::string& id, const ringpool::NumbersEdit& edit) {
        note(id, pools(id).edit_numbers(id, edit));
    }
    void note(const std::string& id, const Result<ringpool::NumbersChange>& change) {
        if (!change) return;
        std::string text = id;
        for (const PhoneNumber number : change->added) text += " +" + number.e164();
        for (const PhoneNumber number : change->removed) text += " -" + number.e164();
        for (const PhoneNumber number : change->draining) text += " drains " + number.e164();
        trace("changed", text);
        for (const auto& refusal : change->refused) {
            const bool known = refusal.reason.find("pool '") != std::string::npos;
            expect(known, refusal.reason);
            ++counts_["number refused"];
        }
        for (const PhoneNumber number : change->added) {
            const auto claim = claims_.find(number);
            if (claim == claims_.end() || claim->second.holder.pool[0] == id[0]) continue;
            ++counts_["moved"];
            if (claim->second.eligible_at > all_.now()) ++counts_["moved with a promise"];
        }
    }

    // --- crashes, and what must always hold ---

    void revive() {
        for (std::size_t i = 0; i < kStores; ++i) {
            if (!all_.disk(i).frozen()) continue;
            ++counts_["crashes"];
            trace("crashed", std::to_string(i));
            all_.restart(i);
            std::erase_if(perhaps_removed_, [&](const std::string& id) {
                if (Neighbourhood::owner_of(id) != i) return false;
                ++lives_[id];
                return true;
            });
        }
    }
    /// What every process would find, should it start now.
    void check_files() {
        const PoolFiles files = all_.files();
        std::map<PhoneNumber, std::string> where;
        std::set<PhoneNumber> overflows;
        const auto ids = files.list();
        for (const std::string& id : ids.value()) {
            const auto pool = files.load(id);
            if (!pool) return expect(false, pool.error().message);
            overflows.insert(pool->definition.overflow.number);
            for (const StoredNumber& stored : pool->numbers) {
                const auto [other, is_new] = where.emplace(stored.number.number, id);
                expect(is_new,
                       stored.number.number.e164() + " is in " + other->second + " and " + id);
            }
        }
        for (const auto& [number, id] : where) {
            expect(!overflows.contains(number),
                   number.e164() + " of " + id + " is an overflow number");
        }
    }
    void check_catalogs() {
        const PoolFiles files = all_.files();
        const auto ids = files.list();
        for (std::size_t i = 0; i < kStores; ++i) {
            const std::string who = "store " + std::to_string(i);
            const auto& catalog = all_.catalog(i);
            expect(catalog.size() == ids->size(), who + " knows another number of pools");
            for (const std::string& id : *ids) {
                const auto index = catalog.find(id);
                const bool same = index && catalog.at(*index) == files.load_definition(id).value();
                expect(same, who + " does not know " + id);
            }
        }
    }

    static EmbeddedStoreOptions options() {
        EmbeddedStoreOptions options;
        options.fsync = Fsync::never;
        options.segment_bytes = 16 << 10;
        return options;
    }

    std::mt19937 random_;
    const unsigned long steps_;
    unsigned long step_ = 0;
    std::string failure_;
    std::map<std::string, unsigned> counts_;
    Neighbourhood all_{kStores, options()};
    std::map<PhoneNumber, Claim> claims_;
    std::map<std::string, unsigned> lives_;
    std::set<std::string> perhaps_removed_;  ///< should the process die now
    std::deque<std::string> trace_;
};

unsigned long from_environment(const char* name, unsigned long otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::strtoul(value, nullptr, 10) : otherwise;
}

class PoolWalkTest : public ::testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(Seed, PoolWalkTest, ::testing::Values(1u, 2u, 3u));

TEST_P(PoolWalkTest, NoNumberIsInTwoPoolsAndNoPromiseIsBroken) {
    const auto seed = from_environment("POOL_WALK_SEED", GetParam());
    PoolWalk walk(static_cast<unsigned>(seed), from_environment("POOL_WALK_STEPS", 1500));
    EXPECT_EQ(walk.run(), "") << "POOL_WALK_SEED=" << seed;
    // Otherwise it has shown nothing.
    for (const char* what :
         {"allocated", "went to a session of another store", "pool put", "pool removed",
          "overflow refused", "number refused", "moved", "moved with a promise", "crashes"}) {
        EXPECT_TRUE(walk.counts().contains(what)) << what;
    }
    if (std::getenv("POOL_WALK_SUMMARY") == nullptr) return;
    for (const auto& [what, count] : walk.counts()) {
        std::fprintf(stderr, "%s %u\n", what.c_str(), count);
    }
}

}  // namespace
}  // namespace ringmaster::store
