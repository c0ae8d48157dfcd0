#include "ringmaster/runtime/channel.hpp"

#include <memory>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::runtime {
namespace {

using std::chrono::milliseconds;

TEST(Channel, GivesEveryValueOnceInOrderAndNeverHoldsMoreThanItsCapacity) {
    ManualScheduler manual;
    Channel<std::unique_ptr<int>> channel(manual.scheduler, 3);
    std::vector<int> received;
    std::size_t most = 0;
    manual.spawn([&] {
        for (int i = 0; i < 100; ++i) {
            ASSERT_TRUE(channel.send(std::make_unique<int>(i)));
            most = std::max(most, channel.size());
        }
        channel.close();
    });
    manual.spawn([&] {
        while (auto value = channel.receive()) received.push_back(**value);
    });
    manual.settle();
    ASSERT_EQ(received.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(received[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(most, 3u);
}

TEST(Channel, ASenderWaitsWhileItIsFullAndGivesUpAtItsDeadline) {
    ManualScheduler manual;
    Channel<int> channel(manual.scheduler, 1);
    std::string trace;
    manual.spawn([&] {
        EXPECT_TRUE(channel.send(1));
        EXPECT_FALSE(channel.send(2, manual.in(milliseconds(5))));
        trace += "gave up ";
        EXPECT_TRUE(channel.send(3));
        trace += "sent ";
    });
    manual.settle();
    manual.advance(milliseconds(5));
    EXPECT_EQ(trace, "gave up ");
    manual.spawn([&] {
        EXPECT_EQ(channel.receive(), 1);
        EXPECT_EQ(channel.receive(), 3) << "what was given up was dropped";
    });
    manual.settle();
    EXPECT_EQ(trace, "gave up sent ");
}

TEST(Channel, AReceiverGivesUpAtItsDeadline) {
    ManualScheduler manual;
    Channel<int> channel(manual.scheduler, 1);
    std::optional<int> value = 7;
    manual.spawn([&] { value = channel.receive(manual.in(milliseconds(5))); });
    manual.settle();
    EXPECT_EQ(value, 7);
    manual.advance(milliseconds(5));
    EXPECT_EQ(value, std::nullopt);
}

TEST(Channel, ClosingWakesEveryoneAndKeepsWhatWasSent) {
    ManualScheduler manual;
    Channel<int> channel(manual.scheduler, 1);
    int refused = 0;
    manual.spawn([&] { EXPECT_TRUE(channel.send(1)); });
    for (int i = 0; i < 2; ++i) {
        manual.spawn([&] { refused += channel.send(2) ? 0 : 1; });
    }
    manual.settle();
    channel.close();
    manual.settle();
    EXPECT_EQ(refused, 2);
    EXPECT_TRUE(channel.closed());
    manual.spawn([&] {
        EXPECT_EQ(channel.receive(), 1);
        EXPECT_EQ(channel.receive(), std::nullopt);
        EXPECT_FALSE(channel.send(3));
    });
    manual.settle();

    Channel<int> empty(manual.scheduler, 1);
    int ended = 0;
    for (int i = 0; i < 2; ++i) {
        manual.spawn([&] { ended += empty.receive() ? 0 : 1; });
    }
    manual.settle();
    empty.close();
    manual.settle();
    EXPECT_EQ(ended, 2);
}

TEST(Channel, ACancelledReceiverTakesNothing) {
    ManualScheduler manual;
    Channel<int> channel(manual.scheduler, 1);
    const Task task = manual.scheduler.spawn("first", [&] { channel.receive(); });
    std::optional<int> second;
    manual.spawn([&] { second = channel.receive(); });
    manual.settle();
    task.cancel("");
    manual.spawn([&] { EXPECT_TRUE(channel.send(5)); });
    manual.settle();
    EXPECT_EQ(second, 5);
}

}  // namespace
}  // namespace ringmaster::runtime
