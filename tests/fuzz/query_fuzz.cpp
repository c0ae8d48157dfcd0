// The query of GET /numbers, and what it is read with.
//
// What was encoded is decoded to itself; an error leaves the output alone; the pairs, written anew,
// are read as the same; so is an accepted request, in whatever order its parameters stand.

#include "ringmaster/http/query.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz_target.hpp"
#include "numbers_readings.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Up to the first malformed one.
Pairs pairs_of(std::string_view query) {
    std::string arena;
    arena.reserve(query.size());
    http::QueryReader reader(query);
    std::vector<http::QueryReader::Pair> views;
    while (true) {
        const auto pair = reader.next(arena);
        if (!pair || !*pair) break;
        views.push_back(**pair);
    }
    Pairs pairs;
    for (const auto& [name, value] : views) pairs.emplace_back(name, value);
    return pairs;
}

std::string query_of(const Pairs& pairs) {
    std::string query;
    for (const auto& [name, value] : pairs) {
        if (!query.empty()) query += '&';
        query += percent_encode(name) + "=" + percent_encode(value);
    }
    return query;
}

void check_texts(std::string_view text) {
    for (const bool plus_is_space : {false, true}) {
        std::string out = "<";
        expect(http::percent_decode(percent_encode(text), plus_is_space, out).ok() &&
                   out.substr(1) == text,
               "what was encoded is decoded to itself");
        out = "<";
        const bool decoded = http::percent_decode(text, plus_is_space, out).ok();
        expect(decoded ? out.size() <= text.size() + 1 : out == "<",
               "decoding makes nothing longer, and an error leaves the output alone");
    }
    const std::string json = json_string(text);
    expect(!api::find_json_fault(json), "a text is written as JSON");
    expect_same(json_string(to_utf8(text)), json, "writing and reading a text ends at once");
}

void check_request(std::string_view query) {
    static NumbersReadings readings;
    const auto reading = readings.read_query(query);
    expect(reading.texts.size() == 1, "a query is one row");
    if (reading.good.empty()) return;
    const auto& row = reading.good.front();
    const auto& pool = readings.catalog().at(row.pool);
    Pairs pairs = row.context;
    pairs.emplace_back("pool", pool.id);
    pairs.emplace_back("key", pool.key);
    if (row.session) pairs.emplace_back("session", *row.session);
    const std::string again = readings.read_query(query_of(pairs)).text();
    expect_same(row.text + "\n", again, "a request that is written anew is the same");
    const Pairs reversed(pairs.rbegin(), pairs.rend());
    expect_same(again, readings.read_query(query_of(reversed)).text(),
                "the order of parameters does not matter");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input = as_text(data, size);
    check_texts(input);
    const Pairs pairs = pairs_of(input);
    expect(pairs_of(query_of(pairs)) == pairs, "pairs that are written anew are the same");
    check_request(input);
    return 0;
}
