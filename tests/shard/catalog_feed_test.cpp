#include "ringmaster/shard/catalog_feed.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <sched.h>
#include <signal.h>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "runtime/fixture.hpp"
#include "shard/fake_shard.hpp"
#include <gtest/gtest.h>

namespace ringmaster::shard {
namespace {

using namespace std::chrono_literals;
using ringpool::Catalog;
using ringpool::PoolDefinition;
using Names = std::map<std::string, std::string>;

/// Pools' files, in memory; a pool's name stands for all of its definition.
struct Disk {
    Names files;
    int loads = 0;
    int lists = 0;
    std::optional<Error> load_error;  ///< of the pool `bad`
    std::string bad;
    std::function<void()> on_load = [] {};  ///< may suspend
};

/// One process: a catalog, and what keeps it current.
struct Process {
    Process(runtime::Scheduler& scheduler, SharedPage& page, const Placement& placement,
            ShardIndex self, Disk& disk)
        : feed(scheduler, page, catalog, placement, self,
               {.load = [&](std::string_view id) -> Result<PoolDefinition> {
                    ++disk.loads;
                    const auto file = disk.files.find(std::string(id));
                    const bool there = file != disk.files.end();
                    PoolDefinition pool = test_pool(std::string(id));
                    if (there) pool.name = file->second;
                    disk.on_load();
                    if (id == disk.bad) return *disk.load_error;
                    if (!there) return Error{ErrorCode::not_found, "no such pool"};
                    return pool;
                },
                .list = [&]() -> Result<std::vector<std::string>> {
                    ++disk.lists;
                    std::vector<std::string> ids;
                    for (const auto& [id, name] : disk.files) ids.push_back(id);
                    return ids;
                }}) {}

    Names names() const {
        Names names;
        catalog.for_each(
            [&](ringpool::PoolIndex, const PoolDefinition& pool) { names[pool.id] = pool.name; });
        return names;
    }
    Catalog catalog;
    CatalogFeed feed;
};

/// Two shards; 0 changes its pools, 1 learns of it.
class Feed : public ::testing::Test {
  protected:
    std::string pool(unsigned i) const { return pool_of(placement, 0, i); }

    /// A whole change by shard 0, or by another one like it.
    void change(unsigned i, const std::string& name) { change(writer, i, name); }
    void change(Process& by, unsigned i, const std::string& name) {
        by.feed.begin_change();
        EXPECT_TRUE(catch_up(by));
        write(i, name);
        by.feed.announce(pool(i));
        by.feed.end_change();
    }
    void write(unsigned i, const std::string& name) {
        if (name.empty()) {
            disk.files.erase(pool(i));
        } else {
            disk.files[pool(i)] = name;
        }
    }
    Result<void> catch_up(Process& process) {
        Result<void> result = Error{ErrorCode::timeout, "it has not ended"};
        runtime.spawn([&] { result = process.feed.catch_up({}); });
        runtime.settle();
        return result;
    }

    runtime::ManualScheduler runtime;
    const Placement placement{2};
    SharedPage page = SharedPage::create(2).value();
    Disk disk;
    Process writer{runtime.scheduler, page, placement, 0, disk};
    Process reader{runtime.scheduler, page, placement, 1, disk};
};

TEST_F(Feed, WithoutAChangeThereIsNothingToRead) {
    EXPECT_TRUE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(disk.loads, 0);
}

TEST_F(Feed, ReadsThePoolsThatHaveChanged) {
    change(0, "autos");
    change(1, "boats");
    change(0, "cars");
    EXPECT_FALSE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_TRUE(reader.feed.current());
    EXPECT_EQ(reader.names(), disk.files);
    EXPECT_EQ(disk.loads, 2) << "each once";
    EXPECT_EQ(disk.lists, 0);

    change(1, "");
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), disk.files);
}

TEST_F(Feed, WhoAnnouncesIsCurrent) {
    change(0, "autos");
    EXPECT_TRUE(writer.feed.current());
    EXPECT_EQ(writer.names(), Names()) << "its own pools are its store's business";
}

TEST_F(Feed, OwnPoolsAreLeftAloneWhateverTheFilesSay) {
    writer.catalog.put(test_pool(pool(0))).value();
    for (unsigned i = 0; i < SharedPage::kRemembered; ++i) {
        reader.feed.begin_change();
        reader.feed.announce(pool(0));
        reader.feed.end_change();
        if (i > 0) continue;
        EXPECT_TRUE(catch_up(writer));
    }
    EXPECT_TRUE(catch_up(writer));
    EXPECT_TRUE(writer.catalog.find(pool(0)));
    EXPECT_EQ(disk.loads, 0);
}

TEST_F(Feed, WhoIsAsFarBehindAsThePageRemembersReadsOnlyWhatHasChanged) {
    write(40, "an old pool");
    for (unsigned i = 0; i < SharedPage::kRemembered - 1; ++i) change(i % 8, std::to_string(i));
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(disk.lists, 0);
    EXPECT_EQ(disk.loads, 8);
}

TEST_F(Feed, WhoIsFurtherBehindReadsAll) {
    change(0, "autos");
    EXPECT_TRUE(catch_up(reader));
    change(0, "");
    write(40, "an old pool");
    for (unsigned i = 0; i < SharedPage::kRemembered; ++i) change(1 + i % 3, std::to_string(i));
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(disk.lists, 1);
    EXPECT_EQ(reader.names(), disk.files);
    EXPECT_TRUE(reader.feed.current());
}

TEST_F(Feed, TheLongestIdIsRemembered) {
    std::string id(SharedPage::kMaxIdBytes, 'x');
    for (char c = 'a'; placement.owner(id) != 0; ++c) id.front() = c;
    disk.files[id] = "long";
    writer.feed.begin_change();
    writer.feed.announce(id);
    writer.feed.end_change();
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), (Names{{id, "long"}}));
}

TEST_F(Feed, AProcessThatStartsIsCurrentAsOfBeforeItsStart) {
    change(0, "autos");
    Process late(runtime.scheduler, page, placement, 1, disk);
    EXPECT_TRUE(late.feed.current());
    change(0, "cars");  // while it loads its pools
    EXPECT_FALSE(late.feed.current());
}

TEST_F(Feed, OneReadsAndTheOthersWait) {
    change(0, "autos");
    runtime::Waker go_on;
    disk.on_load = [&] { runtime.scheduler.suspend([&](runtime::Waker w) { go_on = w; }); };
    int done = 0;
    for (int i = 0; i < 3; ++i) {
        runtime.spawn([&] {
            EXPECT_TRUE(reader.feed.catch_up({}));
            ++done;
        });
    }
    std::optional<Result<void>> hasty;
    runtime.spawn([&] { hasty = reader.feed.catch_up(runtime.in(10ms)); });
    runtime.settle();
    runtime.advance(10ms);
    EXPECT_EQ(done, 0);
    ASSERT_TRUE(hasty);
    EXPECT_EQ(hasty->error().code, ErrorCode::timeout);
    go_on.wake();
    runtime.settle();
    EXPECT_EQ(done, 3);
    EXPECT_EQ(disk.loads, 1);
}

TEST_F(Feed, WhatChangesDuringTheReadingIsReadNext) {
    change(0, "autos");
    // The reader has the old file in hand when the change is made and announced.
    disk.on_load = [&] {
        if (disk.loads > 1) return;
        disk.files[pool(0)] = "cars";
        writer.feed.begin_change();
        writer.feed.announce(pool(0));
        writer.feed.end_change();
    };
    EXPECT_TRUE(catch_up(reader));
    EXPECT_FALSE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_TRUE(reader.feed.current());
    EXPECT_EQ(reader.names(), disk.files);
}

TEST_F(Feed, OnceBegunAReadingGoesToItsEnd) {
    change(0, "autos");
    change(1, "boats");
    runtime::Waker go_on;
    disk.on_load = [&] { runtime.scheduler.suspend([&](runtime::Waker w) { go_on = w; }); };
    const auto task = runtime.scheduler.spawn("test", [&] { (void)reader.feed.catch_up({}); });
    runtime.settle();
    task.cancel("the client left");
    while (task.is_running()) {
        ASSERT_TRUE(go_on.wake());
        runtime.settle();
    }
    EXPECT_TRUE(reader.feed.current());
    EXPECT_EQ(reader.names(), disk.files);
}

TEST_F(Feed, APoolThatCanNotBeReadKeepsNoOtherFromBeingKnown) {
    change(0, "autos");
    change(1, "boats");
    change(2, "canoes");
    disk.bad = pool(1);
    disk.load_error = Error{ErrorCode::damaged, "has a checksum that does not match"};
    EXPECT_EQ(catch_up(reader).error().code, ErrorCode::damaged);
    EXPECT_EQ(reader.names(), (Names{{pool(0), "autos"}, {pool(2), "canoes"}}));
    EXPECT_FALSE(reader.feed.current());

    EXPECT_EQ(catch_up(reader).error().code, ErrorCode::damaged);
    EXPECT_EQ(disk.loads, 3) << "not tried again at once";
    disk.bad.clear();
    runtime.advance(CatalogFeed::kRetryAfter);
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), disk.files);
    EXPECT_TRUE(reader.feed.current());
}

TEST_F(Feed, AWriterThatDiedMakesEverybodyReadAll) {
    Process third(runtime.scheduler, page, placement, 1, disk);
    writer.feed.begin_change();
    write(0, "autos");  // and dies
    EXPECT_TRUE(reader.feed.current()) << "nobody knows yet";

    reader.feed.begin_change();
    EXPECT_FALSE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), disk.files);
    reader.feed.end_change();
    EXPECT_TRUE(catch_up(third));
    EXPECT_EQ(third.names(), disk.files);
    EXPECT_EQ(disk.lists, 2);

    // It has been seen to, once.
    reader.feed.begin_change();
    EXPECT_TRUE(reader.feed.current());
    EXPECT_TRUE(third.feed.current());
    reader.feed.end_change();
    writer.feed.begin_change();
    EXPECT_TRUE(catch_up(writer));
    write(1, "boats");
    writer.feed.announce(pool(1));
    writer.feed.end_change();
    EXPECT_TRUE(catch_up(third));
    EXPECT_EQ(third.names(), disk.files);
    EXPECT_EQ(disk.lists, 3) << "only the restarted writer has read all once more";
}

/// In a process of its own; what it left in the page stays.
void in_child(const std::function<void()>& job) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        job();
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
}

TEST_F(Feed, TheMarkOfAWriterThatWasKilledIsFoundInAnotherProcess) {
    write(0, "autos");  // what the child is going to write
    in_child([&] { writer.feed.begin_change(); });
    EXPECT_TRUE(reader.feed.current());
    reader.feed.begin_change();
    EXPECT_FALSE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), disk.files);
}

TEST_F(Feed, AChangeOfAnotherProcessIsKnownHere) {
    write(0, "autos");
    in_child([&] {
        writer.feed.begin_change();
        writer.feed.announce(pool(0));
        writer.feed.end_change();
    });
    EXPECT_FALSE(reader.feed.current());
    EXPECT_TRUE(catch_up(reader));
    EXPECT_EQ(reader.names(), disk.files);
    reader.feed.begin_change();
    EXPECT_TRUE(reader.feed.current()) << "it had ended its change before it died";
}

/// What two processes see of each other.
struct Race {
    static constexpr std::uint64_t kPools = 101;
    static constexpr std::uint64_t kBurst = 100;  ///< more than the page remembers
    static constexpr std::uint64_t kChanges = 2000 * kBurst;

    /// Which pool is changed n-th: none twice among those that are remembered, and never the one
    /// that was in the same place of the page before.
    static std::size_t pool_of(std::uint64_t n) { return n * 37 % kPools; }

    std::array<std::atomic<std::uint64_t>, kPools> files{};  ///< the number of the last change
    std::atomic<std::uint64_t> seen{0};                      ///< by the reader
};

TEST_F(Feed, AReaderThatIsOvertakenWhileItReadsMissesNothing) {
    void* const memory =
        ::mmap(nullptr, sizeof(Race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    auto& race = *new (memory) Race{};
    std::vector<std::string> ids;
    for (unsigned i = 0; i < Race::kPools; ++i) ids.push_back(pool(i));

    const auto load = [&](std::string_view id) -> Result<PoolDefinition> {
        const auto found = std::ranges::find(ids, id);
        if (found == ids.end()) return Error{ErrorCode::damaged, "a mixture: " + std::string(id)};
        PoolDefinition pool = test_pool(std::string(id));
        pool.name = std::to_string(race.files[static_cast<std::size_t>(found - ids.begin())]);
        return pool;
    };
    const auto list = [&]() -> Result<std::vector<std::string>> { return ids; };
    Catalog catalog;
    CatalogFeed feed(runtime.scheduler, page, catalog, placement, 1, {load, list});

    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::alarm(60);  // where the parent has died
        for (std::uint64_t n = 1; n <= Race::kChanges; ++n) {
            writer.feed.begin_change();
            race.files[Race::pool_of(n)] = n;
            writer.feed.announce(ids[Race::pool_of(n)]);
            writer.feed.end_change();
            while (n % Race::kBurst == 0 && race.seen < n) ::sched_yield();
        }
        ::_exit(0);
    }
    runtime.spawn([&] {
        std::uint64_t missed = 0;
        while (race.seen < Race::kChanges) {
            const std::uint64_t version = page.contents().catalog_version;
            if (const auto done = feed.catch_up({}); !done) ADD_FAILURE() << done.error().message;
            for (std::uint64_t n = version; n > 0 && n + SharedPage::kRemembered > version; --n) {
                const auto index = catalog.find(ids[Race::pool_of(n)]);
                missed += !index || std::stoull(catalog.at(*index).name) < n;
            }
            if (race.seen.exchange(version) == version) ::sched_yield();
        }
        EXPECT_EQ(missed, 0u);
    });
    runtime.settle();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    ::munmap(memory, sizeof(Race));
}

}  // namespace
}  // namespace ringmaster::shard
