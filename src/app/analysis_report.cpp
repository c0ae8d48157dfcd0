#include "ringmaster/app/analysis_report.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/table.hpp"
#include "ringmaster/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "analysis_words.hpp"

namespace ringmaster::app {
namespace {

using api::JsonObject;
using ops::Analysis;
using ops::Finding;
using ops::RequestTimes;
using ops::ShardLoad;
using ops::TimeParts;
using Align = Table::Align;
using Notes = std::vector<std::string>;

constexpr std::size_t kColumns = 100;
constexpr std::size_t kNameColumns = 26;  // with a column for each part there is room for no more

// --- for people ---------------------------------------------------------------------------------

/// Where `text` has its character number `index`, or its size.
std::size_t byte_of(std::string_view text, std::size_t index) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if ((text[at] & 0xC0) != 0x80 && index-- == 0) break;
    }
    return at;
}

/// A name, cut to fit into a column.
std::string name_text(std::string_view name) {
    std::string text = printable(name);
    const std::size_t most = byte_of(text, kNameColumns);
    if (most == text.size()) return text;
    return text.substr(0, byte_of(text, kNameColumns - 1)) + "…";
}

/// `text` in lines of at most kColumns, of which the first begins with `first` and the others with
/// as many blanks as `indent`, which must be few.
std::string wrapped(const std::string& first, std::string_view text, std::size_t indent) {
    const std::string shown = printable(text);
    std::string out;
    std::string_view rest = shown;
    std::string begin = first;
    do {
        const std::size_t room = kColumns - byte_of(begin, kColumns);
        std::size_t end = byte_of(rest, room);
        if (end < rest.size()) {
            // A word that is longer than a line is divided.
            const std::size_t blank = rest.rfind(' ', end);
            if (blank != rest.npos && blank > 0) end = blank;
        }
        out += begin.append(rest.substr(0, end)) + '\n';
        rest.remove_prefix(end);
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        begin.assign(indent, ' ');
    } while (!rest.empty());
    return out;
}

std::string heading(std::string_view text) {
    return "\n" + std::string(text) + "\n\n";
}

std::string repeated(std::string_view character, std::size_t times) {
    std::string out;
    while (times-- > 0) out += character;
    return out;
}

/// The parts of `times`, side by side in `width` characters.
std::string stacked_bar(const TimeParts& times, const std::vector<Part>& parts, std::size_t width) {
    std::string bar;
    std::size_t done = 0;
    const auto ends = part_ends(times, parts, static_cast<double>(width));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto end = static_cast<std::size_t>(std::lround(ends[i]));
        bar += repeated(parts[i].block, end - done);
        done = end;
    }
    return bar;
}

std::string legend(const std::vector<Part>& parts) {
    std::string text;
    for (const Part& part : parts) {
        text.append(text.empty() ? "" : "   ").append(part.block).append(" ").append(part.name);
    }
    return text + "\n";
}

std::string summary_text(const Analysis& analysis) {
    const TimeParts& mean = analysis.all.mean;
    Table table({{""}, {"", Align::right}, {""}});
    table.add({"requests", with_thousands(analysis.all.requests),
               number_text(analysis.all.per_second) + " a second"});
    if (analysis.all.requests > 0) {
        const auto add = [&](const char* name, double seconds, const std::string& more) {
            table.add({name, duration_text(seconds), more});
        };
        const auto of_total = [&](double seconds) {
            return percent_text(seconds / mean.total()) + " of the time in the shard";
        };
        add("mean time", mean.total(), "in the shard");
        add("running", mean.running, of_total(mean.running));
        add("idle", mean.idle(),
            of_total(mean.idle()) + "; I/O share " + percent_text(mean.io_share()));
        add("stalled", mean.stalled, of_total(mean.stalled));
        add("queued", mean.queued, "before they came to the shard");
    }
    std::string text = when_text(analysis);
    text = (text.empty() ? "nothing was observed" : text) + "\n\n" + table.text();
    const std::vector<Need> needs = needs_of(analysis);
    if (needs.empty()) return text;
    Table more({{""}, {""}});
    for (const Need& need : needs) more.add({std::string(need.what), need.value});
    return text + "\n" + more.text();
}

/// A row of a table of parts, and of the bars under it.
struct PartsRow {
    std::vector<std::string> cells;
    TimeParts mean;
    std::vector<std::string> bar_cells;
};

std::string parts_text(std::vector<Table::Column> columns, std::vector<Table::Column> bar_columns,
                       const std::vector<PartsRow>& rows, const std::vector<Part>& parts,
                       std::size_t bar_width) {
    columns.push_back({"total", Align::right});
    for (const Part& part : parts) columns.push_back({std::string(part.name), Align::right});
    bar_columns.push_back({""});
    Table figures(std::move(columns));
    Table bars(std::move(bar_columns));
    for (const PartsRow& row : rows) {
        std::vector<std::string> cells = row.cells;
        cells.push_back(duration_text(row.mean.total()));
        for (const Part& part : parts) cells.push_back(duration_text(row.mean.*part.seconds));
        figures.add(std::move(cells));
        cells = row.bar_cells;
        cells.push_back(stacked_bar(row.mean, parts, bar_width));
        bars.add(std::move(cells));
    }
    return figures.text() + "\n" + bars.text() + "\n" + legend(parts);
}

std::string bands_text(const RequestTimes& times, const std::vector<Part>& parts) {
    std::vector<PartsRow> rows;
    for (const ops::Band& band : times.bands) {
        const std::string name = band_name(band);
        rows.push_back({.cells = {name, duration_text(band.longest)},
                        .mean = band.mean,
                        .bar_cells = {name, duration_text(band.mean.total())}});
    }
    return heading("Where the time goes, by how long requests took (means)") +
           parts_text({{"requests"}, {"longest", Align::right}},
                      {{"requests"}, {"total", Align::right}}, rows, parts, 72);
}

std::string endpoints_text(const Analysis& analysis, const std::vector<Part>& parts) {
    std::vector<PartsRow> rows;
    for (const RequestTimes& times : analysis.endpoints) {
        const std::string name = name_text(times.endpoint);
        rows.push_back({.cells = {name},
                        .mean = times.mean,
                        .bar_cells = {name, number_text(times.per_second),
                                      percent_text(share_of_time(times, analysis))}});
    }
    return heading("Where the time goes, by endpoint (means)") +
           parts_text({{"endpoint"}},
                      {{"endpoint"}, {"a second", Align::right}, {"of all time", Align::right}},
                      rows, parts, 48);
}

constexpr std::string_view kBusyLegend =
    "\n█ busy   ░ in the busiest time that was measured   ┊ the knee\n";

/// How far the mean and the busiest time of a shard, or of a server of Redis, go in `width`
/// characters.
template <class Load>
std::string utilisation_bar(const Load& load, double knee, std::size_t width) {
    const auto place = [&](double utilisation) {
        return static_cast<std::size_t>(
            std::lround(share(utilisation) * static_cast<double>(width)));
    };
    std::string bar;
    for (std::size_t i = 0; i < width; ++i) {
        const bool free = i >= place(load.utilisation) && i >= place(load.busiest);
        bar += !free ? (i < place(load.utilisation) ? "█" : "░") : (i == place(knee) ? "┊" : "·");
    }
    return bar;
}

/// 1 / (1 - u), a line of text for each whole number of it.
std::string curve_text(const Analysis& analysis) {
    constexpr std::size_t kWidth = 71;  // each is 1/70 of utilisation
    constexpr double kStep = 1.0 / (kWidth - 1);
    constexpr std::size_t kRows = 10;
    const auto column_of = [](double utilisation) {
        return static_cast<std::size_t>(std::lround(share(utilisation) / kStep));
    };
    const auto row_of = [](double stretch) -> std::size_t {  // 0 is the highest
        if (!(stretch < kRows)) return 0;
        return kRows - static_cast<std::size_t>(std::lround(std::max(stretch, 1.0)));
    };
    std::array<std::array<std::size_t, kWidth>, kRows> shards{};
    for (const ShardLoad& load : analysis.shards) {
        ++shards[row_of(load.stretch)][column_of(load.busiest)];
    }
    const std::size_t knee = column_of(analysis.knee);
    const auto character = [&](std::size_t row, std::size_t column) -> std::string {
        const std::size_t count = shards[row][column];
        if (count > 0) return count == 1 ? "●" : count < 10 ? std::to_string(count) : "#";
        const double stretch = 1 / (1 - static_cast<double>(column) * kStep);
        if (stretch < kRows + 0.5 && row_of(stretch) == row) return "·";
        return column == knee ? "┊" : " ";
    };
    std::string text;
    for (std::size_t row = 0; row < kRows; ++row) {
        std::string line = (row == 0 ? "" : " ") + std::to_string(kRows - row) + " │";
        for (std::size_t column = 0; column < kWidth; ++column) line += character(row, column);
        text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    std::string scale;
    for (std::size_t percent = 0; percent <= 100; percent += 20) {
        scale.resize(4 + column_of(static_cast<double>(percent) / 100), ' ');
        scale += std::to_string(percent) + " %";
    }
    text += "   └" + repeated("─", kWidth) + "\n" + scale + "\n\n";
    return text + "● a shard, 2 to 9 so many, # more; · the curve; ┊ the knee at " +
           percent_text(analysis.knee) + "\n";
}

std::string shards_text(const Analysis& analysis) {
    Table load({{"shard", Align::right},
                {"busy", Align::right},
                {"busiest", Align::right},
                {""},
                {"stretch", Align::right},
                {"zone"}});
    Table work({{"shard", Align::right},
                {"requests/s", Align::right},
                {"rows/s", Align::right},
                {"lag p50", Align::right},
                {"p99", Align::right},
                {"p99.9", Align::right},
                {"cores", Align::right},
                {"observed", Align::right}});
    for (const ShardLoad& shard : analysis.shards) {
        const std::string name = std::to_string(shard.shard);
        load.add({name, percent_text(shard.utilisation), percent_text(shard.busiest),
                  utilisation_bar(shard, analysis.knee, 50), number_text(shard.stretch),
                  std::string(zone_name(shard.zone))});
        work.add({name, number_text(shard.per_second), number_text(shard.rows_per_second),
                  duration_text(shard.lag_p50), duration_text(shard.lag_p99),
                  duration_text(shard.lag_p999), number_text(shard.cpu),
                  observed_text(shard.observed)});
    }
    return heading("Shards") + load.text() + std::string(kBusyLegend) + "\n" + work.text() +
           heading(
               "How long what needs the thread for 1 ms takes, in ms, by how busy the thread is") +
           curve_text(analysis);
}

std::string redis_text(const Analysis& analysis) {
    Table table({{"server"},
                 {"busy", Align::right},
                 {"busiest", Align::right},
                 {""},
                 {"bears", Align::right},
                 {"zone"},
                 {"observed", Align::right}});
    for (const ops::RedisLoad& load : analysis.redis) {
        table.add({name_text(load.name), percent_text(load.utilisation), percent_text(load.busiest),
                   utilisation_bar(load, analysis.knee, 18), times_text(load.headroom),
                   std::string(zone_name(load.zone)), observed_text(load.observed)});
    }
    return heading("Redis servers") + table.text() + std::string(kBusyLegend) +
           "bears: so many times this load, up to the knee\n";
}

std::string_view sign(Finding::Weight weight) {
    switch (weight) {
        case Finding::Weight::fine: return "ok";
        case Finding::Weight::notice: return "- ";
        case Finding::Weight::act: return "! ";
    }
    return "";
}

std::string findings_text(const std::vector<Finding>& findings) {
    std::string text = heading("Findings (! to act on, - to know, ok nothing to do)");
    for (const Finding& finding : findings) {
        const std::string topic = finding.topic.empty() ? "" : finding.topic + ": ";
        text += wrapped(std::string(sign(finding.weight)) + "  ", topic + finding.says + ".", 4);
        if (!finding.arithmetic.empty()) text += wrapped("        ", finding.arithmetic, 8);
    }
    return text;
}

// --- for programs -------------------------------------------------------------------------------

std::int64_t whole(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

std::optional<double> finite(double value) {
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

void append_parts(std::string& out, const TimeParts& times) {
    JsonObject(out)
        .real("total_s", finite(times.total()))
        .real("running_s", finite(times.running))
        .real("stalled_s", finite(times.stalled))
        .real("idle_s", finite(times.idle()))
        .real("journal_s", finite(times.journal))
        .real("shards_s", finite(times.shards))
        .real("redis_s", finite(times.redis))
        .real("other_s", finite(times.other))
        .real("queued_s", finite(times.queued))
        .real("io_share", finite(times.io_share()))
        .end();
}

/// `object` goes on behind it.
void append_times(std::string& out, JsonObject& object, const RequestTimes& times) {
    object.count("requests", whole(times.requests))
        .real("requests_per_second", finite(times.per_second));
    append_parts(object.value("mean"), times.mean);
    api::append_json_array(object.value("bands"), times.bands, [&](const ops::Band& band) {
        JsonObject of_band(out);
        of_band.real("from", finite(band.from))
            .real("to", finite(band.to))
            .real("longest_s", finite(band.longest));
        append_parts(of_band.value("mean"), band.mean);
        of_band.end();
    });
}

/// As programs have it: zone_name() is for people.
std::string_view zone_code(ops::Zone zone) {
    switch (zone) {
        case ops::Zone::easy: return "easy";
        case ops::Zone::usual: return "usual";
        case ops::Zone::knee: return "knee";
    }
    return "";
}

std::string_view weight_code(Finding::Weight weight) {
    switch (weight) {
        case Finding::Weight::fine: return "fine";
        case Finding::Weight::notice: return "notice";
        case Finding::Weight::act: return "act";
    }
    return "";
}

void append_shard(std::string& out, const ShardLoad& load) {
    JsonObject(out)
        .count("shard", load.shard)
        .real("observed_s", finite(load.observed))
        .real("utilisation", finite(load.utilisation))
        .real("busiest", finite(load.busiest))
        .real("cpu_cores", finite(load.cpu))
        .text("zone", zone_code(load.zone))
        .real("stretch", finite(load.stretch))
        .real("requests_per_second", finite(load.per_second))
        .real("rows_per_second", finite(load.rows_per_second))
        .real("lag_p50_s", finite(load.lag_p50))
        .real("lag_p99_s", finite(load.lag_p99))
        .real("lag_p999_s", finite(load.lag_p999))
        .end();
}

void append_redis(std::string& out, const ops::RedisLoad& load) {
    JsonObject(out)
        .text("name", load.name)
        .real("observed_s", finite(load.observed))
        .real("utilisation", finite(load.utilisation))
        .real("busiest", finite(load.busiest))
        .text("zone", zone_code(load.zone))
        .real("headroom", finite(load.headroom))
        .end();
}

}  // namespace

std::string analysis_text(const Analysis& analysis, const Notes& notes) {
    const std::vector<Part> parts = parts_of(analysis);
    std::string text = summary_text(analysis);
    if (!analysis.all.bands.empty()) text += bands_text(analysis.all, parts);
    if (!analysis.endpoints.empty()) text += endpoints_text(analysis, parts);
    if (!analysis.shards.empty()) text += shards_text(analysis);
    if (!analysis.redis.empty()) text += redis_text(analysis);
    if (!analysis.findings.empty()) text += findings_text(analysis.findings);
    if (!notes.empty()) text += "\n";
    for (const std::string& note : notes) text += wrapped("Note: ", note + ".", 6);
    return text;
}

std::string analysis_json(const Analysis& analysis, const Notes& notes) {
    std::string out;
    JsonObject object(out);
    const auto count = [&](std::string_view name, const std::optional<std::size_t>& value) {
        object.value(name) += value ? std::to_string(*value) : "null";
    };
    if (analysis.begin != WallTime()) {
        object.time("begin", analysis.begin).time("end", analysis.end);
    }
    object.real("observed_s", finite(analysis.observed)).real("knee", finite(analysis.knee));
    append_times(out, object, analysis.all);
    api::append_json_array(object.value("endpoints"), analysis.endpoints, [&](const auto& times) {
        JsonObject endpoint(out);
        endpoint.text("endpoint", times.endpoint)
            .real("share_of_time", share_of_time(times, analysis));
        append_times(out, endpoint, times);
        endpoint.end();
    });
    object.real("shed_share", finite(analysis.shed));
    api::append_json_array(object.value("shards"), analysis.shards,
                           [&](const ShardLoad& load) { append_shard(out, load); });
    api::append_json_array(object.value("redis"), analysis.redis,
                           [&](const ops::RedisLoad& load) { append_redis(out, load); });
    count("shards_needed", analysis.shards_needed);
    count("redis_primaries_needed", analysis.primaries_needed);
    count("connections_needed", analysis.connections_needed);
    object.real("checkout_timeout_s",
                analysis.checkout_timeout ? finite(*analysis.checkout_timeout) : std::nullopt);
    api::append_json_array(object.value("findings"), analysis.findings, [&](const auto& finding) {
        JsonObject(out)
            .text("topic", finding.topic)
            .text("weight", weight_code(finding.weight))
            .text("says", finding.says)
            .text("arithmetic", finding.arithmetic)
            .end();
    });
    api::append_json_array(object.value("notes"), notes,
                           [&](const std::string& note) { append_json_string(out, note); });
    object.end();
    return out + "\n";
}

}  // namespace ringmaster::app
