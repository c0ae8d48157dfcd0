#include "ringmaster/ops/demand.hpp"

#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::ops {

static void PrintTo(const DemandHour& h, std::ostream* out) {
    *out << h.hour << ": " << h.observed_ms << " ms, " << h.allocations << " allocations, "
         << h.new_holds << " new, " << h.exhausted << " exhausted, " << h.early_reissues
         << " early, extended " << h.extended_ms << " ms";
}

namespace {

using namespace std::chrono_literals;
using ringpool::PoolCounters;
using Hours = std::vector<DemandHour>;

constexpr std::int64_t kHour = 498'789;

WallTime at(std::chrono::milliseconds into_the_hour) {
    return WallTime(std::chrono::hours(kHour)) + into_the_hour;
}

/// All different; those of the other reasons for overflow are no demand.
PoolCounters counted(std::uint64_t n) {
    return {.allocations = 50 * n,
            .new_holds = 20 * n,
            .releases = 7 * n,
            .overflows = {5 * n, 1000 * n, 2000 * n, 3000 * n},
            .early_reissues = 2 * n,
            .extended_ms = -static_cast<std::int64_t>(9 * n)};
}

TEST(PoolDemand, CountsWhatCameBetweenTwoLooks) {
    PoolDemand demand;
    demand.add_sample(counted(1), counted(3), at(10min), 1min);
    EXPECT_EQ(demand.hours(), (Hours{{kHour, 60'000, 100, 40, 10, 4, -18}}));
    demand.add_sample(counted(3), counted(4), at(11min), 1min);
    EXPECT_EQ(demand.hours(), (Hours{{kHour, 120'000, 150, 60, 15, 6, -27}}));
}

TEST(PoolDemand, PutsASampleDownToTheHourOfItsMiddle) {
    PoolDemand demand;
    demand.add_sample({}, counted(1), at(29s), 1min);
    demand.add_sample({}, counted(1), at(30s), 1min);
    ASSERT_EQ(demand.hours().size(), 2u);
    EXPECT_EQ(demand.hours()[0].hour, kHour - 1);
    EXPECT_EQ(demand.hours()[1].hour, kHour);
}

TEST(PoolDemand, TakesCountersThatWentDownForNewOnes) {
    PoolDemand demand;
    demand.add_sample(counted(9), counted(2), at(10min), 1min);
    EXPECT_EQ(demand.hours(), (Hours{{kHour, 60'000, 100, 40, 10, 4, -18}}));
}

// The store takes back what it could not make durable.
TEST(PoolDemand, TakesFewerAllocationsForNone) {
    PoolCounters after = counted(1);
    after.allocations -= 1;
    PoolDemand demand;
    demand.add_sample(counted(1), after, at(10min), 1min);
    EXPECT_EQ(demand.hours(), (Hours{{kHour, 60'000, 0, 0, 0, 0, 0}}));
}

TEST(PoolDemand, KeepsItsOrderWhenTheWallClockGoesBack) {
    PoolDemand demand;
    for (const auto hour : {5h, 3h, 4h, 3h}) demand.add_sample({}, counted(1), at(hour + 1min), 1s);
    ASSERT_EQ(demand.hours().size(), 3u);
    EXPECT_EQ(demand.hours()[0], (DemandHour{kHour + 3, 2000, 100, 40, 10, 4, -18}));
    EXPECT_EQ(demand.hours()[1].hour, kHour + 4);
    EXPECT_EQ(demand.hours()[2].hour, kHour + 5);
}

TEST(PoolDemand, ForgetsWhatIsOld) {
    PoolDemand demand(Hours{{.hour = 1}, {.hour = 2}, {.hour = 90}, {.hour = 100}});
    demand.keep(98);
    EXPECT_EQ(demand.hours(), (Hours{{.hour = 90}, {.hour = 100}}));
    demand.keep(11);
    EXPECT_EQ(demand.hours().size(), 2u);
    demand.keep(10);
    EXPECT_EQ(demand.hours(), (Hours{{.hour = 100}}));
    PoolDemand().keep(1);
}

TEST(PoolDemand, AddsWhatOthersSawBesideIt) {
    PoolDemand demand(Hours{{1, 100, 2, 3, 4, 5, 6}, {2, 100, 2, 3, 4, 5, 6}});
    demand.add_beside(PoolDemand(Hours{{2, 70, 10, 20, 30, 40, -50}, {3, 70, 1, 1, 1, 1, 1}}));
    EXPECT_EQ(
        demand.hours(),
        (Hours{{1, 100, 2, 3, 4, 5, 6}, {2, 100, 12, 23, 34, 45, -44}, {3, 70, 1, 1, 1, 1, 1}}));
}

// -------------------------------------------------------------------------------------------------

constexpr std::string_view kText =
    "ringmaster demand 1\n"
    "hour observed_ms allocations new_holds exhausted early_reissues extended_ms\n"
    "498788 3600000 120 80 5 1 90000\n"
    "498789 60000 0 0 0 0 -7\n"
    "end 2\n";

TEST(DemandFile, SaysWhatItIsToSay) {
    const PoolDemand demand(
        Hours{{498'788, 3'600'000, 120, 80, 5, 1, 90'000}, {498'789, 60'000, 0, 0, 0, 0, -7}});
    EXPECT_EQ(encode_demand(demand), kText);
    EXPECT_EQ(decode_demand(kText).value().hours(), demand.hours());
    EXPECT_TRUE(decode_demand(encode_demand(PoolDemand())).value().hours().empty());
}

TEST(DemandFile, IsRefusedWhereverItIsTorn) {
    for (std::size_t bytes = 0; bytes < kText.size(); ++bytes) {
        const auto read = decode_demand(kText.substr(0, bytes));
        ASSERT_FALSE(read) << bytes;
        EXPECT_EQ(read.error().code, ErrorCode::damaged);
    }
}

TEST(DemandFile, IsRefusedWithTheLineThatIsWrong) {
    const auto problem = [](std::string_view wrong, std::string_view good) {
        std::string text(kText);
        text.replace(text.find(good), good.size(), wrong);
        const auto read = decode_demand(text);
        return read ? std::string("none") : read.error().message;
    };
    EXPECT_EQ(problem("ringmaster demand 2", "ringmaster demand 1"),
              "line 1: expected ringmaster demand 1");
    EXPECT_EQ(problem("hours", "hour"),
              "line 2: expected hour observed_ms allocations new_holds "
              "exhausted early_reissues extended_ms");
    const std::string numbers = "line 3: expected an hour's seven numbers, or the end";
    for (const char* line : {"", "498788 3600000 120 80 5 1", "498788 3600000 120 80 5 1 90000 1",
                             "498788 3600000 120 80 5 1 x", "498788 -1 120 80 5 1 90000",
                             "-1 3600000 120 80 5 1 90000", "498788  3600000 120 80 5 1 90000",
                             "498788 3600000 120 281474976710656 5 1 90000",
                             "498788 3600000 120 80 5 1 -281474976710656", "end 2"}) {
        EXPECT_EQ(problem(line, "498788 3600000 120 80 5 1 90000"), numbers) << line;
    }
    EXPECT_EQ(problem("498788", "498789"), "line 4: expected a later hour");
    EXPECT_EQ(problem("end 3", "end 2"), "line 5: expected an hour's seven numbers, or the end");
    EXPECT_EQ(problem("end 2\n\n", "end 2\n"), "line 6: expected nothing");
}

TEST(DemandFile, HasABound) {
    PoolDemand most;
    for (std::size_t i = 0; i < kMostDemandHours; ++i) {
        most.add_sample({}, {}, at(std::chrono::hours(i)), 0s);
    }
    EXPECT_TRUE(decode_demand(encode_demand(most)));
    most.add_sample({}, {}, at(std::chrono::hours(kMostDemandHours)), 0s);
    EXPECT_FALSE(decode_demand(encode_demand(most)));
}

}  // namespace
}  // namespace ringmaster::ops
