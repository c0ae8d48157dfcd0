/// A walk at random through all that a store can be asked for, by all processes, which end and come
/// back, beside a model that does the same. Another judge knows nothing of the model and only looks
/// whether what was answered keeps the promise: no number is two sessions' at the same time, and a
/// session keeps its number.
///
///     STORE_WALK_SEED=7 STORE_WALK_STEPS=30000 store_tests --gtest_filter='*StoreWalk*'

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "store_contract/caller.hpp"
#include "store_contract/model.hpp"

namespace ringmaster::store_contract {
namespace {

using namespace std::chrono_literals;
using ringpool::Allocation;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;
using Texts = std::vector<std::string>;

constexpr unsigned kNumbers = 16;
const Texts kPools = {"autos", "boats", "cars"};

/// What sessions were told, and nothing else.
class Promises {
  public:
    /// What is wrong, or an empty text.
    std::string told(const std::string& pool, const std::string& session, const Allocation& answer,
                     WallTime now, const ringpool::PoolDefinition& rules) {
        const std::string who = pool + " " + session;
        const auto mine = kept_.find(who);
        if (mine != kept_.end() && now < mine->second.until &&
            mine->second.number != answer.number) {
            return who + " was promised " + name_of(mine->second.number);
        }
        if (answer.outcome != Allocation::Outcome::allocated) return {};
        Protection& protection = protected_[answer.number];
        if (protection.who != who && now < protection.until) {
            return "it was promised to " + protection.who;
        }
        if (protection.who != who) protection = {who, {}};
        // Where its clock did not start anew, or older rules promised more, the cool-down is not
        // known.
        const auto cooldown = answer.expires_at == now + rules.lifetime ? rules.cooldown : 0s;
        protection.until = std::max(protection.until, answer.expires_at + cooldown);
        kept_[who] = {answer.number, answer.expires_at};
        return {};
    }
    /// Whatever it had.
    void released(const std::string& pool, const std::string& session, WallTime protected_until) {
        const std::string who = pool + " " + session;
        for (auto& [number, protection] : protected_) {
            if (protection.who != who) continue;
            protection.until = std::min(protection.until, protected_until);
        }
        kept_.erase(who);
    }
    /// Nobody gets them, but sessions may get others instead.
    void pool_removed(const std::string& pool) {
        std::erase_if(kept_, [&](const auto& kept) { return kept.first.starts_with(pool + " "); });
    }

  private:
    struct Kept {
        PhoneNumber number;
        WallTime until;
    };
    struct Protection {
        std::string who;
        WallTime until;
    };
    std::map<std::string, Kept> kept_;
    std::map<PhoneNumber, Protection> protected_;
};

class StoreWalk {
  public:
    StoreWalk(const WorldKind& kind, unsigned seed)
        : random_(seed), world_(kind.make()), start_(world_->now()) {
        for (std::size_t i = 0; i < kind.processes; ++i) callers_.emplace_back(world_, i);
        for (unsigned i = 0; i < kNumbers; ++i) model_.numbers[test_number(0, i).number];
    }

    /// What went wrong first; empty where nothing did.
    std::string run(unsigned long steps) {
        for (; step_ < steps && failure_.empty(); ++step_) {
            // By their begins holds are told from each other.
            leap(std::chrono::milliseconds(1 + (one_in(2) ? 0 : draw(1000))));
            take_step();
        }
        if (failure_.empty()) compare_all();
        if (failure_.empty()) return {};
        std::string text = "step " + std::to_string(step_ - 1) + ": " + failure_;
        text += "\nThe last steps, with ms since the first:";
        for (const std::string& line : trace_) text += "\n  " + line;
        return text;
    }
    unsigned long steps() const { return world_->walk_steps(); }
    const std::map<std::string, unsigned>& counts() const { return counts_; }

  private:
    unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }
    bool one_in(unsigned n) { return draw(n) == 0; }
    template <class T>
    const T& one_of(const std::vector<T>& all) {
        return all[draw(static_cast<unsigned>(all.size()))];
    }
    Caller& any_caller() { return callers_[draw(static_cast<unsigned>(callers_.size()))]; }
    /// The ids of pools that are there.
    std::vector<std::string> pools() const {
        std::vector<std::string> ids;
        for (const auto& [id, pool] : model_.pools) ids.push_back(id);
        return ids;
    }
    PhoneNumber any_number() { return test_number(0, draw(kNumbers)).number; }
    Model::Session any_session() {
        const unsigned which = draw(9);
        const std::string context = "c" + std::to_string(draw(3));
        if (which < 2) return {{}, context};
        return {which == 2 ? std::string() : "v-" + std::to_string(which), context};
    }

    WallTime now() { return world_->now(); }
    void leap(std::chrono::milliseconds by) {
        world_->leap(by);
        model_.pass(now());
    }
    void trace(const std::string& what) {
        const auto ms = std::to_string((now() - start_).count());
        trace_.push_back(std::to_string(step_) + " at " + ms + ": " + what);
        if (trace_.size() > 60) trace_.pop_front();
    }
    void expect(bool holds, const std::string& what) {
        if (!holds && failure_.empty()) failure_ = what;
    }
    void expect_equal(const std::string& is, const std::string& expected, const std::string& of) {
        expect(is == expected, of + ": " + is + "\nexpected: " + expected);
    }

    void take_step() {
        const unsigned chance = draw(1000);
        if (model_.pools.empty() || chance < 40) return put_pool();
        if (chance < 530) return allocate();
        if (chance < 620) return release();
        if (chance < 740) return let_time_pass();
        if (chance < 860) return edit_numbers();
        if (chance < 875) return remove_pool();
        if (chance < 940) return ask_history();
        if (chance < 975) return compare(one_of(pools()));
        if (chance < 985) return erase();
        if (chance < 990) return end_and_come_back();
    }

    /// Often to just before something is over, so that the next step may be at that very time.
    void let_time_pass() {
        const auto& holds = model_.numbers.at(any_number()).holds;
        if (!one_in(3) && !holds.empty()) {
            const auto end = one_in(2) ? holds.back().expires_at : holds.back().eligible_at;
            if (end > now() + 2ms)
                return leap(end - now() - std::chrono::milliseconds(1 + draw(2)));
        }
        leap(std::chrono::milliseconds(draw(one_in(4) ? 2'000'000 : 200'000)));
    }

    // --- requests ---

    void allocate() {
        const auto ids = pools();
        std::vector<std::pair<std::string, Model::Session>> asked;
        for (unsigned i = one_in(2) ? 1 : 1 + draw(8); i > 0; --i) {
            asked.emplace_back(one_of(ids), any_session());
        }
        std::vector<Caller::Row> rows;
        for (const auto& [pool, session] : asked)
            rows.push_back({pool, session.id, session.context});
        const auto answers = any_caller().allocate(rows);
        for (std::size_t i = 0; i < asked.size(); ++i) {
            check(asked[i].first, asked[i].second, answers[i]);
        }
    }
    void check(const std::string& pool, const Model::Session& session, const Allocation& answer) {
        const std::string what = pool + " " + session.key() + " gets " + text_of(answer);
        trace(what);
        const auto& rules = model_.pools.at(pool);
        const auto broken = promises_.told(pool, session.key(), answer, now(), rules);
        expect(broken.empty(), what + ", but " + broken);

        const bool allocated = answer.outcome == Allocation::Outcome::allocated;
        const Model::Choice choice = model_.choice(pool, session.key());
        if (!choice.contains(allocated ? answer.number : PhoneNumber())) {
            std::string right;
            for (const PhoneNumber number : choice) {
                right += number ? " " + name_of(number) : " overflow";
            }
            return expect(false, what + "; expected any of" + right);
        }
        if (!allocated) {
            ++counts_["exhausted"];
            model_.commit_exhausted(pool);
            const auto expected = ringpool::overflow_allocation(rules, OverflowReason::exhausted);
            expect_equal(text_of(answer), text_of(expected), what);
            return expect(answer.number == expected.number, what + ", which is another pool's");
        }
        const auto [expires_at, outcome] = model_.commit(pool, session, answer.number);
        ++counts_[outcome];
        expect(answer.expires_at == expires_at,
               what + " for " + std::to_string((answer.expires_at - expires_at).count()) +
                   " ms more than it should (" + outcome + ")");
        expect_equal(std::string(answer.formatted.view()), answer.number.e164(), what);
    }

    void release() {
        std::string pool = one_of(pools());
        Model::Session session = any_session();
        PhoneNumber number = any_number();
        const auto& holds = model_.numbers.at(number).holds;
        if (!one_in(4) && !holds.empty() && model_.pools.contains(holds.back().pool)) {
            const Model::Hold& hold = holds.back();
            pool = hold.pool;
            session = {hold.id, hold.parts.back().context};
        }
        const auto expected = model_.may_release(pool, session.key(), number);
        const auto done = any_caller().release(pool, number, session.id, session.context);
        const std::string what = pool + " " + session.key() + " gives back " + name_of(number);
        trace(what + (done ? "" : ", but has it not"));
        if (!done) expect_equal(std::string(to_string(done.error().code)), "not_found", what);
        expect(!expected || done.ok() == *expected, what + (done ? ", which it has not" : ": no"));
        if (!done) return;
        ++counts_["released"];
        model_.commit_release(pool, number);
        promises_.released(pool, session.key(), now() + model_.pools.at(pool).cooldown);
    }

    // --- pools ---

    void put_pool() {
        auto pool = test_definition(one_of(kPools));
        pool.lifetime = one_of<std::chrono::seconds>({60s, 300s, 600s});
        pool.cooldown = one_of<std::chrono::seconds>({0s, 60s, 200s});
        pool.max_hold = one_of<std::chrono::seconds>({0s, 0s, 500s, 1000s});
        pool.allow_overflow = !one_in(4);
        if (one_in(5)) pool.overflow = test_number(0, draw(kNumbers));
        const bool can = model_.can_put(pool);
        const auto done = any_caller().put(pool);
        trace("put " + pool.id + (done ? "" : ": " + done.error().message));
        expect(done.ok() == can, "putting " + pool.id + (done ? " was possible" : " failed"));
        if (!done) {
            ++counts_["pool refused"];
            return expect_equal(std::string(to_string(done.error().code)), "invalid", "put");
        }
        const bool created = model_.put(pool);
        expect(*done == created, pool.id + (*done ? " was created" : " was changed"));
        changed();
        if (!created) return;
        ++counts_["pool created"];
        begin_counting(pool.id);
    }
    void remove_pool() {
        const std::string id = one_of(kPools);
        const bool known = model_.remove(id);
        const auto done = any_caller().remove(id);
        trace("remove " + id);
        expect(done.ok() == known, "removing " + id + (done ? " succeeded" : " failed"));
        promises_.pool_removed(id);
        changed();
    }
    void edit_numbers() {
        const std::string id = one_of(pools());
        const bool exactly = one_in(3);
        ringpool::NumbersEdit edit;
        std::set<PhoneNumber> add;
        std::set<PhoneNumber> remove;
        for (unsigned i = draw(exactly ? 12 : 5); i > 0; --i) {
            edit.add.push_back(test_number(0, draw(kNumbers)));
            add.insert(edit.add.back().number);
        }
        for (unsigned i = draw(4); i > 0 && !exactly; --i) {
            edit.remove.push_back(any_number());
            remove.insert(edit.remove.back());
        }
        for (const PhoneNumber number : add) {
            const auto& n = model_.numbers.at(number);
            if (!n.pool.empty() || n.eligible_at() <= now()) continue;
            if (n.holds.back().pool != id) ++counts_["moved with a promise"];
        }
        const auto expected = text_of(model_.edit(id, add, remove, exactly));
        Caller& caller = any_caller();
        const auto is = text_of(exactly ? caller.set(id, edit.add) : caller.edit(id, edit));
        trace((exactly ? "set " : "edit ") + id + ": " + is);
        expect_equal(is, expected, "change of " + id);
        changed();
    }
    /// Something that processes tell each other.
    void changed() {
        world_->catch_up();
        for (const Caller& caller : callers_) {
            expect(caller.catalog().size() == model_.pools.size(), "how many pools are known");
            for (const auto& [id, pool] : model_.pools) {
                const auto index = caller.catalog().find(id);
                expect(index && caller.catalog().at(*index) == pool, id + " is not known");
            }
        }
    }

    // --- questions ---

    void ask_history() {
        const PhoneNumber number = any_number();
        const auto& holds = model_.numbers.at(number).holds;
        WallTime at = now();
        if (!holds.empty() && !one_in(4)) {
            const unsigned size = static_cast<unsigned>(holds.size());
            const auto& hold = holds[one_in(2) ? draw(size) : size - 1 - draw(std::min(size, 4u))];
            at = one_of<WallTime>({hold.allocated_at, hold.parts.back().since, hold.last_touch,
                                   hold.expires_at, hold.eligible_at}) +
                 std::chrono::milliseconds(draw(3)) - 1ms;
        }
        compare_history(number, at, draw(6));
    }
    void compare_history(PhoneNumber number, WallTime at, std::size_t max) {
        const auto texts = [&](const std::vector<ringpool::Hold>& list) {
            std::string text;
            for (const auto& hold : list) text += "\n    " + text_of(hold, start_);
            return text;
        };
        const auto answer = any_caller().holders(number, at, max);
        const std::string of = "who had " + name_of(number) + " at " +
                               std::to_string((at - start_).count()) + " and before";
        if (!answer) return expect(false, of + ": " + answer.error().message);
        expect_equal(texts(*answer), texts(model_.holders(number, at, max)), of);
    }
    void erase() {
        const std::string id = "v-" + std::to_string(3 + draw(6));
        const std::string key = Model::Session{id, {}}.key();
        if (model_.is_doubtful_anywhere(key)) return;
        const bool any = model_.erase(id);
        const auto done = any_caller().erase(id);
        trace("erase " + id);
        if (!done) return expect(false, "erase: " + done.error().message);
        expect((*done > 0) == any, "erased " + std::to_string(*done) + " records of " + id);
        ++counts_[any ? "erased" : "nothing to erase"];
        for (const auto& [pool, rules] : model_.pools) {
            promises_.released(pool, key, now() + rules.cooldown);
        }
    }

    void compare_all() {
        changed();
        for (const std::string& id : pools()) compare(id);
        for (unsigned i = 0; i < kNumbers; ++i) {
            compare_history(test_number(0, i).number, now(), 3);
        }
    }
    void compare(const std::string& id) {
        using State = ringpool::NumberState::State;
        const auto text = [&](PhoneNumber number, State state, bool draining, WallTime free_at) {
            std::string line = name_of(number);
            line += state == State::held ? " held" : state == State::free ? " free" : " cools";
            if (state != State::free) {
                line += " until " + std::to_string((free_at - start_).count());
            }
            return line + (draining ? " drains" : "") + ", ";
        };
        std::map<PhoneNumber, std::string> is;
        std::map<PhoneNumber, std::string> expected;
        ringpool::PoolFigures sum;
        for (const auto& [number, n] : model_.numbers) {
            if (n.pool != id) continue;
            const bool free = n.eligible_at() <= now();
            const bool held = !free && now() < n.holds.back().expires_at;
            ++(free ? sum.free : held ? sum.held : sum.cooling);
            ++sum.numbers;
            if (n.draining) ++sum.draining;
            const State state = free ? State::free : held ? State::held : State::cooling;
            expected[number] = text(number, state, n.draining, n.eligible_at());
        }
        Caller& caller = any_caller();
        for (const auto& n : caller.states(id)) {
            is[n.number.number] += text(n.number.number, n.state, n.draining, n.free_at);
        }
        const auto joined = [](const std::map<PhoneNumber, std::string>& lines) {
            std::string all;
            for (const auto& [number, line] : lines) all += line;
            return all;
        };
        expect_equal(joined(is), joined(expected), "numbers of " + id);
        const auto seen = caller.figures(id).value();
        const auto figures = [](const ringpool::PoolFigures& f) {
            return std::to_string(f.numbers) + " numbers, " + std::to_string(f.held) + " held, " +
                   std::to_string(f.cooling) + " cooling, " + std::to_string(f.free) + " free, " +
                   std::to_string(f.draining) + " draining";
        };
        expect_equal(figures(seen), figures(sum), "figures of " + id);
        expect_equal(count_text(counted(id)), count_text(model_.counters[id]), "counters of " + id);
    }
    static std::string count_text(const ringpool::PoolCounters& c) {
        std::string text = std::to_string(c.allocations) + " allocations, " +
                           std::to_string(c.new_holds) + " new, " + std::to_string(c.releases) +
                           " released, " + std::to_string(c.early_reissues) + " early, overflows";
        for (const auto overflows : c.overflows) text += " " + std::to_string(overflows);
        return text;
    }
    /// By all processes, since begin_counting().
    ringpool::PoolCounters counted(const std::string& id) {
        ringpool::PoolCounters sum;
        for (Caller& caller : callers_) {
            const auto c = caller.figures(id).value().counters;
            sum.allocations += c.allocations;
            sum.new_holds += c.new_holds;
            sum.releases += c.releases;
            sum.early_reissues += c.early_reissues;
            for (std::size_t i = 0; i < sum.overflows.size(); ++i)
                sum.overflows[i] += c.overflows[i];
        }
        const auto& before = counted_before_[id];
        sum.allocations -= before.allocations;
        sum.new_holds -= before.new_holds;
        sum.releases -= before.releases;
        sum.early_reissues -= before.early_reissues;
        for (std::size_t i = 0; i < sum.overflows.size(); ++i)
            sum.overflows[i] -= before.overflows[i];
        return sum;
    }
    void begin_counting(const std::string& id) {
        model_.begin_counting(id);
        counted_before_[id] = {};
        counted_before_[id] = counted(id);
    }

    void end_and_come_back() {
        compare_all();
        if (one_in(2)) {
            trace("crash");
            ++counts_["crashes"];
            world_->crash();
        } else {
            trace("restart");
            ++counts_["restarts"];
            world_->restart();
        }
        model_.pass(now());
        for (const std::string& id : pools()) begin_counting(id);
        compare_all();
    }

    std::mt19937 random_;
    unsigned long step_ = 0;
    std::string failure_;
    std::deque<std::string> trace_;
    std::map<std::string, unsigned> counts_;
    const std::shared_ptr<StoreWorld> world_;
    const WallTime start_;
    std::vector<Caller> callers_;
    Model model_;
    Promises promises_;
    std::map<std::string, ringpool::PoolCounters> counted_before_;
};

unsigned long from_environment(const char* name, unsigned long otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::strtoul(value, nullptr, 10) : otherwise;
}

class StoreWalkTest : public ::testing::TestWithParam<std::tuple<WorldKind, unsigned>> {};
INSTANTIATE_TEST_SUITE_P(, StoreWalkTest,
                         ::testing::Combine(::testing::ValuesIn(worlds()),
                                            ::testing::Values(1u, 2u, 3u, 4u)),
                         [](const auto& walk) {
                             return std::get<0>(walk.param).name + "_" +
                                    std::to_string(std::get<1>(walk.param));
                         });

TEST_P(StoreWalkTest, AgreesWithTheModelAndBreaksNoPromise) {
    const auto& [kind, number] = GetParam();
    const auto seed = from_environment("STORE_WALK_SEED", number);
    StoreWalk walk(kind, static_cast<unsigned>(seed));
    const std::string failure = walk.run(from_environment("STORE_WALK_STEPS", walk.steps()));
    if (!failure.empty()) FAIL() << "with STORE_WALK_SEED=" << seed << ", " << failure;
    for (const char* what : {"new", "refreshed", "taken back", "reissued", "capped", "exhausted",
                             "released", "pool created", "erased", "moved with a promise"}) {
        EXPECT_GT(walk.counts().contains(what) ? walk.counts().at(what) : 0, 0u)
            << "the walk did not come by this: " << what;
    }
}

}  // namespace
}  // namespace ringmaster::store_contract
