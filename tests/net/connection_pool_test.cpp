#include "ringmaster/net/connection_pool.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::net {
namespace {

using runtime::ManualScheduler;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

struct FakeConnection {
    explicit FakeConnection(int n, int& open) : number(n), open_count(open) { ++open_count; }
    ~FakeConnection() { --open_count; }
    bool usable() const noexcept { return !broken; }
    int number;
    int& open_count;
    bool broken = false;
};
using Pool = ConnectionPool<FakeConnection>;

struct ConnectionPoolTest : ::testing::Test {
    static ConnectionPoolOptions options() {
        return {.name = "redis",
                .size = 2,
                .checkout_timeout = milliseconds(100),
                .idle_timeout = milliseconds(1000),
                .max_age = milliseconds(5000),
                .reap_period = milliseconds(300)};
    }
    Result<std::unique_ptr<FakeConnection>> connect(Deadline deadline) {
        asked_until = deadline;
        if (connect_time.count() > 0) {
            manual.scheduler.sleep_until(manual.scheduler.now() + connect_time);
        }
        if (failing) return Error{ErrorCode::unavailable, "connection refused"};
        if (throwing) throw std::runtime_error("out of descriptors");
        return std::make_unique<FakeConnection>(++made, open);
    }
    /// Checks out in a fiber of its own, and gives back after `hold`. The numbers of the
    /// connections that were had stand in `had`, in order.
    void use(milliseconds hold, bool breaks = false) {
        manual.spawn([this, hold, breaks] {
            auto lease = pool.checkout();
            if (!lease) return errors.push_back(lease.error().message);
            had.push_back((*lease)->number);
            if (hold.count() > 0) {
                manual.scheduler.sleep_until(manual.scheduler.now() + hold);
            }
            (*lease)->broken = breaks;
        });
        manual.settle();
    }

    ManualScheduler manual;
    int made = 0;
    int open = 0;
    bool failing = false;
    bool throwing = false;
    milliseconds connect_time{0};
    Deadline asked_until;
    std::vector<int> had;
    std::vector<std::string> errors;
    Pool pool{manual.scheduler, options(), [this](Deadline deadline) { return connect(deadline); }};
};

TEST_F(ConnectionPoolTest, MakesOneOnlyWhereNoneIsIdleAndLendsTheOneUsedLast) {
    use(milliseconds(10));
    use(milliseconds(20));
    manual.advance(milliseconds(30));
    EXPECT_EQ(pool.stats().idle, 2u);
    use(milliseconds(0));
    use(milliseconds(0));
    EXPECT_THAT(had, ElementsAre(1, 2, 2, 2));
    EXPECT_EQ(open, 2);
}

TEST_F(ConnectionPoolTest, WaitersAreServedInTheOrderInWhichTheyCame) {
    use(milliseconds(10));
    use(milliseconds(20));
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {
        manual.spawn([&, i] {
            const auto lease = pool.checkout();
            ASSERT_TRUE(lease);
            order.push_back(i);
            manual.scheduler.yield();
        });
    }
    manual.settle();
    const auto stats = pool.stats();
    EXPECT_EQ(stats.size, 2u);
    EXPECT_EQ(stats.connections, 2u);
    EXPECT_EQ(stats.busy, 2u);
    EXPECT_EQ(stats.waiting, 3u);
    EXPECT_EQ(stats.idle, 0u);
    manual.advance(milliseconds(10));
    manual.advance(milliseconds(10));
    EXPECT_THAT(order, ElementsAre(0, 1, 2));
    EXPECT_EQ(pool.stats().waiting, 0u);
    EXPECT_EQ(made, 2);
}

TEST_F(ConnectionPoolTest, TellsHowLongTheyWereLentAndWaitedFor) {
    connect_time = milliseconds(5);  // neither
    use(milliseconds(10));
    use(milliseconds(30));
    use(milliseconds(40));  // waits until 15, and has one until 55
    for (int i = 0; i < 60; ++i) {
        manual.advance(milliseconds(1));
        if (i != 20) continue;
        EXPECT_EQ(pool.stats().lent, milliseconds(10)) << "the others still are";
    }
    EXPECT_EQ(pool.stats().checkouts, 3u);
    EXPECT_EQ(pool.stats().lent, milliseconds(80));
    EXPECT_EQ(pool.stats().waited, milliseconds(15));
}

TEST_F(ConnectionPoolTest, TheErrorTellsPoolWaitAndLimit) {
    use(milliseconds(500));
    use(milliseconds(500));
    use(milliseconds(0));
    manual.advance(milliseconds(100));
    EXPECT_THAT(errors, ElementsAre("no connection of pool 'redis' became free within 100 ms: all "
                                    "2 are in use, and 0 others wait"));
    EXPECT_EQ(pool.stats().timeouts, 1u);
    EXPECT_EQ(pool.stats().checkouts, 3u);
    manual.advance(milliseconds(400));
}

TEST_F(ConnectionPoolTest, TheCallersDeadlineCountsWhereItIsSooner) {
    use(milliseconds(500));
    use(milliseconds(500));
    std::optional<ErrorCode> code;
    manual.spawn([&] { code = pool.checkout(manual.in(milliseconds(5))).error().code; });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_EQ(code, ErrorCode::timeout);
    manual.advance(milliseconds(495));

    pool.reap();
    std::optional<SteadyTime> until;
    manual.advance(milliseconds(2000));  // none is idle any more
    manual.spawn([&] {
        until = manual.in(milliseconds(7)).time();
        EXPECT_TRUE(pool.checkout(manual.in(milliseconds(7))));
    });
    manual.settle();
    EXPECT_EQ(asked_until.time(), until) << "making one is part of the wait";
}

TEST_F(ConnectionPoolTest, AFiberThatChecksOutTwiceGetsTwo) {
    manual.spawn([&] {
        const auto one = pool.checkout();
        const auto other = pool.checkout();
        ASSERT_TRUE(one && other);
        EXPECT_NE(&**one, &**other);
    });
    manual.settle();
    EXPECT_EQ(made, 2);
}

TEST_F(ConnectionPoolTest, ABrokenOneIsNeverLentAgain) {
    use(milliseconds(0), true);
    EXPECT_EQ(open, 0);
    use(milliseconds(0));
    EXPECT_THAT(had, ElementsAre(1, 2));

    use(milliseconds(10), true);
    use(milliseconds(50));
    use(milliseconds(0));  // waits for one of them
    manual.advance(milliseconds(10));
    EXPECT_THAT(had, ElementsAre(1, 2, 2, 3, 4)) << "who waited gets a new one for the broken one";
    manual.advance(milliseconds(50));
}

TEST_F(ConnectionPoolTest, ANewOneTakesThePlaceOfTheIdleOneUsedLeast) {
    use(milliseconds(10));
    use(milliseconds(20));
    manual.advance(milliseconds(20));
    manual.spawn([&] {
        const auto lease = pool.checkout_new();
        ASSERT_TRUE(lease);
        EXPECT_EQ((*lease)->number, 3);
        EXPECT_FALSE(lease->reused());
        EXPECT_EQ(open, 2) << "no more than there may be";
        const auto other = pool.checkout();
        EXPECT_EQ((*other)->number, 2);
        EXPECT_TRUE(other->reused());
    });
    manual.settle();
    EXPECT_EQ(open, 2);
}

TEST_F(ConnectionPoolTest, OneThatBreaksWhileItIsLentIsCountedAsDead) {
    manual.spawn([&] {
        const auto lease = pool.checkout();
        (*lease)->broken = true;
        EXPECT_EQ(pool.stats().dead, 1u);
        EXPECT_EQ(pool.stats().busy, 0u);
        EXPECT_EQ(pool.stats().connections, 1u);
    });
    manual.settle();
    EXPECT_EQ(pool.stats().dead, 0u);
    EXPECT_EQ(pool.stats().connections, 0u);
}

TEST_F(ConnectionPoolTest, OneThatBreaksWhileItIsIdleIsNotLent) {
    FakeConnection* connection = nullptr;
    manual.spawn([&] { connection = &**pool.checkout(); });
    manual.settle();
    connection->broken = true;
    use(milliseconds(0));
    EXPECT_THAT(had, ElementsAre(2));
    EXPECT_EQ(open, 1);
}

TEST_F(ConnectionPoolTest, TheReaperClosesWhatHasBeenIdleTooLong) {
    use(milliseconds(10));
    use(milliseconds(20));
    manual.advance(milliseconds(20));
    for (int i = 0; i < 5; ++i) {  // the last one stays in use
        manual.advance(milliseconds(300));
        use(milliseconds(0));
    }
    EXPECT_EQ(open, 1);
    EXPECT_EQ(pool.stats().reaped, 1u);
    manual.advance(milliseconds(1300));
    EXPECT_EQ(open, 0);
    EXPECT_EQ(pool.stats().reaped, 2u);
}

TEST_F(ConnectionPoolTest, OneThatIsTooOldIsClosedHoweverMuchItIsUsed) {
    for (int i = 0; i < 60; ++i) {
        use(milliseconds(0));
        manual.advance(milliseconds(100));
    }
    EXPECT_EQ(made, 2) << "the first was 5 seconds old";
    EXPECT_EQ(open, 1);
}

TEST_F(ConnectionPoolTest, AFailureToConnectGoesToWhoAskedAndCostsNoRoom) {
    failing = true;
    for (int i = 0; i < 5; ++i) use(milliseconds(0));
    EXPECT_EQ(errors, std::vector<std::string>(5, "connection refused"));
    EXPECT_EQ(pool.stats().failures, 5u);
    EXPECT_EQ(pool.stats().connections, 0u);
    failing = false;
    throwing = true;
    use(milliseconds(0));
    EXPECT_EQ(manual.log.lines.size(), 1u);
    throwing = false;
    use(milliseconds(0));
    EXPECT_THAT(had, ElementsAre(1));
}

TEST_F(ConnectionPoolTest, WhoWaitsMakesItsOwnWhereAnotherFailedTo) {
    connect_time = milliseconds(10);
    failing = true;
    use(milliseconds(0));
    use(milliseconds(0));
    use(milliseconds(0));
    EXPECT_EQ(pool.stats().connections, 2u) << "those that are being made";
    EXPECT_EQ(pool.stats().waiting, 1u);
    manual.advance(milliseconds(10));
    failing = false;
    manual.advance(milliseconds(10));
    EXPECT_EQ(errors.size(), 2u);
    EXPECT_THAT(had, ElementsAre(1));
}

TEST_F(ConnectionPoolTest, ACancelledWaiterLeavesItsPlaceToTheNext) {
    use(milliseconds(10));
    use(milliseconds(10));
    const runtime::Task waiter = manual.scheduler.spawn("waiter", [&] { (void)pool.checkout(); });
    manual.settle();
    use(milliseconds(0));
    EXPECT_EQ(pool.stats().waiting, 2u);
    waiter.cancel("gone");
    manual.settle();
    EXPECT_EQ(pool.stats().waiting, 1u);
    manual.advance(milliseconds(10));
    EXPECT_THAT(had, ElementsAre(1, 2, 2));
}

}  // namespace
}  // namespace ringmaster::net
