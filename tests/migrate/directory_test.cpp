#include "ringmaster/migrate/directory_source.hpp"
#include "ringmaster/migrate/directory_target.hpp"
#include "ringmaster/migrate/migrate.hpp"
#include "ringmaster/store/embedded_store.hpp"

#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::migrate {
namespace {

using namespace std::chrono_literals;
using ringpool::Hold;
using store::testing::CollectingLog;
using store::testing::LeapingClock;
using store::testing::one_parameter;
using store::testing::TempDirectory;
using store::testing::test_number;
using store::testing::TestStore;

const auto kQuietly = [](const Progress&) {};

class DirectoryMigration : public testing::Test {
  protected:
    std::filesystem::path from() const { return directory_.path() / "from"; }
    std::filesystem::path to() const { return directory_.path() / "to"; }

    /// A store with some past: numbers given, given back, drained, moved, and forgotten.
    void make_store() {
        TestStore store(from(),
                        {{"autos", 20, 1800s}, {"boats", 5, 600s, 300s}, {"empty", 0}, {"new", 3}},
                        {}, nullptr, &clock_);
        ASSERT_FALSE(store.error());
        std::mt19937 random(4711);
        for (int i = 0; i < 400; ++i) {
            const auto pool = static_cast<ringpool::PoolIndex>(random() % 2);
            const std::string session = "v" + std::to_string(random() % 60);
            const std::string context = one_parameter("source", std::to_string(random() % 3));
            const auto told = store.allocate(pool, session, context);
            if (random() % 8 == 0) {
                store.run([&] {
                    (void)store->release(pool, told.number, {session, ringpool::Context(context)},
                                         {});
                });
            }
            clock_.leap(std::chrono::seconds(random() % 200));
        }
        store.run([&] {
            auto edited = store->pools().edit_numbers(
                "autos", {{}, {test_number(0, 1).number, test_number(0, 2).number}});
            ASSERT_TRUE(edited) << edited.error().message;
            ASSERT_TRUE(store->history().erase("v7"));
        });
        for (int i = 0; i < 5; ++i) last_[i] = store.allocate(0, "last " + std::to_string(i));
    }

    Digest digest_of_directory(const std::filesystem::path& root, std::chrono::milliseconds ahead) {
        auto source = DirectorySource::open(root, clock_, log_);
        if (!source) throw std::runtime_error(source.error().message);
        (*source)->set_ahead(ahead);
        auto digest = migrate::digest_of(**source, kQuietly);
        if (!digest) throw std::runtime_error(digest.error().message);
        return *digest;
    }

    Result<void> move() {
        auto source = DirectorySource::open(from(), clock_, log_);
        if (!source) return source.error();
        DirectoryTarget target(disk_, to(), clock_, log_, 64u << 10);
        const auto moved = move_all(
            **source, target, [this](const Progress& progress) { moved_ = progress.numbers; });
        ahead_ = (*source)->ahead();  // or that of the run that was interrupted
        return moved;
    }

    static std::string text_of(const Result<std::vector<Hold>>& holds) {
        if (!holds) return holds.error().message;
        std::string text;
        for (const Hold& hold : *holds) {
            text += hold.pool_id + " " + hold.session_id.value_or("-") + " " + hold.context;
            for (const WallTime time : {hold.last_touch, hold.expires_at, hold.free_at}) {
                text += " " + std::to_string((time - hold.allocated_at).count());
            }
            text += hold.detail == Hold::Detail::erased ? " erased\n" : "\n";
        }
        return text;
    }

    TempDirectory directory_;
    LeapingClock clock_;
    CollectingLog log_;
    store::testing::TestDisk disk_;       ///< of what is made
    std::chrono::milliseconds ahead_{0};  ///< with which it was moved
    std::uint64_t moved_ = 0;             ///< numbers, in the last run
    ringpool::Allocation last_[5];
};

TEST_F(DirectoryMigration, MovesAllThatThereIs) {
    make_store();
    const auto moved = move();
    ASSERT_TRUE(moved) << moved.error().message;
    const Digest before = digest_of_directory(from(), ahead_);
    const Digest after = digest_of_directory(to(), 0ms);
    EXPECT_EQ(before.pools(), 4u);
    EXPECT_EQ(before.numbers(), 28u);
    EXPECT_GT(before.holds(), 50u);
    EXPECT_EQ(before.checksum(), after.checksum());
    EXPECT_EQ(before, after);
}

TEST_F(DirectoryMigration, SessionsKeepTheirNumbersAndTheirPast) {
    make_store();
    ASSERT_TRUE(move());
    TestStore old(from(), {}, {}, nullptr, &clock_);
    TestStore fresh(to(), {}, {}, nullptr, &clock_);
    ASSERT_FALSE(fresh.error()) << fresh.error()->message;
    for (unsigned pool = 0; pool < 2; ++pool) {
        for (unsigned i = 0; i < 20; ++i) {
            const auto number = test_number(pool, i).number;
            std::string then;
            std::string now;
            old.run([&] { then = text_of(old->history().holders(number, {}, 1000, {})); });
            fresh.run([&] { now = text_of(fresh->history().holders(number, {}, 1000, {})); });
            EXPECT_EQ(then, now) << number.e164();
        }
    }
    for (int i = 0; i < 5; ++i) {
        const auto told = fresh.allocate(0, "last " + std::to_string(i));
        EXPECT_EQ(told.number, last_[i].number);
    }
}

TEST_F(DirectoryMigration, SeesASingleDifference) {
    make_store();
    const Digest before = digest_of_directory(from(), ahead_);
    EXPECT_NE(before, digest_of_directory(from(), ahead_ + 1ms));
    {
        TestStore store(from(), {}, {}, nullptr, &clock_);
        store.run([&] { ASSERT_TRUE(store->history().erase("last 3")); });
    }
    EXPECT_NE(before.checksum(), digest_of_directory(from(), ahead_).checksum());
}

// However far the disk went along with it.
TEST_F(DirectoryMigration, GoesOnWhereItWasInterrupted) {
    make_store();
    const Digest before = digest_of_directory(from(), 0ms);
    std::set<std::uint64_t> moved;
    for (int steps = 0;; ++steps) {
        disk_.freeze_after(steps);
        const bool whole = static_cast<bool>(move());
        disk_.freeze_after(1 << 30);
        if (!whole && !std::filesystem::exists(to())) {
            const auto resumed = move();
            ASSERT_TRUE(resumed) << steps << ": " << resumed.error().message;
            moved.insert(moved_);
        }
        EXPECT_EQ(before.numbers(), digest_of_directory(to(), 0ms).numbers()) << steps;
        ASSERT_EQ(digest_of_directory(from(), ahead_), digest_of_directory(to(), 0ms)) << steps;
        EXPECT_FALSE(std::filesystem::exists(to().string() + ".unfinished"));
        std::filesystem::remove_all(to());
        if (whole) break;
    }
    // All, those behind one pool, behind two, and so on: "empty" has none.
    EXPECT_EQ(moved, (std::set<std::uint64_t>{28, 8, 3, 0}));
}

TEST_F(DirectoryMigration, BeginsAnewWhereTheSourceHasChanged) {
    make_store();
    disk_.freeze_after(40);
    ASSERT_FALSE(move());
    disk_.freeze_after(1 << 30);
    {
        TestStore store(from(), {}, {}, nullptr, &clock_);
        store.allocate(1, "another");
    }
    ASSERT_TRUE(move());
    EXPECT_EQ(moved_, 28u);
    EXPECT_EQ(digest_of_directory(from(), ahead_), digest_of_directory(to(), 0ms));
}

TEST_F(DirectoryMigration, RefusesAPlaceThatIsTakenAndOneWhereNothingIs) {
    make_store();
    std::filesystem::create_directory(to());
    std::ofstream(to() / "file") << "somebody's";
    const auto moved = move();
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().message, to().string() + " is not empty");

    const auto nowhere = DirectorySource::open(directory_.path() / "nowhere", clock_, log_);
    ASSERT_FALSE(nowhere);
    EXPECT_EQ(nowhere.error().code, ErrorCode::not_found);
    EXPECT_FALSE(std::filesystem::exists(directory_.path() / "nowhere"));
}

TEST_F(DirectoryMigration, LeavesADirectoryAloneThatADaemonUses) {
    make_store();
    TestStore store(from(), {}, {}, nullptr, &clock_);
    const auto moved = move();
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace ringmaster::migrate
