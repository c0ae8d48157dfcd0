#include "ringmaster/ringpool/slot_queues.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::ringpool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SlotQueuesTest : public testing::Test {
  protected:
    SlotQueuesTest() {
        for (int i = 0; i < 4; ++i) queues.add_slot();
    }
    std::vector<SlotIndex> contents(SlotQueues::Queue queue) const {
        std::vector<SlotIndex> slots;
        for (SlotIndex i = queues.front(queue); i != kNoSlot; i = queues.next(i))
            slots.push_back(i);
        return slots;
    }
    SlotQueues queues;
};

TEST_F(SlotQueuesTest, BeginEmpty) {
    for (const auto queue :
         {SlotQueues::unused, SlotQueues::touched, SlotQueues::released, SlotQueues::older}) {
        EXPECT_EQ(queues.front(queue), kNoSlot);
    }
}

TEST_F(SlotQueuesTest, KeepTheOrderOfArrival) {
    for (const SlotIndex i : {2u, 0u, 3u}) queues.push_back(SlotQueues::touched, i);
    queues.push_back(SlotQueues::released, 1);
    EXPECT_THAT(contents(SlotQueues::touched), ElementsAre(2, 0, 3));
    EXPECT_THAT(contents(SlotQueues::released), ElementsAre(1));
}

TEST_F(SlotQueuesTest, LetASlotLeaveFromAnywhere) {
    for (const SlotIndex i : {0u, 1u, 2u, 3u}) queues.push_back(SlotQueues::touched, i);
    queues.remove(1);
    EXPECT_THAT(contents(SlotQueues::touched), ElementsAre(0, 2, 3));
    queues.remove(0);
    EXPECT_THAT(contents(SlotQueues::touched), ElementsAre(2, 3));
    queues.remove(3);
    EXPECT_THAT(contents(SlotQueues::touched), ElementsAre(2));
    queues.remove(2);
    EXPECT_THAT(contents(SlotQueues::touched), IsEmpty());
    queues.push_back(SlotQueues::older, 3);
    EXPECT_THAT(contents(SlotQueues::older), ElementsAre(3));
}

TEST_F(SlotQueuesTest, DoNotMindRemovingWhatIsInNone) {
    queues.push_back(SlotQueues::touched, 1);
    queues.remove(0);
    queues.remove(1);
    queues.remove(1);
    EXPECT_EQ(queues.front(SlotQueues::touched), kNoSlot);
    queues.push_back(SlotQueues::touched, 1);
    EXPECT_THAT(contents(SlotQueues::touched), ElementsAre(1));
}

}  // namespace
}  // namespace ringmaster::ringpool
