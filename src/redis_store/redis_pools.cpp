#include "ringmaster/redis_store/redis_pools.hpp"

#include "ringmaster/redis_store/definition_format.hpp"

#include <algorithm>
#include <utility>

#include "number_edit.hpp"
#include "pool_access.hpp"

namespace ringmaster::redis_store {

using ringpool::NumbersChange;
using ringpool::NumberState;
using ringpool::PhoneNumber;
using ringpool::PoolDefinition;

namespace {

Error closed() {
    return {ErrorCode::unavailable, "the store is closed"};
}

Error taken_overflow(PhoneNumber number, std::string_view pool) {
    return {ErrorCode::invalid, "overflow number is " + number.e164() +
                                    "; expected one that no pool hands out, but it is in " +
                                    in_pool(pool)};
}

// The reader of the answer can tell this from all that a function says.
constexpr std::uint64_t kTryAgain = 0;

std::string milliseconds_of(std::chrono::seconds time) {
    return std::to_string(std::chrono::milliseconds(time).count());
}

// The word behind the code of an error.
std::string word_after(std::string_view error) {
    return std::string(error.substr(std::min(error.find(' ') + 1, error.size())));
}

// Where Redis has not answered it is not there for this, whatever the reason.
template <class T>
Result<T> as_unavailable(Result<T> result) {
    if (result || result.error().code != ErrorCode::timeout) return result;
    return Error{ErrorCode::unavailable, result.error().message};
}

}  // namespace

RedisPools::RedisPools(Parts parts, Limits limits)
    : parts_(std::move(parts)),
      limits_(limits),
      gate_(parts_.reactor.scheduler()),
      mutex_(parts_.reactor.scheduler()),
      random_(std::random_device()()) {}

Result<RedisPools::Permit> RedisPools::begin() {
    auto pass = gate_.enter();
    if (!pass) return closed();
    auto turn = mutex_.lock();
    return Permit{*std::move(pass), *std::move(turn)};
}

// --- pools ---------------------------------------------------------------------------------------

Result<bool> RedisPools::put_pool(PoolDefinition definition) {
    if (auto good = definition.validate(); !good) return good.error();
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    const std::string& id = definition.id;
    const std::string bytes = encode_definition(definition);
    Tries tries(parts_.reactor.scheduler(), random_);
    std::string least = "0";  // than which the next version must be more
    while (tries.next()) {
        const auto state = as_unavailable(look_at_pool(parts_.functions, id));
        if (!state) return state.error();
        const auto known = parts_.catalog.find(id);
        if (known && *state && (*state)->definition == bytes &&
            (*state)->version == parts_.follower.version(*known)) {
            auto settled = as_unavailable(is_settled(definition, (*state)->version));
            if (!settled) return settled;
            if (*settled) return false;
        }
        // Else it is another one; or it was left half done, and is done again.
        const auto version = as_unavailable(claim_overflow(definition, least));
        if (!version) return version.error();
        if (*version == kTryAgain) continue;
        FunctionCall put{
            "put_pool",
            id,
            {bytes, milliseconds_of(definition.lifetime), milliseconds_of(definition.cooldown),
             milliseconds_of(definition.max_hold), std::to_string(*version)}};
        put.repeatable = false;
        const auto made = as_unavailable(parts_.functions.call(std::move(put)));
        if (!made) return made.error();
        if (made->is_error("STALE")) {
            least = word_after(made->text);
            continue;
        }
        auto created = as_unavailable(publish(id, *version, true));
        if (!created) return created;
        // If this fails, the follower will get it by itself.
        (void)parts_.follower.catch_up(id, parts_.functions.deadline());
        return created;
    }
    return Tries::failure();
}

// Whether nobody has begun to change the pool and given up: of that, claims would be left.
Result<bool> RedisPools::is_settled(const PoolDefinition& definition, std::uint64_t version) {
    FunctionCall question{"overflow_claims", {}, {definition.id}};
    question.reads_only = true;
    const auto claims = parts_.functions.call(std::move(question));
    if (!claims) return claims.error();
    const PhoneNumber number = definition.overflow.number;
    return claims->text == (number ? std::to_string(version) + " " + std::to_string(number.digits())
                                   : std::string());
}

// The claim that is to be the version of the change; kTryAgain where what was in the way has been
// moved out of it.
Result<std::uint64_t> RedisPools::claim_overflow(const PoolDefinition& definition,
                                                 const std::string& least) {
    const PhoneNumber number = definition.overflow.number;
    const auto claimed = parts_.functions.call(
        {"claim_overflow",
         {},
         {definition.id, number ? std::to_string(number.digits()) : std::string(),
          std::to_string(limits_.max_pools), least}});
    if (!claimed) return claimed.error();
    if (claimed->is_error("TOOMANY")) {
        return Error{ErrorCode::invalid,
                     "there are " + word_after(claimed->text) + " pools, and no more are allowed"};
    }
    if (claimed->elements.size() != 2) return unexpected_answer("claim_overflow");
    if (claimed->elements[0].integer != 0) {
        return static_cast<std::uint64_t>(claimed->elements[0].integer);
    }
    if (auto freed = free_for_overflow(number, claimed->elements[1].text); !freed) {
        return freed.error();
    }
    return kTryAgain;
}

// A pool has claimed the number, but that it has it only that pool itself can say.
Result<void> RedisPools::free_for_overflow(PhoneNumber number, std::string_view text) {
    const auto entry = ClaimEntry::parse(text);
    if (!entry) return unexpected_answer("claim_overflow");
    const std::string digits = std::to_string(number.digits());
    const auto words = ask_pool(parts_.functions, entry->first, true, {&digits, 1});
    if (!words) return words.error();
    if (words->front().kind != PoolWord::Kind::gone) return taken_overflow(number, entry->first);
    // Where somebody was quicker, the next try will see.
    const auto taken =
        parts_.functions.call({"take", {}, {std::string(kNoPool), digits, entry->claim}});
    return taken ? Result<void>() : taken.error();
}

// Whether that has brought the pool into the catalog, or out of it.
Result<bool> RedisPools::publish(const std::string& id, std::uint64_t version, bool live) {
    const auto done = parts_.functions.call(
        {"publish",
         {},
         {id, std::to_string(version), live ? "1" : "0", parts_.functions.channel()}});
    if (!done) return done.error();
    return done->integer == 1;
}

Result<void> RedisPools::remove_pool(std::string_view name) {
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    const std::string id(name);
    Tries tries(parts_.reactor.scheduler(), random_);
    std::string least = "0";  // than which the next version must be more
    while (tries.next()) {
        const auto state = as_unavailable(look_at_pool(parts_.functions, id));
        if (!state) return state.error();
        if (!*state && !parts_.catalog.find(id)) return no_such_pool(id);
        const auto claimed = as_unavailable(parts_.functions.call(
            {"claim_overflow", {}, {id, "", std::to_string(SIZE_MAX), least}}));
        if (!claimed) return claimed.error();
        if (claimed->elements.size() != 2) return unexpected_answer("claim_overflow");
        const auto version = static_cast<std::uint64_t>(claimed->elements[0].integer);
        FunctionCall remove{"remove_pool", id, {std::to_string(version)}};
        remove.repeatable = false;
        const auto removed = as_unavailable(parts_.functions.call(std::move(remove)));
        if (!removed) return removed.error();
        if (removed->is_error("STALE")) {
            least = word_after(removed->text);
            continue;
        }
        const auto published = as_unavailable(publish(id, version, false));
        if (!published) return published.error();
        (void)parts_.follower.catch_up(id, parts_.functions.deadline());
        if (removed->integer == 0 && !*published) return no_such_pool(id);
        return {};
    }
    return Tries::failure();
}

// --- numbers -------------------------------------------------------------------------------------

template <class Make>
Result<NumbersChange> RedisPools::change(std::string_view id, Make&& make) {
    const auto permit = begin();
    if (!permit) return permit.error();
    const runtime::CancellationShield whole(parts_.reactor.scheduler());
    NumberEdit edit({parts_.reactor.scheduler(), parts_.functions, parts_.catalog, random_,
                     limits_.max_numbers, limits_.max_edit},
                    std::string(id));
    return as_unavailable(make(edit));
}

Result<NumbersChange> RedisPools::edit_numbers(std::string_view id, ringpool::NumbersEdit edit) {
    return change(id, [&](NumberEdit& whole) { return whole.edit(edit); });
}

Result<NumbersChange> RedisPools::set_numbers(std::string_view id,
                                              std::vector<ringpool::PoolNumber> wanted) {
    return change(id, [&](NumberEdit& whole) { return whole.set(wanted); });
}

// --- questions -----------------------------------------------------------------------------------

Result<ringpool::NumberPage> RedisPools::numbers(std::string_view name, std::size_t from,
                                                 std::size_t max) {
    const auto pass = gate_.enter();
    if (!pass) return closed();
    const std::string id(name);
    ringpool::NumberPage page;
    page.next = from;
    do {
        const std::size_t some = std::min(kMembersAtOnce, max - page.numbers.size());
        const auto next = as_unavailable(
            visit_members(parts_.functions, id, page.next, some,
                          [&](const NumberState& state) { page.numbers.push_back(state); }));
        if (!next) return next.error();
        page.next = *next;
    } while (page.next != 0 && page.numbers.size() < max);
    return page;
}

Result<ringpool::PoolFigures> RedisPools::figures(std::string_view name) {
    const auto pass = gate_.enter();
    if (!pass) return closed();
    const std::string id(name);
    ringpool::PoolFigures figures;
    std::size_t from = 0;
    do {
        const auto next = as_unavailable(visit_members(parts_.functions, id, from, kMembersAtOnce,
                                                       [&](const NumberState& number) {
                                                           ++figures.numbers;
                                                           if (number.draining) ++figures.draining;
                                                           switch (number.state) {
                                                               case NumberState::State::free:
                                                                   ++figures.free;
                                                                   break;
                                                               case NumberState::State::held:
                                                                   ++figures.held;
                                                                   break;
                                                               case NumberState::State::cooling:
                                                                   ++figures.cooling;
                                                                   break;
                                                           }
                                                       }));
        if (!next) return next.error();
        from = *next;
    } while (from != 0);
    if (!parts_.catalog.find(id)) {  // another machine has made it just now
        auto known = as_unavailable(parts_.follower.catch_up(id, parts_.functions.deadline()));
        if (!known) return known.error();
    }
    if (const auto index = parts_.catalog.find(id); index && parts_.counters) {
        figures.counters = parts_.counters(*index);
    }
    return figures;
}

}  // namespace ringmaster::redis_store
