#include "ringmaster/ringpool/event_ring.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using std::chrono::seconds;

constexpr EventTypes kOverflow{EventType::overflow};

class EventRingTest : public ::testing::Test {
  protected:
    /// As its user does it.
    void happens(EventRing& ring, EventType type, std::string session = "") {
        if (!ring.wants(type, now_)) return;
        Event event;
        event.type = type;
        event.session_id = std::move(session);
        ring.add(std::move(event));
    }
    SteadyTime now_{seconds(1000)};
};

TEST_F(EventRingTest, CountsAllAndKeepsThoseForWhichSomebodyAsks) {
    EventRing ring(kOverflow, {}, 10'000);
    for (int i = 0; i < 3; ++i) happens(ring, EventType::overflow);
    happens(ring, EventType::allocation);
    EXPECT_EQ(ring.end(), 3u);
    EXPECT_EQ(ring.begin(), 3u);

    ring.ask(kOverflow, now_);
    happens(ring, EventType::overflow, "a");
    happens(ring, EventType::allocation, "b");
    now_ += EventRing::kLinger - seconds(1);
    happens(ring, EventType::overflow, "c");
    ASSERT_EQ(ring.begin(), 3u);
    ASSERT_EQ(ring.end(), 5u);
    EXPECT_EQ(ring.at(3).session_id, "a");
    EXPECT_EQ(ring.at(4).session_id, "c");
    EXPECT_EQ(ring.at(4).position.number, 5u);

    // What is kept has no holes.
    now_ += seconds(1);
    happens(ring, EventType::overflow);
    EXPECT_EQ(ring.begin(), 6u);
    EXPECT_EQ(ring.end(), 6u);
}

TEST_F(EventRingTest, TheOldestGo) {
    EventRing ring(kOverflow, {}, 10'000);
    ring.ask(kOverflow, now_);
    for (int i = 0; i < 20; ++i) {
        happens(ring, EventType::overflow, std::to_string(i) + std::string(1000, 'x'));
    }
    EXPECT_EQ(ring.end(), 20u);
    EXPECT_GT(ring.begin(), 10u);
    EXPECT_LT(ring.begin(), 15u);
    EXPECT_TRUE(ring.at(19).session_id->starts_with("19x"));
    EXPECT_TRUE(ring.at(ring.begin()).session_id->starts_with(std::to_string(ring.begin()) + "x"));
}

TEST_F(EventRingTest, OneThatIsLargerThanAllIsCountedOnly) {
    EventRing ring(kOverflow, {}, 1000);
    ring.ask(kOverflow, now_);
    happens(ring, EventType::overflow, std::string(2000, 'x'));
    EXPECT_EQ(ring.begin(), 1u);
    EXPECT_EQ(ring.end(), 1u);
}

TEST_F(EventRingTest, ThoseThatAreOftenAreNotEvenCountedUnlessSomebodyAsksForThem) {
    EventRing ring(kOverflow, {EventType::touch}, 10'000);
    happens(ring, EventType::touch);
    EXPECT_EQ(ring.end(), 0u);
    ring.ask(kOverflow, now_);
    happens(ring, EventType::touch);
    EXPECT_EQ(ring.end(), 0u);
    ring.ask({EventType::touch}, now_);
    happens(ring, EventType::touch);
    EXPECT_EQ(ring.end(), 1u);
    EXPECT_EQ(ring.begin(), 0u);
    // Others go on asking, but not for these.
    now_ += EventRing::kLinger;
    ring.ask(kOverflow, now_);
    happens(ring, EventType::touch);
    EXPECT_EQ(ring.end(), 1u);
}

}  // namespace
}  // namespace ringmaster::ringpool
