#include "ringmaster/api/json_text.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "fuzz/seed.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string fault(std::string_view text) {
    fuzz::keep_seed("bulk", text);
    const auto found = find_json_fault(text);
    if (!found) return "none";
    return std::to_string(found->offset) + ": " + std::string(found->expected);
}

std::string in_quotes(std::string_view inside) {
    std::string text(1, '"');
    return text.append(inside).append(1, '"');
}

std::optional<std::string> unescaped(std::string_view raw) {
    std::string out = "before ";
    if (!append_unescaped(out, raw)) return std::nullopt;
    return out.substr(7);
}

TEST(FindJsonFault, AcceptsEveryKindOfValue) {
    for (const std::string_view text :
         {"null", "true", "false", "0", "-1.5e+3", "\"\"", "[]", "{}", " [ 1 , [ ] ] ",
          "\t{ \"a\" : {\"b\":[null]} , \"a\":2 }\r\n", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
          "\"\\ud83d\\uDE00\"", "\"\x7f\""}) {
        EXPECT_EQ(fault(text), "none") << text;
    }
}

TEST(FindJsonFault, NamesTheFirstByteThatCanNotBe) {
    EXPECT_EQ(fault(""), "0: a value");
    EXPECT_EQ(fault("  "), "2: a value");
    EXPECT_EQ(fault("{"), "1: a name in quotes");
    EXPECT_EQ(fault("{\"a\" 1}"), "5: ':'");
    EXPECT_EQ(fault("{\"a\":}"), "5: a value");
    EXPECT_EQ(fault("{\"a\":1"), "6: ',' or '}'");
    EXPECT_EQ(fault("{\"a\":1,}"), "7: a name in quotes");
    EXPECT_EQ(fault("{\"a\":1]"), "6: ',' or '}'");
    EXPECT_EQ(fault("[1 2]"), "3: ',' or ']'");
    EXPECT_EQ(fault("[1,]"), "3: a value");
    EXPECT_EQ(fault("[1}"), "2: ',' or ']'");
    EXPECT_EQ(fault("{} {}"), "3: the end of the text");
    EXPECT_EQ(fault("nul"), "0: a value");
    EXPECT_EQ(fault("nulll"), "4: the end of the text");
    EXPECT_EQ(fault("\"abc"), "4: '\"' at the end of the string");
    EXPECT_EQ(fault("\"a\nb\""), "2: control characters of strings to be escaped");
    EXPECT_EQ(fault("[1,\0]"sv), "3: a value");
}

TEST(FindJsonFault, NumbersAreExactlyThoseOfTheGrammar) {
    for (const std::string_view good :
         {"0", "-0", "10", "1.0", "1e9", "1E-9", "-12.50e+07", "123456789012345678901234567890"}) {
        EXPECT_TRUE(is_json_number(good)) << good;
        EXPECT_EQ(fault(good), "none") << good;
    }
    for (const std::string_view bad : {"", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x10", "1 ",
                                       "--1", "1.2.3", "NaN", "Infinity", "1a"}) {
        EXPECT_FALSE(is_json_number(bad)) << bad;
    }
    EXPECT_EQ(fault("01"), "1: the end of the text");
    EXPECT_EQ(fault("[1.]"), "3: a digit");
    EXPECT_EQ(fault("-"), "1: a digit");
}

TEST(FindJsonFault, EscapesMustBeWholeAndNameACharacter) {
    for (const std::string_view bad : {"\\x", "\\u12", "\\u12g4", "\\u+123", "\\ud800", "\\udc00",
                                       "\\ud800\\u0041", "\\ud800x", "\\ud83d\\ud83d", "\\U0041"}) {
        EXPECT_EQ(fault(in_quotes(std::string("ab").append(bad))).substr(0, 2), "3:") << bad;
        EXPECT_FALSE(unescaped(bad)) << bad;
    }
    EXPECT_FALSE(unescaped("\\"));
}

TEST(FindJsonFault, TakesWellFormedUtf8Only) {
    for (const std::string_view good : {"\u00e9", "\u07ff", "\u0800", "\xed\x9f\xbf", "\ue000",
                                        "\uffff", "\U00010000", "\U0010ffff"}) {
        EXPECT_EQ(fault(in_quotes(good)), "none");
    }
    for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf",
                                       "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xf0\x9f\x98"}) {
        EXPECT_EQ(fault(in_quotes(std::string("ab").append(bad))), "3: UTF-8");
    }
}

TEST(FindJsonFault, BoundsTheDepth) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_EQ(fault(nested(kMaxJsonDepth)), "none");
    EXPECT_EQ(fault(nested(kMaxJsonDepth + 1)), "32: no deeper nesting");
    EXPECT_EQ(fault(std::string(1'000'000, '[')), "32: no deeper nesting");
    std::string objects;
    for (int i = 0; i < 100; ++i) objects += "{\"\":";
    EXPECT_EQ(fault(objects), "128: no deeper nesting");
}

TEST(AppendUnescaped, WritesWhatEscapesStandFor) {
    EXPECT_EQ(unescaped("plain"), "plain");
    EXPECT_EQ(unescaped(""), "");
    EXPECT_EQ(unescaped("a\\\"\\\\\\/\\b\\f\\n\\r\\tz"), "a\"\\/\b\f\n\r\tz");
    EXPECT_EQ(unescaped("\\u0041\\u00e9\\u20ac\\uD83D\\uDE00\\uffff"),
              "A\u00e9\u20ac\U0001F600\uffff");
    EXPECT_EQ(unescaped("\\u0000"), "\0"s);
    EXPECT_EQ(unescaped("\\uDBFF\\uDFFF"), "\U0010ffff");
}

}  // namespace
}  // namespace ringmaster::api
