#include "ringmaster/http/query.hpp"

#include <string>
#include <utility>
#include <vector>

#include "fuzz/seed.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string decoded(std::string_view text, bool plus_is_space = false) {
    fuzz::keep_seed("query", text);
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
    fuzz::keep_seed("query", query);
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

}  // namespace
}  // namespace ringmaster::http
