// The body of POST /numbers, as any client may send it.
//
// What stands behind the body in memory changes nothing; only JSON is accepted; contexts are
// canonical; and the good rows, written anew, are read as the same.

#include <string>
#include <string_view>

#include "fuzz_target.hpp"
#include "numbers_readings.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;

std::string write_row(const NumbersReadings::Good& row, const ringpool::PoolDefinition& pool) {
    std::string out = "{\"context\":{";
    for (const auto& [name, value] : row.context) {
        if (out.back() != '{') out += ',';
        out += json_string(name) + ":" + json_string(value);
    }
    out += "},\"key\":" + json_string(pool.key) + ",\"pool\":" + json_string(pool.id);
    if (row.session) out += ",\"session\":" + json_string(*row.session);
    if (row.request_id) out += ",\"request_id\":" + json_string(*row.request_id);
    return out + "}";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static NumbersReadings readings;
    const auto reading = readings.read_any_body(as_text(data, size), false);
    if (reading.good.empty()) return 0;
    std::string body;
    std::string expected;
    for (const auto& row : reading.good) {
        body += (body.empty() ? "{\"requests\":[" : ",");
        body += write_row(row, readings.catalog().at(row.pool));
        expected += row.text + "\n";
    }
    expect_same(expected, readings.read_body(body + "]}", false).text(),
                "good rows that are written anew are the same");
    return 0;
}
