#include "number_edit.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace ringmaster::redis_store {

using ringpool::NumbersChange;
using ringpool::NumberState;
using ringpool::PhoneNumber;
using ringpool::PoolNumber;

namespace {

std::string digits_of(PhoneNumber number) {
    return std::to_string(number.digits());
}

void append_numbers(const redis::Reply& reply, std::vector<PhoneNumber>& numbers) {
    for (const redis::Reply& digits : reply.elements) {
        if (const auto number = PhoneNumber::parse_e164(digits.text)) numbers.push_back(*number);
    }
}

}  // namespace

Result<NumbersChange> NumberEdit::edit(const ringpool::NumbersEdit& edit) {
    Breath breath(parts_.scheduler);
    std::unordered_set<PhoneNumber> seen;
    std::vector<Item> added;
    for (const PoolNumber& number : edit.add) {
        if (seen.insert(number.number).second) added.push_back({number, true});
        breath.step();
    }
    for (const PhoneNumber number : edit.remove) {
        if (seen.insert(number).second) items_.push_back({{number, {}}, false});
        breath.step();
    }
    items_.insert(items_.end(), added.begin(), added.end());
    return make(false);
}

Result<NumbersChange> NumberEdit::set(std::span<const PoolNumber> wanted) {
    wanted_ = wanted;
    return make(true);
}

Result<NumbersChange> NumberEdit::make(bool exactly) {
    Tries tries(parts_.scheduler, parts_.random);
    std::size_t made_before = 0;
    while (tries.next()) {
        const auto step = try_once(exactly);
        if (!step) {
            if (!began_ || step.error().code == ErrorCode::not_found) return step.error();
            return Error{
                step.error().code,
                step.error().message + " (a part of the numbers has been changed already)"};
        }
        if (*step == Step::done) return std::move(change_);
        // Who gets on does not give up.
        if (std::exchange(made_before, made_) != made_) tries.start_anew();
    }
    return began_ ? Error{ErrorCode::unavailable,
                          "others have changed the same all the time; a part of the numbers has "
                          "been changed, try again"}
                  : Tries::failure();
}

Result<NumberEdit::Step> NumberEdit::try_once(bool exactly) {
    auto state = look_at_pool(parts_.functions, pool_);
    if (!state) return state.error();
    if (!*state) return no_such_pool(pool_);
    if (exactly) {
        if (auto found = find_difference(); !found) return found.error();
    }
    const auto items = std::span(items_).subspan(made_);
    if (items.empty()) return Step::done;

    Breath breath(parts_.scheduler);
    std::vector<std::string> added;
    for (const Item& item : items) {
        if (item.add) added.push_back(digits_of(item.number.number));
        breath.step();
    }
    NumberClaims claims(parts_.functions, pool_);
    if (!added.empty()) {
        const auto claimed = claims.claim(added);
        if (!claimed) return claimed.error();
        if (!claims.refused().empty()) {
            refuse(added, claims);
            if (!began_) return Step::done;
            return Error{ErrorCode::unavailable,
                         "some numbers have gone to another pool meanwhile"};
        }
        if (!*claimed) return Step::again;
    }
    if (items.size() > parts_.max_edit) {
        if (auto room = check_room(**state, added); !room) return room.error();
    }
    for (std::size_t at = 0; at < items.size(); at += parts_.max_edit) {
        auto step = make_portion(
            **state, items.subspan(at, std::min(parts_.max_edit, items.size() - at)), claims);
        if (!step || *step == Step::again) return step;
    }
    return Step::done;
}

// The epoch has been read before: so what comes in meanwhile makes the edit fail.
Result<void> NumberEdit::find_difference() {
    Breath breath(parts_.scheduler);
    std::unordered_map<PhoneNumber, bool> missing;  // whether it has not been found among members
    missing.reserve(wanted_.size());
    for (const PoolNumber& number : wanted_) {
        missing.emplace(number.number, true);
        breath.step();
    }
    items_.clear();
    made_ = 0;
    std::size_t from = 0;
    do {
        const auto next = visit_members(parts_.functions, pool_, from, kMembersAtOnce,
                                        [&](const NumberState& state) {
                                            const auto found = missing.find(state.number.number);
                                            if (found == missing.end()) {
                                                if (!state.draining)
                                                    items_.push_back({state.number, false});
                                            } else if (!state.draining) {
                                                found->second = false;
                                            }
                                        });
        if (!next) return next.error();
        from = *next;
    } while (from != 0);
    for (const PoolNumber& number : wanted_) {
        bool& is_missing = missing.find(number.number)->second;
        if (std::exchange(is_missing, false)) items_.push_back({number, true});
        breath.step();
    }
    return {};
}

Result<NumberEdit::Step> NumberEdit::make_portion(PoolState& state, std::span<const Item> items,
                                                  const NumberClaims& claims) {
    FunctionCall call{"edit",
                      pool_,
                      {std::to_string(state.epoch), std::to_string(parts_.max_numbers),
                       std::to_string(std::ranges::count(items, true, &Item::add))}};
    call.repeatable = false;
    for (const Item& item : items) {
        if (!item.add) continue;
        std::string digits = digits_of(item.number.number);
        std::string knowledge(claims.knowledge(digits));
        call.arguments.push_back(std::move(digits));
        call.arguments.emplace_back(item.number.formatted.view());
        call.arguments.push_back(std::move(knowledge));
    }
    for (const Item& item : items) {
        if (!item.add) call.arguments.push_back(digits_of(item.number.number));
    }
    for (bool swept = false;; swept = true) {
        const auto answer = parts_.functions.call(call);
        if (!answer) return answer.error();
        if (answer->is_error("NOPOOL")) return no_such_pool(pool_);
        if (answer->is_error("EPOCH")) return Step::again;
        if (answer->is_error("FULL")) {
            const auto made_room =
                swept ? Result(std::size_t{0}) : sweep_pool(parts_.functions, pool_);
            if (!made_room) return made_room.error();
            if (*made_room == 0) {
                return too_many(std::strtoull(answer->text.c_str() + 5, nullptr, 10));
            }
            continue;
        }
        if (answer->elements.size() != 4) return unexpected_answer("edit");
        state.epoch = static_cast<std::uint64_t>(answer->elements[0].integer);
        append_numbers(answer->elements[1], change_.added);
        append_numbers(answer->elements[2], change_.removed);
        append_numbers(answer->elements[3], change_.draining);
        began_ = began_ || !change_.added.empty() || !change_.removed.empty() ||
                 !change_.draining.empty();
        made_ += items.size();
        return Step::done;
    }
}

// Before the first of several portions: whether all will be too many. That all that are to be
// removed leave at once is the best that can be.
Result<void> NumberEdit::check_room(const PoolState& state, std::span<const std::string> added) {
    if (state.numbers + added.size() <= parts_.max_numbers) return {};
    const auto there = ask_pool(parts_.functions, pool_, false, added);
    if (!there) return there.error();
    const auto fresh =
        static_cast<std::size_t>(std::ranges::count(*there, PoolWord::Kind::gone, &PoolWord::kind));
    if (state.numbers + fresh <= parts_.max_numbers) return {};
    if (auto swept = sweep_pool(parts_.functions, pool_); !swept) return swept.error();
    const auto now = look_at_pool(parts_.functions, pool_);
    if (!now) return now.error();
    if (!*now) return no_such_pool(pool_);
    const std::size_t leaving =
        static_cast<std::size_t>(std::ranges::count(items_, false, &Item::add));
    const std::size_t size = (*now)->numbers - std::min((*now)->numbers, leaving) + fresh;
    return size <= parts_.max_numbers ? Result<void>() : too_many(size);
}

// In the order in which they were asked for, overflow numbers first.
void NumberEdit::refuse(std::span<const std::string> added, const NumberClaims& claims) {
    const auto number_of = [](const std::string& digits) {
        return *PhoneNumber::parse_e164(digits);
    };
    for (const bool overflow : {true, false}) {
        for (const std::string& digits : added) {
            const auto found = claims.refused().find(digits);
            if (found == claims.refused().end()) continue;
            const NumberClaims::Taken& taken = found->second;
            if (taken.as_overflow != overflow) continue;
            std::string reason;
            if (overflow) {
                reason =
                    "it is the overflow number of " + overflow_owner(number_of(digits), taken.pool);
            } else if (taken.draining) {
                reason = "it is still held in " + in_pool(taken.pool) + ", which it is to leave";
            } else {
                reason = "it is in " + in_pool(taken.pool);
            }
            change_.refused.push_back({number_of(digits), std::move(reason)});
        }
    }
}

// Of several pools, one that is known to have it: the registry may name one that had it before.
std::string NumberEdit::overflow_owner(PhoneNumber number, std::string_view named) const {
    std::string owner = in_pool(named);
    parts_.catalog.for_each([&](ringpool::PoolIndex, const ringpool::PoolDefinition& definition) {
        if (definition.overflow.number == number) owner = in_pool(definition.id);
    });
    return owner;
}

Error NumberEdit::too_many(std::size_t numbers) const {
    return {ErrorCode::invalid, in_pool(pool_) + " would have " + std::to_string(numbers) +
                                    " numbers; expected at most " +
                                    std::to_string(parts_.max_numbers)};
}

}  // namespace ringmaster::redis_store
