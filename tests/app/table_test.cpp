#include "ringmaster/app/table.hpp"

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

TEST(TableTest, AlignsColumnsByTheirWidestCell) {
    Table table({{"POOL"}, {"NUMBERS", Table::Align::right}, {"NAME"}});
    table.add({"autos", "1,000,000", "Cars"});
    table.add({"b", "7", ""});
    EXPECT_EQ(table.text(),
              "POOL     NUMBERS  NAME\n"
              "autos  1,000,000  Cars\n"
              "b              7\n");
}

TEST(TableTest, CountsCharactersAndNotBytes) {
    Table table({{"A"}, {"B"}});
    table.add({"äöü", "x"});
    table.add({"abc", "y"});
    EXPECT_EQ(table.text(), "A    B\näöü  x\nabc  y\n");
}

TEST(TableTest, LeavesOutTitlesThatAreAllEmpty) {
    Table table({{""}, {""}});
    table.add({"number", "+1"});
    EXPECT_EQ(table.text(), "number  +1\n");
}

TEST(TableTest, LetsNoCellControlTheTerminal) {
    Table table({{"A"}});
    table.add({"x\x1b[2J\ny"});
    EXPECT_EQ(table.text(), "A\nx\\x1B[2J\\ny\n");
}

TEST(TableTest, WritesNumbersAndTimesForPeople) {
    EXPECT_EQ(with_thousands(0), "0");
    EXPECT_EQ(with_thousands(999), "999");
    EXPECT_EQ(with_thousands(1000), "1,000");
    EXPECT_EQ(with_thousands(18'446'744'073'709'551'615u), "18,446,744,073,709,551,615");
    EXPECT_EQ(human_time("2026-11-21T17:31:05.123Z"), "2026-11-21 17:31:05 UTC");
    EXPECT_EQ(human_time("2026-11-21T17:31:05Z"), "2026-11-21 17:31:05 UTC");
    EXPECT_EQ(human_time(""), "");
    EXPECT_EQ(human_time("soon"), "soon");
    EXPECT_EQ(human_duration(0), "0 s");
    EXPECT_EQ(human_duration(60), "1 min");
    EXPECT_EQ(human_duration(3599), "59 min 59 s");
    EXPECT_EQ(human_duration(3600 * 3 + 60 * 20), "3 h 20 min");
    EXPECT_EQ(human_duration(86'400 * 5 + 7200), "5 days 2 h");
}

}  // namespace
}  // namespace ringmaster::app
