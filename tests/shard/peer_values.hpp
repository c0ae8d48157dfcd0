#pragma once

#include "ringmaster/shard/peer_messages.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace ringmaster::shard {

/// Calls `visit(value)` with one value of each kind that goes between shards, every member of it
/// set to something else than nothing. Their texts live as long as this call.
template <class Visit>
void for_each_peer_value(Visit&& visit) {
    using namespace ringpool;
    const auto number = [](std::uint64_t n) { return PhoneNumber::from_digits(12015550100 + n); };
    const auto pool_number = [&](std::uint64_t n) {
        return PoolNumber{number(n), FormattedNumber("201-555-0100")};
    };
    const auto at = [](std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); };
    const std::string context("\1\1\0nv", 5);

    visit(ReleaseCall{"autos", number(1), "v-81", Context(context)});
    visit(ReleaseCall{"autos", number(1), std::nullopt, Context(context)});
    visit(HoldersCall{number(1), at(1'800'000'000'000), 7});
    visit(HoldersCall{number(1), std::nullopt, ~std::uint64_t{0}});
    visit(EraseCall{"v-81"});
    PoolDefinition pool;
    pool.id = "autos";
    pool.name = "Autos";
    pool.key = "A329F4DC";
    pool.lifetime = std::chrono::seconds(1);
    pool.cooldown = std::chrono::seconds(2);
    pool.max_hold = std::chrono::seconds(3);
    pool.allow_overflow = false;
    pool.overflow = pool_number(4);
    pool.tracking_url = "https://example.com/{number}";
    pool.default_region = "DE";
    visit(PutPoolCall{pool});
    visit(RemovePoolCall{"autos"});
    visit(EditNumbersCall{"autos", {{pool_number(1), pool_number(2)}, {number(3)}}});
    visit(SetNumbersCall{"autos", {pool_number(1), pool_number(2)}});
    visit(NumbersCall{"autos", 3, 4});
    visit(FiguresCall{"autos"});
    visit(OverflowCountsCall{"autos"});
    visit(LookUpCall{{number(1), number(2)}});
    visit(SweepCall{"autos"});
    visit(ReportCall{});
    visit(ProfileCall{});
    visit(EventsCall{{EventPosition{1, 2},
                      {EventType::allocation, EventType::release},
                      std::chrono::milliseconds(200)}});
    visit(EventsCall{});
    visit(DemandCall{"autos"});

    Hold hold{Hold::Detail::erased, "autos", "v-81", context, at(1), at(2), at(3), at(4)};
    Hold other = hold;
    other.session_id = std::nullopt;
    visit(HoldersFound{{hold, other}, true});
    visit(std::size_t{1} << 40);
    visit(true);
    visit(NumbersChange{{number(1)}, {number(2), number(3)}, {number(4)}, {{number(5), "why"}}});
    visit(NumberPage{{{pool_number(1), NumberState::State::cooling, true, at(5)},
                      {pool_number(2), NumberState::State::free, false, at(0)}},
                     9});
    PoolFigures figures{1, 2, 3, 4, 5, {6, 7, 8, {9, 10, 11, 12}, 13, -14}};
    visit(figures);
    visit(OverflowCounts{1, 2, 3, 4});
    Slot slot{{1, 2}, at(3), at(4), at(5), at(6), 7, 8, true};
    visit(std::vector<store::NumberKnowledge>{{number(1), "autos", true, true, slot}, {}});
    visit(std::string("ringmaster_allocations 7\n"));
    Event event;
    event.type = EventType::overflow;
    event.position = {1, 2};
    event.time = at(3);
    event.pool_id = "autos";
    event.number = number(4);
    event.session_id = "v-81";
    event.context = context;
    event.erased = true;
    event.expires_at = at(5);
    event.reason = OverflowReason::owner_down;
    visit(EventBatch{{event, lost_events({EventType::touch}, 6, {7, 8}, at(9))}, {7, 8}, true});
    visit(std::vector<ops::DemandHour>{{1, 2, 3, 4, 5, 6, -7}, {8, 9, 10, 11, 12, 13, 14}});
}

}  // namespace ringmaster::shard
