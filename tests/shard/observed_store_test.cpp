#include "ringmaster/shard/observed_store.hpp"

#include <array>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using ringpool::Allocation;
using ringpool::AllocationRequest;
using ringpool::Event;
using ringpool::EventRing;
using ringpool::EventType;
using ringpool::OverflowReason;
using ringpool::PhoneNumber;

const std::string kContext("\1\1\0nv", 5);

class ObservedStoreTest : public ::testing::Test {
  protected:
    ObservedStoreTest() {
        EXPECT_TRUE(catalog.put(test_pool("autos")));
        EXPECT_TRUE(catalog.put(test_pool("strict", false)));
        runtime.settle();
        // A new hold, one that goes on, an overflow number, and none.
        inner.on_allocate = [this](FakeStore::Requests requests, FakeStore::Answers answers,
                                   Deadline) {
            answers[0] = allocated(12015550101);
            answers[0].is_new = true;
            answers[0].expires_at = runtime.clock.wall_now() + std::chrono::minutes(30);
            answers[1] = allocated(12015550102);
            for (std::size_t i : {2u, 3u}) {
                answers[i] = ringpool::overflow_allocation(catalog.at(requests[i].pool),
                                                           OverflowReason::exhausted);
            }
        };
        inner.on_release = [this](ringpool::PoolIndex, Deadline) { return released; };
    }
    std::array<Allocation, 4> allocate() {
        const std::array<AllocationRequest, 4> requests{{{0, {"a", ringpool::Context(kContext)}},
                                                         {0, {"b", {}}},
                                                         {0, {std::nullopt, {}}},
                                                         {1, {"d", {}}}}};
        std::array<Allocation, 4> answers;
        store.allocate(requests, answers, {});
        return answers;
    }
    std::vector<Event> seen() {
        std::vector<Event> events;
        for (auto i = ring.begin(); i < ring.end(); ++i) events.push_back(ring.at(i));
        return events;
    }

    runtime::ManualScheduler runtime;
    ringpool::Catalog catalog;
    FakeStore inner;
    Result<void> released;
    EventRing ring{{EventType::allocation, EventType::overflow, EventType::release},
                   {EventType::touch},
                   1 << 20};
    ObservedStore store{inner, catalog, runtime.scheduler, ring};
};

TEST_F(ObservedStoreTest, SeesWhatClientsWereAnswered) {
    ring.ask({EventType::touch}, runtime.scheduler.now());
    const auto answers = allocate();
    EXPECT_EQ(answers[1].number, PhoneNumber::from_digits(12015550102));
    const auto events = seen();
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(events[0].type, EventType::allocation);
    EXPECT_EQ(events[0].time, runtime.scheduler.wall_now());
    EXPECT_EQ(events[0].pool_id, "autos");
    EXPECT_EQ(events[0].number, PhoneNumber::from_digits(12015550101));
    EXPECT_EQ(events[0].session_id, "a");
    EXPECT_EQ(events[0].context, kContext);
    EXPECT_EQ(events[0].expires_at, answers[0].expires_at);
    EXPECT_EQ(events[1].type, EventType::touch);
    EXPECT_EQ(events[2].type, EventType::overflow);
    EXPECT_EQ(events[2].reason, OverflowReason::exhausted);
    EXPECT_EQ(events[2].number, PhoneNumber::from_digits(18005550100));
    EXPECT_FALSE(events[2].session_id);
    EXPECT_FALSE(events[2].expires_at);
    EXPECT_EQ(events[3].type, EventType::overflow);
    EXPECT_EQ(events[3].pool_id, "strict");
    EXPECT_FALSE(events[3].number);
}

TEST_F(ObservedStoreTest, SeesReleasesThatHappened) {
    ring.ask({EventType::release}, runtime.scheduler.now());
    const auto number = PhoneNumber::from_digits(12015550101);
    EXPECT_TRUE(store.release(0, number, {"a", {}}, {}));
    released = Error{ErrorCode::not_found, "nobody has it"};
    EXPECT_EQ(store.release(0, number, {"b", {}}, {}).error().code, ErrorCode::not_found);
    const auto events = seen();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].type, EventType::release);
    EXPECT_EQ(events[0].number, number);
    EXPECT_EQ(events[0].session_id, "a");
}

TEST_F(ObservedStoreTest, WhileNobodyAsksAllIsOnlyCounted) {
    allocate();
    EXPECT_TRUE(store.release(0, PhoneNumber::from_digits(12015550101), {"a", {}}, {}));
    EXPECT_EQ(ring.end(), 4u) << "but for the touch";
    EXPECT_TRUE(seen().empty());
    inner.readiness = Error{ErrorCode::unavailable, "the disk is full"};
    EXPECT_FALSE(store.ready());
}

}  // namespace
}  // namespace ringmaster::shard
