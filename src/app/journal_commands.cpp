#include "ringmaster/app/journal_commands.hpp"

#include "ringmaster/api/output.hpp"
#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/table.hpp"
#include "ringmaster/base/text.hpp"
#include "ringmaster/ringpool/context.hpp"
#include "ringmaster/store/journal_inspection.hpp"

#include <numeric>
#include <string>
#include <string_view>

namespace ringmaster::app {
namespace {

using api::JsonObject;
using store::InspectedRecord;
using store::InspectionFinding;
using store::RecordType;

std::string_view name_of(RecordType type) {
    switch (type) {
        case RecordType::hold: return "hold";
        case RecordType::touch: return "touch";
        case RecordType::release: return "release";
        case RecordType::sync: return "sync";
        case RecordType::seal: return "seal";
        case RecordType::gap: return "gap";
        case RecordType::adopt: return "adopt";
    }
    return "unknown";
}

template <class Visit>
void for_each_parameter(const store::HoldRecord& hold, Visit&& visit) {
    if (!ringpool::Context::is_canonical(hold.context)) return;
    ringpool::Context(hold.context).for_each(visit);
}

/// "SEGMENT:OFFSET", as positions are told elsewhere.
std::string place(store::JournalPosition position) {
    return std::to_string(store::segment_of(position)) + ":" +
           std::to_string(store::offset_of(position));
}

bool tells_durable(RecordType type) noexcept {
    return type == RecordType::sync || type == RecordType::gap;
}

std::string json_line(const InspectedRecord& record) {
    std::string text;
    JsonObject line(text);
    line.text("file", record.file.string())
        .count("offset", record.offset)
        .count("bytes", record.bytes)
        .text("type", name_of(record.type));
    const auto add_times = [&](ringpool::PhoneNumber number, const store::HoldTimes& times) {
        line.number("number", number)
            .time("last_touch", times.last_touch)
            .time("expires_at", times.expires_at)
            .time("free_at", times.eligible_at);
    };
    if (record.times) add_times(record.times->number, record.times->times);
    if (const auto& adopt = record.adopt) {
        add_times(adopt->number, store::times_of(adopt->slot));
        line.time("allocated_at", adopt->slot.allocated_at)
            .text("record", place(store::position_of(adopt->slot.record)));
    }
    if (const auto& hold = record.hold) {
        add_times(hold->number, hold->times);
        line.time("allocated_at", hold->allocated_at).text("pool", hold->pool_id);
        if (hold->session_id) line.text("session", *hold->session_id);
        JsonObject context(line.value("context"));
        for_each_parameter(*hold, [&](std::string_view name, std::string_view value) {
            context.text(name, value);
        });
        context.end();
        line.boolean("continuation", hold->continuation)
            .boolean("erased", hold->erased)
            .text("previous", place(store::position_of(hold->previous)));
    }
    if (tells_durable(record.type)) line.text("durable_before", place(record.durable_before));
    line.end();
    return text;
}

std::string text_line(const InspectedRecord& record) {
    std::string line = record.file.filename().string() + ":" + std::to_string(record.offset) + " " +
                       std::string(name_of(record.type));
    const auto add = [&](std::string_view name, std::string_view value) {
        line.append(" ").append(name).append(" ").append(printable(value));
    };
    const auto add_time = [&](std::string_view name, WallTime time) {
        line.append(" ").append(name).append(" ");
        append_utc(line, time);
    };
    const auto add_times = [&](ringpool::PhoneNumber number, const store::HoldTimes& times) {
        line += " " + number.e164();
        add_time("touched", times.last_touch);
        add_time("until", times.expires_at);
        add_time("free", times.eligible_at);
    };
    if (record.times) add_times(record.times->number, record.times->times);
    if (const auto& adopt = record.adopt) {
        add_times(adopt->number, store::times_of(adopt->slot));
        add_time("from", adopt->slot.allocated_at);
        add("recorded", place(store::position_of(adopt->slot.record)));
    }
    if (const auto& hold = record.hold) {
        add_times(hold->number, hold->times);
        add_time("from", hold->allocated_at);
        add("pool", hold->pool_id);
        if (hold->session_id) add("session", *hold->session_id);
        if (hold->continuation) line += " goes on";
        if (hold->erased) line += " erased";
        for_each_parameter(*hold, [&](std::string_view name, std::string_view value) {
            line += ' ' + printable(name) + '=' + printable(value);
        });
    }
    if (tells_durable(record.type)) add("everything before", place(record.durable_before));
    return line;
}

std::string json_summary(const store::InspectionSummary& summary, std::string_view findings) {
    const auto count = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    std::string text;
    JsonObject all(text);
    all.boolean("good", summary.damages == 0)
        .count("segments", summary.segments)
        .count("snapshots", summary.snapshots)
        .count("bytes", count(summary.bytes));
    JsonObject records(all.value("records"));
    for (std::size_t i = 1; i < summary.records.size(); ++i) {
        records.count(name_of(static_cast<RecordType>(i)), count(summary.records[i]));
    }
    records.end();
    all.count("damages", summary.damages).count("torn_tails", summary.torn_tails);
    all.value("findings").append("[").append(findings).append("]");
    all.end();
    return text;
}

std::string text_summary(const store::InspectionSummary& summary) {
    const auto records =
        std::accumulate(summary.records.begin(), summary.records.end(), std::uint64_t{0});
    return with_thousands(summary.segments) + " segments, " + with_thousands(summary.snapshots) +
           " snapshots, " + with_thousands(summary.bytes) + " bytes, " + with_thousands(records) +
           " records: " +
           (summary.damages == 0 ? "good" : std::to_string(summary.damages) + " damages") +
           (summary.torn_tails == 0
                ? ""
                : ", " + std::to_string(summary.torn_tails) + " torn tails, to be cut off");
}

ExitCode ending(const Result<store::InspectionSummary>& summary, Console& console) {
    if (!summary) return fail(console, summary.error());
    return summary->damages == 0 ? kDone : kFailed;
}

}  // namespace

std::string told(const InspectionFinding& finding) {
    return printable(finding.file.string()) + ":" + std::to_string(finding.offset) + ": " +
           (finding.damage ? "damaged: " : "") + printable(finding.what);
}

ExitCode verify_journal(const std::filesystem::path& data_dir, Console& console, bool json) {
    std::string findings;
    std::vector<std::string> lines;
    store::InspectionVisitor visitor;
    visitor.on_finding = [&](const InspectionFinding& finding) {
        if (!json) return lines.push_back(told(finding));
        findings += findings.empty() ? "" : ",";
        JsonObject(findings)
            .boolean("damage", finding.damage)
            .text("file", finding.file.string())
            .count("offset", static_cast<std::int64_t>(finding.offset))
            .text("what", finding.what)
            .end();
    };
    const auto summary = [&] {
        Progress progress(console, "reading bytes");
        visitor.on_progress = [&](std::uint64_t done, std::uint64_t all) {
            progress.show(done, all);
        };
        return store::inspect_journal(data_dir, visitor);
    }();
    for (const std::string& line : lines) console.err << line << '\n';
    if (summary) {
        console.out << (json ? json_summary(*summary, findings) : text_summary(*summary)) << '\n';
    }
    return ending(summary, console);
}

ExitCode dump_journal(const std::filesystem::path& data_dir, Console& console, bool json) {
    store::InspectionVisitor visitor;
    visitor.on_record = [&](const InspectedRecord& record) {
        console.out << (json ? json_line(record) : text_line(record)) << '\n';
    };
    visitor.on_finding = [&](const InspectionFinding& finding) {
        console.err << told(finding) << '\n';
    };
    return ending(store::inspect_journal(data_dir, visitor), console);
}

}  // namespace ringmaster::app
