#include "ringmaster/app/printable.hpp"

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::string_view_literals;

TEST(Printable, LeavesTextAlone) {
    EXPECT_EQ(printable("plain \\ \"text\" ~"), "plain \\ \"text\" ~");
    EXPECT_EQ(printable("grün €1 𝄞"), "grün €1 𝄞");
    EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesControlCharacters) {
    EXPECT_EQ(printable("a\nb\rc\td"), "a\\nb\\rc\\td");
    EXPECT_EQ(printable("\0\x1F\x7F\x1B[31m"sv), "\\x00\\x1F\\x7F\\x1B[31m");
    EXPECT_EQ(printable("\xC2\x80\xC2\x9F\xC2\xA0"), "\\xC2\\x80\\xC2\\x9F\xC2\xA0");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
    EXPECT_EQ(printable("\x80"), "\\x80");
    EXPECT_EQ(printable("\xC3"), "\\xC3");
    EXPECT_EQ(printable("\xC3("), "\\xC3(");
    EXPECT_EQ(printable("\xC0\xAF"), "\\xC0\\xAF");                    // overlong '/'
    EXPECT_EQ(printable("\xE0\x9F\xBF"), "\\xE0\\x9F\\xBF");           // overlong
    EXPECT_EQ(printable("\xED\xA0\x80"), "\\xED\\xA0\\x80");           // a surrogate
    EXPECT_EQ(printable("\xF0\x8F\xBF\xBF"), "\\xF0\\x8F\\xBF\\xBF");  // overlong
    EXPECT_EQ(printable("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");  // past U+10FFFF
    EXPECT_EQ(printable("\xFF"), "\\xFF");
}

TEST(Printable, CutsBetweenCharacters) {
    EXPECT_EQ(printable("abcdef", 6), "abcdef");
    EXPECT_EQ(printable("abcdef", 5), "abcde...");
    EXPECT_EQ(printable("ab€", 5), "ab€");
    EXPECT_EQ(printable("ab€", 4), "ab...");
    EXPECT_EQ(printable("\x80\x80\x80", 2), "...");
}

}  // namespace
}  // namespace ringmaster::app
