#include "ringmaster/app/analysis_page.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analysis_example.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using ops::Analysis;
using ops::Finding;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Markup {
    std::set<std::string> tags;
    std::set<std::string> attributes;
    std::optional<std::string> fault;
};

/// Its tags and their attributes, and the first tag that is not closed where it should be, or is no
/// tag.
Markup read_markup(std::string_view html) {
    static const std::set<std::string, std::less<>> kVoid = {"!doctype", "meta", "link"};
    Markup markup;
    std::vector<std::string> open;
    const auto fault = [&](std::string_view what) {
        markup.fault = std::string(what.substr(0, 80));
        return markup;
    };
    for (std::size_t at = 0; (at = html.find_first_of("<>", at)) != html.npos;) {
        const std::string_view rest = html.substr(at);
        const std::size_t end = rest.find('>');
        if (rest[0] == '>' || end == rest.npos) return fault(rest);
        std::string_view tag = rest.substr(1, end - 1);
        at += end + 1;
        if (tag.starts_with('/')) {
            if (open.empty() || open.back() != tag.substr(1)) return fault(rest);
            open.pop_back();
            continue;
        }
        const std::string name(tag.substr(0, tag.find(' ')));
        if (tag.find('<') != tag.npos || std::ranges::count(tag, '"') % 2 != 0) return fault(rest);
        markup.tags.insert(name);
        bool quoted = false;
        std::string attribute;
        for (const char c : tag.substr(name.size())) {
            if (c == '"') quoted = !quoted;
            if (quoted || c == '"') continue;
            if (c == ' ') {
                attribute.clear();
            } else if (c == '=') {
                markup.attributes.insert(attribute);
            } else {
                attribute += c;
            }
        }
        if (name == "style") {  // its ">" are no tags
            at = html.find("</style>", at);
            if (at == html.npos) return fault(rest);
        }
        if (!kVoid.contains(name)) open.push_back(name);
    }
    if (!open.empty()) return fault("<" + open.back() + "> is open at the end");
    return markup;
}

/// Well-formed, by itself, and without a number that is none.
void expect_good(const std::string& html) {
    const Markup markup = read_markup(html);
    EXPECT_EQ(markup.fault, std::nullopt);
    EXPECT_THAT(
        markup.tags,
        testing::IsSubsetOf(
            {"!doctype", "html",    "head",    "meta", "title", "link",  "style",  "body", "header",
             "main",     "section", "div",     "h1",   "h2",    "h3",    "p",      "b",    "small",
             "span",     "strong",  "ul",      "li",   "table", "thead", "tbody",  "tr",   "th",
             "td",       "details", "summary", "svg",  "rect",  "path",  "circle", "text"}));
    EXPECT_THAT(markup.attributes, testing::IsSubsetOf({"lang",        "charset",
                                                        "name",        "content",
                                                        "rel",         "href",
                                                        "class",       "title",
                                                        "role",        "aria-label",
                                                        "aria-hidden", "scope",
                                                        "viewBox",     "preserveAspectRatio",
                                                        "x",           "y",
                                                        "width",       "height",
                                                        "d",           "r",
                                                        "cx",          "cy",
                                                        "text-anchor"}));
    EXPECT_TRUE(html.starts_with("<!doctype html>\n"));
    EXPECT_TRUE(html.ends_with("</main>\n</body>\n</html>\n")) << html.substr(html.size() - 80);
    for (const char* outside : {"http", "//", "url(", "@import", "javascript"}) {
        EXPECT_THAT(html, Not(HasSubstr(outside)));
    }
    for (const char* number : {"\"nan", "\"-nan", "\"inf", "\"-", "nan %", "inf %"}) {
        EXPECT_THAT(html, Not(HasSubstr(number)));
    }
}

TEST(AnalysisPageMarkup, IsReadStrictly) {
    EXPECT_THAT(read_markup("<p class=\"a b=c\" onclick=\"\"></p>").attributes,
                testing::ElementsAre("class", "onclick"));
    EXPECT_EQ(read_markup("<p class=\"a\"><b>x</b></p><meta>").fault, std::nullopt);
    EXPECT_EQ(read_markup("<style>a > b</style>").fault, std::nullopt);
    for (const char* bad :
         {"<p>", "</p>", "<p><b></p></b>", "a > b", "<p", "<p a=\"></p>", "<p <b></b></p>"}) {
        EXPECT_NE(read_markup(bad).fault, std::nullopt) << bad;
    }
}

TEST(AnalysisPage, IsOneDocumentByItself) {
    const std::string html = analysis_html(example_analysis(), {"a note"});
    expect_good(html);
    EXPECT_THAT(html, HasSubstr("prefers-color-scheme: dark"));
    EXPECT_THAT(html, HasSubstr("<meta name=\"viewport\""));
}

TEST(AnalysisPage, TellsTheFigures) {
    const std::string html = analysis_html(example_analysis(), {"a note"});
    EXPECT_THAT(html, HasSubstr("from 2026-11-21 09:00:00 UTC to 2026-11-21 10:00:00 UTC, 1 h of "
                                "it observed"));
    EXPECT_THAT(html, HasSubstr("<h2>Idle</h2><b>498 us</b><small>83.2 % of the time, I/O share "
                                "91.5 %</small>"));
    EXPECT_THAT(html, HasSubstr("<th scope=\"row\">p99-99.9</th><td>250 ms</td><td>10.0 ms</td>"
                                "<td>100 us</td><td>900 us</td><td>3.00 ms</td><td>1.00 ms</td>"
                                "<td>5.00 ms</td><td>10.0 ms</td></tr>"));
    EXPECT_THAT(html, HasSubstr("<th scope=\"row\">others</th><td>600,000</td><td>167</td>"
                                "<td>16.7 %</td><td>598 us</td>"));
    EXPECT_THAT(html, HasSubstr("<summary>POST /numbers, by how long requests took</summary>"));
    EXPECT_THAT(html, Not(HasSubstr("<summary>others")));  // it has no bands
    EXPECT_THAT(html, HasSubstr("<th scope=\"row\">shard 1</th><td>70.0 %</td><td>80.0 %</td>"
                                "<td>5.00</td><td>past the knee</td><td>700</td><td>0</td>"
                                "<td>100 us</td><td>10.0 ms</td><td>2.00 s</td><td>1.02</td>"
                                "<td>30 min</td></tr>"));
    EXPECT_THAT(html,
                HasSubstr("shards needed: 3 (there are 2) · Redis primaries needed: 1 (there are "
                          "2) · connections needed: 4 of each shard to Redis · checkout "
                          "timeout: 25.0 ms"));
    EXPECT_THAT(html, HasSubstr("<th scope=\"row\">10.0.0.7:6379</th><td>20.0 %</td>"
                                "<td>35.0 %</td><td>2.00</td><td>easy</td><td>59 min 56 s</td>"));
    EXPECT_THAT(html, HasSubstr("<span class=\"pill act\">act</span><div><p><strong>shards</strong>"
                                ": 3 shards instead of 2 are needed.</p>"
                                "<p class=\"arithmetic\">1.20 / 0.54 = 2.23</p></div>"));
    EXPECT_THAT(html, HasSubstr("<p class=\"quiet\">a note.</p>"));
}

TEST(AnalysisPage, DrawsPartsInProportion) {
    Analysis analysis;
    const ops::TimeParts half = {.running = 0.5, .queued = 0.5};
    const ops::TimeParts quarter = {.running = 0.25};
    analysis.all.bands = {{.from = 0, .to = 0.5, .longest = 1, .mean = quarter},
                          {.from = 0.5, .to = 1, .longest = 1, .mean = half}};
    const std::string html = analysis_html(analysis, {});
    const auto bar = [](std::string_view part, const char* x, const char* width) {
        return "<rect class=\"" + std::string(part) + "\" x=\"" + x + "\" width=\"" + width + "\"";
    };
    // Of amounts, of which the longest is as long as the plot, and of shares.
    EXPECT_THAT(html, AllOf(HasSubstr(bar("running", "0.00", "250.00")),
                            HasSubstr(bar("running", "0.00", "500.00")),
                            HasSubstr(bar("running", "0.00", "1000.00")),
                            HasSubstr(bar("queued", "500.00", "500.00"))));
    EXPECT_THAT(html, Not(HasSubstr("\"redis\"")));
    expect_good(html);
}

TEST(AnalysisPage, DrawsHowBusyRedisIs) {
    const std::string html = analysis_html(example_analysis(), {});
    EXPECT_THAT(html, HasSubstr("<h2>Redis servers</h2>"));
    const std::size_t row = html.find("<span>10.0.0.7:6379</span>");
    ASSERT_NE(row, html.npos);
    const std::string bar = html.substr(row, html.find("</svg>", row) - row);
    EXPECT_THAT(bar, AllOf(HasSubstr("class=\"running\" x=\"0.00\" width=\"200.00\""),
                           HasSubstr("class=\"busiest\" x=\"200.00\" width=\"150.00\""),
                           HasSubstr("M700.0")));
    Analysis analysis = example_analysis();
    analysis.redis.clear();
    EXPECT_THAT(analysis_html(analysis, {}), Not(HasSubstr("<h2>Redis servers</h2>")));
}

TEST(AnalysisPage, DrawsShardsOnTheCurve) {
    const std::string html = analysis_html(example_analysis(), {});
    // 40 % is at 44 + 0.4 * 562, and 1.67 of 10 at 258 - (0.67 / 9) * 230.
    EXPECT_THAT(html, HasSubstr("cx=\"268.80\" cy=\"240.96\"><title>shard 0: 40.0 %, 1.67 ms<"));
    EXPECT_THAT(html, HasSubstr("cx=\"493.60\" cy=\"155.78\"><title>shard 1: 80.0 %, 5.00 ms<"));
}

TEST(AnalysisPage, LetsNoNameBecomeMarkup) {
    const std::string hostile = "<script>alert('&\"')</script>\x1b\xff";
    const std::string shown = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;\\x1B\\xFF";
    Analysis analysis = example_analysis();
    for (auto& endpoint : analysis.endpoints) endpoint.endpoint = hostile;
    for (auto& server : analysis.redis) server.name = hostile;
    analysis.findings = {{hostile, Finding::Weight::act, hostile, hostile}};
    const std::string html = analysis_html(analysis, {hostile});
    expect_good(html);
    EXPECT_THAT(html, HasSubstr("<th scope=\"row\">" + shown + "</th><td>20.0 %</td>"));
    EXPECT_THAT(html, AllOf(HasSubstr("<strong>" + shown + "</strong>: " + shown + ".</p>"),
                            HasSubstr("<p class=\"arithmetic\">" + shown + "</p>"),
                            HasSubstr("aria-label=\"" + shown + "\""),
                            HasSubstr("<th scope=\"row\">" + shown + "</th>"),
                            HasSubstr("<p class=\"quiet\">" + shown + ".</p>")));
}

TEST(AnalysisPage, TellsThatNothingWasObserved) {
    const std::string html = analysis_html({}, {});
    expect_good(html);
    EXPECT_THAT(html, HasSubstr("<p>nothing was observed</p>"));
    for (const char* part : {"<table", "<ul", "curve\"", "Notes"}) {
        EXPECT_THAT(html, Not(HasSubstr(part)));
    }
}

TEST(AnalysisPage, BearsWhatIsNoNumber) {
    Analysis analysis = example_analysis();
    analysis.shards = {{.utilisation = 1, .busiest = 1, .stretch = kInfinity},
                       {.utilisation = kNan, .busiest = kNan, .stretch = kNan}};
    analysis.redis = {
        {.name = "idle", .headroom = kInfinity},
        {.name = "none", .observed = kNan, .utilisation = kNan, .busiest = kNan, .headroom = kNan}};
    analysis.all = {};
    analysis.all.bands = {{}};  // of no time
    analysis.endpoints[0].mean.running = kNan;
    analysis.shards_needed = std::nullopt;
    const std::string html = analysis_html(analysis, {});
    expect_good(html);
    EXPECT_THAT(html, HasSubstr("<td>&gt; 999</td>"));
    EXPECT_THAT(html, AllOf(HasSubstr("<td>∞</td>"), HasSubstr("no number of them is enough")));
}

TEST(AnalysisPage, DrawsManyShards) {
    Analysis analysis;
    for (std::uint32_t i = 0; i < 64; ++i) {
        analysis.shards.push_back({.shard = i, .utilisation = 0.5, .busiest = 0.5, .stretch = 2});
    }
    const std::string html = analysis_html(analysis, {});
    expect_good(html);
    const auto count = [&](std::string_view what) {
        std::size_t found = 0;
        for (std::size_t at = 0; (at = html.find(what, at)) != html.npos; ++at) ++found;
        return found;
    };
    EXPECT_EQ(count("<circle "), 64);
    EXPECT_EQ(count("<th scope=\"row\">"), 64);
    EXPECT_EQ(count("<text class=\"label\""), 1);  // where there is room
}

}  // namespace
}  // namespace ringmaster::app
