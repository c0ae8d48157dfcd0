#include "ringmaster/shard/shard_neighbours.hpp"

#include "ringmaster/store/disk.hpp"
#include "ringmaster/store/pool_files.hpp"

#include <chrono>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::PhoneNumber;
using store::NumberKnowledge;
using Permit = std::unique_ptr<store::Neighbours::Permit>;

const auto kNumber = PhoneNumber::from_digits(18665550142);

NumberKnowledge knowledge(std::string pool) {
    NumberKnowledge result;
    result.number = kNumber;
    result.pool = std::move(pool);
    return result;
}

/// The neighbours of shard 1 of 3.
class NeighboursTest : public ::testing::Test {
  protected:
    /// Begins a change, which ends when `permit` is reset.
    void begin() {
        permit.reset();
        runtime.spawn([this] { permit = neighbours.begin_change(); });
        runtime.settle();
    }
    Permit& held() { return permit->value(); }
    /// What another process sees: whether it gets the lock.
    bool is_free() const {
        const store::UniqueFd file(::open(lock_file.c_str(), O_RDWR | O_CREAT, 0600));
        return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0;
    }
    void run(std::function<void()> job) {
        runtime.spawn(std::move(job));
        runtime.settle();
    }

    store::testing::TempDirectory directory;
    const std::filesystem::path lock_file = directory.path() / "lock";
    runtime::ManualScheduler runtime;
    const Placement placement{3};
    SharedPage page = SharedPage::create(3).value();
    ringpool::Catalog catalog;
    std::optional<Error> load_error;
    CatalogFeed feed{
        runtime.scheduler,
        page,
        catalog,
        placement,
        1,
        {.load = [this](std::string_view id) -> Result<ringpool::PoolDefinition> {
             if (load_error) return *load_error;
             return test_pool(std::string(id));
         },
         .list = []() -> Result<std::vector<std::string>> { return std::vector<std::string>{}; }}};
    FakeShards shards{3};
    ShardNeighbours neighbours{runtime.scheduler, placement, 1,
                               shards.all(),      feed,      {.lock_file = lock_file}};
    std::optional<Result<Permit>> permit;
};

TEST_F(NeighboursTest, OwnsWhatItsShardOwns) {
    EXPECT_TRUE(neighbours.owns(pool_of(placement, 1)));
    EXPECT_FALSE(neighbours.owns(pool_of(placement, 2)));
}

TEST_F(NeighboursTest, AChangeKeepsOthersOutUntilItHasEnded) {
    begin();
    ASSERT_TRUE(permit && *permit);
    EXPECT_FALSE(is_free());
    EXPECT_NE(page.contents().changing.load(), 0u);
    held().reset();
    EXPECT_TRUE(is_free());
    EXPECT_EQ(page.contents().changing.load(), 0u);
}

TEST_F(NeighboursTest, WaitsForAnotherProcess) {
    store::UniqueFd other(::open(lock_file.c_str(), O_RDWR | O_CREAT, 0600));
    ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
    begin();
    runtime.advance(4s);
    EXPECT_FALSE(permit);
    other = store::UniqueFd();
    runtime.advance(5ms);
    ASSERT_TRUE(permit && *permit);
}

TEST_F(NeighboursTest, ButNotForEver) {
    store::UniqueFd other(::open(lock_file.c_str(), O_RDWR | O_CREAT, 0600));
    ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
    begin();
    runtime.advance(4999ms);
    EXPECT_FALSE(permit);
    runtime.advance(1ms);
    ASSERT_TRUE(permit);
    EXPECT_EQ(permit->error().code, ErrorCode::unavailable);
    EXPECT_EQ(permit->error().message, "another change of pools is under way in another process");
    EXPECT_EQ(page.contents().changing.load(), 0u);
}

TEST_F(NeighboursTest, OneOfTheSameProcessIsWaitedForToo) {
    begin();
    auto first = std::move(permit);
    begin();
    EXPECT_FALSE(permit);
    first.reset();
    runtime.advance(5ms);
    EXPECT_TRUE(permit && *permit);
}

TEST_F(NeighboursTest, WhoIsCancelledWhileHeWaitsHasNothing) {
    begin();
    auto first = std::move(permit);
    const auto task = runtime.scheduler.spawn("test", [&] { permit = neighbours.begin_change(); });
    runtime.settle();
    task.cancel("the client left");
    runtime.settle();
    EXPECT_FALSE(task.is_running());
    first.reset();
    EXPECT_TRUE(is_free());
}

TEST_F(NeighboursTest, AProcessThatDiesGivesTheRightBackAndLeavesItsMark) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        begin();
        ::_exit(permit && *permit ? 0 : 1);  // with the permit in hand
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    EXPECT_TRUE(feed.current());
    const auto version = page.contents().catalog_version.load();
    begin();
    ASSERT_TRUE(permit && *permit);
    EXPECT_GT(page.contents().catalog_version.load(), version + SharedPage::kRemembered);
    EXPECT_TRUE(feed.current());
}

TEST_F(NeighboursTest, AChildDoesNotKeepWhatItsParentHasGivenBack) {
    begin();
    ASSERT_TRUE(permit && *permit);
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::close(pipe[1]);
        char byte = 0;
        (void)!::read(pipe[0], &byte, 1);  // until the parent has looked
        ::_exit(0);
    }
    held().reset();
    EXPECT_TRUE(is_free());
    ::close(pipe[1]);
    ::close(pipe[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
}

TEST_F(NeighboursTest, AChangeBeginsWithACatalogThatIsUpToDate) {
    const std::string id = pool_of(placement, 2);
    page.contents().catalog_version = SharedPage::kRemembered * 5;  // it knows not which
    ringpool::Catalog other;
    CatalogFeed writer(runtime.scheduler, page, other, placement, 2, {});
    begin();
    held().reset();
    writer.announce(id);
    begin();
    ASSERT_TRUE(permit && *permit);
    EXPECT_TRUE(feed.current());
    EXPECT_TRUE(catalog.find(id));
    held().reset();

    neighbours.announce(pool_of(placement, 1));
    EXPECT_TRUE(feed.current());
    EXPECT_FALSE(writer.current());
}

TEST_F(NeighboursTest, NoChangeBeginsWhereTheCatalogCanNotBeBroughtUpToDate) {
    ringpool::Catalog other;
    CatalogFeed writer(runtime.scheduler, page, other, placement, 2, {});
    writer.announce(pool_of(placement, 2));
    load_error = Error{ErrorCode::damaged, "has a checksum that does not match"};
    begin();
    ASSERT_TRUE(permit);
    EXPECT_EQ(permit->error().code, ErrorCode::unavailable);
    EXPECT_EQ(
        permit->error().message,
        "what other processes have changed can't be read: has a checksum that does not match");
    EXPECT_TRUE(is_free());
    EXPECT_EQ(page.contents().changing.load(), 0u);
}

TEST_F(NeighboursTest, ALockThatCanNotBeOpenedIsTold) {
    ShardNeighbours lost(runtime.scheduler, placement, 1, shards.all(), feed,
                         {.lock_file = directory.path() / "no" / "lock"});
    run([&] {
        const auto failed = lost.begin_change();
        EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
        EXPECT_NE(failed.error().message.find("no/lock"), std::string::npos);
    });
}

TEST_F(NeighboursTest, ThePoolsFilesAreReadPastTheLock) {
    begin();
    store::Disk disk;
    EXPECT_TRUE(store::PoolFiles(disk, directory.path()).load());
}

TEST_F(NeighboursTest, AsksAllOthersWhatTheyKnow) {
    const auto answer = [&](std::string pool) {
        return [this, pool](std::span<const PhoneNumber> numbers, Deadline deadline) {
            EXPECT_EQ(numbers.size(), 1u);
            EXPECT_EQ(numbers[0], kNumber);
            EXPECT_EQ(deadline.time(), runtime.in(2s).time());
            return std::vector<NumberKnowledge>{knowledge(pool)};
        };
    };
    shards[0].on_look_up = answer("autos");
    shards[2].on_look_up = answer("boats");
    run([&] {
        const auto known = neighbours.look_up({&kNumber, 1}).value();
        ASSERT_EQ(known.size(), 2u);
        EXPECT_EQ(known[0].pool, "autos");
        EXPECT_EQ(known[1].pool, "boats");

        shards[2].on_look_up = [](auto, Deadline) -> Result<std::vector<NumberKnowledge>> {
            return Error{ErrorCode::timeout, "no answer"};
        };
        const auto failed = neighbours.look_up({&kNumber, 1});
        EXPECT_EQ(failed.error().code, ErrorCode::unavailable);
        EXPECT_EQ(failed.error().message, "shard 2 does not answer in time");
    });
}

TEST_F(NeighboursTest, HasThePoolsOwnerSweepIt) {
    const std::string id = pool_of(placement, 2);
    std::vector<std::string> swept;
    shards[2].on_sweep = [&](std::string_view pool_id, Deadline) -> Result<void> {
        swept.emplace_back(pool_id);
        return {};
    };
    run([&] {
        EXPECT_TRUE(neighbours.sweep(id));
        EXPECT_EQ(swept, std::vector<std::string>{id});
        shards[2].on_sweep = [](std::string_view, Deadline) -> Result<void> {
            return Error{ErrorCode::not_found, "there is no such pool"};
        };
        EXPECT_EQ(neighbours.sweep(id).error().code, ErrorCode::unavailable);
        EXPECT_EQ(neighbours.sweep(id).error().message, "shard 2: there is no such pool");
    });
}

}  // namespace
}  // namespace ringmaster::shard
