#include "ringmaster/http/query.hpp"

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string decoded(std::string_view text, bool plus_is_space = false) {
    std::string out = "<";
    const auto result = percent_decode(text, plus_is_space, out);
    return result.ok() ? out.substr(1) : out + "error";
}

TEST(PercentDecode, UndoesTheEncoding) {
    EXPECT_EQ(decoded(""), "");
    EXPECT_EQ(decoded("abc"), "abc");
    EXPECT_EQ(decoded("%41%4a%4A%7e"), "AJJ~");
    EXPECT_EQ(decoded("%00%ff"), std::string("\0\xff", 2));
    EXPECT_EQ(decoded("%2541"), "%41") << "once only";
    EXPECT_EQ(decoded("a+b"), "a+b");
    EXPECT_EQ(decoded("a+b%2B", true), "a b+");
}

TEST(PercentDecode, RefusesAPercentWithoutTwoHexDigits) {
    for (const std::string text : {"%", "%4", "a%4", "%%41", "%g0", "%0g", "%4 ", "%+1", "%-1"}) {
        EXPECT_EQ(decoded(text), "<error") << text << ": what was there must stay";
    }
    std::string out;
    EXPECT_THAT(percent_decode("ab%4x", false, out).error().message, HasSubstr("at byte 2"));
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// The pairs, and as the last one's name "error ..." where one is malformed.
Pairs pairs_of(std::string_view query) {
    std::string arena;
    arena.reserve(query.size());
    QueryReader reader(query);
    std::vector<QueryReader::Pair> views;
    Pairs pairs;
    std::string error;
    while (true) {
        const auto pair = reader.next(arena);
        if (!pair) error = "error " + pair.error().message;
        if (!pair || !*pair) break;
        views.push_back(**pair);
    }
    // Looked at only now: the views must have stayed valid.
    for (const auto& [name, value] : views) pairs.emplace_back(name, value);
    if (!error.empty()) pairs.emplace_back(error, "");
    return pairs;
}

TEST(QueryReader, ReadsPairs) {
    EXPECT_THAT(pairs_of(""), ElementsAre());
    EXPECT_THAT(pairs_of("a=1&b=2"), ElementsAre(Pair("a", "1"), Pair("b", "2")));
    EXPECT_THAT(pairs_of("a"), ElementsAre(Pair("a", "")));
    EXPECT_THAT(pairs_of("a=&=b&="), ElementsAre(Pair("a", ""), Pair("", "b"), Pair("", "")));
    EXPECT_THAT(pairs_of("&&a=1&&"), ElementsAre(Pair("a", "1")));
    EXPECT_THAT(pairs_of("a=b=c"), ElementsAre(Pair("a", "b=c")));
    EXPECT_THAT(pairs_of("a=1;b=2?/"), ElementsAre(Pair("a", "1;b=2?/")));
    EXPECT_THAT(pairs_of("a=1&a=2"), ElementsAre(Pair("a", "1"), Pair("a", "2")));
}

TEST(QueryReader, DecodesNamesAndValues) {
    EXPECT_THAT(pairs_of("utm+source=a%26b%3Dc&%61=+&x=%2B1"),
                ElementsAre(Pair("utm source", "a&b=c"), Pair("a", " "), Pair("x", "+1")));
}

TEST(QueryReader, NamesTheOffsetOfAMalformedPair) {
    EXPECT_THAT(pairs_of("a=1&&b=%4&c=2"),
                ElementsAre(Pair("a", "1"), Pair(HasSubstr("in the pair at byte 5"), "")));
    EXPECT_THAT(pairs_of("%=1"), ElementsAre(Pair(HasSubstr("at byte 0"), "")));
}

std::string json(std::string_view text) {
    std::string out = "<";
    append_json_string(out, text);
    return out.substr(1);
}

TEST(AppendJsonString, QuotesPlainText) {
    EXPECT_EQ(json(""), "\"\"");
    EXPECT_EQ(json("866-555-0142 ~\x7f/"), "\"866-555-0142 ~\x7f/\"");
    const std::string all(1000, 'x');
    EXPECT_EQ(json(all), '"' + all + '"');
}

TEST(AppendJsonString, EscapesWhereverItStands) {
    for (int c = 0; c < 0x80; ++c) {
        const char byte = static_cast<char>(c);
        std::string escaped(1, byte);
        if (c < 0x20) {
            char hex[8];
            std::snprintf(hex, sizeof hex, "\\u%04x", static_cast<unsigned>(c));
            escaped = hex;
        }
        const std::string_view kShort = "\"\\\b\f\n\r\t";
        if (const std::size_t at = kShort.find(byte); at != kShort.npos) {
            escaped = std::string("\\") + "\"\\bfnrt"[at];
        }
        for (std::size_t before = 0; before < 18; ++before) {
            for (const std::size_t after : {0U, 1U, 9U}) {
                const std::string head(before, 'a');
                const std::string tail(after, 'z');
                ASSERT_EQ(json(head + byte + tail), '"' + head + escaped + tail + '"') << c;
            }
        }
    }
}

TEST(AppendJsonString, KeepsUtf8) {
    for (const std::string text :
         {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
          "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "z\xc3\xbcrich\xe2\x82\xac\xf0\x9f\x93\x9e!"}) {
        EXPECT_EQ(json(text), '"' + text + '"');
    }
}

TEST(AppendJsonString, ReplacesWhatIsNotUtf8) {
    const std::string r = "\xef\xbf\xbd";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"\x80", r},
        {"\xff", r},
        {"a\xc3", "a" + r},
        {"\xc3(", r + "("},
        {"\xc3\"", r + "\\\""},
        {"\xc3\xc3\xbc", r + "\xc3\xbc"},
        {"\xe2\x82", r},  // a character cut short is one replacement
        {"\xe2\x82x", r + "x"},
        {"\xf0\x9f\x93", r},
        {"\xc0\xaf", r + r},  // overlong
        {"\xe0\x9f\xbf", r + r + r},
        {"\xf0\x8f\xbf\xbf", r + r + r + r},
        {"\xed\xa0\x80", r + r + r},  // a surrogate
        {"\xf4\x90\x80\x80", r + r + r + r},
        {"\xf5\x80", r + r},
    };
    for (const auto& [text, expected] : cases) EXPECT_EQ(json(text), '"' + expected + '"');
}

}  // namespace
}  // namespace ringmaster::http
