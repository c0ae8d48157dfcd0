#include "pool_access.hpp"

#include "ringmaster/redis_store/number_record.hpp"

#include <algorithm>
#include <utility>

namespace ringmaster::redis_store {

using ringpool::NumberState;

namespace {

NumberState::State state_of(const NumberRecord& record, WallTime now) noexcept {
    if (record.eligible_at <= now) return NumberState::State::free;
    return now < record.expires_at ? NumberState::State::held : NumberState::State::cooling;
}

std::size_t count_in(const redis::Reply& reply) noexcept {
    return reply.integer > 0 ? static_cast<std::size_t>(reply.integer) : 0;
}

}  // namespace

std::string in_pool(std::string_view id) {
    return "pool '" + std::string(id) + "'";
}

Error no_such_pool(std::string_view id) {
    return {ErrorCode::not_found, "there is no " + in_pool(id)};
}

Result<std::optional<PoolState>> look_at_pool(FunctionCaller& functions, const std::string& id) {
    FunctionCall question{"get_pool", id, {}};
    question.reads_only = true;
    const auto answer = functions.call(std::move(question));
    if (!answer) return answer.error();
    if (answer->elements.size() < 4) return std::optional<PoolState>();
    const auto& words = answer->elements;
    return std::optional(PoolState{words[0].text, static_cast<std::uint64_t>(words[1].integer),
                                   static_cast<std::uint64_t>(words[2].integer),
                                   count_in(words[3])});
}

Result<std::size_t> visit_members(FunctionCaller& functions, const std::string& id,
                                  std::size_t from, std::size_t max,
                                  const std::function<void(const NumberState&)>& visit) {
    FunctionCall question{"members", id, {std::to_string(from), std::to_string(max)}};
    question.reads_only = true;
    const auto answer = functions.call(std::move(question));
    if (!answer) return answer.error();
    if (answer->is_error()) return no_such_pool(id);
    const auto& words = answer->elements;
    if (words.size() < 2 || words.size() % 2 != 0) return unexpected_answer("members");
    const WallTime now{std::chrono::milliseconds(words[1].integer)};
    for (std::size_t i = 2; i < words.size(); i += 2) {
        const auto number = ringpool::PhoneNumber::parse_e164(words[i].text);
        const auto record = NumberRecord::decode(words[i + 1].text);
        if (!number || !record) return unexpected_answer("members");
        NumberState state;
        state.number = {*number, record->formatted};
        state.state = state_of(*record, now);
        state.draining = record->draining;
        if (state.state != NumberState::State::free) state.free_at = record->eligible_at;
        visit(state);
    }
    return count_in(words[0]);
}

Result<std::size_t> sweep_pool(FunctionCaller& functions, const std::string& id) {
    std::size_t swept = 0;
    std::string from = "0";
    do {
        const auto answer = functions.call({"sweep", id, {from, std::to_string(kMembersAtOnce)}});
        if (!answer) return answer.error();
        if (answer->is_error()) return no_such_pool(id);
        if (answer->elements.size() != 2) return unexpected_answer("sweep");
        from = std::to_string(answer->elements[0].integer);
        swept += count_in(answer->elements[1]);
    } while (from != "0");
    return swept;
}

bool Tries::next() {
    if (count_ == kMost) return false;
    if (count_++ > 0) {
        // Longer and longer, as more of them might be at it.
        const auto most_ms = std::min(5u * count_, 100u);
        std::uniform_int_distribution<unsigned> pause(0, most_ms);
        scheduler_.sleep_until(scheduler_.now() + std::chrono::milliseconds(pause(random_)));
    }
    return true;
}

Error Tries::failure() {
    return {ErrorCode::unavailable,
            "others have changed the same all the time; nothing was changed, try again"};
}

}  // namespace ringmaster::redis_store
