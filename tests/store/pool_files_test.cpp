#include "ringmaster/store/pool_files.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/support.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::store {
namespace {

using namespace std::chrono_literals;
using namespace store::testing;

StoredPool sample(const std::string& id = "autos") {
    StoredPool pool;
    pool.definition.id = id;
    pool.definition.name = "Cars \xe2\x82\xac";
    pool.definition.key = std::string("a\0b", 3);
    pool.definition.lifetime = 720h;
    pool.definition.cooldown = 77s;
    pool.definition.max_hold = 8760h;
    pool.definition.allow_overflow = false;
    pool.definition.overflow = {ringpool::PhoneNumber::from_digits(18005550100),
                                ringpool::FormattedNumber("800-555-0100")};
    pool.definition.tracking_url = "https://example.com/{number}";
    pool.definition.default_region = "DE";
    pool.numbers = {{test_number(0, 1), false}, {test_number(0, 2), true}};
    pool.numbers[1].number.formatted = ringpool::FormattedNumber("12345678901234567890123");
    return pool;
}

void expect_same(const StoredPool& a, const StoredPool& b) {
    EXPECT_EQ(a.definition, b.definition);
    ASSERT_EQ(a.numbers.size(), b.numbers.size());
    for (std::size_t i = 0; i < a.numbers.size(); ++i) {
        EXPECT_EQ(a.numbers[i].number, b.numbers[i].number);
        EXPECT_EQ(a.numbers[i].draining, b.numbers[i].draining);
    }
}

TEST(PoolFormat, GivesBackWhatWasWritten) {
    StoredPool pool = sample();
    expect_same(decode_pool(encode_pool(pool)).value(), pool);
    pool.numbers.clear();
    pool.definition.allow_overflow = true;
    expect_same(decode_pool(encode_pool(pool)).value(), pool);
}

TEST(PoolFormat, EveryFlippedByteIsDamage) {
    const std::vector<std::byte> good = encode_pool(sample());
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::vector<std::byte> bytes = good;
        bytes[i] ^= std::byte{0x10};
        const auto pool = decode_pool(bytes);
        ASSERT_FALSE(pool.ok()) << "offset " << i;
        EXPECT_EQ(pool.error().code, ErrorCode::damaged);
    }
}

TEST(PoolFormat, EveryCutIsDamage) {
    std::vector<std::byte> bytes = encode_pool(sample());
    bytes.push_back(std::byte{});
    EXPECT_FALSE(decode_pool(bytes).ok());
    bytes.pop_back();
    while (!bytes.empty()) {
        bytes.pop_back();
        ASSERT_FALSE(decode_pool(bytes).ok()) << bytes.size();
    }
}

class PoolFilesTest : public ::testing::Test {
  protected:
    std::vector<std::string> ids() const {
        std::vector<std::string> result;
        const auto pools = files_.load();
        for (const StoredPool& pool : pools.value()) result.push_back(pool.definition.id);
        return result;
    }
    TempDirectory directory_;
    TestDisk disk_;
    PoolFiles files_{disk_, directory_.path()};
};

TEST_F(PoolFilesTest, SavesReplacesAndRemoves) {
    EXPECT_TRUE(ids().empty());
    StoredPool pool = sample();
    ASSERT_TRUE(files_.save(pool).ok());
    pool.numbers.pop_back();
    pool.definition.name = "Boats";
    ASSERT_TRUE(files_.save(pool).ok());
    ASSERT_EQ(ids().size(), 1u);
    expect_same(files_.load().value()[0], pool);
    EXPECT_TRUE(files_.remove("autos").ok());
    EXPECT_TRUE(files_.remove("autos").ok()) << "which is not there";
    EXPECT_TRUE(ids().empty());
}

TEST_F(PoolFilesTest, TakesAnyIdAndLoadsInTheirOrder) {
    const std::vector<std::string> odd = {"-rf", ".",      "..",         ".pool",
                                          "a",   "a.pool", "a.pool.tmp", std::string(64, 'x')};
    for (auto id = odd.rbegin(); id != odd.rend(); ++id) ASSERT_TRUE(files_.save(sample(*id)).ok());
    EXPECT_EQ(ids(), odd);
    for (const std::string& id : odd) ASSERT_TRUE(files_.remove(id).ok());
    EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(PoolFilesTest, RemovesWhatWasNotFinished) {
    ASSERT_TRUE(files_.save(sample()).ok());
    disk_.fail(TestDisk::renaming, std::errc::io_error);
    EXPECT_EQ(files_.save(sample("boats")).error().code, ErrorCode::unavailable);
    disk_.heal();
    EXPECT_TRUE(std::filesystem::exists(directory_.path() / "boats.pool.tmp"));
    EXPECT_EQ(ids(), std::vector<std::string>{"autos"});
    EXPECT_FALSE(std::filesystem::exists(directory_.path() / "boats.pool.tmp"));
}

TEST_F(PoolFilesTest, RemovesOnlyWhatIsMine) {
    const std::vector<std::string> drafts = {"a.pool.tmp", "b.pool.tmp", "a.pool.tmp.pool.tmp"};
    for (const std::string& name : drafts) std::ofstream(directory_.path() / name) << "half";
    std::ofstream(directory_.path() / "lock") << "";
    std::vector<std::string> asked;
    ASSERT_TRUE(files_
                    .remove_unfinished([&](std::string_view id) {
                        asked.emplace_back(id);
                        return id == "a";
                    })
                    .ok());
    EXPECT_THAT(asked, ::testing::UnorderedElementsAre("a", "b", "a.pool.tmp"));
    EXPECT_FALSE(std::filesystem::exists(directory_.path() / drafts[0]));
    EXPECT_TRUE(std::filesystem::exists(directory_.path() / drafts[1]));
    EXPECT_TRUE(std::filesystem::exists(directory_.path() / drafts[2]));
    EXPECT_TRUE(files_.list().value().empty());
}

TEST_F(PoolFilesTest, LoadsOneDefinitionWithoutTheNumbers) {
    StoredPool pool = sample();
    for (unsigned i = 0; i < 1000; ++i) pool.numbers.push_back({test_number(1, i), false});
    ASSERT_TRUE(files_.save(pool).ok());
    EXPECT_EQ(files_.load_definition("autos").value(), pool.definition);
    expect_same(files_.load("autos").value(), pool);
    EXPECT_EQ(files_.load_definition("boats").error().code, ErrorCode::not_found);
    EXPECT_EQ(files_.load("boats").error().code, ErrorCode::not_found);

    // The longest that there can be.
    pool.definition.id = std::string(64, 'x');
    pool.definition.name = std::string(256, 'x');
    pool.definition.key = std::string(128, 'x');
    pool.definition.tracking_url = std::string(2048, 'x');
    ASSERT_TRUE(files_.save(pool).ok());
    EXPECT_EQ(files_.load_definition(pool.definition.id).value(), pool.definition);
}

TEST_F(PoolFilesTest, ADefinitionThatCantBeUnderstoodIsDamage) {
    const StoredPool pool = sample();
    const auto expect_damaged = [&](std::span<const std::byte> bytes) {
        std::ofstream(files_.path_of("autos"), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
        const auto loaded = files_.load_definition("autos");
        ASSERT_FALSE(loaded.ok()) << bytes.size();
        EXPECT_EQ(loaded.error().code, ErrorCode::damaged);
        EXPECT_NE(loaded.error().message.find(files_.path_of("autos").string()), std::string::npos);
    };
    const std::vector<std::byte> good = encode_pool(pool);
    const std::size_t numbers_begin = good.size() - 32 * pool.numbers.size();
    for (std::size_t size = 0; size < numbers_begin; ++size) {
        expect_damaged(std::span(good).first(size));
    }
    std::vector<std::byte> bytes = good;
    bytes[23] = std::byte{0x7f};  // of a definition of two billion bytes
    expect_damaged(bytes);
    expect_damaged(encode_pool(sample("boats")));
}

TEST_F(PoolFilesTest, TellsWhichFileIsDamagedAndHow) {
    ASSERT_TRUE(files_.save(sample("good")).ok());
    const auto path = files_.path_of("bad");
    const auto expect_told = [&](std::string_view what) {
        const auto loaded = files_.load();
        ASSERT_FALSE(loaded.ok());
        EXPECT_EQ(loaded.error().code, ErrorCode::damaged);
        EXPECT_NE(loaded.error().message.find(path.string()), std::string::npos);
        EXPECT_NE(loaded.error().message.find(what), std::string::npos) << loaded.error().message;
    };
    std::ofstream(path) << "";
    expect_told("too short");
    std::filesystem::copy_file(files_.path_of("good"), path,
                               std::filesystem::copy_options::overwrite_existing);
    expect_told("another pool");
    std::ofstream(path, std::ios::in | std::ios::out).seekp(60) << "xyz";
    expect_told("checksum");
}

}  // namespace
}  // namespace ringmaster::store
