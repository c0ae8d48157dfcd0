#include "ringmaster/ringpool/events.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

TEST(EventTypes, AreASet) {
    constexpr EventTypes some{EventType::touch, EventType::lost};
    EXPECT_TRUE(some.has(EventType::touch));
    EXPECT_TRUE(some.has(EventType::lost));
    EXPECT_FALSE(some.has(EventType::release));
    EXPECT_TRUE(EventTypes().empty());
    EXPECT_FALSE(some.empty());
    EXPECT_EQ(some | EventTypes{EventType::release},
              (EventTypes{EventType::lost, EventType::release, EventType::touch}));
    EXPECT_EQ((some & EventTypes{EventType::release, EventType::touch}),
              EventTypes{EventType::touch});
    EXPECT_TRUE(some.has_all({EventType::touch}));
    EXPECT_TRUE(some.has_all({}));
    EXPECT_FALSE(some.has_all({EventType::touch, EventType::release}));
    EXPECT_EQ(EventTypes::from_bits(some.bits()), some);
    EXPECT_EQ(EventTypes::from_bits(0xff).bits(), 0x1f) << "there are no others";
}

TEST(EventPositions, AreReadAsTheyWereWritten) {
    const EventPositions positions{EventPosition{0x100000040, 0}, std::nullopt,
                                   EventPosition{~std::uint64_t{0}, 0x1f}};
    const std::string text = to_text(positions);
    EXPECT_EQ(text, "100000040-0,x,ffffffffffffffff-1f");
    EXPECT_EQ(parse_event_positions(text, 3), positions);
    EXPECT_EQ(parse_event_positions("x", 3), EventPositions(1));
}

TEST(EventPositions, WhatIsNoneIsRefused) {
    for (const char* bad :
         {"", ",", "1", "-", "1-", "-1", "1-2,", "1-2,,3-4", "1-2-3", "g-1", "+1-1", "1-+1", " 1-1",
          "1-1 ", "0x1-1", "11111111111111111-1", "xx", "X", "1-1,y"}) {
        EXPECT_FALSE(parse_event_positions(bad, 10)) << bad;
    }
    EXPECT_FALSE(parse_event_positions("1-1,2-2", 1)) << "too many";
    EXPECT_TRUE(parse_event_positions("1-1,2-2", 2));
}

}  // namespace
}  // namespace ringmaster::ringpool
