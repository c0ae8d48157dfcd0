#include "ringmaster/shard/own_events.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include "store/support.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::Event;
using ringpool::EventBatch;
using ringpool::EventPosition;
using ringpool::EventQuery;
using ringpool::EventRing;
using ringpool::EventSource;
using ringpool::EventType;
using ringpool::EventTypes;
using ::testing::ElementsAre;

constexpr EventTypes kOverflow{EventType::overflow};
constexpr EventTypes kUsual{EventType::allocation, EventType::overflow, EventType::release};

std::string text_of(const Event& event) {
    if (event.type != EventType::lost) {
        return std::string(to_string(event.type)) + " " + event.session_id.value_or("-");
    }
    std::string text = "lost " + (event.count ? std::to_string(*event.count) : "?");
    for (const auto type : {EventType::allocation, EventType::overflow, EventType::release}) {
        if (event.lost.has(type)) text += " " + std::string(to_string(type));
    }
    return text;
}
std::vector<std::string> texts(const EventBatch& batch) {
    std::vector<std::string> texts;
    for (const Event& event : batch.events) texts.push_back(text_of(event));
    return texts;
}

Event make_event(EventType type, std::string session) {
    Event event;
    event.type = type;
    event.session_id = std::move(session);
    return event;
}

// --- in memory alone -----------------------------------------------------------------------------

class OwnEventsInMemory : public ::testing::Test {
  protected:
    OwnEventsInMemory() { runtime.settle(); }

    void happens(EventType type, std::string session) {
        if (ring.wants(type, runtime.scheduler.now())) {
            ring.add(make_event(type, std::move(session)));
        }
    }
    /// Whose answer comes at once.
    EventBatch read(std::optional<EventPosition> after, EventTypes types = kUsual) {
        std::optional<EventBatch> batch;
        runtime.spawn([&] { batch = events.read({after, types, {}}, {}).value(); });
        runtime.settle();
        if (!batch) throw std::runtime_error("no answer");
        return *batch;
    }

    runtime::ManualScheduler runtime;
    EventRing ring{kUsual, {EventType::touch}, 4096};
    OwnEvents events{runtime.scheduler, ring, 77};
};

TEST_F(OwnEventsInMemory, BeginsNow) {
    happens(EventType::allocation, "before");
    const EventBatch batch = read(std::nullopt);
    EXPECT_TRUE(batch.events.empty());
    EXPECT_TRUE(batch.complete);
    EXPECT_EQ(batch.next, (EventPosition{77, 1}));
}

TEST_F(OwnEventsInMemory, TellsWhatCameAfterAPosition) {
    const EventPosition begin = read(std::nullopt).next;
    happens(EventType::allocation, "a");
    happens(EventType::overflow, "b");
    happens(EventType::release, "c");
    const EventBatch all = read(begin);
    EXPECT_THAT(texts(all), ElementsAre("allocation a", "overflow b", "release c"));
    EXPECT_TRUE(all.complete);
    EXPECT_THAT(texts(read(all.events[0].position)), ElementsAre("overflow b", "release c"));
    EXPECT_THAT(texts(read(begin, kOverflow)), ElementsAre("overflow b"));
    EXPECT_EQ(read(begin, kOverflow).next, all.next);
    EXPECT_THAT(texts(read(all.next)), ElementsAre());
    EXPECT_THAT(texts(read(EventPosition{77, 1000})), ElementsAre()) << "there is no such";
}

TEST_F(OwnEventsInMemory, TellsHowManyHadToGo) {
    const EventPosition begin = read(std::nullopt).next;
    for (int i = 0; i < 10; ++i) happens(EventType::overflow, std::string(1000, 'x'));
    const EventBatch batch = read(begin, ring.types());
    ASSERT_EQ(batch.events.front().type, EventType::lost);
    ASSERT_TRUE(batch.events.front().count);
    EXPECT_EQ(*batch.events.front().count + batch.events.size() - 1, 10u);
    EXPECT_EQ(batch.events.front().lost, ring.types());
    // Of which types they were is not known.
    EXPECT_EQ(text_of(read(begin, kOverflow).events.front()), "lost ? overflow");
}

TEST_F(OwnEventsInMemory, OfAnotherProcessNothingIsKnown) {
    read(std::nullopt);
    happens(EventType::allocation, "a");
    const EventBatch batch = read(EventPosition{76, 0});
    EXPECT_THAT(texts(batch), ElementsAre("lost ? allocation overflow release", "allocation a"));
    EXPECT_EQ(batch.next, (EventPosition{77, 1}));
}

TEST_F(OwnEventsInMemory, GivesNoMoreAtATimeThanABatchHas) {
    EventRing large(kUsual, {}, 64 << 20);
    OwnEvents source(runtime.scheduler, large, 77);
    large.ask(kUsual, runtime.scheduler.now());
    for (std::size_t i = 0; i < EventSource::kMaxBatchEvents + 1; ++i) {
        large.add(make_event(EventType::allocation, "a"));
    }
    for (int i = 0; i < 3; ++i) {
        large.add(make_event(EventType::release, std::string(EventSource::kMaxBatchBytes, 'x')));
    }
    std::vector<std::size_t> sizes;
    runtime.spawn([&] {
        EventPosition at{77, 0};
        for (bool complete = false; !complete;) {
            const auto batch = source.read({at, kUsual, {}}, {});
            sizes.push_back(batch->events.size());
            at = batch->next;
            complete = batch->complete;
        }
    });
    runtime.settle();
    EXPECT_THAT(sizes, ElementsAre(EventSource::kMaxBatchEvents, 2u, 1u, 1u));
}

TEST_F(OwnEventsInMemory, WaitsForSomethingToHappen) {
    const EventPosition begin = read(std::nullopt).next;
    std::optional<EventBatch> batch;
    const auto ask = [&](Deadline deadline) {
        batch.reset();
        runtime.spawn([&, deadline] {
            batch = events.read({begin, kUsual, 1s}, deadline).value();
        });
        runtime.settle();
    };
    ask({});
    runtime.advance(500ms);
    EXPECT_FALSE(batch);
    happens(EventType::allocation, "a");
    runtime.advance(OwnEvents::kLookAgain);
    ASSERT_TRUE(batch);
    EXPECT_THAT(texts(*batch), ElementsAre("allocation a"));

    const EventBatch after = *batch;
    batch.reset();
    runtime.spawn([&] { batch = events.read({after.next, kUsual, 1s}, {}).value(); });
    runtime.settle();
    for (int i = 0; i < 99; ++i) runtime.advance(10ms);
    EXPECT_FALSE(batch);
    runtime.advance(10ms);
    ASSERT_TRUE(batch);
    EXPECT_TRUE(batch->events.empty());
    EXPECT_EQ(batch->next, after.next);

    batch.reset();
    runtime.spawn([&] { batch = events.read({after.next, kUsual, 1h}, runtime.in(20ms)).value(); });
    runtime.advance(0ms);
    for (int i = 0; i < 3; ++i) runtime.advance(10ms);
    EXPECT_TRUE(batch) << "no longer than to the deadline";
}

// --- with a journal ------------------------------------------------------------------------------

class OwnEventsOfAStore : public ::testing::Test {
  protected:
    /// A process, as far as it matters here.
    struct Process {
        explicit Process(const std::filesystem::path& directory,
                         std::vector<store::testing::TestPool> pools)
            : store(directory, std::move(pools)) {}
        EventBatch read(std::optional<EventPosition> after, EventTypes types = kUsual) {
            std::optional<EventBatch> batch;
            store.run([&] { batch = events.read({after, types, {}}, {}).value(); });
            return *batch;
        }
        void overflow(std::string session) {
            if (ring.wants(EventType::overflow, store.reactor().scheduler().now())) {
                ring.add(make_event(EventType::overflow, std::move(session)));
            }
        }
        store::testing::TestStore store;
        EventRing ring{kOverflow, {}, 1 << 20};
        OwnEvents events{store.reactor().scheduler(), ring, store->events()};
    };

    store::testing::TempDirectory directory;
};

TEST_F(OwnEventsOfAStore, TellsOfBothTheJournalAndTheMemory) {
    Process process(directory.path(), {{"autos", 10}});
    const EventPosition begin = process.read(std::nullopt).next;
    process.store.allocate(0, "a");
    process.overflow("b");
    process.store.allocate(0, "c");
    const EventBatch batch = process.read(begin);
    EXPECT_THAT(texts(batch), ElementsAre("allocation a", "allocation c", "overflow b"));
    EXPECT_TRUE(batch.complete);
    EXPECT_THAT(texts(process.read(batch.events[0].position)),
                ElementsAre("allocation c", "overflow b"));
    EXPECT_THAT(texts(process.read(batch.events[1].position)), ElementsAre("overflow b"));
    EXPECT_THAT(texts(process.read(batch.events[2].position)), ElementsAre());
    EXPECT_EQ(batch.events[2].position, batch.next);
    // Who does not want overflows is not told of them later.
    EXPECT_EQ(process.read(begin, {EventType::allocation}).next, batch.next);
}

TEST_F(OwnEventsOfAStore, OverflowsOfAnotherProcessAreLost) {
    EventPosition begin;
    {
        Process process(directory.path(), {{"autos", 10}});
        begin = process.read(std::nullopt).next;
        process.store.allocate(0, "a");
        process.overflow("b");
    }
    Process process(directory.path(), {});
    process.read(std::nullopt);
    process.overflow("c");
    process.store.allocate(0, "d");
    EXPECT_THAT(texts(process.read(begin)),
                ElementsAre("allocation a", "allocation d", "lost ? overflow", "overflow c"));
    EXPECT_THAT(texts(process.read(begin, {EventType::allocation})),
                ElementsAre("allocation a", "allocation d"));
}

TEST_F(OwnEventsOfAStore, OverflowsWhileNobodyAskedAreCounted) {
    Process process(directory.path(), {{"autos", 10}});
    const EventPosition begin = process.read(std::nullopt).next;
    process.store.clock().leap(EventRing::kLinger);
    process.store.run([] {});  // it is that much later
    process.store.run([] {});
    process.overflow("a");
    process.overflow("b");
    EXPECT_THAT(texts(process.read(begin)), ElementsAre("lost 2 overflow"));
}

}  // namespace
}  // namespace ringmaster::shard
