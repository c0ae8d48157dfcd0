#include "ringmaster/shard/remote_shard.hpp"

#include "ringmaster/runtime/sync.hpp"
#include "ringmaster/shard/peer_service.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shard/peer_fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::Allocation;
using ringpool::NumbersChange;
using ringpool::PhoneNumber;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// A shard and one that asks it, over real sockets.
struct RemoteShardTest : ::testing::Test, PeerRuntime {
    RemoteShardTest() {
        // The same pools, in another order: their indices differ.
        for (const char* id : {"autos", "boats"}) EXPECT_TRUE(here.put(make_pool(id)));
        for (const char* id : {"boats", "autos"}) EXPECT_TRUE(there.put(make_pool(id)));
    }
    ~RemoteShardTest() override {
        EXPECT_EQ(reactor.scheduler().fibers_in_use(), 0u);
        settle();
    }

    /// What `function` returns, in a fiber.
    template <class Ask>
    auto ask(Ask&& function) {
        std::optional<decltype(function())> answer;
        spawn([&] { answer.emplace(function()); });
        settle();
        if (!answer) throw std::runtime_error("no answer");
        return *std::move(answer);
    }
    static PhoneNumber number(std::uint64_t n) { return PhoneNumber::from_digits(n); }

    ringpool::Catalog here;
    ringpool::Catalog there;
    ScriptedShard own;
    PeerService service{reactor, log, there, own, [](Deadline) { return Result<void>(); }, {}};
    RemoteShard remote{reactor,
                       log,
                       here,
                       {.link = {.peer = "shard 3"}, .pools_timeout = milliseconds(200)},
                       [this]() -> Result<int> {
                           const auto [ours, theirs] = socket_pair();
                           service.serve(theirs);
                           return ours;
                       }};
};

TEST_F(RemoteShardTest, Allocates) {
    own.on_allocate = [&](ScriptedShard::Requests requests, ScriptedShard::Answers answers,
                          Deadline) {
        for (std::size_t i = 0; i < requests.size(); ++i) {
            EXPECT_EQ(there.at(requests[i].pool).id, *requests[i].session.id);
            answers[i] = i == 0
                             ? ScriptedShard::number(7)
                             : ringpool::overflow_allocation(there.at(requests[i].pool),
                                                             ringpool::OverflowReason::exhausted);
        }
    };
    const std::vector<ringpool::AllocationRequest> requests = {
        {*here.find("autos"), {"autos", {}}}, {*here.find("boats"), {"boats", {}}}};
    std::vector<Allocation> answers(2);
    ask([&] {
        remote.store().allocate(requests, answers, in(milliseconds(50)));
        return true;
    });
    EXPECT_EQ(answers[0].outcome, Allocation::Outcome::allocated);
    EXPECT_EQ(answers[0].number, ScriptedShard::number(7).number);
    EXPECT_EQ(answers[1].outcome, Allocation::Outcome::overflow);
    EXPECT_EQ(answers[1].reason, ringpool::OverflowReason::exhausted);
    EXPECT_EQ(answers[1].formatted.view(), "800-555-0100");
    EXPECT_TRUE(remote.store().ready());
    EXPECT_EQ(remote.stats().requests.calls, 1u);
    EXPECT_EQ(remote.stats().store.rows, 2u);
}

TEST_F(RemoteShardTest, ChangesPools) {
    std::vector<std::string> asked;
    const NumbersChange change{{number(1)}, {number(2)}, {number(3)}, {}};
    own.on_put_pool = [&](const ringpool::PoolDefinition& pool) -> Result<bool> {
        asked.push_back("put " + pool.id);
        return true;
    };
    own.on_pool = [&](std::string_view id) -> Result<void> {
        asked.push_back("remove " + std::string(id));
        return Error{ErrorCode::not_found, "no such pool"};
    };
    own.on_edit = [&](std::string_view id, const ringpool::NumbersEdit& edit) {
        EXPECT_EQ(edit.add.size(), 1u);
        EXPECT_EQ(edit.remove.size(), 2u);
        asked.push_back("edit " + std::string(id));
        return change;
    };
    own.on_set = [&](std::string_view id, const std::vector<ringpool::PoolNumber>& wanted) {
        EXPECT_EQ(wanted.size(), 3u);
        asked.push_back("set " + std::string(id));
        return change;
    };
    auto& pools = remote.pools();
    EXPECT_TRUE(ask([&] { return pools.put_pool(make_pool("trains")); }).value());
    const auto removed = ask([&] { return pools.remove_pool("planes"); });
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, ErrorCode::not_found);
    EXPECT_EQ(removed.error().message, "no such pool");
    const ringpool::PoolNumber n{number(5), ringpool::FormattedNumber("5")};
    EXPECT_EQ(ask([&] {
                  return pools.edit_numbers("autos", {{n}, {number(1), number(2)}});
              })
                  .value()
                  .draining,
              change.draining);
    EXPECT_EQ(ask([&] {
                  return pools.set_numbers("boats", {n, n, n});
              })
                  .value()
                  .added,
              change.added);
    EXPECT_THAT(asked,
                ::testing::ElementsAre("put trains", "remove planes", "edit autos", "set boats"));
}

TEST_F(RemoteShardTest, LooksAtPools) {
    own.on_numbers = [](std::string_view id, std::size_t from, std::size_t max) {
        EXPECT_EQ(id, "autos");
        EXPECT_EQ(from, 3u);
        EXPECT_EQ(max, 4u);
        return ringpool::NumberPage{{}, 9};
    };
    own.on_figures = [](std::string_view) -> Result<ringpool::PoolFigures> {
        return Error{ErrorCode::not_found, "no such pool"};
    };
    own.on_overflow_counts = [](std::string_view) { return OverflowCounts{1, 2, 3, 4}; };
    EXPECT_EQ(ask([&] { return remote.pools().numbers("autos", 3, 4); }).value().next, 9u);
    EXPECT_EQ(ask([&] { return remote.pools().figures("trains"); }).error().code,
              ErrorCode::not_found);
    EXPECT_EQ(ask([&] { return remote.overflow_counts("autos", {}); }).value(),
              (OverflowCounts{1, 2, 3, 4}));
}

TEST_F(RemoteShardTest, AsksForHistory) {
    own.on_holders = [&](PhoneNumber asked, std::optional<WallTime> at, std::size_t max,
                         Deadline deadline) {
        EXPECT_EQ(asked, number(7));
        EXPECT_EQ(at, clock.wall_now());
        EXPECT_EQ(max, 2u);
        EXPECT_EQ(deadline.time(), in(milliseconds(30)).time());
        HoldersFound found{std::vector<ringpool::Hold>(1), true};
        found.holds[0].pool_id = "autos";
        return found;
    };
    own.on_erase = [](std::string_view session, Deadline) -> Result<std::size_t> {
        EXPECT_EQ(session, "v-81");
        return std::size_t{5};
    };
    const auto found =
        ask([&] { return remote.holders(number(7), clock.wall_now(), 2, in(milliseconds(30))); });
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->in_pool);
    EXPECT_EQ(found->holds.at(0).pool_id, "autos");
    EXPECT_EQ(ask([&] { return remote.erase("v-81", {}); }).value(), 5u);
}

TEST_F(RemoteShardTest, LooksUpAnyNumberOfNumbersSomeAtATime) {
    std::vector<std::size_t> sizes;
    own.on_look_up = [&](std::span<const PhoneNumber> numbers, Deadline) {
        sizes.push_back(numbers.size());
        std::vector<store::NumberKnowledge> known(1);
        known[0].number = numbers.front();
        return known;
    };
    std::vector<PhoneNumber> numbers;
    for (std::uint64_t n = 1; n <= 150'000; ++n) numbers.push_back(number(n));
    const auto known = ask([&] { return remote.look_up(numbers, {}); });
    ASSERT_TRUE(known);
    EXPECT_THAT(sizes, ::testing::ElementsAre(65'536, 65'536, 150'000 - 2 * 65'536));
    ASSERT_EQ(known->size(), 3u);
    EXPECT_EQ(known->at(2).number, number(2 * 65'536 + 1));
    EXPECT_TRUE(ask([&] { return remote.look_up({}, {}); }).value().empty());
    EXPECT_EQ(sizes.size(), 3u);
}

TEST_F(RemoteShardTest, ReadsEvents) {
    using ringpool::EventType;
    ringpool::Event event;
    event.type = EventType::allocation;
    event.number = number(7);
    own.on_events = [&](const ringpool::EventQuery& query, Deadline deadline) {
        EXPECT_EQ(query.after, (ringpool::EventPosition{1, 2}));
        EXPECT_EQ(query.types, ringpool::EventTypes{EventType::allocation});
        EXPECT_EQ(query.patience, milliseconds(20));
        EXPECT_EQ(deadline.time(), in(milliseconds(30)).time());
        return ringpool::EventBatch{{event}, {3, 4}, true};
    };
    const auto batch = ask([&] {
        return remote.events().read(
            {ringpool::EventPosition{1, 2}, {EventType::allocation}, milliseconds(20)},
            in(milliseconds(30)));
    });
    ASSERT_TRUE(batch);
    ASSERT_EQ(batch->events.size(), 1u);
    EXPECT_EQ(batch->events[0].number, number(7));
    EXPECT_EQ(batch->next, (ringpool::EventPosition{3, 4}));
    EXPECT_TRUE(batch->complete);
}

TEST_F(RemoteShardTest, TellsTheDemandForAPool) {
    const std::vector<ops::DemandHour> hours = {{1, 2, 3, 4, 5, 6, -7}};
    own.on_demand = [&](std::string_view id) {
        EXPECT_EQ(id, "autos");
        return hours;
    };
    EXPECT_EQ(ask([&] { return remote.demand("autos", {}); }).value(), hours);
}

TEST_F(RemoteShardTest, SweepsAndReports) {
    std::string swept;
    own.on_pool = [&](std::string_view id) -> Result<void> {
        swept = id;
        return {};
    };
    own.on_report = [](Deadline) -> Result<std::string> {
        return std::string("ringmaster_up 1\n");
    };
    EXPECT_TRUE(ask([&] { return remote.sweep("autos", {}); }));
    EXPECT_EQ(swept, "autos");
    EXPECT_EQ(ask([&] { return remote.report({}); }).value(), "ringmaster_up 1\n");
}

TEST_F(RemoteShardTest, ManyNumbersHoldUpNoAllocation) {
    std::vector<ringpool::PoolNumber> many(100'000, {number(12015550100), {}});
    std::size_t set = 0;
    own.on_set = [&](std::string_view, const std::vector<ringpool::PoolNumber>& wanted) {
        set = wanted.size();
        return NumbersChange();
    };
    const std::vector<ringpool::AllocationRequest> requests = {{0, {"v-81", {}}}};
    std::vector<Allocation> answers(1);
    std::size_t set_before = 1;
    bool changed = false;
    spawn([&] { changed = remote.pools().set_numbers("autos", many).ok(); });
    spawn([&] {
        remote.store().allocate(requests, answers, {});
        set_before = set;
    });
    settle();
    EXPECT_TRUE(changed);
    EXPECT_EQ(set, many.size());
    EXPECT_EQ(answers[0].number, ScriptedShard::number(1).number);
    EXPECT_EQ(set_before, 0u) << "was answered first, though asked for last";
}

TEST_F(RemoteShardTest, AChangeHasTheTimeThatTheShardWasMadeWith) {
    runtime::Event go_on(reactor.scheduler());
    own.on_put_pool = [&](const ringpool::PoolDefinition&) -> Result<bool> {
        go_on.wait();
        return true;
    };
    std::optional<Result<bool>> put;
    spawn([&] { put = remote.pools().put_pool(make_pool("trains")); });
    settle();
    advance(milliseconds(199));
    EXPECT_FALSE(put);
    advance(milliseconds(1));
    ASSERT_TRUE(put && !put->ok());
    EXPECT_EQ(put->error().code, ErrorCode::timeout);
    EXPECT_THAT(put->error().message, HasSubstr("shard 3"));
    EXPECT_EQ(remote.stats().others.timeouts, 1u);
    reactor.enter([&] { go_on.set(); });
    settle();
    EXPECT_EQ(remote.stats().others.late_answers, 1u);
}

TEST_F(RemoteShardTest, WhoIsCancelledWaitsNoMore) {
    runtime::Event go_on(reactor.scheduler());
    own.on_report = [&](Deadline) -> Result<std::string> {
        go_on.wait();
        return std::string();
    };
    const runtime::Task task = spawn([&] { (void)remote.report({}); });
    settle();
    reactor.enter([&] { task.cancel("client left"); });
    settle();
    EXPECT_FALSE(task.is_running());
    EXPECT_EQ(remote.stats().others.under_way, 0u);
    reactor.enter([&] { go_on.set(); });
    settle();
    EXPECT_EQ(remote.stats().others.late_answers, 1u);
}

}  // namespace
}  // namespace ringmaster::shard
