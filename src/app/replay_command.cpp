#include "ringmaster/app/replay_command.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/app/journal_commands.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/table.hpp"
#include "ringmaster/base/text.hpp"
#include "ringmaster/replay/replay.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "time_range.hpp"

namespace ringmaster::app {
namespace {

using api::JsonObject;
using replay::Figures;
using replay::PoolReport;
using replay::ReplayReport;

/// What must be known of a result: it is not in the figures.
std::vector<std::string> notes(const ReplayReport& report, bool counts_from_begin) {
    std::vector<std::string> notes = {
        "requests that got an overflow number are not in the journal: demand above the recorded "
        "size is not seen"};
    if (!report.has_begin && counts_from_begin) {
        notes.emplace_back(
            "the journal does not go back to the begin of the store, and the replay begins with "
            "numbers that nobody has: --from, a lifetime and cool-down later, leaves that out");
    }
    std::uint64_t gone = 0;
    for (const PoolReport& pool : report.pools) gone += pool.gone;
    if (gone > 0) {
        notes.push_back(with_thousands(gone) +
                        " numbers drain or have left their pools, the journal does not say since "
                        "when: the replay has them from the begin, or from when they are named on");
    }
    if (report.left_out > 0) {
        notes.push_back(with_thousands(report.left_out) +
                        " requests were left out: the journal does not say any more of which pool");
    }
    return notes;
}

std::uint64_t requests_of(const Figures& figures) {
    return figures.holds + figures.touches + figures.overflows;
}

double share(std::uint64_t part, std::uint64_t all) {
    return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string with_percent(std::uint64_t part, std::uint64_t all) {
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), " (%.2f %%)", 100 * share(part, all));
    return with_thousands(part) + text.data();
}

std::string time_text(WallTime time) {
    std::string text;
    append_utc(text, time);
    return human_time(text);
}

std::uint64_t seconds(std::chrono::milliseconds time) {
    return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(time).count());
}

// --- for people ---------------------------------------------------------------------------------

/// One row for each figure, as it was and as it would have been.
std::string figures_table(const PoolReport& pool) {
    Table table({{""}, {"as it was", Table::Align::right}, {"replayed", Table::Align::right}});
    const auto add = [&](const char* name, auto&& text_of) {
        table.add({name, text_of(pool.recorded), text_of(pool.replayed)});
    };
    const auto add_count = [&](const char* name, auto member) {
        add(name, [&](const Figures& f) { return with_thousands(f.*member); });
    };
    add_count("numbers", &Figures::numbers);
    add("lifetime", [](const Figures& f) { return human_duration(seconds(f.rules.lifetime)); });
    add("cool-down", [](const Figures& f) { return human_duration(seconds(f.rules.cooldown)); });
    add("longest hold", [](const Figures& f) {
        return f.rules.max_hold.count() == 0 ? std::string("no limit")
                                             : human_duration(seconds(f.rules.max_hold));
    });
    add_count("holds", &Figures::holds);
    add_count("touches", &Figures::touches);
    add_count("releases", &Figures::releases);
    table.add({"overflows", "not recorded",
               with_percent(pool.replayed.overflows, requests_of(pool.replayed))});
    add_count("re-issues", &Figures::reissues);
    add_count("early re-issues", &Figures::early_reissues);
    add_count("most held at once", &Figures::most_held);
    add("", [](const Figures& f) { return f.most_held == 0 ? "" : time_text(f.most_held_at); });
    add_count("numbers never used", &Figures::never_used);
    return table.text();
}

std::string hours_table(const PoolReport& pool) {
    Table table({{"hour"}, {"requests", Table::Align::right}, {"overflows", Table::Align::right}});
    for (const replay::HourFigures& hour : pool.hours) {
        if (hour.overflows == 0) continue;
        table.add({time_text(hour.hour), with_thousands(hour.requests),
                   with_percent(hour.overflows, hour.requests)});
    }
    return table.text();
}

std::string text_of(const ReplayReport& report, const std::vector<std::string>& notes) {
    std::string text;
    if (report.begin != WallTime()) {
        text += "requests from " + time_text(report.begin) + " to " + time_text(report.end) + "\n";
    }
    for (const PoolReport& pool : report.pools) {
        const std::uint64_t requests = pool.recorded.holds + pool.recorded.touches;
        text += "\n" + printable(pool.id) + (pool.deleted ? " (deleted)" : "") + ": " +
                with_thousands(requests) + " requests of " + (pool.sessions_exact ? "" : "about ") +
                with_thousands(pool.sessions) + " sessions\n" + figures_table(pool);
        if (pool.replayed.overflows > 0) text += hours_table(pool);
    }
    text += "\n";
    for (const std::string& note : notes) text += "Note: " + note + ".\n";
    return text;
}

// --- for programs -------------------------------------------------------------------------------

void append_number(std::string& out, double value) {
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), "%.6f", value);
    out += text.data();
}

void append_figures(std::string& out, const Figures& figures, bool knows_overflows) {
    const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    JsonObject object(out);
    object.count("numbers", figures.numbers)
        .count("lifetime_seconds", count(seconds(figures.rules.lifetime)))
        .count("cooldown_seconds", count(seconds(figures.rules.cooldown)))
        .count("max_hold_seconds", count(seconds(figures.rules.max_hold)))
        .count("holds", count(figures.holds))
        .count("touches", count(figures.touches))
        .count("releases", count(figures.releases));
    if (knows_overflows) {
        object.count("overflows", count(figures.overflows));
        append_number(object.value("overflow_share"),
                      share(figures.overflows, requests_of(figures)));
    }
    object.count("reissues", count(figures.reissues))
        .count("early_reissues", count(figures.early_reissues))
        .count("most_held", count(figures.most_held));
    if (figures.most_held > 0) object.time("most_held_at", figures.most_held_at);
    object.count("never_used", figures.never_used);
    object.end();
}

void append_pool(std::string& out, const PoolReport& pool) {
    const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    JsonObject object(out);
    object.text("pool", pool.id)
        .boolean("deleted", pool.deleted)
        .count("requests", count(pool.recorded.holds + pool.recorded.touches))
        .count("sessions", count(pool.sessions))
        .boolean("sessions_exact", pool.sessions_exact)
        .count("numbers_gone", pool.gone);
    append_figures(object.value("recorded"), pool.recorded, false);
    append_figures(object.value("replayed"), pool.replayed, true);
    api::append_json_array(object.value("hours"), pool.hours, [&](const auto& hour) {
        JsonObject(out)
            .time("hour", hour.hour)
            .count("requests", count(hour.requests))
            .count("overflows", count(hour.overflows))
            .end();
    });
    object.end();
}

std::string json_of(const ReplayReport& report, const std::vector<std::string>& notes) {
    std::string out;
    JsonObject object(out);
    if (report.begin != WallTime()) object.time("begin", report.begin).time("end", report.end);
    object.boolean("from_the_begin", report.has_begin)
        .count("left_out", static_cast<std::int64_t>(report.left_out))
        .count("damages", report.damages);
    api::append_json_array(object.value("pools"), report.pools,
                           [&](const PoolReport& pool) { append_pool(out, pool); });
    api::append_json_array(object.value("notes"), notes,
                           [&](const std::string& note) { append_json_string(out, note); });
    object.end();
    return out + "\n";
}

// --- the command --------------------------------------------------------------------------------

std::optional<std::chrono::milliseconds> in_ms(const std::optional<std::uint32_t>& value) {
    if (!value) return std::nullopt;
    return std::chrono::seconds(*value);
}

Result<replay::ReplayOptions> options_of(const ReplaySettings& settings) {
    replay::ReplayOptions options;
    options.pools = settings.pools;
    options.changes = {.numbers = settings.numbers,
                       .numbers_percent = settings.numbers_percent,
                       .lifetime = in_ms(settings.lifetime_seconds),
                       .cooldown = in_ms(settings.cooldown_seconds),
                       .max_hold = in_ms(settings.max_hold_seconds)};
    const auto range = read_time_range(settings.from, settings.to);
    if (!range) return range.error();
    options.from = range->from;
    options.to = range->to;
    return options;
}

}  // namespace

ExitCode replay_journal(const std::filesystem::path& data_dir, const ReplaySettings& settings,
                        Console& console) {
    const auto options = options_of(settings);
    if (!options) {
        console.err << options.error().message << '\n';
        return kUsage;
    }
    std::vector<std::string> findings;
    const auto report = [&] {
        Progress progress(console, "reading bytes");
        return replay::replay(
            data_dir, *options,
            {.on_finding =
                 [&](const store::InspectionFinding& finding) {
                     findings.push_back(told(finding));
                 },
             .on_progress = [&](std::uint64_t done,
                                std::uint64_t all) { progress.show(done, all); }});
    }();
    for (const std::string& finding : findings) console.err << finding << '\n';
    if (!report) return fail(console, report.error());
    const auto all_notes = notes(*report, !options->from);
    console.out << (settings.json ? json_of(*report, all_notes) : text_of(*report, all_notes));
    return report->damages == 0 ? kDone : kFailed;
}

}  // namespace ringmaster::app
