#include "store_contract/caller.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace ringmaster::store_contract {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::Hold;
using ringpool::NumbersChange;
using ringpool::PhoneNumber;

PoolsView view_pools(const ringpool::Catalog& catalog, ringpool::PoolAdministration& pools) {
    PoolsView view;
    catalog.for_each([&](ringpool::PoolIndex, const ringpool::PoolDefinition& pool) {
        view[pool.id].first = pool;
    });
    for (auto& [id, seen] : view) {
        std::size_t from = 0;
        do {
            const auto page = pools.numbers(id, from, 3).value();
            for (const auto& n : page.numbers) {
                const auto name = name_of(n.number.number) + (n.draining ? " drains" : "");
                EXPECT_TRUE(seen.second.insert(name).second) << name;
            }
            from = page.next;
        } while (from != 0);
    }
    return view;
}

std::string name_of(PhoneNumber number) {
    const auto index = number.digits() - test_number(0, 0).number.digits();
    return index < 1'000'000 ? "#" + std::to_string(index) : number.e164();
}

std::string text_of(const Allocation& answer) {
    switch (answer.outcome) {
        case Allocation::Outcome::allocated: return name_of(answer.number);
        case Allocation::Outcome::overflow: break;
        case Allocation::Outcome::refused:
            return "refused: " + std::string(to_string(answer.reason));
    }
    return "overflow: " + std::string(to_string(answer.reason));
}

std::string text_of(const Result<NumbersChange>& change) {
    if (!change) return std::string(to_string(change.error().code));
    std::string text;
    const auto list = [&](const char* what, std::vector<PhoneNumber> numbers) {
        if (numbers.empty()) return;
        std::ranges::sort(numbers);
        text += (text.empty() ? "" : ", ") + std::string(what);
        for (const PhoneNumber number : numbers) text += " " + name_of(number);
    };
    list("added", change->added);
    list("removed", change->removed);
    list("draining", change->draining);
    std::vector<PhoneNumber> refused;
    for (const auto& refusal : change->refused) refused.push_back(refusal.number);
    list("refused", refused);
    return text.empty() ? "nothing" : text;
}

std::string text_of(const Hold& hold, WallTime start) {
    constexpr std::array kDetails = {"", "erased ", "lost "};
    const auto ms = [&](WallTime t) { return std::to_string((t - start).count()); };
    return kDetails[static_cast<std::size_t>(hold.detail)] + hold.pool_id + " " +
           hold.session_id.value_or("(none)") + " [" + hold.context + "] from " +
           ms(hold.allocated_at) + " touched " + ms(hold.last_touch) + " until " +
           ms(hold.expires_at) + " free " + ms(hold.free_at);
}

std::vector<Allocation> Caller::allocate(const std::vector<Row>& rows) {
    std::vector<AllocationRequest> requests;
    for (const Row& row : rows) {
        requests.push_back(
            {index_of(row.pool), {row.session, ringpool::Context(row.context)}, row.keeps_context});
    }
    std::vector<Allocation> answers(rows.size());
    run([&] { process().store->allocate(requests, answers, {}); });
    return answers;
}

Allocation Caller::allocate_at(ringpool::PoolIndex pool, SessionId session) {
    const AllocationRequest request{pool, {session, {}}};
    Allocation answer;
    run([&] { process().store->allocate({&request, 1}, {&answer, 1}, {}); });
    return answer;
}

std::vector<std::string> Caller::ask(const std::vector<Row>& rows) {
    std::vector<std::string> texts;
    for (const Allocation& answer : allocate(rows)) texts.push_back(text_of(answer));
    return texts;
}

Result<void> Caller::release(std::string_view pool, PhoneNumber number, SessionId session,
                             std::string_view context) {
    const ringpool::Session whose{session, ringpool::Context(context)};
    return in_fiber(
        [&](const Process& p) { return p.store->release(index_of(pool), number, whose, {}); });
}

std::string Caller::give_back(std::string_view pool, unsigned number, SessionId session,
                              std::string_view context) {
    const auto done = release(pool, test_number(0, number).number, session, context);
    return done ? "released" : std::string(to_string(done.error().code));
}

Result<bool> Caller::put(const ringpool::PoolDefinition& pool) {
    return in_fiber([&](const Process& p) { return p.pools->put_pool(pool); });
}

Result<void> Caller::remove(std::string_view pool) {
    return in_fiber([&](const Process& p) { return p.pools->remove_pool(pool); });
}

Result<NumbersChange> Caller::edit(std::string_view pool, const ringpool::NumbersEdit& edit) {
    return in_fiber([&](const Process& p) { return p.pools->edit_numbers(pool, edit); });
}

Result<NumbersChange> Caller::set(std::string_view pool,
                                  const std::vector<ringpool::PoolNumber>& wanted) {
    return in_fiber([&](const Process& p) { return p.pools->set_numbers(pool, wanted); });
}

Result<ringpool::NumberPage> Caller::page(std::string_view pool, std::size_t from,
                                          std::size_t max) {
    return in_fiber([&](const Process& p) { return p.pools->numbers(pool, from, max); });
}

std::vector<ringpool::NumberState> Caller::states(std::string_view pool) {
    std::vector<ringpool::NumberState> all;
    std::size_t from = 0;
    do {
        auto next = page(pool, from, 1000).value();
        all.insert(all.end(), next.numbers.begin(), next.numbers.end());
        from = next.next;
    } while (from != 0);
    return all;
}

Result<ringpool::PoolFigures> Caller::figures(std::string_view pool) {
    return in_fiber([&](const Process& p) { return p.pools->figures(pool); });
}

PoolsView Caller::view() {
    return in_fiber([](const Process& p) { return view_pools(*p.catalog, *p.pools); });
}

void Caller::create(std::string_view id, unsigned count, const Rules& rules, unsigned first) {
    ASSERT_TRUE(put(test_definition(std::string(id), rules)).value());
    const auto added = edit(id, {numbers_from(first, count), {}});
    ASSERT_TRUE(added.ok()) << added.error().message;
    ASSERT_EQ(added->added.size(), count);
}

Result<std::vector<Hold>> Caller::holders(PhoneNumber number, std::optional<WallTime> at,
                                          std::size_t max) {
    return in_fiber([&](const Process& p) { return p.history->holders(number, at, max, {}); });
}

Result<std::size_t> Caller::erase(std::string_view session) {
    return in_fiber([&](const Process& p) { return p.history->erase(session); });
}

}  // namespace ringmaster::store_contract
