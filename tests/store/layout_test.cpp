#include "ringmaster/store/layout.hpp"

#include "ringmaster/store/erasure.hpp"
#include "ringmaster/store/journal_inspection.hpp"
#include "ringmaster/store/recovery.hpp"
#include "ringmaster/store/segment_supply.hpp"
#include "ringmaster/store/snapshot.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "store/power_cut_disk.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace store::testing;
using ringpool::Allocation;
using ringpool::PhoneNumber;
using ringpool::PoolIndex;

const std::vector<TestPool> kPools = {
    {"pool-a", 6, 24h}, {"pool-b", 6, 24h}, {"pool-c", 6, 24h}, {"pool-d", 6, 24h}};
const BootTime kBoot{1h, {1}};

/// Pools in the order of their last letters.
std::size_t owner_of(std::string_view pool_id, std::size_t shards) {
    return static_cast<std::size_t>(pool_id.back() - 'a') % shards;
}

std::function<std::size_t(std::string_view)> owners(std::size_t shards) {
    return [shards](std::string_view pool_id) { return owner_of(pool_id, shards); };
}

/// A neighbour of processes that are never asked anything.
class SilentNeighbours final : public Neighbours {
  public:
    SilentNeighbours(std::size_t shard, std::size_t shards) : shard_(shard), shards_(shards) {}
    bool owns(std::string_view pool_id) const noexcept override {
        return owner_of(pool_id, shards_) == shard_;
    }
    Result<std::unique_ptr<Permit>> begin_change() override { return std::make_unique<Permit>(); }
    Result<std::vector<NumberKnowledge>> look_up(std::span<const PhoneNumber>) override {
        return std::vector<NumberKnowledge>();
    }
    Result<void> sweep(std::string_view) override { return {}; }
    void announce(std::string_view) noexcept override {}

  private:
    const std::size_t shard_;
    const std::size_t shards_;
};

/// All shards of a data directory, each with a reactor of its own, from start to end.
class Shards {
  public:
    Shards(const fs::path& root, std::size_t count, const EmbeddedStoreOptions& options,
           LeapingClock& clock)
        : directory_(must(DataDirectory::open(disk_, root))),
          layout_(must(prepare_layout(disk_, directory_, count, owners(count), log_))) {
        const auto base = must(
            common_hold_clock(directory_, layout_, clock.steady_now(), clock.wall_now(), kBoot));
        for (std::size_t i = 0; i < count; ++i) {
            neighbours_.push_back(std::make_unique<SilentNeighbours>(i, count));
            const ShardSeat seat{&directory_, layout_.streams[i], i == 0,
                                 base,        &ahead_ms_,         neighbours_[i].get()};
            stores_.push_back(std::make_unique<TestStore>(seat, options, disk_, clock));
            if (stores_[i]->error()) throw std::runtime_error(stores_[i]->error()->message);
        }
    }
    ~Shards() {
        for (auto& store : stores_) store->close();
    }
    template <class T>
    static T must(Result<T> result) {
        if (!result) throw std::runtime_error(result.error().message);
        return *std::move(result);
    }

    const Layout& layout() const { return layout_; }
    std::size_t count() const { return stores_.size(); }
    TestStore& operator[](std::size_t shard) { return *stores_[shard]; }
    /// The one that owns kPools[pool].
    TestStore& owner(std::size_t pool) {
        return *stores_[owner_of(kPools[pool].id, stores_.size())];
    }
    Allocation allocate(PoolIndex pool, const std::string& session, const std::string& context) {
        return owner(pool).allocate(pool, session, context);
    }
    /// Who has had a number of the pool, newest first.
    std::string history(PoolIndex pool, PhoneNumber number) { return history(owner(pool), number); }
    static std::string history(TestStore& store, PhoneNumber number) {
        std::string told;
        store.run([&] {
            const auto holds = store->history().holders(number, {}, 100, {});
            ASSERT_TRUE(holds.ok()) << holds.error().message;
            for (const auto& hold : *holds) {
                told += hold.session_id.value_or("?") + "(" + hold.context + ") ";
            }
        });
        return told;
    }
    std::size_t erase(std::string_view session) {
        std::size_t erased = 0;
        for (auto& store : stores_) {
            store->run([&] { erased += must((*store)->history().erase(session)); });
        }
        return erased;
    }
    /// What was promised of each number of all pools, as their owners know it.
    std::map<std::string, std::string> promises() {
        std::map<std::string, std::string> all;
        for (PoolIndex pool = 0; pool < kPools.size(); ++pool) {
            for (auto& [number, state] : state_of(*owner(pool), 4)) {
                // Where it is recorded may change.
                if (number[5] == static_cast<char>('0' + pool)) {
                    all[number] = state.substr(0, state.find(" record"));
                }
            }
        }
        return all;
    }

  private:
    TestDisk disk_;
    CollectingLog log_;
    DataDirectory directory_;
    Layout layout_;
    std::atomic<std::int64_t> ahead_ms_{0};
    std::vector<std::unique_ptr<SilentNeighbours>> neighbours_;
    std::vector<std::unique_ptr<TestStore>> stores_;
};

class LayoutTest : public ::testing::Test {
  protected:
    LayoutTest() {
        options_.segment_bytes = 4096;
        options_.snapshot_after_bytes = 10'000;
        write_pools(root(), kPools);
    }
    const fs::path& root() const { return temp_.path(); }
    fs::path stream(std::uint32_t n) const { return stream_path(root(), n); }
    /// One life of so many shards.
    std::unique_ptr<Shards> open(std::size_t count) {
        return std::make_unique<Shards>(root(), count, options_, clock_);
    }
    Result<Layout> prepare(std::size_t shards) {
        auto directory = DataDirectory::open(disk_, root());
        if (!directory) return directory.error();
        return prepare_layout(disk_, *directory, shards, owners(shards), log_);
    }
    Layout stored() const { return load_layout(root())->value(); }
    void expect_no_damage() const {
        InspectionVisitor visitor;
        visitor.on_finding = [](const InspectionFinding& f) {
            EXPECT_FALSE(f.damage) << f.file << " " << f.offset << " " << f.what;
        };
        EXPECT_TRUE(inspect_journal(root(), visitor).ok());
    }
    std::size_t files_with(std::string_view bytes) const {
        std::size_t count = 0;
        for (const auto& entry : fs::recursive_directory_iterator(root())) {
            if (!entry.is_regular_file()) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string all((std::istreambuf_iterator<char>(file)), {});
            if (all.find(bytes) != std::string::npos) ++count;
        }
        return count;
    }

    TempDirectory temp_;
    TestDisk disk_;
    CollectingLog log_;
    LeapingClock clock_;
    EmbeddedStoreOptions options_;
};

// --- the file ------------------------------------------------------------------------------------

TEST(LayoutFile, ReadsBackAsItWasWritten) {
    for (const Layout& layout :
         {Layout{}, Layout{{0}, {}, 1},
          Layout{{7, 5, 6}, {{0, WallTime(5s)}, {4, WallTime(90min)}}, 4096}}) {
        const auto read = decode_layout(encode_layout(layout));
        ASSERT_TRUE(read.ok()) << read.error().message;
        EXPECT_EQ(*read, layout);
    }
}

TEST(LayoutFile, AnyFlippedBitOrMissingByteIsDamage) {
    const auto good = encode_layout({{1, 2}, {{0, WallTime(5s)}}, 3});
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        auto bytes = good;
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        ASSERT_EQ(decode_layout(bytes).error().code, ErrorCode::damaged) << "bit " << bit;
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
        ASSERT_FALSE(decode_layout(std::span(good).first(size)).ok()) << size;
    }
}

TEST(LayoutFile, AStreamIsNamedOnceAndHasBeenBegun) {
    EXPECT_FALSE(decode_layout(encode_layout({{1, 1}, {}, 2})).ok());
    EXPECT_FALSE(decode_layout(encode_layout({{1}, {{1, WallTime()}}, 2})).ok());
    EXPECT_FALSE(decode_layout(encode_layout({{2}, {}, 2})).ok());
    EXPECT_FALSE(decode_layout(encode_layout({{0}, {}, kMaxStreams + 1})).ok());
}

// --- where shards begin --------------------------------------------------------------------------

TEST_F(LayoutTest, ANewDirectoryHasAStreamForEachShard) {
    const auto layout = prepare(3);
    ASSERT_TRUE(layout.ok()) << layout.error().message;
    EXPECT_EQ(*layout, (Layout{{0, 1, 2}, {}, 3}));
    EXPECT_EQ(stored(), *layout);
    EXPECT_EQ(*prepare(3), *layout) << "and goes on with it";
}

TEST_F(LayoutTest, WhatHasNoLayoutIsOneShard) {
    fs::create_directory(stream(0));
    std::ofstream(segment_path(stream(0), 1)) << "something";
    std::ofstream(root() / "secret") << "of sixteen bytes";
    const auto layout = prepare(1);
    ASSERT_TRUE(layout.ok()) << layout.error().message;
    EXPECT_EQ(*layout, (Layout{{0}, {}, 1}));
}

TEST_F(LayoutTest, ALayoutThatIsLostIsDamage) {
    ASSERT_TRUE(prepare(2).ok());
    fs::remove(layout_path(root()));
    const auto layout = prepare(2);
    ASSERT_FALSE(layout.ok());
    EXPECT_EQ(layout.error().message,
              (root() / "layout").string() + " is missing: it can't be told which shard has what");
}

TEST_F(LayoutTest, AStreamThatIsLostIsDamage) {
    ASSERT_TRUE(prepare(2).ok());
    fs::remove_all(stream(1));
    EXPECT_EQ(prepare(2).error().code, ErrorCode::damaged);
    EXPECT_EQ(prepare(3).error().code, ErrorCode::damaged);
}

TEST_F(LayoutTest, WhatNoLayoutNamesIsRemoved) {
    ASSERT_TRUE(prepare(2).ok());
    fs::create_directory(stream(2));
    std::ofstream(segment_path(stream(2), first_segment(2))) << "half";
    std::ofstream(stream(2) / "snapshot.tmp") << "half";
    fs::create_directory(stream(3));
    std::ofstream(stream(3) / "notes.txt") << "not the store's";
    ASSERT_TRUE(prepare(2).ok());
    EXPECT_FALSE(fs::exists(stream(2)));
    EXPECT_TRUE(fs::exists(stream(3) / "notes.txt"));
    EXPECT_TRUE(fs::exists(stream(1)));
}

TEST_F(LayoutTest, StreamsRunOut) {
    ASSERT_TRUE(prepare(1).ok());
    std::ofstream(layout_path(root()), std::ios::binary)
        .write(reinterpret_cast<const char*>(encode_layout({{0}, {}, kMaxStreams - 1}).data()), 36);
    const auto layout = prepare(2);
    ASSERT_FALSE(layout.ok());
    EXPECT_EQ(layout.error().code, ErrorCode::unavailable);
    EXPECT_NE(layout.error().message.find("4096"), std::string::npos) << layout.error().message;
}

TEST_F(LayoutTest, RefusesANumberInThePoolsOfTwoShards) {
    const PoolFiles files(disk_, root() / "pools");
    auto pools = files.load();
    ASSERT_TRUE(pools.ok());
    (*pools)[1].numbers.push_back((*pools)[0].numbers[2]);
    ASSERT_TRUE(files.save((*pools)[1]).ok());
    EXPECT_EQ(prepare(2).error().message, "the pool's file " + files.path_of("pool-b").string() +
                                              " has +18660000002, which is in pool 'pool-a' "
                                              "already");
}

TEST_F(LayoutTest, RefusesANumberThatIsTheOverflowNumberOfAnotherShardsPool) {
    const PoolFiles files(disk_, root() / "pools");
    auto pools = files.load();
    ASSERT_TRUE(pools.ok());
    (*pools)[1].definition.overflow = (*pools)[0].numbers[2].number;
    ASSERT_TRUE(files.save((*pools)[1]).ok());
    EXPECT_EQ(prepare(2).error().message, "the pool's file " + files.path_of("pool-a").string() +
                                              " has +18660000002, which is the overflow number of "
                                              "pool 'pool-b'");
}

// --- another number of shards ----------------------------------------------------------------

TEST_F(LayoutTest, KeepsEveryPromiseAndTheHistoryWhateverTheNumberOfShards) {
    std::map<std::string, std::string> before;
    std::map<PhoneNumber, std::string> histories;
    int generation = 0;
    for (const std::size_t count : {1, 2, 3, 1, 1}) {
        auto shards = open(count);
        EXPECT_EQ(shards->promises(), before) << count;
        for (PoolIndex pool = 0; pool < kPools.size(); ++pool) {
            for (unsigned i = 0; i < kPools[pool].numbers; ++i) {
                const PhoneNumber number = test_number(pool, i).number;
                EXPECT_EQ(shards->history(pool, number), histories[number]) << number.e164();
            }
        }
        // Who is there stays, with another context; and somebody new comes.
        for (PoolIndex pool = 0; pool < kPools.size(); ++pool) {
            for (int i = 0; i <= generation; ++i) {
                const auto answer =
                    shards->allocate(pool, "v-" + std::to_string(i), std::to_string(generation));
                ASSERT_EQ(answer.number, test_number(pool, static_cast<unsigned>(i)).number);
                histories[answer.number] =
                    "v-" + std::to_string(i) + "(" + std::to_string(generation) + ") ";
            }
        }
        before = shards->promises();
        ++generation;
    }
    expect_no_damage();
}

TEST_F(LayoutTest, ANumberThatGoesToOthersIsRememberedOverAllStreams) {
    options_.history = std::chrono::days(365);
    std::string expected;
    for (const std::size_t count : {1, 2, 3}) {
        auto shards = open(count);
        for (int i = 0; i < 6; ++i) {
            const auto session = "v-" + std::to_string(count) + std::to_string(i);
            ASSERT_EQ(shards->allocate(1, session, "c").outcome, Allocation::Outcome::allocated);
        }
        expected = "v-" + std::to_string(count) + "0(c) " + expected;
        EXPECT_EQ(shards->history(1, test_number(1, 0).number), expected);
        clock_.leap(48h);
    }
}

// Numbers in no pool, too, keep their promise, and come back to a pool of another shard.
TEST_F(LayoutTest, ANumberInNoPoolKeepsItsPromise) {
    open(1)->allocate(3, "v-1", "c");
    auto pools = kPools;
    pools[3].numbers = 0;
    for (const std::size_t count : {1, 2, 3, 2}) {
        write_pools(root(), pools);
        open(count);
    }
    write_pools(root(), kPools);
    auto shards = open(3);
    EXPECT_EQ(shards->history(3, test_number(3, 0).number), "v-1(c) ");
    EXPECT_NE(shards->allocate(3, "v-2", "c").number, test_number(3, 0).number);
    EXPECT_EQ(shards->allocate(3, "v-1", "c").number, test_number(3, 0).number);
}

// The stream in which it is recorded is not kept for as long as the hold may go on.
TEST_F(LayoutTest, AHoldThatGoesOnIsRecordedInTheNewStream) {
    open(1)->allocate(1, "v-1", "c");
    auto shards = open(2);
    const auto& slot = shards->owner(1)->pool(1).slot(0);
    EXPECT_EQ(stream_of(slot.record), 0u);
    shards->allocate(1, "v-1", "c");
    EXPECT_EQ(stream_of(slot.record), shards->layout().streams[1]);
    const auto recorded = slot.record;
    shards->allocate(1, "v-1", "c");
    EXPECT_EQ(slot.record, recorded) << "once";
    EXPECT_EQ(shards->history(1, test_number(1, 0).number), "v-1(c) ");
}

TEST_F(LayoutTest, ANumberInNoPoolKeepsItsHistoryAsLongAsItsStream) {
    options_.history = std::chrono::days(90);
    const auto number = test_number(3, 0).number;
    open(1)->allocate(3, "v-1", "c");
    auto pools = kPools;
    pools[3].numbers = 0;
    write_pools(root(), pools);
    open(2);
    clock_.leap(72h);
    open(2);
    auto shards = open(2);
    // Its number is even.
    EXPECT_EQ(Shards::history((*shards)[0], number), "v-1(c) ") << "its time is long over";
    EXPECT_TRUE((*shards)[0].log().has("store: 1 numbers recovered"));
    shards.reset();
    clock_.leap(options_.history);
    open(2);
    shards = open(2);
    EXPECT_TRUE((*shards)[0].log().has("store: 0 numbers recovered")) << "it is forgotten";
}

TEST_F(LayoutTest, OfTwoWhoKnowOfANumberTheOneTouchedLastIsBelieved) {
    const auto number = test_number(0, 0).number;
    {
        auto shards = open(2);
        shards->allocate(0, "v-1", "old");
        // The other one takes it over, and then knows better.
        NumberKnowledge known;
        known.number = number;
        known.slot = (*shards)[0]->pool(0).slot(0);
        known.slot.last_touch += 5s;
        known.slot.session = {42, 42};
        (*shards)[1].run([&] { ASSERT_TRUE((*shards)[1]->adopt({&known, 1}).ok()); });
    }
    for (const std::size_t count : {1, 3}) {
        auto shards = open(count);
        EXPECT_EQ(shards->owner(0)->pool(0).slot(0).session.low, 42u);
        EXPECT_EQ(shards->history(0, number), "v-1(old) ");
    }
}

TEST_F(LayoutTest, AWornStreamIsGivenUp) {
    ASSERT_TRUE(prepare(1).ok());
    fs::remove(layout_path(root()));
    // A journal that has come to its end of ids.
    const std::uint32_t last = kMaxSequence;
    const TimeAnchor anchor{clock_.wall_now(), kBoot.since_boot, kBoot.boot_id};
    const SegmentShape shape{stream(0), 4096};
    ASSERT_TRUE(lay_out_segment(disk_, shape, {last, 0, anchor, position_at(last, 64)}).ok());
    UniqueFd file;
    ASSERT_FALSE(disk_.create(snapshot_path(stream(0), position_at(last, 64)), file));
    SnapshotWriter snapshot(disk_, file.get(), {position_at(last, 64), anchor});
    ringpool::Slot slot;
    slot.session = {5, 5};
    slot.last_touch = anchor.hold_time;
    slot.expires_at = slot.eligible_at = anchor.hold_time + 1h;
    snapshot.add(test_number(2, 3).number, slot);
    ASSERT_FALSE(snapshot.finish());

    const auto beyond = lay_out_segment(disk_, shape, {last + 1, 0, anchor, 0});
    ASSERT_FALSE(beyond.ok());
    EXPECT_EQ(beyond.error().code, ErrorCode::unavailable);
    auto shards = open(1);
    EXPECT_EQ(shards->layout(), (Layout{{1}, {{0, anchor.hold_time}}, 2}));
    EXPECT_EQ((*shards)[0]->pool(2).slot(3).session.low, 5u);
}

// --- crashes -------------------------------------------------------------------------------------

/// What recovery says of all shards together, and that each says it of its own numbers only.
std::map<std::uint64_t, std::string> recovered_slots(const fs::path& root, const Layout& layout) {
    std::map<std::uint64_t, std::string> all;
    TestDisk disk;
    CollectingLog log;
    for (std::size_t i = 0; i < layout.streams.size(); ++i) {
        const std::uint32_t stream = layout.streams[i];
        const auto recovered = recover(disk, stream_path(root, stream), stream, log);
        EXPECT_TRUE(recovered.ok()) << recovered.error().message;
        if (!recovered) continue;
        for (const auto& [number, slot] : recovered->slots) {
            const auto pool = number.digits() / 1'000'000 % 10;
            EXPECT_EQ(owner_of(kPools[pool].id, layout.streams.size()), i) << number.e164();
            const bool fresh =
                all.emplace(number.digits(),
                            std::to_string(slot.session.low) + " " + std::to_string(slot.record) +
                                " " + std::to_string(slot.eligible_at.time_since_epoch().count()))
                    .second;
            EXPECT_TRUE(fresh) << number.e164() << " is in two shards";
        }
    }
    return all;
}

TEST_F(LayoutTest, ACrashAtAnyStepLeavesTheOldOrTheNewWhole) {
    std::mt19937 random(5);
    for (const auto& [from, to] : {std::pair<std::size_t, std::size_t>{1, 2}, {2, 3}, {3, 1}}) {
        {
            auto shards = open(from);
            for (PoolIndex pool = 0; pool < kPools.size(); ++pool) {
                shards->allocate(pool, "v-" + std::to_string(from), std::string(500, 'c'));
            }
        }
        // As it was before there were layouts.
        if (from == 1) fs::remove(layout_path(root()));
        const auto before = recovered_slots(root(), from == 1 ? Layout{{0}, {}, 1} : stored());
        ASSERT_GE(before.size(), kPools.size());
        bool whole = false;
        for (int step = 0; !whole; ++step) {
            const TempDirectory copy;
            fs::copy(root(), copy.path(), fs::copy_options::recursive);
            {
                PowerCutDisk disk;
                const auto directory = DataDirectory::open(disk, copy.path());
                ASSERT_TRUE(directory.ok());
                disk.freeze_after(step);
                whole = prepare_layout(disk, *directory, to, owners(to), log_).ok();
                disk.freeze();
                disk.cut_power(random);
            }
            // Whichever way it goes on.
            const std::size_t next = step % 2 == 0 ? to : from;
            const auto directory = DataDirectory::open(disk_, copy.path());
            const auto layout = prepare_layout(disk_, *directory, next, owners(next), log_);
            ASSERT_TRUE(layout.ok()) << step << ": " << layout.error().message;
            ASSERT_EQ(recovered_slots(copy.path(), *layout), before) << step;
            std::size_t named = layout->streams.size() + layout->retired.size();
            ASSERT_EQ(list_streams(copy.path())->size(), named) << step << ": something is left";
        }
    }
}

// --- what is retired -----------------------------------------------------------------------------

TEST_F(LayoutTest, ARetiredStreamGoesWhenNothingInItIsNeeded) {
    options_.history = 24h;
    const auto number = test_number(2, 0).number;
    open(1)->allocate(2, "v-1", "c");
    open(2);
    EXPECT_TRUE(list_shard(stream(0))->snapshots.empty()) << "no one starts from it";
    clock_.leap(kLongestPromise - 1h);
    {
        auto shards = open(2);
        EXPECT_EQ(shards->history(2, number), "v-1(c) ");
    }
    EXPECT_TRUE(fs::exists(stream(0)));
    clock_.leap(2h);
    open(2);
    EXPECT_FALSE(fs::exists(stream(0)));
    auto shards = open(2);
    EXPECT_EQ(shards->history(2, number), "");
    shards.reset();
    // A number that a stream has had is never given again.
    EXPECT_EQ(open(1)->layout().streams, std::vector<std::uint32_t>{3});
    EXPECT_EQ(stored().retired.size(), 2u);
}

TEST_F(LayoutTest, ErasesFromWhatIsRetired) {
    open(1)->allocate(1, "to-be-forgotten", "secret-1");
    open(2)->allocate(1, "to-be-forgotten", "secret-2");
    auto shards = open(3);
    shards->allocate(1, "to-be-forgotten", "secret-3");
    shards->allocate(1, "stays", "kept");
    EXPECT_GE(files_with("to-be-forgotten"), 3u);
    EXPECT_EQ(shards->erase("to-be-forgotten"), 3u);
    EXPECT_EQ(shards->history(1, test_number(1, 0).number), "?() ");
    EXPECT_EQ(shards->history(1, test_number(1, 1).number), "stays(kept) ");
    shards.reset();
    EXPECT_EQ(files_with("to-be-forgotten"), 0u);
    EXPECT_EQ(files_with("secret-"), 0u);
    expect_no_damage();
}

TEST_F(LayoutTest, TheFirstShardCompletesAnErasureInARetiredStream) {
    open(1)->allocate(1, "v-1", "c");
    open(2);
    const auto files = list_shard(stream(0));
    std::vector<Erasable> found;
    for (const std::uint32_t id : files->segments) {
        const JournalPosition end = position_at(files->segments.back(), UINT32_MAX);
        ASSERT_TRUE(find_erasable(disk_, stream(0), id, "v-1", end, found).ok());
    }
    ASSERT_TRUE(begin_erasure(disk_, stream(0), found).ok());
    std::ofstream(unfinished(erasure_path(stream(0)))) << "half";
    auto shards = open(2);
    EXPECT_FALSE(fs::exists(erasure_path(stream(0))));
    EXPECT_FALSE(fs::exists(unfinished(erasure_path(stream(0)))));
    EXPECT_EQ(shards->history(1, test_number(1, 0).number), "?() ");
}

// --- time ----------------------------------------------------------------------------------------

TEST_F(LayoutTest, TheClockGoesOnWhereTheNewestFileOfAnyShardLeftIt) {
    const auto directory = DataDirectory::open(disk_, root());
    const auto layout = prepare_layout(disk_, *directory, 3, owners(3), log_);
    ASSERT_TRUE(layout.ok());
    const SteadyTime now{100h};
    const WallTime wall{std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)};
    const auto begin = [&] {
        return common_hold_clock(*directory, *layout, now, wall, kBoot)->anchor.hold_time;
    };
    EXPECT_EQ(begin(), wall) << "nothing is known";
    for (const std::uint32_t n : {0u, 1u}) {
        const TimeAnchor anchor{wall + n * 10min, kBoot.since_boot - 5min, kBoot.boot_id};
        ASSERT_TRUE(
            lay_out_segment(disk_, {stream(n), 4096}, {first_segment(n), 0, anchor, 0}).ok());
    }
    EXPECT_EQ(begin(), wall + 15min);
    const JournalPosition position = position_at(first_segment(2), 64);
    UniqueFd file;
    ASSERT_FALSE(disk_.create(snapshot_path(stream(2), position), file));
    const TimeAnchor anchor{wall + 20min, kBoot.since_boot, kBoot.boot_id};
    ASSERT_FALSE(SnapshotWriter(disk_, file.get(), {position, anchor}).finish());
    EXPECT_EQ(begin(), wall + 20min);
}

TEST_F(LayoutTest, AllShardsHaveOneTimeAndItNeverGoesBack) {
    clock_.stop();
    WallTime before{};
    for (const std::size_t count : {1, 1, 3, 2}) {
        const auto directory = DataDirectory::open(disk_, root());
        const auto layout = prepare_layout(disk_, *directory, count, owners(count), log_);
        ASSERT_TRUE(layout.ok()) << layout.error().message;
        // After another boot, and with a wall clock that was set back.
        clock_.leap_wall(-1h);
        const BootTime boot{1h, {static_cast<std::uint8_t>(count + 1)}};
        const auto base =
            common_hold_clock(*directory, *layout, clock_.steady_now(), clock_.wall_now(), boot);
        ASSERT_TRUE(base.ok());
        std::atomic<std::int64_t> ahead_ms{0};
        std::vector<std::unique_ptr<TestStore>> stores;
        NoNeighbours none;
        for (std::size_t i = 0; i < count; ++i) {
            const ShardSeat seat{&*directory, layout->streams[i], i == 0, *base, &ahead_ms, &none};
            stores.push_back(std::make_unique<TestStore>(seat, options_, disk_, clock_));
            ASSERT_FALSE(stores.back()->error()) << stores.back()->error()->message;
        }
        for (auto& store : stores) {
            EXPECT_EQ((*store)->hold_now(), (*stores[0])->hold_now());
            EXPECT_GE((*store)->hold_now(), before);
        }
        // Later than any header: what is replayed alone tells of it.
        clock_.leap(30min);
        stores[0]->allocate(0, "v-" + std::to_string(count));
        before = (*stores[0])->hold_now();
        disk_.freeze();
        stores.clear();
        disk_.freeze_after(1 << 30);
    }
}

}  // namespace
}  // namespace ringmaster::store
