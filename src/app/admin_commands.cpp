#include "ringmaster/app/admin_commands.hpp"

#include "ringmaster/app/printable.hpp"
#include "ringmaster/app/table.hpp"
#include "ringmaster/ringpool/number_import.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include <simdjson.h>

namespace ringmaster::app {
namespace {

namespace dom = simdjson::dom;
using ringpool::PhoneNumber;

constexpr std::size_t kMaxTold = 20;  ///< refused lines
/// Of visitors: a share that nobody wants to see the digits of.
constexpr double kHardlyAny = 1e-7;
/// All of the history is read for it.
constexpr std::chrono::seconds kEraseTimeLimit = std::chrono::hours(1);

/// Members of an answer. One that is missing, or of another type, is as if it were empty: that is
/// for the reader of the table to see, not a reason to show nothing.
std::string text_of(dom::element object, std::string_view name) {
    std::string_view text;
    return object[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}
std::uint64_t count_of(dom::element object, std::string_view name) {
    std::uint64_t count = 0;
    return object[name].get(count) == simdjson::SUCCESS ? count : 0;
}
bool is_set(dom::element object, std::string_view name) {
    bool value = false;
    return object[name].get(value) == simdjson::SUCCESS && value;
}
std::vector<dom::element> elements_of(dom::element object, std::string_view name) {
    dom::array array;
    if (object[name].get(array) != simdjson::SUCCESS) return {};
    return {array.begin(), array.end()};
}

Result<dom::element> parse(dom::parser& parser, const std::string& body) {
    dom::element document;
    if (parser.parse(body).get(document) != simdjson::SUCCESS) {
        return Error{ErrorCode::damaged, "the daemon's answer is not JSON"};
    }
    return document;
}

std::string pool_target(std::string_view id) {
    return "/pools/" + percent_encode(id);
}

/// In any usual way of writing; one without a country code is North American.
Result<PhoneNumber> read_number(std::string_view text) {
    // Without a plus, ten digits are more likely a national number than one of another country.
    const auto number = ringpool::import_number(text, "US");
    if (!number) {
        return Error{ErrorCode::invalid, printable(text) + ": " + number.error().message +
                                             "; expected a telephone number, e.g. +18665550142"};
    }
    return number->number;
}

std::string percentage(dom::element object, std::string_view name) {
    double share = 0;
    if (object[name].get(share) != simdjson::SUCCESS) return "";
    return std::to_string(std::lround(share * 100)) + " %";
}

/// "a = 1, b = 2"
std::string context_text(dom::element hold) {
    std::string text;
    dom::object context;
    if (hold["context"].get(context) != simdjson::SUCCESS) return text;
    for (const auto [name, value] : context) {
        std::string_view shown;
        if (value.get(shown) != simdjson::SUCCESS) continue;
        text.append(text.empty() ? "" : ", ").append(name).append(" = ").append(shown);
    }
    return text;
}

std::string session_text(dom::element hold) {
    if (is_set(hold, "erased")) return "(erased)";
    if (is_set(hold, "lost")) return "(lost)";
    std::string_view session;
    return hold["session"].get(session) == simdjson::SUCCESS ? std::string(session)
                                                             : "(the context)";
}

/// With as many digits as are of use; nothing where it is missing.
std::string real_text(dom::element object, std::string_view name, const char* format = "%.1f") {
    double value = 0;
    if (object[name].get(value) != simdjson::SUCCESS) return "";
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

/// Fills in the columns of a pool for which there is advice.
void tell_sizing(dom::element sizing, std::vector<std::string>& row) {
    dom::element busiest;
    dom::element numbers;
    dom::element growth;
    if (sizing["busiest"].get(busiest) == simdjson::SUCCESS) {
        row[2] = human_time(text_of(busiest, "hour"));
        row[3] = real_text(busiest, "arrivals_per_hour", "%.0f");
        row[4] = real_text(busiest, "offered_erlangs");
        double blocked = 0;
        if (busiest["blocking"].get(blocked) == simdjson::SUCCESS) {
            char text[32];
            std::snprintf(text, sizeof text, "%.3g %%", blocked < kHardlyAny ? 0 : blocked * 100);
            row[5] = text;
        }
    }
    if (sizing["numbers_for"].get(numbers) == simdjson::SUCCESS) {
        row[6] = with_thousands(count_of(numbers, "0.01"));
        row[7] = with_thousands(count_of(numbers, "0.001"));
        row[8] = with_thousands(count_of(numbers, "0.0001"));
    }
    row[9] = percentage(sizing, "utilisation");
    if (sizing["growth"].get(growth) == simdjson::SUCCESS && growth.is_object()) {
        row[10] = real_text(growth, "erlangs_per_day", "%+.1f");
    }
}

/// "name  value" lines.
Table pairs_table() {
    return Table({{"", Table::Align::left}, {"", Table::Align::left}});
}

std::string pools_text(dom::element document) {
    constexpr auto kRight = Table::Align::right;
    Table table({{"POOL"},
                 {"NAME"},
                 {"NUMBERS", kRight},
                 {"HELD", kRight},
                 {"COOLING", kRight},
                 {"FREE", kRight},
                 {"DRAINING", kRight},
                 {"IN USE", kRight}});
    for (const dom::element pool : elements_of(document, "pools")) {
        dom::element figures;
        if (pool["figures"].get(figures) != simdjson::SUCCESS) figures = pool;
        table.add(
            {text_of(pool, "id"), text_of(pool, "name"), with_thousands(count_of(figures, "size")),
             with_thousands(count_of(figures, "held")),
             with_thousands(count_of(figures, "cooling")),
             with_thousands(count_of(figures, "free")),
             with_thousands(count_of(figures, "draining")), percentage(figures, "utilisation")});
    }
    return table.text();
}

/// All but the key: who needs that asks for JSON.
std::string pool_text(dom::element pool) {
    Table table = pairs_table();
    const auto duration = [&](const char* name) { return human_duration(count_of(pool, name)); };
    table.add({"pool", text_of(pool, "id")});
    table.add({"name", text_of(pool, "name")});
    table.add({"lifetime", duration("lifetime_seconds")});
    table.add({"cool-down", duration("cooldown_seconds")});
    table.add({"longest hold", count_of(pool, "max_hold_seconds") == 0
                                   ? "no limit"
                                   : duration("max_hold_seconds")});
    table.add({"overflow",
               is_set(pool, "allow_overflow") ? text_of(pool, "overflow_number") : "not allowed"});
    table.add({"tracking URL", text_of(pool, "tracking_url")});
    table.add({"default region", text_of(pool, "default_region")});

    dom::element figures;
    if (pool["figures"].get(figures) != simdjson::SUCCESS) figures = pool;
    constexpr std::array<std::pair<const char*, const char*>, 8> kFigures = {
        {{"numbers", "size"},
         {"held", "held"},
         {"cooling", "cooling"},
         {"free", "free"},
         {"draining", "draining"},
         {"allocations", "allocations"},
         {"new holds", "new_holds"},
         {"releases", "releases"}}};
    for (const auto& [title, name] : kFigures) {
        table.add({title, with_thousands(count_of(figures, name))});
    }
    table.add({"early re-issues", with_thousands(count_of(figures, "early_reissues"))});
    dom::object overflows;
    if (figures["overflows"].get(overflows) == simdjson::SUCCESS) {
        for (const auto [reason, value] : overflows) {
            std::uint64_t count = 0;
            if (value.get(count) != simdjson::SUCCESS || count == 0) continue;
            table.add({"overflows, " + std::string(reason), with_thousands(count)});
        }
    }
    return table.text();
}

// "BLOCKED" is Erlang's word for who finds no number.
std::string advice_text(dom::element document) {
    constexpr auto kRight = Table::Align::right;
    Table table({{"POOL"},
                 {"NUMBERS", kRight},
                 {"BUSIEST HOUR"},
                 {"NEW/H", kRight},
                 {"ERLANGS", kRight},
                 {"BLOCKED", kRight},
                 {"FOR 1 %", kRight},
                 {"0.1 %", kRight},
                 {"0.01 %", kRight},
                 {"IN USE", kRight},
                 {"GROWTH/DAY", kRight},
                 {"ADVICE"}});
    for (const dom::element pool : elements_of(document, "pools")) {
        const std::string problem = text_of(pool, "problem");
        std::vector<std::string> row(12);
        row[0] = text_of(pool, "pool");
        row.back() = problem.empty() ? text_of(pool, "advice") : problem;
        if (problem.empty()) row[1] = with_thousands(count_of(pool, "numbers"));
        dom::element sizing;
        if (pool["sizing"].get(sizing) == simdjson::SUCCESS && sizing.is_object()) {
            tell_sizing(sizing, row);
        }
        table.add(std::move(row));
    }
    return table.text();
}

std::string holders_text(dom::element document) {
    Table table(
        {{"STATE"}, {"POOL"}, {"SESSION"}, {"FROM"}, {"LAST TOUCH"}, {"UNTIL"}, {"CONTEXT"}});
    for (const dom::element hold : elements_of(document, "holders")) {
        const auto time = [&](const char* name) { return human_time(text_of(hold, name)); };
        table.add({text_of(hold, "state"), text_of(hold, "pool"), session_text(hold),
                   time("allocated_at"), time("last_touch"), time("expires_at"),
                   context_text(hold)});
    }
    return table.text();
}

std::string holder_text(dom::element hold) {
    const auto time = [&](const char* name) { return human_time(text_of(hold, name)); };
    Table table = pairs_table();
    table.add({"number", text_of(hold, "number")});
    std::string state = text_of(hold, "state");
    if (std::uint64_t ago = 0; hold["ended_seconds_ago"].get(ago) == simdjson::SUCCESS) {
        state += ", ended " + human_duration(ago) + " before";
    }
    table.add({"state", state});
    table.add({"pool", text_of(hold, "pool")});
    table.add({"session", session_text(hold)});
    table.add({"from", time("allocated_at")});
    table.add({"last touch", time("last_touch")});
    table.add({"until", time("expires_at")});
    table.add({"free from", time("free_at")});
    table.add({"context", context_text(hold)});
    return table.text();
}

std::string erased_text(dom::element document) {
    return with_thousands(count_of(document, "erased")) + " records erased\n";
}

}  // namespace

AdminCommands::AdminCommands(AskAdmin ask, Console& console, bool json)
    : ask_(std::move(ask)), console_(console), json_(json) {}

Result<std::string> AdminCommands::get(std::string target) {
    return answer_to({.method = "GET", .target = std::move(target)});
}

Result<std::string> AdminCommands::answer_to(const AdminRequest& request) {
    auto answer = ask_(request);
    if (!answer) return answer.error();
    if (answer->status / 100 != 2) return error_of(*answer);
    return std::move(answer->body);
}

template <class Text>
ExitCode AdminCommands::show(const AdminRequest& request, Text&& text) {
    const auto body = answer_to(request);
    if (!body) return fail(console_, body.error());
    if (json_) {
        console_.out << *body << '\n';
        return kDone;
    }
    dom::parser parser;
    const auto document = parse(parser, *body);
    if (!document) return fail(console_, document.error());
    console_.out << text(*document);
    return kDone;
}

ExitCode AdminCommands::list_pools() {
    return show({.method = "GET", .target = "/pools"}, pools_text);
}

ExitCode AdminCommands::show_pool(std::string_view id) {
    return show({.method = "GET", .target = pool_target(id)}, pool_text);
}

ExitCode AdminCommands::put_pool(std::string_view id, const std::string& definition) {
    const auto answer = ask_({.method = "PUT",
                              .target = pool_target(id),
                              .body = definition,
                              .content_type = "application/json"});
    if (!answer) return fail(console_, answer.error());
    if (answer->status / 100 != 2) return fail(console_, error_of(*answer));
    if (json_) {
        console_.out << answer->body << '\n';
    } else {
        console_.out << "pool " << id << (answer->status == 201 ? ": created\n" : ": changed\n");
    }
    return kDone;
}

ExitCode AdminCommands::delete_pool(std::string_view id) {
    const auto body = answer_to({.method = "DELETE", .target = pool_target(id)});
    if (!body) return fail(console_, body.error());
    if (json_) {
        console_.out << "{\"deleted\":true}\n";
    } else {
        console_.out << "pool " << id << ": deleted\n";
    }
    return kDone;
}

ExitCode AdminCommands::advise() {
    return show({.method = "GET", .target = "/advice"}, advice_text);
}

Result<void> AdminCommands::for_each_page(std::string_view id,
                                          const std::function<void(std::string_view)>& visit) {
    std::uint64_t from = 0;
    do {
        const auto body =
            get(pool_target(id) + "/numbers" + (from == 0 ? "" : "?from=" + std::to_string(from)));
        if (!body) return body.error();
        dom::parser parser;
        const auto page = parse(parser, *body);
        if (!page) return page.error();
        visit(*body);
        from = count_of(*page, "next");
    } while (from != 0);
    return {};
}

ExitCode AdminCommands::export_numbers(std::string_view id, bool csv) {
    dom::parser parser;
    bool first = true;
    const auto done = for_each_page(id, [&](std::string_view body) {
        const auto page = parser.parse(body);
        if (first)
            console_.out << (json_ ? "{\"numbers\":[" : csv ? "number,formatted,state\n" : "");
        for (const dom::element number : elements_of(page.value_unsafe(), "numbers")) {
            if (is_set(number, "draining")) continue;
            if (json_) {
                console_.out << (first ? "" : ",") << simdjson::minify(number);
            } else {
                console_.out << text_of(number, "number");
                if (csv) {
                    console_.out << ',' << text_of(number, "formatted") << ','
                                 << text_of(number, "state");
                }
                console_.out << '\n';
            }
            first = false;
        }
    });
    if (!done) return fail(console_, done.error());
    if (json_) console_.out << "]}\n";
    return kDone;
}

/// One run of `pools import`.
class AdminCommands::Import {
  public:
    Import(AdminCommands& commands, const ImportOptions& options)
        : commands_(commands), console_(commands.console_), options_(options) {}

    ExitCode run(std::string_view text) {
        auto numbers = read(text);
        if (!numbers) return fail(console_, numbers.error());
        auto done = add(*numbers);
        if (done && options_.replace) done = remove_all_but(*numbers);
        tell_result(done.ok());
        return done ? kDone : fail(console_, done.error());
    }

  private:
    using Lines = ringpool::NumberImport;

    Result<Lines> read(std::string_view text);
    Result<void> add(const Lines& numbers);
    Result<void> add_portion(const Lines& numbers, std::size_t begin, std::size_t end);
    Result<void> remove_all_but(const Lines& numbers);
    /// Nothing where the daemon has refused some of them, which is told.
    Result<void> send(const AdminRequest& request, const Lines& numbers,
                      std::unordered_set<std::string>& refused);
    void tell_refused(std::size_t line, std::string_view text, std::string_view reason);
    std::size_t line_of(const Lines& numbers, std::string_view e164) const;
    void count(dom::element change);
    void tell_result(bool whole);

    AdminCommands& commands_;
    Console& console_;
    const ImportOptions& options_;
    std::uint64_t added_ = 0;
    std::uint64_t removed_ = 0;
    std::uint64_t draining_ = 0;
    std::uint64_t refused_ = 0;
};

Result<ringpool::NumberImport> AdminCommands::Import::read(std::string_view text) {
    const auto body = commands_.get(pool_target(options_.pool));
    if (!body) return body.error();
    dom::parser parser;
    const auto pool = parse(parser, *body);
    if (!pool) return pool.error();

    auto import = ringpool::import_numbers(text, text_of(*pool, "default_region"));
    if (!import) return Error{import.error().code, options_.file + ": " + import.error().message};
    for (const auto& line : import->refused) tell_refused(line.line, line.text, line.reason);
    if (import->numbers.empty()) {
        return Error{ErrorCode::invalid, options_.file + " has no good number"};
    }
    if (refused_ > 0 && !options_.skip_invalid) {
        return Error{ErrorCode::invalid, "pool " + options_.pool +
                                             ": nothing is changed, because " +
                                             with_thousands(refused_) + " of " +
                                             with_thousands(refused_ + import->numbers.size()) +
                                             " lines are refused (--skip-invalid leaves them out)"};
    }
    return std::move(*import);
}

Result<void> AdminCommands::Import::add(const Lines& numbers) {
    constexpr std::size_t kLineBytes = sizeof "+123456789012345";
    const std::size_t portion = std::max<std::size_t>(1, options_.portion_bytes / kLineBytes);
    const std::size_t all = numbers.numbers.size();
    Progress progress(console_, "importing");
    for (std::size_t begin = 0; begin < all; begin += portion) {
        progress.show(begin, all);
        auto added = add_portion(numbers, begin, std::min(begin + portion, all));
        if (!added) return added;
    }
    return {};
}

Result<void> AdminCommands::Import::add_portion(const Lines& numbers, std::size_t begin,
                                                std::size_t end) {
    std::unordered_set<std::string> refused;
    std::string body;
    const auto write_body = [&] {
        body.clear();
        for (std::size_t i = begin; i < end; ++i) {
            const std::string number = numbers.numbers[i].number.e164();
            if (!refused.contains(number)) body.append(number) += '\n';
        }
    };
    const auto request = [&] {
        return AdminRequest{.method = "POST",
                            .target = pool_target(options_.pool) + "/numbers",
                            .body = body,
                            .content_type = "text/plain"};
    };
    write_body();
    auto sent = send(request(), numbers, refused);
    if (sent || refused.empty() || !options_.skip_invalid) return sent;
    write_body();
    if (body.empty()) return {};
    return send(request(), numbers, refused);
}

Result<void> AdminCommands::Import::remove_all_but(const Lines& numbers) {
    std::unordered_set<PhoneNumber> stay;
    for (const auto& number : numbers.numbers) stay.insert(number.number);
    std::vector<std::string> leave;
    dom::parser parser;
    auto read = commands_.for_each_page(options_.pool, [&](std::string_view body) {
        const auto page = parser.parse(body);
        for (const dom::element element : elements_of(page.value_unsafe(), "numbers")) {
            const std::string text = text_of(element, "number");
            const auto number = PhoneNumber::parse_e164(text);
            if (number && !stay.contains(*number) && !is_set(element, "draining")) {
                leave.push_back(text);
            }
        }
    });
    if (!read) return read;

    constexpr std::size_t kItemBytes = sizeof "\"+123456789012345\",";
    const std::size_t portion = std::max<std::size_t>(1, options_.portion_bytes / kItemBytes);
    Progress progress(console_, "removing");
    for (std::size_t begin = 0; begin < leave.size(); begin += portion) {
        progress.show(begin, leave.size());
        std::string body = "{\"remove\":[";
        for (std::size_t i = begin; i < std::min(begin + portion, leave.size()); ++i) {
            body.append(i == begin ? "\"" : ",\"").append(leave[i]) += '"';
        }
        body += "]}";
        std::unordered_set<std::string> refused;
        auto sent = send({.method = "PATCH",
                          .target = pool_target(options_.pool) + "/numbers",
                          .body = std::move(body),
                          .content_type = "application/json"},
                         numbers, refused);
        if (!sent) return sent;
    }
    return {};
}

Result<void> AdminCommands::Import::send(const AdminRequest& request, const Lines& numbers,
                                         std::unordered_set<std::string>& refused) {
    const auto answer = commands_.ask_(request);
    if (!answer) return answer.error();
    dom::parser parser;
    const auto document = parse(parser, answer->body);
    if (answer->status / 100 == 2) {
        if (!document) return document.error();
        count(*document);
        return {};
    }
    Error error = error_of(*answer);
    if (!document) return error;
    for (const dom::element refusal : elements_of(*document, "refused")) {
        const std::string text = text_of(refusal, "text");
        refused.insert(text);
        tell_refused(line_of(numbers, text), text, text_of(refusal, "reason"));
    }
    // To leave them out is of no use while not all are known.
    if (count_of(*document, "more") > 0) refused.clear();
    return error;
}

void AdminCommands::Import::tell_refused(std::size_t line, std::string_view text,
                                         std::string_view reason) {
    if (++refused_ > kMaxTold) return;
    console_.err << printable(options_.file) << ':' << line << ": " << printable(text) << ": "
                 << printable(reason) << '\n';
}

std::size_t AdminCommands::Import::line_of(const Lines& numbers, std::string_view e164) const {
    const auto number = PhoneNumber::parse_e164(e164).value_or(PhoneNumber());
    const auto found = std::ranges::find(numbers.numbers, number, &ringpool::PoolNumber::number);
    if (found == numbers.numbers.end()) return 0;
    return numbers.lines[static_cast<std::size_t>(found - numbers.numbers.begin())];
}

void AdminCommands::Import::count(dom::element change) {
    added_ += elements_of(change, "added").size();
    removed_ += elements_of(change, "removed").size();
    draining_ += elements_of(change, "draining").size();
}

void AdminCommands::Import::tell_result(bool whole) {
    if (refused_ > kMaxTold) {
        console_.err << printable(options_.file) << ": " << with_thousands(refused_ - kMaxTold)
                     << " more are refused\n";
    }
    if (commands_.json_) {
        console_.out << "{\"added\":" << added_ << ",\"removed\":" << removed_
                     << ",\"draining\":" << draining_ << ",\"refused\":" << refused_
                     << ",\"complete\":" << (whole ? "true" : "false") << "}\n";
        return;
    }
    console_.out << "pool " << options_.pool << ": " << with_thousands(added_) << " numbers added";
    if (options_.replace) {
        console_.out << ", " << with_thousands(removed_) << " removed, "
                     << with_thousands(draining_) << " draining";
    }
    if (refused_ > 0) console_.out << ", " << with_thousands(refused_) << " refused";
    console_.out << (whole ? "\n" : "; then it failed\n");
}

ExitCode AdminCommands::import_numbers(const ImportOptions& options, std::string_view text) {
    return Import(*this, options).run(text);
}

ExitCode AdminCommands::who(std::string_view text, const std::string& at,
                            std::optional<std::size_t> history) {
    const auto number = read_number(text);
    if (!number) return fail(console_, number.error());
    std::string target = "/numbers/" + percent_encode(number->e164());
    char separator = '?';
    const auto add = [&](const char* name, const std::string& value) {
        target.append({separator}).append(name).append("=").append(percent_encode(value));
        separator = '&';
    };
    if (!at.empty()) add("at", at);
    if (history) add("history", std::to_string(*history));
    return show({.method = "GET", .target = std::move(target)},
                history ? holders_text : holder_text);
}

/// The daemon wants the pool's key, which an administrator may know.
ExitCode AdminCommands::release(std::string_view text, std::string_view pool,
                                std::string_view session) {
    const auto number = read_number(text);
    if (!number) return fail(console_, number.error());
    const auto body = get(pool_target(pool));
    if (!body) return fail(console_, body.error());
    dom::parser parser;
    const auto definition = parse(parser, *body);
    if (!definition) return fail(console_, definition.error());

    const auto released = answer_to(
        {.method = "DELETE",
         .target = "/numbers/" + percent_encode(number->e164()) + "?pool=" + percent_encode(pool) +
                   "&key=" + percent_encode(text_of(*definition, "key")) +
                   "&session=" + percent_encode(session)});
    if (!released) return fail(console_, released.error());
    if (json_) {
        console_.out << "{\"released\":true}\n";
    } else {
        console_.out << number->e164() << ": released\n";
    }
    return kDone;
}

ExitCode AdminCommands::erase(std::string_view session) {
    return show({.method = "DELETE",
                 .target = "/sessions/" + percent_encode(session),
                 .time_limit = kEraseTimeLimit},
                erased_text);
}

}  // namespace ringmaster::app
