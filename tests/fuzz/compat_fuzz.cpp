// The interfaces that are compatible with others' clients. The input is taken for the body of
// bulk.json, for one api_suffix, and for the query of a GET and of an api_suffix: these two must be
// read as the same. Answers are JSON, XML without any character that XML does not know, or CSV.

#include "ringmaster/api/compat_api.hpp"
#include "ringmaster/http/router.hpp"

#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include "fuzz_target.hpp"
#include "numbers_readings.hpp"
#include "runtime/fixture.hpp"

namespace {

using namespace ringmaster;
using namespace ringmaster::fuzz;

std::string bulk_of(std::string_view api_suffix) {
    return "{\"requests\":[{\"api_suffix\":" + json_string(api_suffix) + "}]}";
}

/// The interface as a client sees it.
class Service {
  public:
    Service() { api_.register_routes(router_); }

    http::Response post(std::string_view body) {
        return send(api::make_request("POST", "/api/2013-07-01/bulk.json", "", body));
    }
    http::Response get(std::string_view format, std::string_view query) {
        std::string target = "/api/2013-07-01/ring_pools/autos/allocate_number.";
        target.append(format).append("?");
        // What no request line can have.
        for (const char c : query) {
            if (c > ' ' && c < 0x7f && c != '#') {
                target += c;
            } else {
                target += percent_encode({&c, 1});
            }
        }
        return send(api::make_request("GET", target));
    }

  private:
    http::Response send(http::Request request) {
        store_ = {};
        http::Response response;
        router_.handle(request, response);
        return response;
    }

    runtime::ManualScheduler runtime_;
    ringpool::Catalog catalog_ = api::make_catalog();
    api::FakeStore store_;
    api::CompatApi api_{catalog_,       store_,          runtime_.scheduler,
                        runtime_.clock, runtime_.errors, NumbersReadings::limits()};
    http::Router router_;
};

/// Elements nest, and between them stands nothing that must be escaped.
void expect_xml(std::string_view text) {
    expect(text == to_utf8(text), "XML is UTF-8");
    std::size_t depth = 0;
    while (true) {
        const std::size_t open = text.find('<');
        for (const char c : text.substr(0, open)) {
            expect(c == '\n' || c == '\t' || c < 0 || c >= ' ', "XML has no control characters");
            expect(c != '>', "XML has no bare '>'");
        }
        if (open == text.npos) break;
        text.remove_prefix(open + 1);
        const std::size_t close = text.find('>');
        expect(close != text.npos, "XML tags are closed");
        const std::string_view tag = text.substr(0, close);
        expect(tag.find_first_of("<&") == tag.npos, "XML tags are names");
        if (tag.starts_with('/')) {
            expect(depth-- > 0, "XML elements nest");
        } else if (!tag.starts_with('?')) {
            ++depth;
        }
        text.remove_prefix(close + 1);
    }
    expect(depth == 0, "XML elements are closed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static NumbersReadings readings;
    static Service service;
    const std::string_view input = as_text(data, size);

    readings.read_any_body(input, true);
    const std::string text = to_utf8(input);
    expect(readings.read_body(bulk_of(text), true).texts.size() == 1, "a suffix is one row");
    expect_same(readings.read_body(bulk_of("autos/allocate_number.json?" + text), true).text(),
                readings.read_allocate_number("autos", text).text(),
                "a suffix says the same as a GET");

    expect_xml(service.get("xml", input).body);
    // Whoever has the key sees more of what there is.
    const std::string query = "ring_pool_key=A329F4DC&" + std::string(input);
    expect_xml(service.get("xml", query).body);
    service.get("csv", query);
    const http::Response response = service.get("json", query);
    expect(response.status != 200 || !api::find_json_fault(response.body), "JSON is JSON");
    expect(!api::find_json_fault(service.post(input).body), "a bulk's answer is JSON");
    return 0;
}
