#include "ringmaster/app/analysis_report.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

#include "analysis_example.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

namespace ringmaster::app {
namespace {

using ops::Analysis;
using ops::Finding;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        lines.push_back(text.substr(at, end - at));
        at = end == text.npos ? text.size() : end + 1;
    }
    return lines;
}

std::size_t widest(const std::string& text) {
    std::size_t most = 0;
    for (const std::string& line : lines_of(text)) {
        most = std::max(most, static_cast<std::size_t>(std::ranges::count_if(
                                  line, [](char c) { return (c & 0xC0) != 0x80; })));
    }
    return most;
}

/// The first line that begins with `begin`, or nothing.
std::string line_of(const std::string& text, std::string_view begin) {
    for (const std::string& line : lines_of(text)) {
        if (line.starts_with(begin)) return line;
    }
    return "";
}

/// One request a second that takes what `mean` says.
Analysis analysis_of(const ops::TimeParts& mean) {
    Analysis analysis;
    analysis.all = {.endpoint = "", .requests = 1, .per_second = 1, .mean = mean, .bands = {}};
    analysis.all.bands.push_back({.from = 0, .to = 1, .longest = mean.total(), .mean = mean});
    return analysis;
}

Analysis with_shard(const ops::ShardLoad& load) {
    Analysis analysis;
    analysis.shards = {load};
    return analysis;
}

TEST(AnalysisText, TellsEverything) {
    EXPECT_EQ(analysis_text(example_analysis(), {"shard 2 was not observed"}),
              R"(from 2026-11-21 09:00:00 UTC to 2026-11-21 10:00:00 UTC, 1 h of it observed

requests   3,600,000  1,000 a second
mean time     598 us  in the shard
running      46.0 us  7.7 % of the time in the shard
idle          498 us  83.2 % of the time in the shard; I/O share 91.5 %
stalled      54.5 us  9.1 % of the time in the shard
queued        500 us  before they came to the shard

shards needed           3 (there are 2)
Redis primaries needed  1 (there are 2)
connections needed      4 of each shard to Redis
checkout timeout        25.0 ms

Where the time goes, by how long requests took (means)

requests  longest    total  running  stalled  journal   shards    other   queued
p0-99     1.20 ms   100 us  40.0 us  10.0 us  50.0 us        0        0        0
p99-99.9   250 ms  10.0 ms   100 us   900 us  3.00 ms  1.00 ms  5.00 ms  10.0 ms

requests    total
p0-99      100 us  █████████████████████████████▚▚▚▚▚▚▚▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
p99-99.9  10.0 ms  ▚▚▚▚▒▒▒▒▒▒▒▒▒▒▄▄▄▄··················────────────────────────────────────

█ running   ▚ stalled   ▒ journal   ▄ shards   · other   ─ queued

Where the time goes, by endpoint (means)

endpoint        total  running  stalled  journal   shards   other  queued
POST /numbers  598 us  46.0 us  54.5 us   198 us  50.0 us  250 us  500 us
others         598 us  46.0 us  54.5 us   198 us  50.0 us  250 us  500 us

endpoint       a second  of all time
POST /numbers       833       83.3 %  ██▚▚▒▒▒▒▒▒▒▒▒▄▄···········──────────────────────
others              167       16.7 %  ██▚▚▒▒▒▒▒▒▒▒▒▄▄···········──────────────────────

█ running   ▚ stalled   ▒ journal   ▄ shards   · other   ─ queued

Shards

shard    busy  busiest                                                      stretch  zone
    0  30.0 %   40.0 %  ███████████████░░░░░···············┊··············     1.67  easy
    1  70.0 %   80.0 %  ███████████████████████████████████░░░░░··········     5.00  past the knee

█ busy   ░ in the busiest time that was measured   ┊ the knee

shard  requests/s  rows/s  lag p50      p99    p99.9  cores  observed
    0         300  12,345  12.0 us  1.50 ms  20.0 ms  0.310       1 h
    1         700       0   100 us  10.0 ms   2.00 s   1.02    30 min

How long what needs the thread for 1 ms takes, in ms, by how busy the thread is

10 │                                                 ┊             ·
 9 │                                                 ┊            ·
 8 │                                                 ┊           ·
 7 │                                                 ┊          ·
 6 │                                                 ┊        ··
 5 │                                                 ┊     ·●·
 4 │                                                 ┊·····
 3 │                                          ········
 2 │                        ····●·············       ┊
 1 │························                         ┊
   └───────────────────────────────────────────────────────────────────────
    0 %           20 %          40 %          60 %          80 %          100 %

● a shard, 2 to 9 so many, # more; · the curve; ┊ the knee at 70.0 %

Redis servers

server                  busy  busiest                      bears  zone     observed
10.0.0.7:6379         20.0 %   35.0 %  ████░░·······┊····   2.00  easy  59 min 56 s
unix:/run/redis.sock   0.1 %    0.1 %  ·············┊····    700  easy       30 min

█ busy   ░ in the busiest time that was measured   ┊ the knee
bears: so many times this load, up to the knee

Findings (! to act on, - to know, ok nothing to do)

!   shards: 3 shards instead of 2 are needed.
        1.20 / 0.54 = 2.23
-   balance: shard 1 has more to do than the others. The kernel deals connections to shards by
    chance: with few, or busy ones, that is uneven.
        shard 1 is busy for 0.80 of the time, the others for 0.40
ok  concurrency: 0.6 requests are in work at one time.

Note: shard 2 was not observed.
)");
}

TEST(AnalysisText, TellsThatNothingWasObserved) {
    EXPECT_EQ(analysis_text({}, {"no profiles were found"}),
              "nothing was observed\n\nrequests  0  0 a second\n\nNote: no profiles were found.\n");
}

TEST(AnalysisText, TellsOfShardsWithoutRequests) {
    const std::string text = analysis_text(with_shard({.shard = 7, .observed = 60}), {});
    EXPECT_THAT(text, HasSubstr("shards needed  no number of them is enough (there are 1)\n"));
    EXPECT_THAT(line_of(text, "    7  0.0 %"), testing::EndsWith("1.00  easy"));
    EXPECT_THAT(text, AllOf(Not(HasSubstr("mean time")), Not(HasSubstr("Findings"))));
}

TEST(AnalysisText, WritesTimesInFittingUnits) {
    const auto longest = [](double seconds) {
        Analysis analysis = analysis_of({});
        analysis.all.bands[0].longest = seconds;
        const std::string line = line_of(analysis_text(analysis, {}), "p0-100 ");
        const std::size_t begin = line.find_first_not_of(' ', 6);
        return line.substr(begin, line.find("  ", begin) - begin);
    };
    EXPECT_EQ(longest(0), "0");
    EXPECT_EQ(longest(-1), "0");
    EXPECT_EQ(longest(kNan), "–");
    EXPECT_EQ(longest(0.3e-6), "0.300 us");
    EXPECT_EQ(longest(1e-6), "1.00 us");
    EXPECT_EQ(longest(9.996e-6), "10.0 us");
    EXPECT_EQ(longest(99.96e-6), "100 us");
    EXPECT_EQ(longest(999.4e-6), "999 us");
    EXPECT_EQ(longest(999.6e-6), "1.00 ms");
    EXPECT_EQ(longest(0.012345), "12.3 ms");
    EXPECT_EQ(longest(0.9996), "1.00 s");
    EXPECT_EQ(longest(1234), "1,234 s");
    EXPECT_EQ(longest(36'000), "10.0 h");
    EXPECT_EQ(longest(kInfinity), "∞ h");
}

TEST(AnalysisText, FillsBarsWithTheShares) {
    const auto bar = [](const ops::TimeParts& mean) {
        const std::string text = analysis_text(analysis_of(mean), {});
        const auto lines = lines_of(text);
        const auto row = std::ranges::find(
            lines, "requests   total", [](const std::string& line) { return line.substr(0, 16); });
        EXPECT_NE(row, lines.end()) << text;
        if (row == lines.end()) return std::string();
        const std::string& line = *(row + 1);
        const std::size_t begin = line.find("s  ");
        return begin == line.npos ? std::string() : line.substr(begin + 3);
    };
    const auto times = [](std::string_view character, int count) {
        std::string out;
        for (; count > 0; --count) out += character;
        return out;
    };
    EXPECT_EQ(bar({.running = 100e-6}), times("█", 72));
    EXPECT_EQ(bar({.running = 100e-6, .queued = 100e-6}), times("█", 36) + times("─", 36));
    EXPECT_EQ(bar({.running = 100e-6,
                   .stalled = 100e-6,
                   .journal = 100e-6,
                   .shards = 100e-6,
                   .redis = 100e-6,
                   .other = 400e-6}),
              times("█", 8) + times("▚", 8) + times("▒", 8) + times("▄", 8) + times("▌", 8) +
                  times("·", 32));
}

TEST(AnalysisText, NamesOnlyPartsThatRequestsHad) {
    const std::string text = analysis_text(analysis_of({.running = 1, .redis = 1}), {});
    EXPECT_THAT(text, HasSubstr("█ running   ▚ stalled   ▌ redis\n"));
    EXPECT_THAT(text, Not(HasSubstr("journal")));
}

TEST(AnalysisText, PutsShardsOnTheCurve) {
    Analysis analysis;
    const auto add = [&](double busy, int count) {
        for (; count > 0; --count) {
            analysis.shards.push_back({.utilisation = busy,
                                       .busiest = busy,
                                       .zone = busy > 0.7 ? ops::Zone::knee : ops::Zone::easy,
                                       .stretch = 1 / (1 - busy)});
        }
    };
    add(0, 1);
    add(0.1, 3);
    add(0.8, 10);
    add(1, 1);
    const std::string text = analysis_text(analysis, {});
    EXPECT_THAT(line_of(text, " 1 │"), testing::StartsWith(" 1 │●······3·······"));
    EXPECT_THAT(line_of(text, " 5 │"), testing::EndsWith(" ·#·"));
    EXPECT_THAT(line_of(text, "10 │"), testing::EndsWith("●"));
    EXPECT_THAT(text, HasSubstr("       ∞  past the knee\n"));
    EXPECT_LE(widest(text), 100);
}

TEST(AnalysisText, StaysWithinItsColumns) {
    Analysis analysis = example_analysis();
    const ops::TimeParts parts = {.running = 9999,
                                  .stalled = 9999,
                                  .journal = 9999,
                                  .shards = 9999,
                                  .redis = 9999,
                                  .other = 9999,
                                  .queued = 9999};
    analysis.endpoints.clear();
    for (const char* name : {"x", "ä"}) {
        std::string endpoint;
        for (int i = 0; i < 256; ++i) endpoint += name;
        analysis.endpoints.push_back({.endpoint = endpoint,
                                      .requests = 1'000'000'000'000,
                                      .per_second = 1'000'000,
                                      .mean = parts,
                                      .bands = {}});
    }
    analysis.endpoints.push_back({.endpoint = std::string(256, '\x1b'),
                                  .requests = 1,
                                  .per_second = 1,
                                  .mean = parts,
                                  .bands = {}});
    for (ops::Band& band : analysis.all.bands) band.mean = parts;
    analysis.shards.resize(64, analysis.shards[1]);
    for (std::uint32_t i = 0; i < 64; ++i) analysis.shards[i].shard = i;
    analysis.redis.push_back({.name = std::string(256, 'r'),
                              .observed = 360 * 86'400.0,
                              .utilisation = 1,
                              .busiest = 1,
                              .zone = ops::Zone::knee,
                              .headroom = kInfinity});
    analysis.findings.push_back(
        {"words", Finding::Weight::act, std::string(500, 'y'), std::string(500, 'z')});
    const std::string text = analysis_text(analysis, {std::string(500, 'n') + " and more"});
    EXPECT_EQ(widest(text), 100);
    EXPECT_THAT(text, HasSubstr("\n" + std::string(25, 'r') + "…  "));
    EXPECT_THAT(text, AllOf(HasSubstr("\n" + std::string(25, 'x') + "…  "),
                            HasSubstr("\n        " + std::string(92, 'z') + "\n"),
                            HasSubstr("\nNote: " + std::string(94, 'n') + "\n")));
    EXPECT_THAT(lines_of(text), testing::Each(Not(testing::EndsWith(" "))));
}

TEST(AnalysisText, BreaksLinesBetweenWords) {
    Analysis analysis;
    analysis.findings = {{"topic", Finding::Weight::notice,
                          std::string(86, 'a') + " bb " + std::string(90, 'c'), "1 + 1 = 2"},
                         {"", Finding::Weight::fine, "nothing", ""}};
    EXPECT_THAT(analysis_text(analysis, {}),
                HasSubstr("\n-   topic: " + std::string(86, 'a') + " bb\n    " +
                          std::string(90, 'c') + ".\n        1 + 1 = 2\nok  nothing.\n"));
}

TEST(AnalysisText, LetsNothingControlTheTerminal) {
    Analysis analysis = example_analysis();
    analysis.endpoints[0].endpoint = "GET \x1b[2J\r\n";
    analysis.redis[0].name = "unix:/\x1b[2J";
    analysis.findings = {{"to\x1bpic", Finding::Weight::act, "pool a\x1b[31m\nb", "1\x07\x9f"}};
    const std::string text = analysis_text(analysis, {"no\x1bte"});
    EXPECT_THAT(text,
                AllOf(HasSubstr("\nGET \\x1B[2J\\r\\n  "),
                      HasSubstr("\n!   to\\x1Bpic: pool a\\x1B[31m\\nb.\n        1\\x07\\x9F\n"),
                      HasSubstr("\nNote: no\\x1Bte.\n")));
    EXPECT_TRUE(std::ranges::none_of(
        text, [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; }));
}

class AnalysisJson : public testing::Test {
  protected:
    simdjson::dom::element parse(const Analysis& analysis,
                                 const std::vector<std::string>& notes = {}) {
        text_ = analysis_json(analysis, notes);
        simdjson::dom::element document;
        EXPECT_EQ(parser_.parse(text_).get(document), simdjson::SUCCESS) << text_;
        return document;
    }

    simdjson::dom::parser parser_;
    std::string text_;
};

double number(simdjson::dom::element element, std::string_view pointer) {
    double value = kNan;
    EXPECT_EQ(element.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    return value;
}

std::string text(simdjson::dom::element element, std::string_view pointer) {
    std::string_view value;
    EXPECT_EQ(element.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    return std::string(value);
}

void expect_null(simdjson::dom::element element, std::string_view pointer) {
    simdjson::dom::element value;
    EXPECT_EQ(element.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    EXPECT_TRUE(value.is_null()) << pointer;
}

TEST_F(AnalysisJson, HasEveryFigure) {
    const auto json = parse(example_analysis(), {"a \"note\""});
    EXPECT_EQ(text(json, "/begin"), "2026-11-21T09:00:00.000Z");
    EXPECT_EQ(text(json, "/end"), "2026-11-21T10:00:00.000Z");
    EXPECT_EQ(text(json, "/endpoints/1/endpoint"), "others");
    EXPECT_EQ(text(json, "/shards/0/zone"), "easy");
    EXPECT_EQ(text(json, "/shards/1/zone"), "knee");
    EXPECT_EQ(text(json, "/redis/1/name"), "unix:/run/redis.sock");
    EXPECT_EQ(text(json, "/redis/1/zone"), "easy");
    EXPECT_EQ(text(json, "/findings/0/topic"), "shards");
    EXPECT_EQ(text(json, "/findings/0/weight"), "act");
    EXPECT_EQ(text(json, "/findings/0/says"), "3 shards instead of 2 are needed");
    EXPECT_EQ(text(json, "/findings/0/arithmetic"), "1.20 / 0.54 = 2.23");
    EXPECT_EQ(text(json, "/findings/1/weight"), "notice");
    EXPECT_EQ(text(json, "/findings/2/weight"), "fine");
    EXPECT_EQ(text(json, "/notes/0"), "a \"note\"");
    const struct {
        const char* pointer;
        double value;
    } numbers[] = {
        {"/observed_s", 3600},
        {"/knee", 0.7},
        {"/requests", 3'600'000},
        {"/requests_per_second", 1000},
        {"/mean/total_s", 598e-6},
        {"/mean/running_s", 46e-6},
        {"/mean/stalled_s", 54.5e-6},
        {"/mean/idle_s", 497.5e-6},
        {"/mean/journal_s", 197.5e-6},
        {"/mean/shards_s", 50e-6},
        {"/mean/redis_s", 0},
        {"/mean/other_s", 250e-6},
        {"/mean/queued_s", 500e-6},
        {"/mean/io_share", 0.915363},
        {"/bands/1/from", 0.99},
        {"/bands/1/to", 0.999},
        {"/bands/1/longest_s", 0.25},
        {"/bands/1/mean/queued_s", 0.01},
        {"/endpoints/0/share_of_time", 0.833333},
        {"/endpoints/1/requests", 600'000},
        {"/endpoints/1/requests_per_second", 166.667},
        {"/endpoints/0/mean/total_s", 598e-6},
        {"/endpoints/0/bands/0/longest_s", 0.25},
        {"/shards/1/shard", 1},
        {"/shards/1/observed_s", 1800},
        {"/shards/1/utilisation", 0.7},
        {"/shards/1/busiest", 0.8},
        {"/shards/1/cpu_cores", 1.02},
        {"/shards/1/stretch", 5},
        {"/shards/1/requests_per_second", 700},
        {"/shards/0/rows_per_second", 12'345},
        {"/shards/0/lag_p50_s", 12e-6},
        {"/shards/0/lag_p99_s", 1.5e-3},
        {"/shards/1/lag_p999_s", 2},
        {"/redis/0/observed_s", 3596},
        {"/redis/0/utilisation", 0.2},
        {"/redis/0/busiest", 0.35},
        {"/redis/0/headroom", 2},
        {"/shards_needed", 3},
        {"/redis_primaries_needed", 1},
        {"/connections_needed", 4},
        {"/checkout_timeout_s", 0.025},
    };
    for (const auto& [pointer, value] : numbers) {
        EXPECT_NEAR(number(json, pointer), value, value * 1e-5) << pointer;
    }
}

TEST_F(AnalysisJson, HasNoTimesWhereNothingWasObserved) {
    const auto json = parse({});
    EXPECT_EQ(json["begin"].error(), simdjson::NO_SUCH_FIELD);
    EXPECT_EQ(number(json, "/mean/io_share"), 0);
    for (const char* pointer : {"/shards_needed", "/redis_primaries_needed", "/connections_needed",
                                "/checkout_timeout_s"}) {
        expect_null(json, pointer);
    }
    for (const char* name : {"bands", "endpoints", "shards", "redis", "findings", "notes"}) {
        EXPECT_EQ(json[name].get_array().size(), 0) << name;
    }
}

TEST_F(AnalysisJson, WritesNullForWhatIsNoNumber) {
    Analysis analysis = with_shard({.utilisation = 1, .busiest = 1, .stretch = kInfinity});
    analysis.checkout_timeout = kInfinity;
    analysis.endpoints.push_back({});
    analysis.endpoints[0].per_second = kNan;
    analysis.redis = {{.name = "idle", .headroom = kInfinity}};
    const auto json = parse(analysis);
    expect_null(json, "/shards/0/stretch");
    expect_null(json, "/redis/0/headroom");
    expect_null(json, "/checkout_timeout_s");
    expect_null(json, "/endpoints/0/requests_per_second");
    EXPECT_EQ(number(json, "/shards/0/busiest"), 1);
    EXPECT_EQ(number(json, "/endpoints/0/share_of_time"), 0);
}

TEST_F(AnalysisJson, EscapesNames) {
    Analysis analysis;
    analysis.findings = {{"t", Finding::Weight::act, "pool \"\\\x1b\xff", "1\n2"}};
    const auto json = parse(analysis);
    EXPECT_EQ(text(json, "/findings/0/says"), "pool \"\\\x1b\xEF\xBF\xBD");
    EXPECT_EQ(text(json, "/findings/0/arithmetic"), "1\n2");
}

}  // namespace
}  // namespace ringmaster::app
