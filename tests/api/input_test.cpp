#include "ringmaster/api/input.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;

/// Milliseconds since 1970, or -1.
std::int64_t read(std::string_view text) {
    const auto time = read_time("at", text);
    return time ? time->time_since_epoch().count() : -1;
}

TEST(ReadTime, TakesUnixSeconds) {
    EXPECT_EQ(read("0"), 0);
    EXPECT_EQ(read("1795280400"), 1'795'280'400'000);
    EXPECT_EQ(read("1795280400.25"), 1'795'280'400'250);
    EXPECT_EQ(read("1795280400.0"), 1'795'280'400'000);
    EXPECT_EQ(read("1795280400.123456789"), 1'795'280'400'123);
    EXPECT_EQ(read("1.999999999"), 1'999);
    EXPECT_EQ(read("253402300799.999"), 253'402'300'799'999);
}

TEST(ReadTime, TakesIso8601) {
    constexpr std::int64_t kTime = 1'795'280'400'000;
    EXPECT_EQ(read("2026-11-21T17:00:00Z"), kTime);
    EXPECT_EQ(read("2026-11-21T17:00:00.5Z"), kTime + 500);
    EXPECT_EQ(read("2026-11-21T17:00:00.123456789Z"), kTime + 123);
    EXPECT_EQ(read("2026-11-21T18:00:00+01:00"), kTime);
    EXPECT_EQ(read("2026-11-21T18:00:00 01:00"), kTime) << "as a query has it";
    EXPECT_EQ(read("2026-11-21T11:30:00.250-05:30"), kTime + 250);
    EXPECT_EQ(read("2026-11-22T05:00:00+12:00"), kTime);
    EXPECT_EQ(read("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(read("2024-02-29T00:00:00Z"), 1'709'164'800'000);
    EXPECT_EQ(read("9999-12-31T23:59:59Z"), 253'402'300'799'000);
}

TEST(ReadTime, TakesNothingElse) {
    for (const std::string_view text : {"",
                                        " ",
                                        "x",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.",
                                        ".5",
                                        "1.1234567890",
                                        "1e9",
                                        "0x10",
                                        "1,5",
                                        "253402300800",
                                        "1234567890123",
                                        "99999999999999999999999999999999999999",
                                        "1.-5",
                                        "2026-11-21",
                                        "2026-11-21T17:00:00",
                                        "2026-11-21T17:00Z",
                                        "2026-11-21 17:00:00Z",
                                        "2026-11-21t17:00:00z",
                                        "20261121T170000Z",
                                        "2026-11-21T17:00:00.Z",
                                        "2026-11-21T17:00:00,5Z",
                                        "2026-11-21T17:00:00.1234567890Z",
                                        "2026-11-21T17:00:00ZZ",
                                        "2026-11-21T17:00:00Z ",
                                        "2026-11-21T17:00:00+01",
                                        "2026-11-21T17:00:00+0100",
                                        "2026-11-21T17:00:00+24:00",
                                        "2026-11-21T17:00:00+01:60",
                                        "2026-02-29T00:00:00Z",
                                        "2026-13-01T00:00:00Z",
                                        "2026-00-01T00:00:00Z",
                                        "2026-01-32T00:00:00Z",
                                        "2026-01-00T00:00:00Z",
                                        "2026-01-01T24:00:00Z",
                                        "2026-01-01T00:60:00Z",
                                        "2026-01-01T23:59:60Z",
                                        "1969-12-31T23:59:59Z",
                                        "1970-01-01T00:00:00+00:01",
                                        "9999-12-31T23:59:59-00:01",
                                        "+2026-11-21T17:00:00Z",
                                        "-026-11-21T17:00:00Z",
                                        "2026-1-21T17:00:00Z",
                                        "2026-11-21T-7:00:00Z",
                                        "2026-11-21T17:00:00+-1:00"}) {
        EXPECT_EQ(read(text), -1) << text;
    }
    EXPECT_EQ(read(std::string_view("1795280400\0", 11)), -1);
    const auto bad = read_time("at", "yesterday");
    EXPECT_EQ(bad.error().code, ErrorCode::invalid);
    EXPECT_EQ(bad.error().message,
              "'at' is 'yesterday'; expected Unix seconds, or ISO 8601 like 2026-11-21T17:00:00Z "
              "or 2026-11-21T18:00:00%2B01:00");
}

TEST(ReadCount, TakesDigitsWithinBounds) {
    EXPECT_EQ(read_count("n", "1", 1, 10).value(), 1u);
    EXPECT_EQ(read_count("n", "10", 1, 10).value(), 10u);
    EXPECT_EQ(read_count("n", "007", 1, 10).value(), 7u);
    for (const std::string_view text :
         {"", "0", "11", "-1", "+1", "1 ", " 1", "1.0", "0x1", "1e0", "x", "18446744073709551617",
          "99999999999999999999999999"}) {
        EXPECT_FALSE(read_count("n", text, 1, 10)) << text;
    }
    EXPECT_EQ(read_count("limit", "0", 1, 10).error().message, "'limit' is '0'; expected 1 to 10");
}

TEST(ReadQuery, TakesWhatItKnowsOnce) {
    std::optional<std::string> a;
    std::optional<std::string> b;
    const auto error = [&](std::string_view query) {
        a = b = std::nullopt;
        const auto found = read_query(query, {{"a", a}, {"b", b}});
        return found ? found->message : std::string("none");
    };
    EXPECT_EQ(error(""), "none");
    EXPECT_EQ(a, std::nullopt);
    EXPECT_EQ(error("b=%31+&%61=x"), "none");
    EXPECT_EQ(a, "x");
    EXPECT_EQ(b, "1 ");
    EXPECT_EQ(error("a"), "none");
    EXPECT_EQ(a, "");
    EXPECT_EQ(error("a=1&a=1"), "'a' is given twice");
    EXPECT_EQ(error("c=1"), "'c' is no parameter of this");
    EXPECT_EQ(error("A=1"), "'A' is no parameter of this");
    EXPECT_EQ(
        error("a=%4"),
        "the query is malformed: a '%' without two hex digits after it, in the pair at byte 0");
}

TEST(Shown, CutsBetweenCharacters) {
    EXPECT_EQ(shown("short"), "short");
    EXPECT_EQ(shown(std::string(64, 'x')), std::string(64, 'x'));
    EXPECT_EQ(shown(std::string(65, 'x')), std::string(64, 'x') + "...");
    EXPECT_EQ(shown(std::string(63, 'x') + "\xc3\xbc"), std::string(63, 'x') + "...");
    EXPECT_EQ(shown(std::string(100, '\x80')), "...") << "no character begins there";
}

}  // namespace
}  // namespace ringmaster::api
