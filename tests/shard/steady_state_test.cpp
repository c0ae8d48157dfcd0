// Once its buffers have grown, a row costs no heap allocation, nor does a caller or a call, on
// neither side: counted in this whole program. Asio takes some memory for each wait and each turn.
// (Not under AddressSanitizer, which has operators of its own.)
#ifndef __SANITIZE_ADDRESS__

#include "ringmaster/shard/peer_service.hpp"
#include "ringmaster/shard/remote_shard.hpp"

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "counted_heap.hpp"
#include "shard/peer_fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

struct SteadyState : ::testing::Test, PeerRuntime {
    static constexpr std::size_t kCallers = 8;

    SteadyState() {
        EXPECT_TRUE(catalog.put(make_pool("autos")));
        for (int i = 0; i < 40; ++i) requests.push_back({0, {"a-session", {}}});
        // Without a text of its own for each answer, which is none of this.
        own.on_allocate = [](ScriptedShard::Requests, ScriptedShard::Answers rows, Deadline) {
            for (auto& row : rows) row.number = ringpool::PhoneNumber::from_digits(7);
        };
        for (std::size_t i = 0; i < kCallers; ++i) {
            reactor.enter([&, i] {
                reactor.scheduler().spawn("caller", [this, i] {
                    while (rounds_wanted > 0) {
                        remote.store().allocate(requests, answers[i], in(std::chrono::hours(1)));
                        ++calls;
                        if (i == 0) end_of_round();
                    }
                });
            });
        }
    }

    void end_of_round() {
        --rounds_wanted;
        if (rounds_wanted == kRounds) before = heap_allocations();
        if (rounds_wanted == 0) count = heap_allocations() - before;
    }

    static constexpr std::size_t kRounds = 100;
    std::size_t rounds_wanted = 2 * kRounds;
    std::size_t calls = 0;
    std::size_t before = 0;
    std::size_t count = 0;
    std::vector<ringpool::AllocationRequest> requests;
    std::array<std::array<ringpool::Allocation, 40>, kCallers> answers;
    ringpool::Catalog catalog;
    ScriptedShard own;
    PeerService service{reactor, log, catalog, own, [](Deadline) { return Result<void>(); }, {}};
    RemoteShard remote{reactor, log, catalog, {}, [this]() -> Result<int> {
                           const auto [ours, theirs] = socket_pair();
                           service.serve(theirs);
                           return ours;
                       }};
};

TEST_F(SteadyState, OnlyAsioAllocates) {
    settle();
    EXPECT_EQ(rounds_wanted, 0u);
    EXPECT_GE(calls, kCallers * kRounds);
    EXPECT_GE(remote.stats().store.rows, kRounds * kCallers * requests.size());
    EXPECT_EQ(answers[kCallers - 1][39].number.digits(), 7u);
    EXPECT_EQ(remote.stats().requests.calls, 2 * kRounds) << "which are all merged";
    constexpr std::size_t kSides = 2;
    constexpr std::size_t kWaitAndTurn = 2;
    EXPECT_LE(count, kRounds * kSides * kWaitAndTurn);
}

}  // namespace
}  // namespace ringmaster::shard

#endif
