// What the journal tells of, read forwards: by a store that runs, and after whatever ended it.
#include "ringmaster/store/event_reading.hpp"

#include "ringmaster/store/data_directory.hpp"
#include "ringmaster/store/journal_events.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "store/restarted_store.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Event;
using ringpool::EventType;
using ringpool::EventTypes;
using ringpool::PhoneNumber;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Texts = std::vector<std::string>;

constexpr EventTypes kUsual{EventType::allocation, EventType::release};

std::string text_of(const Event& event) {
    std::string text(to_string(event.type));
    if (event.type == EventType::lost) return text;
    text += " " + event.pool_id + " " + event.session_id.value_or("-");
    if (!event.context.empty()) text += " " + event.context;
    if (event.erased) text += " erased";
    return text;
}

class EventReadingTest : public RestartedStoreTest {
  protected:
    TestStore& open(std::vector<TestPool> pools = {{"autos", 100, 1800s, 300s}}) {
        return RestartedStoreTest::open(std::move(pools));
    }
    void release(std::string_view session, PhoneNumber number) {
        store_->run([&] {
            EXPECT_TRUE((*store_)->release(0, number, {session, {}}, {}).ok()) << session;
        });
    }
    void erase(std::string_view session) {
        store_->run([&] { EXPECT_TRUE((*store_)->history().erase(session).ok()); });
    }
    /// The disk works again, and the store has found out.
    void heal() {
        disk_.heal();
        store_->run([&] {
            while (!(*store_)->ready()) store_->sleep(1ms);
        });
    }
    JournalPosition end() { return (*store_)->events().end(); }
    /// All from there on, in as many steps as it takes; and that each can be resumed behind.
    std::vector<Event> read(JournalPosition from, EventTypes types = kUsual) {
        std::vector<Event> all;
        store_->run([&] {
            JournalPosition at = from;
            while (at != end()) {
                auto batch = (*store_)->events().read(at, types);
                ASSERT_TRUE(batch.ok()) << batch.error().message;
                ASSERT_NE(batch->next, at) << "it gets ahead";
                at = batch->next;
                std::ranges::move(batch->events, std::back_inserter(all));
            }
        });
        return all;
    }
    Texts texts(JournalPosition from, EventTypes types = kUsual) {
        Texts texts;
        for (const Event& event : read(from, types)) texts.push_back(text_of(event));
        return texts;
    }
    /// "v-0" and so on, each with a number of its own.
    void allocate(int begin, int count) {
        for (int i = begin; i < begin + count; ++i) {
            const auto answer = store_->allocate(0, "v-" + std::to_string(i));
            ASSERT_EQ(answer.outcome, ringpool::Allocation::Outcome::allocated) << i;
        }
    }
    static Texts allocations(int begin, int count) {
        Texts texts;
        for (int i = begin; i < begin + count; ++i) {
            texts.push_back("allocation autos v-" + std::to_string(i));
        }
        return texts;
    }
    fs::path shard() const { return stream_path(directory_.path(), 0); }
    std::vector<std::uint32_t> segments() const { return list_shard(shard()).value().segments; }
};

TEST_F(EventReadingTest, TellsWhatHappensInOrder) {
    auto& store = open();
    const JournalPosition begin = end();
    const auto first = store.allocate(0, "v-0", "a");
    store.allocate(0, "v-0", "a");
    store.allocate(0, "v-0", "b");
    store.allocate(0, "v-1");
    release("v-0", first.number);
    constexpr EventTypes kAll{EventType::allocation, EventType::touch, EventType::release};
    EXPECT_THAT(texts(begin, kAll),
                ElementsAre("allocation autos v-0 a", "touch autos -", "touch autos v-0 b",
                            "allocation autos v-1", "release autos v-0 b"));
    EXPECT_THAT(texts(begin), ElementsAre("allocation autos v-0 a", "allocation autos v-1",
                                          "release autos v-0 b"));
    EXPECT_THAT(texts(begin, {EventType::touch}),
                ElementsAre("touch autos -", "touch autos v-0 b"));
    EXPECT_THAT(texts(begin, {EventType::overflow}), ElementsAre());
}

TEST_F(EventReadingTest, TimesAndNumbersAreThoseThatWereAnswered) {
    auto& store = open();
    const JournalPosition begin = end();
    clock_.leap_wall(-2h);  // the store's own time does not follow that
    const auto before = clock_.wall_now();
    const auto answer = store.allocate(0, "v-0");
    release("v-0", answer.number);
    const auto events = read(begin);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].number, answer.number);
    EXPECT_EQ(events[1].number, answer.number);
    const auto near = [](WallTime a, WallTime b) { return a - b < 60s && b - a < 60s; };
    EXPECT_TRUE(near(events[0].time, before));
    ASSERT_TRUE(events[0].expires_at);
    EXPECT_TRUE(near(*events[0].expires_at, answer.expires_at));
    EXPECT_TRUE(near(events[1].time, before));
    EXPECT_FALSE(events[1].expires_at);
}

TEST_F(EventReadingTest, GoesOnBehindAnyEvent) {
    open();
    const JournalPosition begin = end();
    allocate(0, 95);
    const auto events = read(begin);
    ASSERT_EQ(events.size(), 95u);
    EXPECT_GT(segment_of(events.back().position.journal), segment_of(begin) + 1);
    for (std::size_t i = 0; i < events.size(); ++i) {
        EXPECT_EQ(texts(events[i].position.journal),
                  allocations(static_cast<int>(i) + 1, 94 - static_cast<int>(i)));
    }
}

TEST_F(EventReadingTest, ReadsNoMoreThanItIsToldAtATime) {
    open();
    const JournalPosition begin = end();
    allocate(0, 10);
    const auto some = read_events(shard(), begin, end(), kUsual, {.max_events = 3});
    ASSERT_TRUE(some.ok());
    EXPECT_EQ(some->events.size(), 3u);
    EXPECT_EQ(some->next, some->events.back().position.journal);
    const auto one = read_events(shard(), begin, end(), kUsual, {.max_text_bytes = 1});
    EXPECT_EQ(one.value().events.size(), 1u);
    const auto other = read_events(shard(), begin, end(), kUsual, {.max_journal_bytes = 1});
    EXPECT_EQ(other.value().events.size(), 1u);
    const auto until = read_events(shard(), begin, some->next, kUsual);
    EXPECT_EQ(until.value().events.size(), 3u);
    EXPECT_EQ(until.value().next, some->next);
}

TEST_F(EventReadingTest, ARecordMayBeLargerThanAPiece) {
    options_.segment_bytes = 4 << 20;
    auto& store = open();
    const JournalPosition begin = end();
    // The begin of the second is not at the begin of a piece.
    for (const std::size_t size : {200'000u, 700'000u, 10u}) {
        store.allocate(0, "v-" + std::to_string(size), std::string(size, 'c'));
    }
    std::vector<std::size_t> sizes;
    for (const Event& event : read(begin)) sizes.push_back(event.context.size());
    EXPECT_THAT(sizes, ElementsAre(200'000u, 700'000u, 10u));
}

TEST_F(EventReadingTest, GoesOnAcrossKillsAndStops) {
    open();
    const JournalPosition begin = end();
    allocate(0, 40);
    const JournalPosition before = end();
    kill();
    open();
    EXPECT_EQ(texts(before), Texts());
    allocate(40, 10);
    EXPECT_EQ(texts(before), allocations(40, 10));
    store_->close();
    open();
    allocate(50, 5);
    EXPECT_EQ(texts(before), allocations(40, 15));
    EXPECT_EQ(texts(begin), allocations(0, 55));
    EXPECT_FALSE((*store_)->events().is_present(before));
    EXPECT_TRUE((*store_)->events().is_present(end()));
}

TEST_F(EventReadingTest, ATornTailIsNoLoss) {
    open();
    const JournalPosition begin = end();
    allocate(0, 5);
    const JournalPosition written = end();
    kill();
    {
        // Half a record, as a power cut leaves it.
        std::fstream file(segment_path(shard(), segment_of(written)),
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(offset_of(written));
        file.write("\x01\x02\x03\x04\x40\x00\x00\x01torn", 12);
    }
    open();
    EXPECT_TRUE(store_->log().has("torn tail"));
    allocate(5, 5);
    EXPECT_EQ(texts(begin), allocations(0, 10));
    // Where the tail was longer when it was told of than what the disk has kept of it.
    EXPECT_EQ(texts(written + 4000), allocations(5, 5));
}

TEST_F(EventReadingTest, WhatWasRemovedIsLost) {
    options_.history_max_bytes = 4096;
    open({{"autos", 2, 1s, 0s}});
    const JournalPosition begin = end();
    const std::uint32_t first = segments().front();
    int i = 0;
    while (segments().front() == first) {
        clock_.leap(2s);
        store_->allocate(0, "v-" + std::to_string(i++), std::string(200, 'c'));
        store_->run([&] { store_->sleep(1ms); });
    }
    const auto told = texts(begin);
    ASSERT_GE(told.size(), 2u);
    EXPECT_EQ(told.front(), "lost");
    EXPECT_EQ(std::ranges::count(told, "lost"), 1);
    EXPECT_THAT(told.back(), HasSubstr("v-" + std::to_string(i - 1) + " "));
    // Who does not want to know what might be missing is not told that it is.
    EXPECT_EQ(texts(begin, {EventType::overflow}), Texts());
}

TEST_F(EventReadingTest, APositionInAnotherStreamIsInFrontOfThisOne) {
    open();
    allocate(0, 3);
    const JournalPosition other = position_at(first_segment(7), 640);
    Texts expected = allocations(0, 3);
    expected.insert(expected.begin(), "lost");
    EXPECT_EQ(texts(other), expected);
    EXPECT_FALSE((*store_)->events().is_present(other));
}

TEST_F(EventReadingTest, APositionThatIsYetToComeIsTakenForTheEnd) {
    open();
    allocate(0, 3);
    const JournalPosition later = end() + 800;
    store_->run([&] {
        const auto batch = (*store_)->events().read(later, kUsual);
        ASSERT_TRUE(batch.ok());
        EXPECT_EQ(batch->next, end());
        ASSERT_EQ(batch->events.size(), 1u);
        EXPECT_EQ(batch->events[0].type, EventType::lost);
    });
}

TEST_F(EventReadingTest, DamageIsALossAndNoEnd) {
    open();
    const JournalPosition begin = end();
    allocate(0, 60);
    {
        std::fstream file(segment_path(shard(), segment_of(begin)),
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(offset_of(begin) + 20);
        file.write("damage", 6);
    }
    const auto told = texts(begin);
    EXPECT_EQ(told.front(), "lost");
    EXPECT_EQ(std::ranges::count(told, "lost"), 1);
    EXPECT_EQ(told.back(), "allocation autos v-59");
}

TEST_F(EventReadingTest, WhatWasErasedIsNotTold) {
    open();
    const JournalPosition begin = end();
    allocate(0, 2);
    erase("v-0");
    EXPECT_THAT(texts(begin), ElementsAre("allocation autos - erased", "allocation autos v-1",
                                          "release autos - erased"));
}

TEST_F(EventReadingTest, OfAReleaseTheHolderOfThenIsTold) {
    auto& store = open({{"autos", 1, 1800s, 1s}});
    const JournalPosition begin = end();
    for (const char* session : {"v-0", "v-1", "v-2"}) {
        const auto answer = store.allocate(0, session, "c");
        store.allocate(0, session, "d");
        release(session, answer.number);
        clock_.leap(2s);
    }
    EXPECT_THAT(texts(begin, {EventType::release}),
                ElementsAre("release autos v-0 d", "release autos v-1 d", "release autos v-2 d"));
}

// Records that were never acknowledged may be in the file all the same.
TEST_F(EventReadingTest, WhatTheDiskLeftInDoubtIsLost) {
    options_.fsync = Fsync::always;
    auto& store = open();
    const JournalPosition begin = end();
    allocate(0, 3);
    disk_.fail(TestDisk::syncing, std::errc::io_error);
    EXPECT_EQ(store.allocate(0, "v-3").outcome, ringpool::Allocation::Outcome::overflow);
    EXPECT_EQ(texts(begin), allocations(0, 3));
    heal();
    allocate(3, 2);
    const auto told = texts(begin);
    Texts expected = allocations(0, 3);
    expected.push_back("lost");
    expected.push_back("allocation autos v-4");
    // Whether the hold of v-3 had reached the disk nobody knows: it goes on.
    EXPECT_EQ(told, expected);
}

TEST_F(EventReadingTest, WhatWasNeverWrittenIsToldWhenItIs) {
    auto& store = open();
    const JournalPosition begin = end();
    allocate(0, 3);
    disk_.fail(TestDisk::writing, std::errc::no_space_on_device);
    EXPECT_EQ(store.allocate(0, "v-3").outcome, ringpool::Allocation::Outcome::overflow);
    EXPECT_EQ(texts(begin), allocations(0, 3));
    heal();
    allocate(3, 2);
    const auto told = texts(begin);
    EXPECT_EQ(std::ranges::count(told, "allocation autos v-3"), 1);
    EXPECT_EQ(std::ranges::count(told, "allocation autos v-4"), 1);
}

TEST_F(EventReadingTest, NothingIsReadOfAStoreThatIsClosed) {
    open();
    store_->close();
    store_->run([&] {
        EXPECT_EQ((*store_)->events().read(end(), kUsual).error().code, ErrorCode::closed);
    });
}

}  // namespace
}  // namespace ringmaster::store
