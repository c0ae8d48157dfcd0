#include "ringmaster/app/analysis_page.hpp"

#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/table.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <utility>

#include "analysis_words.hpp"

// Bars are SVG that stretches, beside text that does not: both fit any width. Fills are printed,
// where backgrounds are not.
namespace ringmaster::app {
namespace {

using ops::Analysis;
using ops::Finding;
using ops::RequestTimes;
using ops::ShardLoad;
using ops::TimeParts;
using Notes = std::vector<std::string>;

// --- markup -------------------------------------------------------------------------------------

/// What stands for `text` in an element or in an attribute's quotes.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += c;
        }
    }
    return out;
}

/// `begin` is a tag's name, and maybe attributes; `inside` is markup.
std::string element(std::string_view begin, std::string_view inside) {
    std::string out = "<";
    out.append(begin).append(">").append(inside).append("</");
    return out.append(begin.substr(0, begin.find(' '))).append(">");
}

std::string text_element(std::string_view begin, std::string_view text) {
    return element(begin, escaped(text));
}

/// ` name="value"`
std::string attribute(std::string_view name, std::string_view value) {
    std::string out = " ";
    return out.append(name).append("=\"").append(escaped(value)).append("\"");
}

std::string attribute(std::string_view name, double value) {
    std::array<char, 40> text{};
    (void)std::snprintf(text.data(), text.size(), "%.2f", value);
    return attribute(name, text.data());
}

/// Part of a bar: all of them are kWidth wide and as high as it is.
constexpr double kWidth = 1000;
std::string rectangle(std::string_view kind, double from, double to, std::string_view says) {
    if (to <= from) return "";
    return element("rect" + attribute("class", kind) + attribute("x", from) +
                       attribute("width", to - from) + " height=\"10\"",
                   says.empty() ? "" : text_element("title", says));
}

std::string bar(std::string_view label, const std::string& inside) {
    return element("svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\"" +
                       attribute("aria-label", label),
                   rectangle("track", 0, kWidth, "") + inside);
}

std::string bar_row(std::string_view name, const std::string& bar, std::string_view value) {
    return element("div", text_element("span", name) + bar + text_element("span", value));
}

std::string heading(std::string_view title, const std::string& more = "") {
    return element("div class=\"heading\"", text_element("h2", title) + more) + "\n";
}

std::string plot(std::string_view title, const std::string& inside) {
    return element("div", text_element("h3", title) + inside);
}

using Cells = std::vector<std::string>;

/// The first cell of each row is its name.
std::string table(const Cells& titles, const std::vector<Cells>& rows) {
    std::string head;
    for (const std::string& title : titles) head += text_element("th scope=\"col\"", title);
    std::string body;
    for (const Cells& cells : rows) {
        std::string row;
        for (const std::string& cell : cells) {
            row += text_element(row.empty() ? "th scope=\"row\"" : "td", cell);
        }
        body += element("tr", row) + "\n";
    }
    return element("div class=\"scroll\"", element("table", element("thead", element("tr", head)) +
                                                                "\n" + element("tbody", body))) +
           "\n";
}

// --- where the time goes ------------------------------------------------------------------------

/// What a colour stands for.
std::string key(std::string_view begin, std::string_view kind, std::string_view words) {
    return element(begin, element("svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"",
                                  rectangle(kind, 0, 10, "")) +
                              escaped(words));
}

std::string legend(const std::vector<Part>& parts) {
    std::string items;
    for (const Part& part : parts) {
        items += key("li" + attribute("title", part.says), part.name, part.name);
    }
    return element("ul class=\"legend\"", items);
}

/// What is told of some requests.
struct Row {
    std::string name;
    TimeParts mean;
    /// How long its bar is in the plot of amounts, of 1.
    double length = 0;
    std::string amount;  ///< the same, for people
    Cells cells;         ///< behind the name in the table
};

std::string stacked_bar(const Row& row, const std::vector<Part>& parts, double length) {
    const std::vector<double> ends = part_ends(row.mean, parts, kWidth * share(length));
    std::string inside;
    double begin = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const double seconds = row.mean.*parts[i].seconds;
        inside += rectangle(parts[i].name, begin, ends[i],
                            std::string(parts[i].name) + " " + duration_text(seconds));
        begin = ends[i];
    }
    return bar(row.name, inside);
}

/// The rows' amounts beside what they are made of, and the figures of both.
std::string parts_view(std::string_view amounts, Cells titles, const std::vector<Row>& rows,
                       const std::vector<Part>& parts) {
    std::string of_amounts;
    std::string of_shares;
    std::vector<Cells> figures;
    for (const Row& row : rows) {
        of_amounts += bar_row(row.name, stacked_bar(row, parts, row.length), row.amount) + "\n";
        of_shares += bar_row(row.name, stacked_bar(row, parts, 1),
                             "running " + percent_text(row.mean.running / with_queue(row.mean))) +
                     "\n";
        Cells cells = {row.name};
        cells.insert(cells.end(), row.cells.begin(), row.cells.end());
        cells.push_back(duration_text(row.mean.total()));
        for (const Part& part : parts) cells.push_back(duration_text(row.mean.*part.seconds));
        figures.push_back(std::move(cells));
    }
    titles.emplace_back("total");
    for (const Part& part : parts) titles.emplace_back(part.name);
    return element("div class=\"plots\"", plot(amounts, element("div class=\"bars\"", of_amounts)) +
                                              plot("Shares of the time of each",
                                                   element("div class=\"bars\"", of_shares))) +
           "\n" + table(titles, figures);
}

std::string bands_view(const RequestTimes& times, const std::vector<Part>& parts) {
    double longest = 0;
    for (const ops::Band& band : times.bands) longest = std::max(longest, with_queue(band.mean));
    std::vector<Row> rows;
    for (const ops::Band& band : times.bands) {
        rows.push_back({.name = band_name(band),
                        .mean = band.mean,
                        .length = with_queue(band.mean) / longest,
                        .amount = duration_text(with_queue(band.mean)),
                        .cells = {duration_text(band.longest)}});
    }
    return parts_view("Mean time", {"Requests", "longest"}, rows, parts);
}

std::string bands_section(const Analysis& analysis, const std::vector<Part>& parts) {
    if (analysis.all.bands.empty()) return "";
    return element("section",
                   heading("Where the time goes, by how long requests took", legend(parts)) +
                       bands_view(analysis.all, parts)) +
           "\n";
}

std::string endpoints_section(const Analysis& analysis, const std::vector<Part>& parts) {
    if (analysis.endpoints.empty()) return "";
    double largest = 0;
    for (const RequestTimes& times : analysis.endpoints) {
        largest = std::max(largest, share_of_time(times, analysis));
    }
    std::vector<Row> rows;
    std::string more;
    for (const RequestTimes& times : analysis.endpoints) {
        const double of_all = share_of_time(times, analysis);
        rows.push_back({.name = times.endpoint,
                        .mean = times.mean,
                        .length = of_all / largest,
                        .amount = percent_text(of_all),
                        .cells = {with_thousands(times.requests), number_text(times.per_second),
                                  percent_text(of_all)}});
        if (times.bands.empty()) continue;
        more += element("details",
                        text_element("summary", times.endpoint + ", by how long requests took") +
                            bands_view(times, parts)) +
                "\n";
    }
    return element("section",
                   heading("Where the time goes, by endpoint", legend(parts)) +
                       parts_view("Share of all time",
                                  {"Endpoint", "requests", "per s", "of all time"}, rows, parts) +
                       more) +
           "\n";
}

// --- shards -------------------------------------------------------------------------------------

std::string shard_name(const ShardLoad& load) {
    return "shard " + std::to_string(load.shard);
}

std::string server_name(const ops::RedisLoad& load) {
    return load.name;
}

/// Of shards, or of servers of Redis.
template <class Load>
std::string utilisation_view(const std::vector<Load>& loads, std::string (*name_of)(const Load&),
                             double at_knee) {
    const std::string knee =
        "path class=\"mark\"" + attribute("d", "M" + std::to_string(kWidth * at_knee) + " 0V10");
    std::string bars;
    for (const Load& load : loads) {
        const double mean = kWidth * share(load.utilisation);
        const std::string busiest = percent_text(load.busiest);
        bars += bar_row(name_of(load),
                        bar("busy for " + percent_text(load.utilisation),
                            rectangle("running", 0, mean, percent_text(load.utilisation)) +
                                rectangle("busiest", mean, kWidth * share(load.busiest),
                                          "busiest: " + busiest) +
                                element(knee, text_element("title", "the knee"))),
                        percent_text(load.utilisation)) +
                "\n";
    }
    constexpr std::size_t kFew = 12;
    return element(loads.size() > kFew ? "div class=\"bars many\"" : "div class=\"bars\"", bars);
}

std::string utilisation_legend(const Analysis& analysis) {
    return element("ul class=\"legend\"",
                   key("li", "running", "busy") +
                       key("li", "busiest", "busiest time that was measured") +
                       text_element("li", "the line: the knee, " + percent_text(analysis.knee)));
}

std::string curve_view(const Analysis& analysis) {
    constexpr double kMostStretch = 10;  // what is above stands at the upper edge
    constexpr double kLeft = 44;
    constexpr double kRight = 606;
    constexpr double kTop = 28;
    constexpr double kBottom = 258;
    const auto x = [](double utilisation) { return kLeft + share(utilisation) * (kRight - kLeft); };
    const auto y = [](double stretch) {
        return kBottom - share((stretch - 1) / (kMostStretch - 1)) * (kBottom - kTop);
    };
    const auto point = [](double at_x, double at_y) {
        std::array<char, 40> text{};
        (void)std::snprintf(text.data(), text.size(), "%.1f %.1f", at_x, at_y);
        return std::string(text.data());
    };
    const auto words = [&](std::string_view kind, double at_x, double at_y, const char* anchor,
                           std::string_view text) {
        return text_element("text" + attribute("class", kind) + attribute("x", at_x) +
                                attribute("y", at_y) + attribute("text-anchor", anchor),
                            text);
    };
    const double knee = x(analysis.knee);

    std::string inside =
        element("rect class=\"zone\"" + attribute("x", knee) + attribute("y", kTop) +
                    attribute("width", kRight - knee) + attribute("height", kBottom - kTop),
                text_element("title", "past the knee"));
    for (const int stretch : {1, 2, 4, 6, 8, 10}) {
        inside +=
            element("path class=\"axis\"" + attribute("d", "M" + point(kLeft, y(stretch)) + "L" +
                                                               point(kRight, y(stretch))),
                    "") +
            words("tick", kLeft - 8, y(stretch) + 5, "end", std::to_string(stretch));
    }
    for (int percent = 0; percent <= 100; percent += 20) {
        inside += words("tick", x(percent / 100.0), kBottom + 24, "middle",
                        std::to_string(percent) + " %");
    }
    std::string line;
    for (int percent = 0; percent <= 90; ++percent) {
        const double utilisation = percent / 100.0;
        line += (line.empty() ? "M" : "L") + point(x(utilisation), y(1 / (1 - utilisation)));
    }
    inside += element("path class=\"line\"" + attribute("d", line), "") +
              element("path class=\"knee\"" +
                          attribute("d", "M" + point(knee, kTop) + "L" + point(knee, kBottom)),
                      "") +
              words("tick", knee - 8, kTop + 14, "end", "knee") + "\n";

    std::vector<const ShardLoad*> loads;
    for (const ShardLoad& load : analysis.shards) loads.push_back(&load);
    std::ranges::stable_sort(loads, {}, &ShardLoad::busiest);
    double last_label = -std::numeric_limits<double>::infinity();
    for (const ShardLoad* load : loads) {
        const double at_x = x(load->busiest);
        const double at_y = y(load->stretch);
        inside += element(
            "circle class=\"shard\" r=\"6\"" + attribute("cx", at_x) + attribute("cy", at_y),
            text_element("title", shard_name(*load) + ": " + percent_text(load->busiest) + ", " +
                                      number_text(load->stretch) + " ms"));
        constexpr double kRoom = 30;  // of a label, also on a telephone
        if (at_x < last_label + kRoom) continue;
        last_label = at_x;
        inside += words("label", at_x - 8, at_y - 9, "end", std::to_string(load->shard));
    }
    return element(
        "svg class=\"curve\" viewBox=\"0 0 640 290\" role=\"img\" "
        "aria-label=\"The curve of latency, and where shards stand on it\"",
        inside);
}

std::string shards_section(const Analysis& analysis) {
    if (analysis.shards.empty()) return "";
    std::vector<Cells> rows;
    for (const ShardLoad& load : analysis.shards) {
        rows.push_back({shard_name(load), percent_text(load.utilisation),
                        percent_text(load.busiest), number_text(load.stretch),
                        std::string(zone_name(load.zone)), number_text(load.per_second),
                        number_text(load.rows_per_second), duration_text(load.lag_p50),
                        duration_text(load.lag_p99), duration_text(load.lag_p999),
                        number_text(load.cpu), observed_text(load.observed)});
    }
    return element("section",
                   heading("Shards", utilisation_legend(analysis)) +
                       element("div class=\"plots\"",
                               plot("Share of time in which the thread is busy",
                                    utilisation_view(analysis.shards, shard_name, analysis.knee)) +
                                   plot("How long what needs the thread for 1 ms takes, in ms, by "
                                        "how busy it is: 1 / (1 - u)",
                                        curve_view(analysis))) +
                       "\n" +
                       table({"Shard", "busy", "busiest", "stretch", "zone", "requests/s", "rows/s",
                              "lag p50", "lag p99", "lag p99.9", "cores", "observed"},
                             rows)) +
           "\n";
}

std::string redis_section(const Analysis& analysis) {
    if (analysis.redis.empty()) return "";
    std::vector<Cells> rows;
    for (const ops::RedisLoad& load : analysis.redis) {
        rows.push_back({server_name(load), percent_text(load.utilisation),
                        percent_text(load.busiest), times_text(load.headroom),
                        std::string(zone_name(load.zone)), observed_text(load.observed)});
    }
    return element("section",
                   heading("Redis servers", utilisation_legend(analysis)) +
                       element("div class=\"plots\"",
                               plot("Share of time in which the main thread is busy",
                                    utilisation_view(analysis.redis, server_name, analysis.knee)) +
                                   table({"Server", "busy", "busiest",
                                          "times this load up to the knee", "zone", "observed"},
                                         rows))) +
           "\n";
}

// --- words --------------------------------------------------------------------------------------

std::string tile(std::string_view title, std::string_view figure, std::string_view more) {
    return element("div class=\"tile\"", text_element("h2", title) + text_element("b", figure) +
                                             text_element("small", more));
}

std::string tiles(const Analysis& analysis) {
    const TimeParts& mean = analysis.all.mean;
    const auto of_total = [&](double seconds) {
        return percent_text(seconds / mean.total()) + " of the time";
    };
    return element(
               "section class=\"tiles\" aria-label=\"Summary\"",
               tile("Requests per second", number_text(analysis.all.per_second),
                    with_thousands(analysis.all.requests) + " requests") +
                   tile("Mean time", duration_text(mean.total()), "in the shard") +
                   tile("Running", duration_text(mean.running), of_total(mean.running)) +
                   tile("Idle", duration_text(mean.idle()),
                        of_total(mean.idle()) + ", I/O share " + percent_text(mean.io_share())) +
                   tile("Stalled", duration_text(mean.stalled), of_total(mean.stalled)) +
                   tile("Queued", duration_text(mean.queued), "before the shard")) +
           "\n";
}

std::string pill(Finding::Weight weight) {
    switch (weight) {
        case Finding::Weight::fine: return text_element("span class=\"pill fine\"", "fine");
        case Finding::Weight::notice: return text_element("span class=\"pill notice\"", "notice");
        case Finding::Weight::act: return text_element("span class=\"pill act\"", "act");
    }
    return "";
}

std::string findings_section(const Analysis& analysis) {
    std::string items;
    for (const Finding& finding : analysis.findings) {
        std::string words = element(
            "p", text_element("strong", finding.topic) + ": " + escaped(finding.says) + ".");
        if (!finding.arithmetic.empty()) {
            words += text_element("p class=\"arithmetic\"", finding.arithmetic);
        }
        items += element("li", pill(finding.weight) + element("div", words)) + "\n";
    }
    std::string needs;
    for (const Need& need : needs_of(analysis)) {
        needs += (needs.empty() ? "" : " · ") + std::string(need.what) + ": " + need.value;
    }
    if (items.empty() && needs.empty()) return "";
    return element("section", heading("Findings", text_element("p class=\"quiet\"", needs)) +
                                  element("ul class=\"findings\"", items)) +
           "\n";
}

std::string notes_section(const Notes& notes) {
    if (notes.empty()) return "";
    std::string text = heading("Notes");
    for (const std::string& note : notes) text += text_element("p class=\"quiet\"", note + ".");
    return element("section", text) + "\n";
}

}  // namespace

std::string analysis_html(const Analysis& analysis, const Notes& notes) {
    const std::vector<Part> parts = parts_of(analysis);
    const std::string when = when_text(analysis);
    std::string content =
        element("header", text_element("h1", "ringmaster analysis") +
                              text_element("p", when.empty() ? "nothing was observed" : when)) +
        "\n" +
        element("main", tiles(analysis) + findings_section(analysis) +
                            bands_section(analysis, parts) + endpoints_section(analysis, parts) +
                            shards_section(analysis) + redis_section(analysis) +
                            notes_section(notes)) +
        "\n";
    std::string page(analysis_page_frame());
    return page.insert(page.rfind("</body>"), content);
}

}  // namespace ringmaster::app
