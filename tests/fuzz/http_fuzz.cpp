// libFuzzer's entry for the request parser. However bytes are split into reads, the same requests
// and the same error must come out; and nothing may be read or written where it must not.
//
// The first byte is the number of cuts n; the next n bytes are the sizes of the first n reads (0
// stands for 1); what follows is the connection's bytes, of which the last read takes the rest.

#include "ringmaster/http/query.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "../http/request_parser_corpus.hpp"

namespace {

using namespace ringmaster::http;

// Small, so that the fuzzer finds its way to them.
constexpr RequestLimits kLimits = {
    .target_bytes = 64, .head_bytes = 512, .header_count = 8, .body_bytes = 128};

void expect_same(const std::vector<std::string>& whole, const std::vector<std::string>& split) {
    if (whole == split) return;
    for (const std::string& event : whole) std::fprintf(stderr, "whole: %s\n", event.c_str());
    for (const std::string& event : split) std::fprintf(stderr, "split: %s\n", event.c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (input.empty()) return 0;
    const std::size_t cut_count = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    if (input.size() < cut_count) return 0;
    const std::string_view sizes = input.substr(0, cut_count);
    const std::string_view bytes = input.substr(cut_count);

    std::vector<std::size_t> cuts;
    std::size_t at = 0;
    for (const char c : sizes) {
        at += c == 0 ? 1 : static_cast<unsigned char>(c);
        if (at >= bytes.size()) break;
        cuts.push_back(at);
    }
    std::vector<std::size_t> each;
    for (std::size_t i = 1; i < bytes.size(); ++i) each.push_back(i);

    const auto whole = testing::read_all(bytes, {}, kLimits);
    expect_same(whole, testing::read_all(bytes, cuts, kLimits));
    expect_same(whole, testing::read_all(bytes, each, kLimits));

    std::string out;
    append_json_string(out, bytes);
    out.clear();
    (void)percent_decode(bytes, true, out);
    return 0;
}
