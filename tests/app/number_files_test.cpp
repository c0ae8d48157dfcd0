#include "ringmaster/app/number_files.hpp"

#include "ringmaster/ringpool/number_import.hpp"

#include <string>
#include <string_view>

#include "scratch_directory.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class NumberFilesTest : public testing::Test {
  protected:
    void add_pool(std::string id, std::string_view numbers, std::string_view overflow = "") {
        PoolConfig pool;
        pool.definition.id = id;
        if (!overflow.empty()) {
            pool.definition.overflow = ringpool::import_number(overflow, "US").value();
        }
        pool.numbers_file = directory_.write(id + ".txt", numbers);
        pools_.push_back(pool);
    }
    std::string file(const std::string& id) { return (directory_.path() / id).string() + ".txt"; }
    static std::vector<std::string> texts(const std::vector<ringpool::PoolNumber>& numbers) {
        std::vector<std::string> texts;
        for (const auto& number : numbers) texts.push_back(number.number.e164());
        return texts;
    }

    ScratchDirectory directory_;
    std::vector<PoolConfig> pools_;
};

TEST_F(NumberFilesTest, GivesEachPoolTheNumbersOfItsFileInOrder) {
    add_pool("a", "+12025550101\n(202) 555-0100\n");
    add_pool("b", "number,note\n202-555-0102,x\n");
    const auto read = read_number_files(pools_);
    ASSERT_THAT(read.pools, SizeIs(2));
    EXPECT_THAT(texts(*read.pools[0]), ElementsAre("+12025550101", "+12025550100"));
    EXPECT_THAT(texts(*read.pools[1]), ElementsAre("+12025550102"));
    EXPECT_EQ(read.numbers, 3u);
    EXPECT_EQ(read.refused, 0u);
    EXPECT_THAT(read.warnings, IsEmpty());
    EXPECT_THAT(read.problems, IsEmpty());
}

TEST_F(NumberFilesTest, TellsARefusedLineAndKeepsTheRest) {
    add_pool("a", "# ours\n+12025550100\nnonsense\x1b[2J\n+12025550101\n");
    const auto read = read_number_files(pools_);
    EXPECT_EQ(read.numbers, 2u);
    EXPECT_EQ(read.refused, 1u);
    ASSERT_THAT(read.warnings, SizeIs(1));
    EXPECT_THAT(read.warnings[0], testing::StartsWith(file("a") + ":3: nonsense\\x1B[2J: "));
    EXPECT_THAT(read.problems, IsEmpty());
}

TEST_F(NumberFilesTest, LeavesANumberToTheFirstPoolThatHasIt) {
    add_pool("a", "+12025550100\n");
    add_pool("b", "202-555-0100\n202-555-0101\n");
    const auto read = read_number_files(pools_);
    EXPECT_THAT(texts(*read.pools[1]), ElementsAre("+12025550101"));
    EXPECT_THAT(read.warnings,
                ElementsAre(file("b") + ":1: +12025550100: it is in pool 'a' already"));
    EXPECT_EQ(read.refused, 1u);
}

TEST_F(NumberFilesTest, LeavesOutWhatAnyPoolHandsOutAsOverflow) {
    add_pool("a", "+12025550100\n+12025550101\n");
    add_pool("b", "+12025550102\n", "+12025550101");
    const auto read = read_number_files(pools_);
    EXPECT_THAT(texts(*read.pools[0]), ElementsAre("+12025550100"));
    EXPECT_THAT(read.warnings,
                ElementsAre(file("a") + ":2: +12025550101: it is the overflow number of pool 'b'"));
}

TEST_F(NumberFilesTest, TellsTheFirstTwentyOfAFileAndCountsTheRest) {
    std::string lines = "+12025550100\n";
    for (int i = 0; i < 20; ++i) lines += "bad\n";
    add_pool("a", lines);
    add_pool("b", lines.replace(0, 12, "+12025550101") + "bad\nbad\n");
    const auto read = read_number_files(pools_);
    EXPECT_EQ(read.refused, 42u);
    ASSERT_THAT(read.warnings, SizeIs(41));
    EXPECT_THAT(read.warnings[39], HasSubstr(":21: bad: "));
    EXPECT_EQ(read.warnings[40], file("b") + ": 2 more are refused");
}

TEST_F(NumberFilesTest, DoesNotAcceptAPoolWithoutAnyNumber) {
    add_pool("a", "");
    add_pool("b", "bad\n");
    add_pool("c", "+12025550100\n");
    const auto read = read_number_files(pools_);
    EXPECT_THAT(read.problems, ElementsAre("pool 'a': " + file("a") + " has no good number",
                                           "pool 'b': " + file("b") + " has no good number"));
}

TEST_F(NumberFilesTest, TellsEveryFileThatCantBeRead) {
    add_pool("a", "+12025550100\n");
    add_pool("b", "+12025550101\n");
    for (auto& pool : pools_) std::filesystem::remove(pool.numbers_file);
    const auto read = read_number_files(pools_);
    EXPECT_THAT(
        read.problems,
        ElementsAre("pool 'a': " + file("a") + ": can't be read: No such file or directory",
                    "pool 'b': " + file("b") + ": can't be read: No such file or directory"));
}

TEST_F(NumberFilesTest, TellsARegionThatThereIsNot) {
    add_pool("a", "+12025550100\n");
    pools_[0].definition.default_region = "XX";
    const auto read = read_number_files(pools_);
    ASSERT_THAT(read.problems, SizeIs(1));
    EXPECT_THAT(read.problems[0], HasSubstr("XX"));
}

}  // namespace
}  // namespace ringmaster::app
