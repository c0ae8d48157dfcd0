#include "ringmaster/replay/replay.hpp"

#include "ringmaster/store/data_directory.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "replay/recorder.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::replay {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ringpool::HoldRules;
using ringpool::RingPool;
using store::testing::TempDirectory;
using store::testing::test_number;
using store::testing::TestDisk;
using store::testing::TestPool;
using store::testing::TestStore;
using testing::Asked;
using testing::hash_of;
using testing::Recorder;
using testing::Shards;

/// What an allocator by itself makes of requests, reckoned as plainly as can be.
Figures simulate(const std::vector<Asked>& asked, ringpool::PoolIndex index, unsigned numbers,
                 HoldRules rules) {
    RingPool pool(rules);
    while (pool.size() < numbers) pool.add({});
    Figures figures;
    figures.numbers = numbers;
    figures.rules = rules;
    std::set<ringpool::SlotIndex> used;
    for (const Asked& one : asked) {
        if (one.pool != index) continue;
        if (one.release) {
            const auto slot = pool.find(hash_of(one));
            figures.releases += pool.release(hash_of(one), slot, one.at) ? 1 : 0;
            continue;
        }
        const auto decision = pool.allocate(hash_of(one), one.at);
        if (decision.outcome == RingPool::Outcome::exhausted) {
            ++figures.overflows;
            continue;
        }
        used.insert(decision.slot);
        if (decision.outcome == RingPool::Outcome::fresh) {
            ++figures.holds;
            if (decision.reissued) ++figures.reissues;
            if (decision.reissued && one.at - decision.previous.eligible_at < rules.lifetime) {
                ++figures.early_reissues;
            }
        } else {
            ++figures.touches;
        }
        std::uint64_t held = 0;
        for (ringpool::SlotIndex i = 0; i < pool.end_slot(); ++i) {
            if (pool.slot(i).session && pool.slot(i).expires_at > one.at) ++held;
        }
        if (held <= figures.most_held) continue;
        figures.most_held = held;
        figures.most_held_at = one.at;
    }
    figures.never_used = numbers - static_cast<std::uint32_t>(used.size());
    return figures;
}

/// One figure a line, so that a difference can be read.
std::string text_of(const Figures& f) {
    const auto n = [](auto value) { return std::to_string(value); };
    return "numbers " + n(f.numbers) + "\nlifetime " + n(f.rules.lifetime.count()) + "\ncooldown " +
           n(f.rules.cooldown.count()) + "\nmax hold " + n(f.rules.max_hold.count()) + "\nholds " +
           n(f.holds) + "\ntouches " + n(f.touches) + "\nreleases " + n(f.releases) +
           "\noverflows " + n(f.overflows) + "\nreissues " + n(f.reissues) + "\nearly " +
           n(f.early_reissues) + "\nmost " + n(f.most_held) + " at " +
           n(f.most_held_at.time_since_epoch().count()) + "\nnever used " + n(f.never_used);
}

class ReplayTest : public ::testing::Test {
  protected:
    /// Two pools, through several lives of a store and many files.
    void live(unsigned steps = 1500, unsigned lives = 3) {
        for (unsigned life = 0; life < lives; ++life) {
            TestStore store(path(), life == 0 ? kPools : std::vector<TestPool>(), small(), &disk_,
                            &clock_);
            ASSERT_FALSE(store.error()) << store.error()->message;
            for (unsigned i = 0; i < steps / lives; ++i) {
                recorder_.ask(store, i % 2, 60);
                recorder_.wait(40s);
            }
        }
    }
    static store::EmbeddedStoreOptions small() {
        store::EmbeddedStoreOptions options;
        options.segment_bytes = 8192;
        options.snapshot_after_bytes = 40'000;
        return options;
    }
    const fs::path& path() const { return directory_.path(); }
    fs::path shard(std::uint32_t stream = 0) const { return store::stream_path(path(), stream); }

    ReplayReport replay_with(const ReplayOptions& options = {}) {
        findings_.clear();
        auto report = replay(
            path(), options,
            {.on_finding =
                 [this](const store::InspectionFinding& finding) { findings_.push_back(finding); },
             .on_progress = {}});
        EXPECT_TRUE(report.ok()) << report.error().message;
        return report ? *report : ReplayReport();
    }
    static const PoolReport& pool(const ReplayReport& report, std::string_view id) {
        const auto found = std::ranges::find(report.pools, id, &PoolReport::id);
        if (found == report.pools.end()) throw std::runtime_error("no pool " + std::string(id));
        return *found;
    }
    Figures simulated(ringpool::PoolIndex index, unsigned numbers, HoldRules rules) const {
        return simulate(recorder_.asked(), index, numbers, rules);
    }
    static std::string flip(const fs::path& file, std::uint64_t offset) {
        std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
        stream.seekg(static_cast<std::streamoff>(offset));
        const int byte = stream.get();
        stream.seekp(static_cast<std::streamoff>(offset));
        stream.put(static_cast<char>(byte ^ 0x20));
        return file.string();
    }

    static constexpr HoldRules kAutos{1800s, 0s};
    static constexpr HoldRules kBoats{600s, 300s};
    const std::vector<TestPool> kPools = {{"autos-a", 25, 1800s}, {"boats-b", 12, 600s, 300s}};

    TempDirectory directory_;
    TestDisk disk_;
    store::testing::LeapingClock clock_;
    Recorder recorder_{clock_};
    std::vector<store::InspectionFinding> findings_;
};

TEST_F(ReplayTest, WithTheRecordedRulesItComesToWhatHappened) {
    live();
    ASSERT_GT(recorder_.refused(), 0u);  // the pools are not large enough for all
    ASSERT_GT(store::list_shard(shard())->segments.size(), 10u);
    const ReplayReport report = replay_with();
    EXPECT_TRUE(findings_.empty());
    EXPECT_TRUE(report.has_begin);
    ASSERT_EQ(report.pools.size(), 2u);
    for (const auto& [id, index, numbers, rules] :
         {std::tuple("autos-a", 0u, 25u, kAutos), std::tuple("boats-b", 1u, 12u, kBoats)}) {
        const PoolReport& told = pool(report, id);
        EXPECT_EQ(text_of(told.recorded), text_of(simulated(index, numbers, rules)));
        EXPECT_EQ(text_of(told.replayed), text_of(told.recorded));
        EXPECT_GT(told.recorded.holds, 100u);
        EXPECT_GT(told.recorded.touches, 50u);
        EXPECT_GT(told.recorded.releases, 20u);
        EXPECT_GT(told.recorded.reissues, told.recorded.early_reissues / 2);
        EXPECT_GT(told.recorded.early_reissues, 0u);
        EXPECT_EQ(told.replayed.overflows, 0u);
        EXPECT_EQ(told.gone, 0u);
        EXPECT_FALSE(told.deleted);
        std::set<unsigned> visitors;
        for (const Asked& asked : recorder_.asked()) {
            if (asked.pool == index) visitors.insert(asked.visitor);
        }
        EXPECT_EQ(told.sessions, visitors.size());
        EXPECT_TRUE(told.sessions_exact);
    }
}

TEST_F(ReplayTest, WhatItCountsIsWhatTheStoreCounted) {
    live(500, 1);
    TestStore store(path(), {}, small(), &disk_, &clock_);
    for (unsigned i = 0; i < 500; ++i) {
        recorder_.ask(store, i % 2, 60);
        recorder_.wait(40s);
    }
    const WallTime begin = recorder_.asked().front().at;
    const auto counters = store->counters();
    store.close();
    const ReplayReport all = replay_with();
    EXPECT_EQ(all.begin, begin);
    // Those of this life only.
    const ReplayReport before = [&] {
        ReplayOptions options;
        const auto& asked = recorder_.asked();
        std::uint64_t seen = 0;
        for (const Asked& one : asked) seen += one.release ? 0 : 1;
        options.to = asked[0].at;
        std::uint64_t left = seen - counters.allocations;
        for (const Asked& one : asked) {
            options.to = one.at;
            if (!one.release && left-- == 0) break;
        }
        return replay_with(options);
    }();
    const auto sum = [](const ReplayReport& report, auto member) {
        return report.pools[0].recorded.*member + report.pools[1].recorded.*member;
    };
    EXPECT_EQ(sum(all, &Figures::holds) - sum(before, &Figures::holds), counters.new_holds);
    EXPECT_EQ(sum(all, &Figures::early_reissues) - sum(before, &Figures::early_reissues),
              counters.early_reissues);
    EXPECT_EQ(sum(all, &Figures::releases) - sum(before, &Figures::releases), counters.releases);
}

TEST_F(ReplayTest, OtherPoolsFareAsAnAllocatorByItself) {
    live();
    struct Case {
        Changes changes;
        unsigned numbers;
        HoldRules rules;
    };
    const std::vector<Case> cases = {
        {{.numbers = 10}, 10, kAutos},
        {{.numbers = 1}, 1, kAutos},
        {{.numbers = 1000}, 1000, kAutos},
        {{.numbers_percent = 50}, 12, kAutos},
        {{.numbers_percent = 1}, 1, kAutos},
        {{.numbers_percent = 200}, 50, kAutos},
        {{.lifetime = 7200s}, 25, {7200s, 0s}},
        {{.lifetime = 60s}, 25, {60s, 0s}},
        {{.cooldown = 3600s}, 25, {1800s, 3600s}},
        {{.max_hold = 900s}, 25, {1800s, 0s, 900s}},
        {{.numbers = 15, .lifetime = 300s, .cooldown = 30s, .max_hold = 1200s},
         15,
         {300s, 30s, 1200s}},
    };
    unsigned with_overflows = 0;
    for (const Case& one : cases) {
        ReplayOptions options;
        options.pools = {"autos-a"};
        options.changes = one.changes;
        const ReplayReport report = replay_with(options);
        ASSERT_EQ(report.pools.size(), 1u);
        const PoolReport& told = report.pools[0];
        const Figures expected = simulated(0, one.numbers, one.rules);
        EXPECT_EQ(text_of(told.replayed), text_of(expected));
        EXPECT_EQ(text_of(told.recorded), text_of(simulated(0, 25, kAutos)));
        std::uint64_t requests = 0;
        std::uint64_t overflows = 0;
        for (const HourFigures& hour : told.hours) {
            requests += hour.requests;
            overflows += hour.overflows;
            EXPECT_EQ(hour.hour, std::chrono::floor<std::chrono::hours>(hour.hour));
        }
        EXPECT_EQ(requests, told.recorded.holds + told.recorded.touches);
        EXPECT_EQ(overflows, expected.overflows);
        EXPECT_GT(told.hours.size(), 3u);
        with_overflows += expected.overflows > 0 ? 1 : 0;
    }
    EXPECT_GT(with_overflows, 4u);
}

TEST_F(ReplayTest, CountsWhatLiesBetweenTwoTimes) {
    live();
    const auto& asked = recorder_.asked();
    ReplayOptions options;
    options.from = asked[asked.size() / 3].at;
    options.to = asked[asked.size() * 2 / 3].at;
    const ReplayReport report = replay_with(options);
    EXPECT_EQ(report.begin, *options.from);
    EXPECT_LT(report.end, *options.to);
    std::vector<Asked> before;
    std::vector<Asked> until;
    for (const Asked& one : asked) {
        if (one.at < *options.from) before.push_back(one);
        if (one.at < *options.to) until.push_back(one);
    }
    const Figures first = simulate(before, 0, 25, kAutos);
    const Figures both = simulate(until, 0, 25, kAutos);
    const Figures& told = pool(report, "autos-a").replayed;
    EXPECT_EQ(told.holds, both.holds - first.holds);
    EXPECT_EQ(told.touches, both.touches - first.touches);
    EXPECT_EQ(told.reissues, both.reissues - first.reissues);
    EXPECT_EQ(told, pool(report, "autos-a").recorded);

    options.from = asked.back().at + 1h;
    options.to.reset();
    const ReplayReport nothing = replay_with(options);
    EXPECT_EQ(nothing.begin, WallTime());
    EXPECT_EQ(pool(nothing, "autos-a").recorded.holds, 0u);
    EXPECT_EQ(pool(nothing, "autos-a").recorded.never_used, 25u);
}

TEST_F(ReplayTest, RulesThatChangedChangeInTheReplayToo) {
    TestStore store(path(), kPools, small(), &disk_, &clock_);
    std::uint64_t holds = 0;
    for (const auto lifetime : {1800s, 300s, 2400s}) {
        store.run([&] {
            auto definition = store.catalog().at(0);
            definition.lifetime = lifetime;
            ASSERT_TRUE(store->pools().put_pool(definition).ok());
        });
        for (unsigned i = 0; i < 400; ++i) {
            recorder_.ask(store, 0, 60);
            recorder_.wait(40s);
        }
    }
    holds = store->counters().new_holds;
    const auto early = store->counters().early_reissues;
    store.close();
    const ReplayReport report = replay_with();
    const PoolReport& told = pool(report, "autos-a");
    EXPECT_EQ(told.recorded.holds, holds);
    EXPECT_EQ(told.recorded.early_reissues, early);
    EXPECT_EQ(told.replayed.rules.lifetime, 2400s);
    EXPECT_EQ(told.replayed.overflows, 0u);
    EXPECT_EQ(told.replayed.holds, told.recorded.holds);
    EXPECT_EQ(told.replayed.reissues, told.recorded.reissues);
}

TEST_F(ReplayTest, NumbersThatLeftOrDrainStayAndAreTold) {
    std::uint64_t holds = 0;
    {
        TestStore store(path(), kPools, small(), &disk_, &clock_);
        const auto ask = [&](unsigned times) {
            for (unsigned i = 0; i < times; ++i) {
                recorder_.ask(store, i % 2, 60);
                recorder_.wait(40s);
            }
        };
        ask(300);
        store.run([&] {
            auto edited = store->pools().edit_numbers(
                "autos-a", {{}, {test_number(0, 1).number, test_number(0, 2).number}});
            ASSERT_TRUE(edited) << edited.error().message;
        });
        ask(300);
        clock_.leap(24h);
        // One comes back in another pool.
        store.run([&] {
            auto edited = store->pools().edit_numbers("boats-b", {{test_number(0, 1)}, {}});
            ASSERT_TRUE(edited) << edited.error().message;
            ASSERT_EQ(edited->added.size(), 1u);
        });
        ask(300);
        store.run([&] {
            auto edited = store->pools().edit_numbers("boats-b", {{}, {test_number(1, 0).number}});
            ASSERT_TRUE(edited) << edited.error().message;
        });
        holds = store->counters().new_holds;
    }
    const ReplayReport report = replay_with();
    const PoolReport& autos = pool(report, "autos-a");
    const PoolReport& boats = pool(report, "boats-b");
    EXPECT_EQ(autos.recorded.numbers, 25u);
    EXPECT_EQ(autos.gone, 2u);
    EXPECT_EQ(boats.recorded.numbers, 13u);
    EXPECT_EQ(boats.gone, 1u);
    EXPECT_EQ(autos.recorded.holds + boats.recorded.holds, holds);
    EXPECT_EQ(autos.replayed.overflows + boats.replayed.overflows, 0u);
    EXPECT_EQ(autos.replayed.holds + autos.replayed.touches,
              autos.recorded.holds + autos.recorded.touches);
    EXPECT_EQ(autos.recorded.never_used, 0u);
}

TEST_F(ReplayTest, APoolThatWasDeletedIsReplayedFromWhatTheJournalSays) {
    live(300, 1);
    fs::remove(path() / "pools" / "boats-b.pool");
    const PoolReport told = pool(replay_with(), "boats-b");
    EXPECT_TRUE(told.deleted);
    const Figures was = simulated(1, 12, kBoats);
    EXPECT_EQ(told.recorded.numbers + was.never_used, 12u);
    EXPECT_EQ(told.recorded.holds, was.holds);
    EXPECT_EQ(told.recorded.reissues, was.reissues);
    EXPECT_EQ(told.replayed.rules.lifetime, 600s);
    EXPECT_EQ(told.replayed.rules.cooldown, 300s);
    EXPECT_EQ(told.replayed.overflows, 0u);
}

// A pool goes from stream to stream as the number of shards changes.
TEST_F(ReplayTest, StreamsAreMergedInTheOrderOfTime) {
    store::testing::write_pools(path(), kPools);
    for (const std::size_t shards : {2u, 1u, 3u, 2u}) {
        Shards all(path(), shards, small(), clock_);
        for (unsigned i = 0; i < 300; ++i) {
            recorder_.ask(all.owner(kPools[i % 2].id), i % 2, 60);
            recorder_.wait(40s);
        }
    }
    ASSERT_EQ(store::list_streams(path())->size(), 8u);
    const ReplayReport report = replay_with();
    EXPECT_TRUE(findings_.empty()) << findings_[0].file << findings_[0].what;
    EXPECT_TRUE(report.has_begin);
    EXPECT_EQ(text_of(pool(report, "autos-a").recorded), text_of(simulated(0, 25, kAutos)));
    EXPECT_EQ(text_of(pool(report, "autos-a").replayed), text_of(simulated(0, 25, kAutos)));
    EXPECT_EQ(text_of(pool(report, "boats-b").recorded), text_of(simulated(1, 12, kBoats)));
    ReplayOptions options;
    options.changes.numbers = 8;
    EXPECT_EQ(text_of(pool(replay_with(options), "autos-a").replayed),
              text_of(simulated(0, 8, kAutos)));
}

TEST_F(ReplayTest, AJournalWithoutItsBeginIsReplayedAsFarAsItGoes) {
    live();
    const auto segments = store::list_shard(shard())->segments;
    for (std::size_t i = 0; i < segments.size() / 2; ++i) {
        fs::remove(store::segment_path(shard(), segments[i]));
    }
    const ReplayReport report = replay_with();
    EXPECT_TRUE(findings_.empty());
    EXPECT_FALSE(report.has_begin);
    EXPECT_EQ(report.left_out, 0u);  // all numbers are in pools
    const PoolReport& told = pool(report, "autos-a");
    const Figures all = simulated(0, 25, kAutos);
    EXPECT_GT(told.recorded.touches, 0u);
    EXPECT_LT(told.recorded.touches, all.touches);
    // Who was unknown, and then says who he is, counts as two.
    EXPECT_LT(told.replayed.overflows, 5u);
    EXPECT_EQ(told.replayed.holds + told.replayed.touches + told.replayed.overflows,
              told.recorded.holds + told.recorded.touches);

    // Nor are the pools there: what goes on is nobody's.
    fs::remove_all(path() / "pools");
    EXPECT_GT(replay_with().left_out, 0u);
}

TEST_F(ReplayTest, ATornTailIsToldAndNoDamage) {
    {
        TestStore store(path(), kPools, small(), &disk_, &clock_);
        for (unsigned i = 0; i < 100; ++i) recorder_.ask(store, i % 2, 60);
        disk_.freeze();
    }
    const ReplayReport whole = replay_with();
    EXPECT_TRUE(std::ranges::none_of(findings_, &store::InspectionFinding::damage));
    // The last record that was written.
    store::JournalPosition last = 0;
    auto cursor = store::JournalCursor::open(path(), 0, {});
    ASSERT_TRUE(cursor.ok());
    while (*cursor->next()) last = cursor->position();
    flip(store::segment_path(shard(), store::segment_of(last)), store::offset_of(last) + 9);
    const ReplayReport torn = replay_with();
    ASSERT_EQ(findings_.size(), 1u);
    EXPECT_TRUE(findings_[0].torn_tail);
    EXPECT_EQ(findings_[0].offset, store::offset_of(last));
    EXPECT_EQ(torn.damages, 0u);
    EXPECT_EQ(torn.pools.size(), whole.pools.size());
}

TEST_F(ReplayTest, DamageIsToldByFileAndOffset) {
    live(600, 1);
    auto cursor = store::JournalCursor::open(path(), 0, {});
    ASSERT_TRUE(cursor.ok());
    const auto segments = store::list_shard(shard())->segments;
    const std::uint32_t damaged = segments[segments.size() / 2];
    std::uint32_t offset = 0;
    for (unsigned records = 0; *cursor->next();) {
        if (store::segment_of(cursor->position()) != damaged || ++records < 3) continue;
        offset = store::offset_of(cursor->position());
        break;
    }
    const auto whole = pool(replay_with(), "autos-a").recorded.holds;
    const std::string file = flip(store::segment_path(shard(), damaged), offset + 10);
    const ReplayReport report = replay_with();
    ASSERT_EQ(findings_.size(), 1u);
    EXPECT_TRUE(findings_[0].damage);
    EXPECT_EQ(findings_[0].file.string(), file);
    EXPECT_EQ(findings_[0].offset, offset);
    EXPECT_EQ(report.damages, 1u);
    EXPECT_LT(pool(report, "autos-a").recorded.holds, whole);
    EXPECT_GT(pool(report, "autos-a").recorded.holds, whole / 2);
}

TEST_F(ReplayTest, WhatIsNotThereIsNotFound) {
    live(100, 1);
    EXPECT_EQ(replay(path() / "nowhere", {}, {}).error().code, ErrorCode::not_found);
    EXPECT_EQ(replay(path() / "pools", {}, {}).error().code, ErrorCode::not_found);
    ReplayOptions options;
    options.pools = {"autos-a", "trains"};
    const auto report = replay(path(), options, {});
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::not_found);
    EXPECT_NE(report.error().message.find("trains"), std::string::npos);
}

TEST_F(ReplayTest, NothingInTheDirectoryIsChanged) {
    live(300, 1);
    std::ofstream(path() / "pools" / "autos-a.pool.tmp") << "half";
    const auto contents = [&] {
        std::map<std::string, std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(path())) {
            if (!entry.is_regular_file()) continue;
            std::ifstream in(entry.path(), std::ios::binary);
            files[entry.path().string()] = std::string(std::istreambuf_iterator<char>(in), {});
        }
        return files;
    };
    const auto before = contents();
    replay_with();
    EXPECT_EQ(contents(), before);
}

}  // namespace
}  // namespace ringmaster::replay
