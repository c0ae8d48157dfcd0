#include "ringmaster/store/data_directory.hpp"

#include <fstream>

#include "store/support.hpp"
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

namespace fs = std::filesystem;
using store::testing::TempDirectory;
using store::testing::TestDisk;

class DataDirectoryTest : public ::testing::Test {
  protected:
    TempDirectory temp_;
    TestDisk disk_;
    fs::path root_ = temp_.path() / "some" / "where";
};

TEST_F(DataDirectoryTest, IsMadeForItsOwnerAlone) {
    const auto directory = DataDirectory::open(disk_, root_);
    ASSERT_TRUE(directory.ok());
    EXPECT_EQ(directory->root(), root_);
    EXPECT_EQ(directory->pools(), root_ / "pools");
    EXPECT_EQ(fs::status(directory->pools()).permissions(), fs::perms::owner_all);
}

TEST_F(DataDirectoryTest, BelongsToOneAtATime) {
    {
        const auto first = DataDirectory::open(disk_, root_);
        ASSERT_TRUE(first.ok());
        const auto second = DataDirectory::open(disk_, root_);
        ASSERT_FALSE(second.ok());
        EXPECT_EQ(second.error().code, ErrorCode::unavailable);
        EXPECT_EQ(second.error().message,
                  "the data directory " + root_.string() + " is in use by another process");
    }
    EXPECT_TRUE(DataDirectory::open(disk_, root_).ok());
}

// As exec() does, which leaves nothing but the descriptor.
TEST_F(DataDirectoryTest, IsHandedOnWithItsLock) {
    auto first = DataDirectory::open(disk_, root_);
    ASSERT_TRUE(first.ok());
    const int inherited = ::dup(first->lock_fd());
    { const DataDirectory gone = *std::move(first); }
    const auto second = DataDirectory::adopt(root_, inherited);
    ASSERT_TRUE(second.ok()) << second.error().message;
    EXPECT_EQ(second->root(), root_);
    EXPECT_EQ(second->lock_fd(), inherited);
    EXPECT_NE(::fcntl(inherited, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_FALSE(DataDirectory::open(disk_, root_).ok()) << "it is still locked";
}

TEST_F(DataDirectoryTest, IsNotHandedOnWithoutItsLock) {
    const auto locked = DataDirectory::open(disk_, root_);
    ASSERT_TRUE(locked.ok());
    const int other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(DataDirectory::adopt(root_, other).error().code, ErrorCode::invalid);
    const int unlocked = ::open((root_ / "lock").c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(DataDirectory::adopt(root_, unlocked).error().message,
              "descriptor " + std::to_string(unlocked) + " does not lock the data directory " +
                  root_.string());
    EXPECT_EQ(::fcntl(unlocked, F_GETFD), -1) << "it is closed";
}

TEST_F(DataDirectoryTest, SaysWhyItCantBeMade) {
    std::ofstream(temp_.path() / "some") << "a file";
    const auto directory = DataDirectory::open(disk_, root_);
    ASSERT_FALSE(directory.ok());
    EXPECT_NE(directory.error().message.find("Not a directory"), std::string::npos)
        << directory.error().message;
}

TEST_F(DataDirectoryTest, DrawsASecretOnceAndKeepsIt) {
    const auto directory = DataDirectory::open(disk_, root_);
    const auto secret = directory->secret(disk_, true);
    ASSERT_TRUE(secret.ok());
    EXPECT_EQ(*directory->secret(disk_, false), *secret);
    EXPECT_EQ(fs::status(root_ / "secret").permissions(),
              fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(fs::file_size(root_ / "secret"), 16u);
}

TEST_F(DataDirectoryTest, DoesNotReplaceASecretThatIsMissingOrCutShort) {
    const auto directory = DataDirectory::open(disk_, root_);
    EXPECT_EQ(directory->secret(disk_, false).error().code, ErrorCode::damaged);
    std::ofstream(root_ / "secret") << "too short";
    EXPECT_EQ(directory->secret(disk_, true).error().code, ErrorCode::damaged);
}

TEST_F(DataDirectoryTest, ASecretThatCouldNotBeWrittenIsNone) {
    const auto directory = DataDirectory::open(disk_, root_);
    disk_.fail(TestDisk::syncing, std::errc::io_error);
    EXPECT_FALSE(directory->secret(disk_, true).ok());
    EXPECT_FALSE(fs::exists(root_ / "secret"));
}

TEST(DataDirectoryNames, AreReadBack) {
    EXPECT_EQ(segment_path("d", 42), "d/journal-0000000042.log");
    EXPECT_EQ(parse_segment_name("journal-0000000042.log"), 42u);
    EXPECT_EQ(parse_segment_name("journal-4294967295.log"), 4294967295u);
    EXPECT_EQ(snapshot_path("d", position_at(3, 64)), "d/snapshot-0000000003-0000000064.dat");
    EXPECT_EQ(parse_snapshot_name("snapshot-0000000003-0000000064.dat"), position_at(3, 64));
}

TEST(DataDirectoryNames, StreamsHaveADirectoryEach) {
    EXPECT_EQ(stream_path("d", 17), "d/shard-17");
    EXPECT_EQ(parse_stream_name("shard-0"), 0u);
    EXPECT_EQ(parse_stream_name("shard-4095"), 4095u);
    EXPECT_EQ(find_segment("d", first_segment(17) + 1), "d/shard-17/journal-0017825794.log");
    for (const char* name : {"shard-4096", "shard-00", "shard-", "shard", "shard--1", "shard-1.tmp",
                             "shard-99999999999", "xshard-1"}) {
        EXPECT_FALSE(parse_stream_name(name)) << name;
    }
}

TEST(DataDirectoryNames, OtherNamesAreNotTakenForThem) {
    for (const char* name :
         {"journal-42.log", "journal-0000000042.log.tmp", "journal-4294967296.log",
          "journal-00000000-2.log", "journal-.log", "journal", "xjournal-0000000042.log",
          "journal-000000004x.log", "snapshot-0000000003-0000000064.dat"}) {
        EXPECT_FALSE(parse_segment_name(name)) << name;
    }
    for (const char* name : {"snapshot-0000000003_0000000064.dat", "snapshot-0000000003.dat",
                             "snapshot-0000000003-0000000064.dat.tmp", "snapshot-.dat"}) {
        EXPECT_FALSE(parse_snapshot_name(name)) << name;
    }
}

TEST_F(DataDirectoryTest, ListsWhatItKnowsInOrder) {
    const fs::path shard = stream_path(root_, 0);
    fs::create_directories(shard);
    for (const fs::path& path :
         {segment_path(shard, 10), segment_path(shard, 9), snapshot_path(shard, position_at(2, 1)),
          snapshot_path(shard, position_at(1, 3)), unfinished(segment_path(shard, 11)),
          shard / "notes.txt"}) {
        std::ofstream(path).put('x');
    }
    const auto files = list_shard(shard);
    ASSERT_TRUE(files.ok());
    EXPECT_EQ(files->segments, (std::vector<std::uint32_t>{9, 10}));
    EXPECT_EQ(files->snapshots,
              (std::vector<JournalPosition>{position_at(1, 3), position_at(2, 1)}));
    EXPECT_EQ(files->unfinished, (std::vector<fs::path>{unfinished(segment_path(shard, 11))}));
}

}  // namespace
}  // namespace ringmaster::store
