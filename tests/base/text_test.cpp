#include "ringmaster/base/text.hpp"

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

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

TEST(IsPlainJson, MeansThatQuotesAreEnough) {
    for (int c = 0; c < 0x100; ++c) {
        const char byte = static_cast<char>(c);
        for (std::size_t before = 0; before < 18; ++before) {
            for (const std::size_t after : {0U, 1U, 9U}) {
                const std::string text =
                    std::string(before, 'a') + byte + std::string(after, '\x7f');
                ASSERT_EQ(is_plain_json(text), c < 0x80 && json(text) == '"' + text + '"') << text;
            }
        }
    }
    EXPECT_TRUE(is_plain_json(""));
}

TEST(IsUtf8, AgreesWithWhatJsonKeeps) {
    for (const std::string text : {"", "a", "\xc2\x80", "\xf4\x8f\xbf\xbf z\xc3\xbcrich", "\x7f"}) {
        EXPECT_TRUE(is_utf8(text)) << text;
    }
    for (const std::string text :
         {"\x80", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
        EXPECT_FALSE(is_utf8(text)) << text;
    }
}

TEST(Utc, IsIso8601) {
    const auto utc = [](WallTime time) {
        std::string out = "<";
        append_utc(out, time);
        return out;
    };
    const WallTime time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 17h + 31min;
    EXPECT_EQ(utc(time + 5s + 250ms), "<2026-11-21T17:31:05.250Z");
    EXPECT_EQ(utc(time + 5s), "<2026-11-21T17:31:05.000Z");
    EXPECT_EQ(utc(WallTime(-1ms)), "<1969-12-31T23:59:59.999Z");
    EXPECT_EQ(utc(std::chrono::sys_days(std::chrono::year(2000) / 2 / 29)),
              "<2000-02-29T00:00:00.000Z");
}

}  // namespace
}  // namespace ringmaster
