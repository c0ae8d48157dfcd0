#include "ringmaster/store/embedded_store.hpp"

#include "ringmaster/store/crc32c.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::OverflowReason;

constexpr auto kAllocated = Allocation::Outcome::allocated;
constexpr auto kOverflow = Allocation::Outcome::overflow;

std::string visitor(int i) {
    return "v-" + std::to_string(i);
}

bool unavailable(const Allocation& answer) {
    return answer.outcome == kOverflow && answer.reason == OverflowReason::store_unavailable;
}

/// Holds up the helper thread in a sync until it is opened.
class Barrier {
  public:
    void shut() {
        const std::lock_guard lock(mutex_);
        open_ = false;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        opened_.wait(lock, [this] { return open_; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool open_ = true;
};

class EmbeddedStoreTest : public ::testing::Test {
  protected:
    EmbeddedStoreTest() {
        options_.segment_bytes = 64 << 10;
        disk_.before_sync = [this] { barrier_.pass(); };
    }
    ~EmbeddedStoreTest() override { barrier_.open(); }

    std::unique_ptr<TestStore> open(std::vector<TestPool> pools = {{"autos"}}) {
        auto store = std::make_unique<TestStore>(directory_.path(), std::move(pools), options_,
                                                 &disk_, &clock_, boot_);
        if (store->error()) throw std::runtime_error(store->error()->message);
        return store;
    }
    /// Waits in a fiber until the store can write again.
    static void wait_until_ready(TestStore& store) {
        store.run([&] {
            while (!store->ready()) store.sleep(1ms);
        });
    }
    /// After this, writes and syncs are the journal's alone.
    void wait_for_next_segment(TestStore& store) {
        store.run([&] {
            while (!std::filesystem::exists(segment(2))) store.sleep(1ms);
        });
    }
    std::filesystem::path segment(std::uint32_t id) const {
        return segment_path(directory_.path() / "shard-0", id);
    }
    std::size_t snapshots() const {
        return list_shard(directory_.path() / "shard-0")->snapshots.size();
    }
    /// Every hold that goes on has its record where memory says that it is.
    void expect_records(TestStore& store) const {
        const auto& pool = store->pool(0);
        for (ringpool::SlotIndex i = 0; i < pool.end_slot(); ++i) {
            const ringpool::Slot& slot = pool.slot(i);
            if (slot.eligible_at <= store->hold_now()) continue;
            const auto bytes = read_file(segment(segment_of(slot.record)));
            ASSERT_TRUE(bytes.ok()) << bytes.error().message;
            const auto header = SegmentHeader::decode(*bytes);
            const std::uint32_t offset = offset_of(slot.record);
            const auto view = read_record(std::span(*bytes).subspan(offset), offset, header->salt);
            ASSERT_EQ(view.kind, RecordView::Kind::record);
            const auto hold = HoldRecord::decode(view.payload);
            EXPECT_EQ(hold->number, pool.number(i).number);
            EXPECT_EQ(hold->session, slot.session);
            EXPECT_EQ(crc32c(std::as_bytes(std::span(hold->context))), slot.context);
        }
    }
    /// As many fibers as sessions ask at once; returns when all have their answers.
    static std::vector<Allocation> allocate_together(TestStore& store, int first, int last) {
        std::vector<Allocation> answers(static_cast<std::size_t>(last - first));
        store.run([&] {
            auto& scheduler = store.reactor().scheduler();
            std::size_t done = 0;
            for (int i = first; i < last; ++i) {
                scheduler.spawn("one", [&, i] {
                    answers[static_cast<std::size_t>(i - first)] =
                        store.allocate_here(0, visitor(i));
                    ++done;
                });
            }
            while (done < answers.size()) store.sleep(1ms);
        });
        return answers;
    }

    TempDirectory directory_;
    Barrier barrier_;
    TestDisk disk_;
    LeapingClock clock_;
    EmbeddedStoreOptions options_;
    std::optional<BootTime> boot_;
};

TEST_F(EmbeddedStoreTest, TellsTheEndOfAHoldInCivilTime) {
    const auto store = open();
    clock_.leap_wall(-100h);
    const auto earliest = clock_.wall_now() + 30min;
    const auto answer = store->allocate(0, "v-1");
    EXPECT_GE(answer.expires_at, earliest);
    EXPECT_LE(answer.expires_at, clock_.wall_now() + 30min);
}

// Time goes on besides the leaps, but not for minutes.
TEST_F(EmbeddedStoreTest, CountsHowMuchLongerThanALifetimeNumbersAreKept) {
    const auto store = open({{.id = "autos", .numbers = 1, .lifetime = 30min, .cooldown = 5min}});
    const auto extended = [&] {
        return std::chrono::floor<std::chrono::minutes>(
            std::chrono::milliseconds((*store)->counters(0).extended_ms));
    };
    const auto number = store->allocate(0, "v-1").number;
    EXPECT_EQ((*store)->counters(0).extended_ms, 0);
    clock_.leap(20min);
    store->allocate(0, "v-1");
    EXPECT_EQ(extended() / 5min, 4);
    store->allocate(0, "v-2");
    EXPECT_EQ(extended() / 5min, 4) << "exhausted";
    clock_.leap(15min);
    store->run([&] { EXPECT_TRUE((*store)->release(0, number, {"v-1", {}}, {}).ok()); });
    EXPECT_EQ(extended() / 5min, 1) << "kept for 40 min";
    EXPECT_EQ((*store)->counters(0).new_holds, 1u);
}

// --- restarts ------------------------------------------------------------------------------------

TEST_F(EmbeddedStoreTest, KeepsNumbersWithTheirSessionsOverARestart) {
    std::map<std::string, std::string> before;
    for (const bool clean : {true, false, true}) {
        auto store = open({{"autos"}, {"boats"}});
        if (!before.empty()) {
            EXPECT_EQ(state_of(**store, 2), before);
        }
        for (int i = 0; i < 8; ++i) {
            const std::string context = one_parameter("n", std::to_string(i % 3 + clean));
            EXPECT_EQ(store->allocate(static_cast<unsigned>(i % 2), visitor(i), context).outcome,
                      kAllocated);
        }
        store->run([&] {
            const auto number = store->allocate_here(0, visitor(2)).number;
            EXPECT_TRUE((*store)->release(0, number, {visitor(2), {}}, {}).ok());
        });
        before = state_of(**store, 2);
        EXPECT_TRUE(store->log().problems().empty()) << store->log().all();
        if (!clean) disk_.freeze();
        store.reset();
        disk_.freeze_after(1 << 30);
    }
}

TEST_F(EmbeddedStoreTest, ASecondStoreInTheSameDirectoryIsRefused) {
    const auto store = open();
    const TestStore second(directory_.path(), {{"autos"}}, options_);
    ASSERT_TRUE(second.error());
    EXPECT_EQ(second.error()->code, ErrorCode::unavailable);
    EXPECT_NE(second.error()->message.find("in use"), std::string::npos);
}

TEST_F(EmbeddedStoreTest, RefusesToStartWithoutTheSecretOfItsSessions) {
    open()->allocate(0, "v-1");
    std::filesystem::remove(directory_.path() / "secret");
    const TestStore store(directory_.path(), {{"autos"}}, options_);
    ASSERT_TRUE(store.error());
    EXPECT_EQ(store.error()->code, ErrorCode::damaged);
}

TEST_F(EmbeddedStoreTest, RefusesSegmentsOfSillySize) {
    for (const std::uint32_t bytes : {0u, 4095u, (1u << 30) + 1}) {
        options_.segment_bytes = bytes;
        const TestStore store(directory_.path(), {{"autos"}}, options_);
        ASSERT_TRUE(store.error());
        EXPECT_EQ(store.error()->code, ErrorCode::invalid);
    }
}

TEST_F(EmbeddedStoreTest, JumpsOfTheWallClockNeitherBreakNorProlongAHold) {
    boot_ = BootTime{1h, {1}};
    const std::vector<TestPool> pools = {{"autos", 1}};
    ringpool::PhoneNumber number;
    {
        const auto store = open(pools);
        number = store->allocate(0, "v-1").number;
        clock_.leap_wall(1000h);
        EXPECT_EQ(store->allocate(0, "v-2").reason, OverflowReason::exhausted);
        clock_.leap_wall(-2000h);
        EXPECT_EQ(store->allocate(0, "v-1").number, number);
    }
    boot_->since_boot += 29min;  // the process was away for so long
    EXPECT_EQ(open(pools)->allocate(0, "v-2").reason, OverflowReason::exhausted);
    clock_.leap_wall(-1000h);
    boot_->since_boot += 2min;
    EXPECT_EQ(open(pools)->allocate(0, "v-2").number, number);
}

TEST_F(EmbeddedStoreTest, AfterABootAHoldGoesOnEvenIfTheClockWasSetBack) {
    boot_ = BootTime{1h, {1}};
    const std::vector<TestPool> pools = {{"autos", 1}};
    open(pools)->allocate(0, "v-1");
    boot_ = BootTime{1min, {2}};
    clock_.leap_wall(-1000h);
    EXPECT_EQ(open(pools)->allocate(0, "v-2").reason, OverflowReason::exhausted);
    boot_ = BootTime{1min, {3}};
    clock_.leap_wall(1001h);
    EXPECT_EQ(open(pools)->allocate(0, "v-2").outcome, kAllocated);
}

TEST_F(EmbeddedStoreTest, ANumberThatWasTakenOutAndComesBackIsStillProtected) {
    const auto held = open({{"autos", 2}})->allocate(0, "v-1");
    EXPECT_EQ(held.number, test_number(0, 0).number);
    open({{"autos", 0}}).reset();
    open({{"autos", 0}}).reset();
    const auto store = open({{"autos", 1}});
    EXPECT_EQ(store->allocate(0, "v-2").reason, OverflowReason::exhausted);
    EXPECT_EQ(store->allocate(0, "v-1").number, held.number);
}

// --- the journal ---------------------------------------------------------------------------------

TEST_F(EmbeddedStoreTest, WritesAFullRecordOnlyWhereTheContextChanged) {
    const auto store = open();
    const auto slot = [&]() -> const ringpool::Slot& { return (*store)->pool(0).slot(0); };
    store->allocate(0, "v-1", one_parameter("a", "1"));
    const ringpool::Slot first = slot();
    EXPECT_NE(first.record, 0u);
    store->allocate(0, "v-1", one_parameter("a", "1"));
    EXPECT_EQ(slot().record, first.record);
    store->allocate(0, "v-1", one_parameter("a", "2"));
    EXPECT_GT(slot().record, first.record);
    EXPECT_EQ(slot().allocated_at, first.allocated_at);
    EXPECT_NE(slot().context, first.context);
}

TEST_F(EmbeddedStoreTest, WritesOnceATurnForAllThatAsk) {
    const auto store = open({{"autos", 100}});
    wait_for_next_segment(*store);
    store->allocate(0, "v-0");
    const int before = disk_.writes();
    allocate_together(*store, 1, 50);
    EXPECT_EQ(disk_.writes(), before + 1);
}

TEST_F(EmbeddedStoreTest, OneSyncServesAllThatWaitForIt) {
    options_.fsync = Fsync::always;
    const auto store = open({{"autos", 100}});
    wait_for_next_segment(*store);
    store->allocate(0, "v-0");
    const int before = disk_.syncs();
    std::size_t answered = 0;
    barrier_.shut();
    store->run([&] {
        auto& scheduler = store->reactor().scheduler();
        const auto ask = [&](int i) {
            scheduler.spawn("one", [&, i] {
                EXPECT_EQ(store->allocate_here(0, visitor(i)).outcome, kAllocated);
                ++answered;
            });
        };
        ask(1);
        while (disk_.syncs() == before && answered == 0) store->sleep(1ms);
        for (int i = 2; i < 50; ++i) ask(i);
        store->sleep(5ms);
        EXPECT_EQ(answered, 0u);
        barrier_.open();
        while (answered < 49) store->sleep(1ms);
    });
    EXPECT_EQ(disk_.syncs(), before + 2);
}

TEST_F(EmbeddedStoreTest, EverysecAnswersFirstAndSyncsWithinASecond) {
    const auto store = open();
    wait_for_next_segment(*store);
    const auto began = clock_.steady_now();
    store->allocate(0, "v-1");
    const int before = disk_.syncs();
    store->run([&] {
        store->sleep(2ms);
        const int soon = disk_.syncs();
        if (clock_.steady_now() - began < 900ms) {
            EXPECT_EQ(soon, before);
        }
        clock_.leap(1s);
        while (disk_.syncs() == before) store->sleep(1ms);
    });
}

TEST_F(EmbeddedStoreTest, NeverSyncsNothingBeforeTheEndOfASegment) {
    options_.fsync = Fsync::never;
    const auto store = open();
    wait_for_next_segment(*store);
    store->allocate(0, "v-1");
    const int before = disk_.syncs();
    store->run([&] {
        clock_.leap(1h);
        store->sleep(5ms);
    });
    EXPECT_EQ(disk_.syncs(), before);
}

TEST_F(EmbeddedStoreTest, RowsThatAreNotDurableInTimeGetTheOverflowNumber) {
    options_.fsync = Fsync::always;
    const auto store = open();
    barrier_.shut();
    store->run([&] {
        const auto soon = Deadline::at(store->reactor().scheduler().now() + 5ms);
        EXPECT_TRUE(unavailable(store->allocate_here(0, "v-1", {}, soon)));
        barrier_.open();
        // The session was not told of its number, and gets it if it asks again.
        EXPECT_EQ(store->allocate_here(0, "v-1").number, test_number(0, 0).number);
    });
}

TEST_F(EmbeddedStoreTest, GoesOnThroughManySegmentsAndSnapshots) {
    options_.segment_bytes = 4096;
    options_.snapshot_after_bytes = 10'000;
    const std::vector<TestPool> pools = {{"autos", 500}};
    std::map<std::string, std::string> before;
    {
        const auto store = open(pools);
        const std::string context = one_parameter("gclid", std::string(700, 'x'));
        for (int i = 0; i < 200; ++i) {
            ASSERT_EQ(store->allocate(0, visitor(i), context).outcome, kAllocated) << i;
        }
        EXPECT_TRUE(store->log().problems().empty()) << store->log().all();
        before = state_of(**store, 1);
        expect_records(*store);
        disk_.freeze();
    }
    disk_.freeze_after(1 << 30);
    EXPECT_EQ(state_of(**open(pools), 1), before);
}

TEST_F(EmbeddedStoreTest, OldSegmentsGoButNotTheRecordsOfHoldsThatGoOn) {
    options_.segment_bytes = 4096;
    options_.snapshot_after_bytes = 4096;
    options_.history = 10h;
    const auto store = open({{"autos", 100, 24h}});
    const std::string context = one_parameter("gclid", std::string(300, 'x'));
    // Snapshots, and what they let go of, come in the background: how soon is not said.
    for (int hour = 0; hour < 400 && std::filesystem::exists(segment(1)); ++hour) {
        clock_.leap(1h);
        store->allocate(0, "stays", context);
        if (hour < 4) store->allocate(0, "silent " + std::to_string(hour), context);
        for (int i = 0; i < 8; ++i) {
            const auto session = std::to_string(hour % 3) + visitor(i);
            const auto changing = one_parameter("hour", std::to_string(hour) + context);
            ASSERT_EQ(store->allocate(0, session, changing).outcome, kAllocated);
        }
        expect_records(*store);
    }
    // The first record of "stays" would have kept it, had it not been written anew.
    EXPECT_FALSE(std::filesystem::exists(segment(1)));
    EXPECT_TRUE(store->log().problems().empty()) << store->log().all();
}

TEST_F(EmbeddedStoreTest, ASnapshotIsNotPublishedBeforeTheJournalInFrontOfItIsOnTheDisk) {
    options_.fsync = Fsync::never;
    options_.snapshot_after_bytes = 1;
    const auto store = open();
    wait_for_next_segment(*store);
    barrier_.shut();
    const int before = disk_.syncs();
    store->allocate(0, "v-1");
    store->run([&] {
        // The child's and then the journal's.
        for (int i = 0; i < 1000 && disk_.syncs() < before + 2; ++i) store->sleep(1ms);
        store->sleep(5ms);
        EXPECT_EQ(snapshots(), 0u);
        barrier_.open();
        while (snapshots() == 0) store->sleep(1ms);
    });
}

TEST_F(EmbeddedStoreTest, ABatchMayBeLargerThanASegment) {
    options_.segment_bytes = 4096;
    const auto store = open({{"autos", 500}});
    std::vector<std::string> ids;
    for (int i = 0; i < 300; ++i) ids.push_back(visitor(i));
    std::vector<ringpool::AllocationRequest> requests;
    for (const auto& id : ids) requests.push_back({0, {id, {}}});
    std::vector<Allocation> answers(requests.size());
    store->run([&] { (*store)->allocate(requests, answers, {}); });
    std::set<ringpool::PhoneNumber> numbers;
    for (const auto& answer : answers) {
        EXPECT_EQ(answer.outcome, kAllocated);
        numbers.insert(answer.number);
    }
    EXPECT_EQ(numbers.size(), 300u);
}

TEST_F(EmbeddedStoreTest, ARowThatNoSegmentHasRoomForDoesNotFailTheOthers) {
    options_.segment_bytes = 4096;
    const auto store = open();
    ringpool::ContextBuilder builder({});
    std::string huge;
    const std::string value(2048, 'x');
    builder.start();
    ASSERT_TRUE(builder.add("a", value).ok());
    ASSERT_TRUE(builder.add("b", value).ok());
    builder.finish(huge);
    const std::vector<ringpool::AllocationRequest> requests = {
        {0, {"a", {}}}, {0, {"b", ringpool::Context(huge)}}, {0, {"c", {}}}};
    std::vector<Allocation> answers(requests.size());
    store->run([&] { (*store)->allocate(requests, answers, {}); });
    EXPECT_EQ(answers[0].outcome, kAllocated);
    EXPECT_TRUE(unavailable(answers[1]));
    EXPECT_EQ(answers[2].number, test_number(0, 1).number);
}

// --- trouble -------------------------------------------------------------------------------------

class FailedWrite : public EmbeddedStoreTest {
  protected:
    void stops_service_until_a_snapshot_has_replaced_the_segment(std::function<void()> break_disk) {
        ringpool::PhoneNumber number;
        {
            const auto store = open();
            wait_for_next_segment(*store);
            number = store->allocate(0, "v-1").number;
            break_disk();
            EXPECT_TRUE(unavailable(store->allocate(0, "v-2")));
            EXPECT_FALSE((*store)->ready().ok());
            const auto before = state_of(**store, 1);
            EXPECT_TRUE(unavailable(store->allocate(0, "v-3")));
            EXPECT_EQ(state_of(**store, 1), before) << "memory is left alone meanwhile";
            store->run([&] {
                EXPECT_EQ((*store)->release(0, number, {"v-1", {}}, {}).error().code,
                          ErrorCode::unavailable);
            });
            disk_.heal();
            wait_until_ready(*store);
            EXPECT_EQ(store->allocate(0, "v-1").number, number);
            EXPECT_TRUE(store->log().has("can't write to the journal")) << store->log().all();
            EXPECT_TRUE(store->log().has("can be written again")) << store->log().all();
        }
        const auto store = open();
        EXPECT_TRUE(store->log().problems().empty()) << store->log().all();
        EXPECT_EQ(store->allocate(0, "v-1").number, number);
        // Its answer was an overflow number, but the number that it did not hear of is its own.
        EXPECT_EQ(store->allocate(0, "v-2").number, test_number(0, 1).number);
    }
};

TEST_F(FailedWrite, StopsServiceUntilASnapshotHasReplacedTheSegment) {
    stops_service_until_a_snapshot_has_replaced_the_segment(
        [&] { disk_.fail(TestDisk::writing, std::errc::io_error); });
}

TEST_F(FailedWrite, OfAPartIsTheSame) {
    stops_service_until_a_snapshot_has_replaced_the_segment([&] { disk_.write_short(20); });
}

TEST_F(EmbeddedStoreTest, AHoldWhoseRecordWasLostIsRecordedByItsNextTouch) {
    const auto store = open();
    const auto slot = [&]() -> const ringpool::Slot& { return (*store)->pool(0).slot(0); };
    wait_for_next_segment(*store);
    store->allocate(0, "v-1");
    const auto first = slot().record;
    disk_.fail(TestDisk::writing, std::errc::io_error);
    EXPECT_TRUE(unavailable(store->allocate(0, "v-1", one_parameter("a", "1"))));
    disk_.heal();
    wait_until_ready(*store);
    // Its last record on the disk is the first one, which names another context.
    EXPECT_EQ(slot().record & ~JournalPosition{7}, first);
    store->allocate(0, "v-1", one_parameter("a", "1"));
    EXPECT_GT(slot().record, first + 8);
    EXPECT_EQ(slot().record % 8, 0u);
}

TEST_F(EmbeddedStoreTest, AFailedSyncIsNotBelievedEvenIfTheNextOneSucceeds) {
    options_.fsync = Fsync::always;
    const auto store = open();
    wait_for_next_segment(*store);
    const auto held = store->allocate(0, "v-1");
    disk_.fail(TestDisk::syncing, std::errc::io_error);
    EXPECT_TRUE(unavailable(store->allocate(0, "v-2")));
    disk_.heal();
    wait_until_ready(*store);
    const auto slot = (*store)->pool(0).slot(1);
    EXPECT_NE(slot.record & kDoubtful, 0u) << "its record may not be on the disk";
    EXPECT_EQ(store->allocate(0, "v-2").number, test_number(0, 1).number);
    EXPECT_GT(segment_of((*store)->pool(0).slot(1).record), segment_of(slot.record));
    EXPECT_EQ(store->allocate(0, "v-1").number, held.number);
}

TEST_F(EmbeddedStoreTest, ACrashAmidARepairIsNotTakenForDamage) {
    ringpool::PhoneNumber number;
    {
        const auto store = open();
        number = store->allocate(0, "v-1").number;
        wait_for_next_segment(*store);
        disk_.fail_paths("snapshot");
        disk_.write_short(20);
        EXPECT_TRUE(unavailable(store->allocate(0, "v-2")));
        disk_.write_short(-1);
        // The second segment is in use now, and one more laid out, but there is no snapshot.
        store->run([&] {
            while (!std::filesystem::exists(segment(3))) store->sleep(1ms);
        });
        EXPECT_FALSE((*store)->ready().ok());
        disk_.freeze();
    }
    disk_.freeze_after(1 << 30);
    disk_.heal();
    const auto store = open();
    EXPECT_TRUE(store->log().has("torn tail")) << store->log().all();
    EXPECT_EQ(store->allocate(0, "v-1").number, number);
}

TEST_F(EmbeddedStoreTest, AFullDiskIsNoTroubleUntilTheSegmentEnds) {
    options_.segment_bytes = 4096;
    const auto store = open({{"autos", 100}});
    // The next segment is laid out already.
    wait_for_next_segment(*store);
    disk_.fail(TestDisk::allocating, std::errc::no_space_on_device);
    int served = 0;
    while (!unavailable(store->allocate(0, visitor(served)))) ++served;
    EXPECT_GT(served, 40);
    EXPECT_LT(served, 100);
    EXPECT_FALSE((*store)->ready().ok());
    EXPECT_TRUE(store->log().has("No space left on device"));
    disk_.heal();
    wait_until_ready(*store);
    EXPECT_EQ(store->allocate(0, visitor(served)).outcome, kAllocated);
    EXPECT_EQ(store->allocate(0, visitor(0)).number, test_number(0, 0).number);
}

TEST_F(EmbeddedStoreTest, ASnapshotThatFailsIsToldAndServiceGoesOn) {
    options_.snapshot_after_bytes = 1000;
    const auto store = open({{"autos", 100}});
    wait_for_next_segment(*store);
    disk_.fail(TestDisk::renaming, std::errc::permission_denied);
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(store->allocate(0, visitor(i)).outcome, kAllocated);
    }
    store->run([&] {
        while (store->log().problems().empty()) store->sleep(1ms);
    });
    EXPECT_TRUE(store->log().has("no snapshot")) << store->log().all();
    disk_.heal();
}

TEST_F(EmbeddedStoreTest, NobodyIsLetInAfterClose) {
    const auto store = open();
    store->allocate(0, "v-1");
    store->close();
    EXPECT_TRUE(unavailable(store->allocate(0, "v-1")));
    EXPECT_FALSE((*store)->ready().ok());
}

}  // namespace
}  // namespace ringmaster::store
