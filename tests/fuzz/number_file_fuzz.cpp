// A file of numbers, as people have them.
//
// Every number is accepted once, and read back from its own E.164 form as the same; refused lines
// are told in order, with what stands there; a missing newline at the end changes nothing.

#include "ringmaster/ringpool/number_import.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "fuzz_target.hpp"

namespace {

using namespace ringmaster::fuzz;
using namespace ringmaster::ringpool;

// Small, so that the fuzzer finds its way to them.
constexpr NumberImportLimits kLimits = {.max_lines = 32, .max_line_bytes = 128};

std::string describe(const NumberImport& import) {
    std::string text;
    for (const PoolNumber& number : import.numbers) {
        text.append(number.number.e164()).append(" ").append(number.formatted.view()).append("\n");
    }
    for (const RefusedLine& line : import.refused) {
        text.append(std::to_string(line.line)).append(": ").append(line.text).append(": ");
        text.append(line.reason).append("\n");
    }
    return text;
}

std::string_view line_at(std::string_view text, std::size_t line) {
    while (--line > 0) text.remove_prefix(text.find('\n') + 1);
    return text.substr(0, text.find('\n'));
}

void check(std::string_view text, std::string_view region) {
    const auto lines =
        static_cast<std::size_t>(std::ranges::count(text, '\n')) + (text.ends_with('\n') ? 0 : 1);
    const auto import = import_numbers(text, region, kLimits);
    if (!import) {
        expect(lines > kLimits.max_lines, "only too many lines are refused as a whole");
        return;
    }
    expect(lines <= kLimits.max_lines || text.empty(), "too many lines are refused as a whole");

    std::size_t last = 0;
    for (const RefusedLine& refused : import->refused) {
        expect(refused.line > last && refused.line <= lines, "refused lines are told in order");
        last = refused.line;
        expect(line_at(text, last).find(refused.text) != text.npos && !refused.reason.empty(),
               "a refused line is told as it stands");
    }
    expect(import->numbers.size() + import->refused.size() <= lines, "a line tells one thing");

    std::set<PhoneNumber> seen;
    std::string list;
    for (const PoolNumber& number : import->numbers) {
        expect(seen.insert(number.number).second, "a number is accepted once");
        expect(PhoneNumber::parse_e164(number.number.e164()) == number.number, "it is E.164");
        list.append(number.number.e164()).append("\n");
    }
    expect_same(describe({import->numbers, {}, {}}),
                describe(*import_numbers(list, region, kLimits)),
                "numbers that are written anew are the same");
    if (text.ends_with('\n')) return;
    expect_same(describe(*import),
                describe(*import_numbers(std::string(text) + "\n", region, kLimits)),
                "the last newline does not matter");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check(as_text(data, size), "US");
    check(as_text(data, size), "GB");
    return 0;
}
