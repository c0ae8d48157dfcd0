#include "ringmaster/api/pools_api.hpp"

#include "ringmaster/runtime/helper_thread.hpp"
#include "ringmaster/runtime/reactor.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/admin_fixture.hpp"
#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using ringpool::FormattedNumber;
using ringpool::NumberState;
using ringpool::PhoneNumber;

constexpr std::string_view kJson = "Content-Type: application/json\r\n";
constexpr std::string_view kCsv = "Content-Type: text/csv\r\n";

/// The figures of a pool that has none, as its last member.
constexpr std::string_view kNoFigures =
    R"("figures":{"size":0,"held":0,"cooling":0,"free":0,"draining":0,"utilisation":0.0000,)"
    R"("allocations":0,"new_holds":0,"releases":0,"overflows":{"exhausted":0,"owner_slow":0,)"
    R"("owner_down":0,"store_unavailable":0},"early_reissues":0})";

/// Pool 0 of make_catalog() but for its key and figures.
constexpr std::string_view kAutos =
    R"("lifetime_seconds":1800,"cooldown_seconds":0,"max_hold_seconds":0,)"
    R"("allow_overflow":true,"overflow_number":"+18005550100","tracking_url":"",)"
    R"("default_region":"US",)";

class PoolsApiTest : public ::testing::Test {
  protected:
    PoolsApiTest() { api_.register_routes(router_); }

    /// Runs `task` in a fiber until it has ended.
    template <class Task>
    void run(Task task) {
        reactor_.context().restart();
        reactor_.post([&] {
            reactor_.scheduler().spawn("test", [&] {
                task();
                reactor_.stop();
            });
        });
        reactor_.run();
    }
    http::Response send(std::string_view method, std::string_view target,
                        std::string_view headers = "", std::string_view body = "") {
        http::Request request =
            make_request(method, target, std::string(kAuthorization).append(headers), body);
        http::Response response;
        run([&] { router_.handle(request, response); });
        EXPECT_TRUE(response.extra_headers().starts_with("Cache-Control: no-store\r\n"));
        return response;
    }
    http::Response put_pool(std::string_view body, std::string_view id = "trucks") {
        return send("PUT", "/pools/" + std::string(id), kJson, body);
    }
    /// Why a definition was refused.
    std::string complaint(std::string_view body, std::string_view id = "trucks") {
        const http::Response response = put_pool(body, id);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_TRUE(pools_.asked.empty()) << body;
        return message_of(response);
    }
    static std::string message_of(const http::Response& response) {
        constexpr std::string_view kBegin = R"(,"message":")";
        const std::size_t begin = response.body.find(kBegin);
        if (begin == response.body.npos || !response.body.ends_with("\"}")) return response.body;
        return response.body.substr(begin + kBegin.size(),
                                    response.body.size() - begin - kBegin.size() - 2);
    }

    SystemClock clock_;
    runtime::CollectingLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {.max_fibers = 16}};
    runtime::HelperThread helper_{reactor_, "test-helper"};
    ringpool::Catalog catalog_ = make_catalog();
    FakePools pools_{catalog_};
    AdminAccess access_{kToken};
    PoolsApi api_{access_,
                  catalog_,
                  pools_,
                  helper_,
                  {.page_numbers = 2, .max_page_numbers = 5, .max_refusals_told = 2}};
    http::Router router_;
};

TEST_F(PoolsApiTest, ShowsAPool) {
    pools_.pool_figures = {.numbers = 8,
                           .held = 2,
                           .cooling = 1,
                           .free = 5,
                           .draining = 1,
                           .counters = {.allocations = 10,
                                        .new_holds = 7,
                                        .releases = 3,
                                        .overflows = {4, 5, 6, 7},
                                        .early_reissues = 9}};
    const http::Response response = send("GET", "/pools/autos");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              R"({"id":"autos","name":"","key":"A329F4DC",)" + std::string(kAutos) +
                  R"("figures":{"size":8,"held":2,"cooling":1,"free":5,"draining":1,)"
                  R"("utilisation":0.3750,"allocations":10,"new_holds":7,"releases":3,)"
                  R"("overflows":{"exhausted":4,"owner_slow":5,"owner_down":6,)"
                  R"("store_unavailable":7},"early_reissues":9}})");
    EXPECT_EQ(send("HEAD", "/pools/autos").status, 200);
}

TEST_F(PoolsApiTest, ListsPoolsWithoutTheirKeys) {
    catalog_.remove(2);
    const http::Response response = send("GET", "/pools");
    EXPECT_EQ(response.status, 200);
    const std::string rest = std::string(kAutos) + std::string(kNoFigures) + "}";
    EXPECT_EQ(response.body, R"({"pools":[{"id":"autos","name":"",)" + rest +
                                 R"(,{"id":"boats","name":"",)" + rest + "]}");
    catalog_.remove(0);
    catalog_.remove(1);
    EXPECT_EQ(send("GET", "/pools").body, R"({"pools":[]})");
}

TEST_F(PoolsApiTest, APoolThatGoesWhileAllAreListedIsLeftOut) {
    pools_.on_figures = [&](std::string_view id) {
        if (id == "autos") catalog_.remove(1);
    };
    const std::string body = send("GET", "/pools").body;
    EXPECT_NE(body.find("\"autos\""), body.npos);
    EXPECT_EQ(body.find("\"boats\""), body.npos);
    EXPECT_NE(body.find("\"strict\""), body.npos);
}

TEST_F(PoolsApiTest, CreatesAPool) {
    const http::Response response = put_pool(
        R"({"id":"trucks","name":"Z\u00fcrich \"1\"","key":"K\u0031","lifetime_seconds":60,)"
        R"("cooldown_seconds":30,"max_hold_seconds":3600,"allow_overflow":true,)"
        R"("overflow_number":"020 7946 0958","tracking_url":"http://x.test/{number}",)"
        R"("default_region":"GB"})");
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body,
              "{\"id\":\"trucks\",\"name\":\"Z\xc3\xbcrich \\\"1\\\"\",\"key\":\"K1\","
              R"("lifetime_seconds":60,"cooldown_seconds":30,"max_hold_seconds":3600,)"
              R"("allow_overflow":true,"overflow_number":"+442079460958",)"
              R"("tracking_url":"http://x.test/{number}","default_region":"GB",)" +
                  std::string(kNoFigures) + "}");
    EXPECT_EQ(pools_.asked, std::vector<std::string>{"put trucks"});
    EXPECT_EQ(catalog_.at(*catalog_.find("trucks")).overflow.formatted.view(), "+44 20 7946 0958");
}

TEST_F(PoolsApiTest, WhatIsLeftOutOrNullHasItsDefault) {
    const std::string expected =
        R"({"id":"trucks","name":"","key":"K","lifetime_seconds":1800,"cooldown_seconds":0,)"
        R"("max_hold_seconds":0,"allow_overflow":false,"overflow_number":null,"tracking_url":"",)"
        R"("default_region":"US",)" +
        std::string(kNoFigures) + "}";
    http::Response response = put_pool(R"({"key":"K","allow_overflow":false})");
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, expected);
    response =
        put_pool(R"({"key":"other","name":"x","allow_overflow":false,"lifetime_seconds":9})");
    EXPECT_EQ(response.status, 200);
    response = put_pool(R"({"id":null,"name":null,"key":"K","lifetime_seconds":null,)"
                        R"("cooldown_seconds":null,"max_hold_seconds":null,"allow_overflow":false,)"
                        R"("overflow_number":null,"tracking_url":null,"default_region":null,)"
                        R"("figures":null})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, expected) << "nothing of before is kept";
}

TEST_F(PoolsApiTest, WhatGetTellsCanBePut) {
    for (const std::string id : {"autos", "strict"}) {
        const std::string told = send("GET", "/pools/" + id).body;
        const http::Response response = put_pool(told, id);
        EXPECT_EQ(response.status, 200);
        EXPECT_EQ(response.body, told);
    }
}

TEST_F(PoolsApiTest, TellsAllThatIsWrongWithADefinition) {
    EXPECT_EQ(complaint(R"({"id":"x","name":1,"key":true,"lifetime_seconds":"60",)"
                        R"("cooldown_seconds":1.5,"max_hold_seconds":1e3,"allow_overflow":"yes",)"
                        R"("overflow_number":18005550100,"tracking_url":[],"default_region":{},)"
                        R"("nmae":[[]],"name":"twice"})"),
              "'name' must be a string; 'key' must be a string; 'lifetime_seconds' must be a whole "
              "number of seconds; 'cooldown_seconds' must be a whole number of seconds; "
              "'max_hold_seconds' must be a whole number of seconds; 'allow_overflow' must be true "
              "or false; 'overflow_number' must be a string; 'tracking_url' must be a string; "
              "'default_region' must be a string; 'nmae' is no field of a pool; 'name' is given "
              "twice; 'id' is not the one in the path, 'trucks'");
    EXPECT_EQ(complaint(R"({"key":"K","overflow_number":"5"})"),
              "'overflow_number' is '5': not a phone number");
    EXPECT_EQ(complaint(R"({"key":"K","default_region":"us","allow_overflow":false})"),
              "default region 'us' is unknown; expected e.g. 'US'");
    EXPECT_EQ(complaint(R"({"key":"K"})"),
              "overflow number is missing; expected one, because allow_overflow is true");
    EXPECT_EQ(complaint(R"({"key":"K","allow_overflow":false,"":0})"), "'' is no field of a pool");
    EXPECT_EQ(complaint("{}"), "key is 0 bytes long; expected 1 to 128 bytes");
    EXPECT_EQ(complaint(R"({"key":"K","allow_overflow":false,"lifetime_seconds":0})"),
              "lifetime is 0 s; expected 1 s to 2592000 s (30 days)");
    EXPECT_EQ(
        complaint(R"({"key":"K","allow_overflow":false,"tracking_url":"a\r\nb"})"),
        "tracking_url is not plain text; expected at most 2048 bytes of UTF-8 without control "
        "characters");
    EXPECT_EQ(complaint(R"({"key":"K","allow_overflow":false})", "a%20b"),
              "id is 'a b'; expected 1 to 64 of A-Z a-z 0-9 . _ -");

    std::string many = "{\"f0\":0";
    for (int i = 1; i < 1000; ++i) many += ",\"f" + std::to_string(i) + "\":0";
    const std::string told = complaint(many + "}");
    EXPECT_TRUE(told.ends_with("; 'f15' is no field of a pool; and 984 more")) << told;
}

TEST_F(PoolsApiTest, NeverTellsAKeyInAnError) {
    EXPECT_EQ(complaint(R"({"key":[")" + std::string(10, 's') + R"("],"allow_overflow":false})"),
              "'key' must be a string");
    EXPECT_EQ(complaint(R"({"key":")" + std::string(200, 's') + R"(","allow_overflow":false})"),
              "key is 200 bytes long; expected 1 to 128 bytes");
}

TEST_F(PoolsApiTest, TellsWhereADefinitionIsNoJson) {
    const std::pair<std::string, std::string> kTable[] = {
        {"", "the body is not JSON: expected a value at byte 0"},
        {"[]", "the body must be an object"},
        {"7", "the body must be an object"},
        {"{", "the body is not JSON: expected a name in quotes at byte 1"},
        {R"({"key":"K"}})", "the body is not JSON: expected the end of the text at byte 11"},
        {R"({"key":tru})", "the body is not JSON: expected a value at byte 7"},
        {"{\"key\":\"\xff\"}", "the body is not JSON: expected UTF-8 at byte 8"},
        {"{\"key\":\"\n\"}",
         "the body is not JSON: expected control characters of strings to be escaped at byte 8"},
        {R"({"key":"\ud800"})", "the body is not JSON: expected an escape sequence at byte 8"},
        {"{\"figures\":" + std::string(40, '[') + std::string(40, ']') + "}",
         "the body is not JSON: expected no deeper nesting at byte 42"},
        {std::string(100'000, '['), "the body is not JSON: expected no deeper nesting at byte 32"},
    };
    for (const auto& [body, expected] : kTable) EXPECT_EQ(complaint(body), expected) << body;
    EXPECT_EQ(complaint(R"({"key":"K","lifetime_seconds":99999999999999999999})"),
              "'lifetime_seconds' must be a whole number of seconds");
    EXPECT_EQ(
        complaint(R"({"key":"K","allow_overflow":false,"lifetime_seconds":9223372036854775807})"),
        "lifetime is 9223372036854775807 s; expected 1 s to 2592000 s (30 days)");
    EXPECT_EQ(complaint(R"({"key":"K","lifetime_seconds":1e400})"),
              "'lifetime_seconds' must be a whole number of seconds");
    EXPECT_EQ(send("PUT", "/pools/trucks", kCsv, "{}").status, 415);
}

TEST_F(PoolsApiTest, RemovesAPool) {
    http::Response response = send("DELETE", "/pools/autos");
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(send("GET", "/pools/autos").status, 404);
    response = send("DELETE", "/pools/autos");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(message_of(response), "there is no pool 'autos'");
}

TEST_F(PoolsApiTest, ListsNumbersPageByPage) {
    const WallTime time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 17h + 5ms;
    const auto number = [](std::uint64_t digits, std::string_view formatted) {
        return ringpool::PoolNumber{PhoneNumber::from_digits(digits), FormattedNumber(formatted)};
    };
    pools_.page = {{{number(12015550100, "201-555-0100"), NumberState::State::free, false, {}},
                    {number(12015550101, "201-555-0101"), NumberState::State::held, true, time},
                    {number(442079460958, "a,b"), NumberState::State::cooling, false, time}},
                   7};
    http::Response response = send("GET", "/pools/autos/numbers?limit=3");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.extra_headers(),
              "Cache-Control: no-store\r\n"
              "Link: </pools/autos/numbers?from=7&limit=3>; rel=\"next\"\r\n");
    EXPECT_EQ(response.body,
              R"({"numbers":[{"number":"+12015550100","formatted":"201-555-0100","state":"free"},)"
              R"({"number":"+12015550101","formatted":"201-555-0101","state":"held",)"
              R"("draining":true,"free_at":"2026-11-21T17:00:00.005Z"},)"
              R"({"number":"+442079460958","formatted":"a,b","state":"cooling",)"
              R"("free_at":"2026-11-21T17:00:00.005Z"}],"next":7})");
    response = send("GET", "/pools/autos/numbers?from=7", "Accept: text/csv\r\n");
    EXPECT_EQ(response.content_type, "text/csv");
    EXPECT_EQ(response.body,
              "number,formatted,state\n+12015550100,201-555-0100,free\n"
              "+12015550101,201-555-0101,held\n+442079460958,\"a,b\",cooling\n");
    EXPECT_EQ(response.extra_headers(),
              "Cache-Control: no-store\r\n"
              "Link: </pools/autos/numbers?from=7&limit=2>; rel=\"next\"\r\n");

    pools_.page = {};
    response = send("GET", "/pools/autos/numbers?limit=5&from=1000000000000");
    EXPECT_EQ(response.body, R"({"numbers":[]})");
    EXPECT_EQ(response.extra_headers(), "Cache-Control: no-store\r\n");
    EXPECT_EQ(pools_.asked,
              (std::vector<std::string>{"numbers autos from 0 max 3", "numbers autos from 7 max 2",
                                        "numbers autos from 1000000000000 max 5"}));
}

TEST_F(PoolsApiTest, RefusesAPageThatCannotBe) {
    const std::pair<std::string, std::string> kTable[] = {
        {"limit=6", "'limit' is '6'; expected 1 to 5"},
        {"limit=0", "'limit' is '0'; expected 1 to 5"},
        {"limit=", "'limit' is ''; expected 1 to 5"},
        {"from=-1", "'from' is '-1'; expected 0 to 1000000000000"},
        {"from=x", "'from' is 'x'; expected 0 to 1000000000000"},
        {"form=1", "'form' is no parameter of this"},
        {"from=1&from=1", "'from' is given twice"},
    };
    for (const auto& [query, expected] : kTable) {
        const http::Response response = send("GET", "/pools/autos/numbers?" + query);
        EXPECT_EQ(response.status, 400) << query;
        EXPECT_EQ(message_of(response), expected);
    }
    EXPECT_TRUE(pools_.asked.empty());
}

TEST_F(PoolsApiTest, SetsTheNumbersOfAPool) {
    pools_.change = {
        .added = {PhoneNumber::from_digits(12015550101)},
        .removed = {PhoneNumber::from_digits(12015550102), PhoneNumber::from_digits(12015550103)},
        .draining = {PhoneNumber::from_digits(12015550104)},
        .refused = {}};
    pools_.pool_figures.numbers = 3;
    http::Response response =
        send("PUT", "/pools/autos/numbers", kJson, R"(["+12015550100", "(201) 555-0101"])");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              R"({"added":["+12015550101"],"removed":["+12015550102","+12015550103"],)"
              R"("draining":["+12015550104"],"numbers":3})");
    EXPECT_EQ(pools_.asked, std::vector<std::string>{"set autos +12015550100;+12015550101;"});

    pools_.asked.clear();
    response = send("PUT", "/pools/autos/numbers", kCsv,
                    "name,phone\r\n# ours\r\nx,\"201-555-0100\"\r\n\r\ny,201.555.0101");
    EXPECT_EQ(response.status, 200);
    send("PUT", "/pools/autos/numbers", "Content-Type: text/plain\r\n", "2015550100\n");
    send("PUT", "/pools/autos/numbers", "", "[]");
    EXPECT_EQ(pools_.asked, (std::vector<std::string>{"set autos +12015550100;+12015550101;",
                                                      "set autos +12015550100;", "set autos "}));
}

TEST_F(PoolsApiTest, TakesNumbersForAPoolThatAnotherMachineHasJustMade) {
    pools_.on_figures = [&](std::string_view id) {
        if (!catalog_.find(id)) {
            ringpool::PoolDefinition made = catalog_.at(0);
            made.id = std::string(id);
            EXPECT_TRUE(catalog_.put(std::move(made)));
        }
    };
    EXPECT_EQ(send("PUT", "/pools/trucks/numbers", kJson, R"(["+12015550100"])").status, 200);
    EXPECT_EQ(pools_.asked, std::vector<std::string>{"set trucks +12015550100;"});
}

TEST_F(PoolsApiTest, AddsAndRemovesNumbers) {
    pools_.pool_figures.numbers = 2;
    http::Response response =
        send("POST", "/pools/autos/numbers", kJson, R"(["\u002b12015550100"])");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"added":[],"removed":[],"draining":[],"numbers":2})");
    send("POST", "/pools/autos/numbers", kCsv, "2015550101");
    send("PATCH", "/pools/autos/numbers", kJson,
         R"({"add":["2015550102","2015550103"],"remove":["2015550102","+10000000000"]})");
    send("PATCH", "/pools/autos/numbers", kJson, R"({"remove":[]})");
    EXPECT_EQ(pools_.asked,
              (std::vector<std::string>{
                  "edit autos ++12015550100; -", "edit autos ++12015550101; -",
                  "edit autos ++12015550102;+12015550103; -+12015550102;+10000000000;",
                  "edit autos + -"}));
}

TEST_F(PoolsApiTest, ReadsNumbersByTheRegionOfTheirPool) {
    put_pool(R"({"key":"K","allow_overflow":false,"default_region":"GB"})");
    pools_.asked.clear();
    send("PUT", "/pools/trucks/numbers", kJson, R"(["020 7946 0958"])");
    send("PUT", "/pools/trucks/numbers", kCsv, "020 7946 0958");
    send("PATCH", "/pools/trucks/numbers", kJson, R"({"remove":["020 7946 0958"]})");
    EXPECT_EQ(pools_.asked,
              (std::vector<std::string>{"set trucks +442079460958;", "set trucks +442079460958;",
                                        "edit trucks + -+442079460958;"}));
}

TEST_F(PoolsApiTest, RemovesOneNumber) {
    pools_.change.draining = {PhoneNumber::from_digits(12015550100)};
    http::Response response = send("DELETE", "/pools/autos/numbers/+12015550100");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"added":[],"removed":[],"draining":["+12015550100"],"numbers":0})");
    EXPECT_EQ(pools_.asked, std::vector<std::string>{"edit autos + -+12015550100;"});
    pools_.change.draining.clear();
    response = send("DELETE", "/pools/autos/numbers/+12015550100");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(message_of(response), "pool 'autos' does not have +12015550100");
    EXPECT_EQ(send("DELETE", "/pools/autos/numbers/201-555").status, 400);
    EXPECT_EQ(send("DELETE", "/pools/none/numbers/+12015550100").status, 404);
}

TEST_F(PoolsApiTest, ChangesNothingWhereANumberIsRefused) {
    http::Response response = send("PUT", "/pools/autos/numbers", kJson,
                                   R"(["2015550100", "12", 7, {"a":[]}, "2015550100"])");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              R"({"error_class":"InvalidInput","message":"nothing was changed, because some )"
              R"(numbers are refused: 4","refused":[)"
              R"({"index":1,"text":"12","reason":"too short for a number of country code 1"},)"
              R"({"index":2,"text":"","reason":"not a string"}],"more":2})");
    response = send("POST", "/pools/autos/numbers", kJson, R"(["2015550100", "+1 201 555 0100"])");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body,
              R"({"error_class":"InvalidInput","message":"nothing was changed, because some )"
              R"(numbers are refused: 1","refused":[)"
              R"({"index":1,"text":"+1 201 555 0100","reason":"repeats the number of index 0"}]})");
    response = send("PUT", "/pools/autos/numbers", kCsv, "2015550100\n\nabc\r\n2015550100\n\"\n");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body,
              R"({"error_class":"InvalidInput","message":"nothing was changed, because some )"
              R"(numbers are refused: 3","refused":[)"
              R"({"line":3,"text":"abc","reason":"not a phone number"},)"
              R"({"line":4,"text":"2015550100","reason":"repeats the number of line 1"}],)"
              R"("more":1})");
    response = send("PATCH", "/pools/autos/numbers", kJson,
                    R"({"remove":["+1","2015550100"],"add":["x\u0000\r\n","2015550100"]})");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body,
              R"({"error_class":"InvalidInput","message":"nothing was changed, because some )"
              R"(numbers are refused: 2","refused":[)"
              R"({"index":0,"list":"remove","text":"+1","reason":"not a phone number"},)"
              R"({"index":0,"list":"add","text":"x\u0000\r\n","reason":"not a phone number"}]})");
    EXPECT_TRUE(pools_.asked.empty());
}

TEST_F(PoolsApiTest, TellsWhatTheStoreRefuses) {
    pools_.change.refused = {{PhoneNumber::from_digits(12015550100), "it is in pool 'boats'"},
                             {PhoneNumber::from_digits(12015550101), "it is an overflow number"},
                             {PhoneNumber::from_digits(12015550102), "it is in pool 'boats'"}};
    const http::Response response =
        send("POST", "/pools/autos/numbers", kCsv, "2015550100\n2015550101\n2015550102\n");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body,
              R"({"error_class":"InvalidInput","message":"nothing was changed, because some )"
              R"(numbers are refused: 3","refused":[)"
              R"({"text":"+12015550100","reason":"it is in pool 'boats'"},)"
              R"({"text":"+12015550101","reason":"it is an overflow number"}],"more":1})");
}

TEST_F(PoolsApiTest, RefusesABodyOfNumbersThatIsNone) {
    const std::string deep = std::string(40, '[') + std::string(40, ']');
    const std::pair<std::string, std::string> kArrays[] = {
        {"", "the body is not JSON: expected a value at byte 0"},
        {"{}", "the body must be an array of numbers"},
        {"\"2015550100\"", "the body must be an array of numbers"},
        {R"(["2015550100"]])", "the body is not JSON: expected the end of the text at byte 14"},
        {R"(["2015550100",])", "the body is not JSON: expected a value at byte 14"},
        {"[\"\xff\"]", "the body is not JSON: expected UTF-8 at byte 2"},
        {deep, "the body is not JSON: expected no deeper nesting at byte 32"},
    };
    for (const auto& [body, expected] : kArrays) {
        for (const std::string_view method : {"PUT", "POST"}) {
            const http::Response response = send(method, "/pools/autos/numbers", kJson, body);
            EXPECT_EQ(response.status, 400) << body;
            EXPECT_EQ(message_of(response), expected) << body;
        }
    }
    const std::pair<std::string, std::string> kEdits[] = {
        {"[]", "the body must be an object"},
        {"{}", "there is neither 'add' nor 'remove' in the body"},
        {R"({"add":"2015550100"})", "'add' must be an array of numbers"},
        {R"({"remove":null})", "'remove' must be an array of numbers"},
        {R"({"add":[],"delete":[]})", "'delete' is neither 'add' nor 'remove'"},
        {R"({"add":[],"add":[]})", "'add' is given twice"},
        {R"({"add":[}]})", "the body is not JSON: expected a value at byte 8"},
    };
    for (const auto& [body, expected] : kEdits) {
        const http::Response response = send("PATCH", "/pools/autos/numbers", kJson, body);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_EQ(message_of(response), expected) << body;
    }
    for (const std::string_view body : {"", "\n\n", "# nothing\n", "number\n"}) {
        const http::Response response = send("PUT", "/pools/autos/numbers", kCsv, body);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_EQ(message_of(response),
                  "there is no number in the list; an empty one is written as JSON: []");
    }
    EXPECT_EQ(send("PUT", "/pools/autos/numbers", "Content-Type: text/html\r\n", "1").status, 415);
    EXPECT_EQ(send("PATCH", "/pools/autos/numbers", kCsv, "1").status, 415);
    EXPECT_TRUE(pools_.asked.empty());
}

TEST_F(PoolsApiTest, KnowsWhichPoolsThereAre) {
    const std::pair<std::string_view, std::string_view> kRequests[] = {
        {"GET", ""},
        {"DELETE", ""},
        {"GET", "/numbers"},
        {"PUT", "/numbers"},
        {"POST", "/numbers"},
        {"PATCH", "/numbers"},
        {"DELETE", "/numbers/+12015550100"},
    };
    for (const auto& [method, rest] : kRequests) {
        const std::string_view body = method == "PATCH" ? R"({"add":[]})" : "[]";
        const http::Response response =
            send(method, "/pools/a%0Ab" + std::string(rest), kJson, body);
        EXPECT_EQ(response.status, 404) << method << rest;
        EXPECT_EQ(response.body,
                  R"({"error_class":"NotFound","message":"there is no pool 'a\nb'"})");
    }
}

TEST_F(PoolsApiTest, TellsWhatTheStoreCannotDo) {
    const std::pair<std::string_view, std::string_view> kRequests[] = {
        {"DELETE", "/pools/autos"},        {"GET", "/pools/autos/numbers"},
        {"PUT", "/pools/autos/numbers"},   {"POST", "/pools/autos/numbers"},
        {"PATCH", "/pools/autos/numbers"}, {"DELETE", "/pools/autos/numbers/+12015550100"},
        {"PUT", "/pools/autos"},
    };
    for (const auto& [method, target] : kRequests) {
        const std::string_view body = target == "/pools/autos"
                                          ? R"({"key":"K","allow_overflow":false})"
                                      : method == "PATCH" ? R"({"add":[]})"
                                                          : "[]";
        pools_.failure = Error{ErrorCode::unavailable, "the disk is full"};
        http::Response response = send(method, target, kJson, body);
        EXPECT_EQ(response.status, 503) << method << target;
        EXPECT_EQ(response.extra_headers(), "Cache-Control: no-store\r\nRetry-After: 1\r\n");
        EXPECT_EQ(response.body,
                  R"({"error_class":"ServiceUnavailable","message":"the disk is full"})");
        pools_.failure = Error{ErrorCode::invalid, "there would be too many"};
        response = send(method, target, kJson, body);
        EXPECT_EQ(response.status, 400) << method << target;
        EXPECT_EQ(response.body,
                  R"({"error_class":"InvalidInput","message":"there would be too many"})");
    }
}

TEST_F(PoolsApiTest, ReadsNumbersAwayFromTheReactor) {
    std::string body = "[\"2012000000\"";
    for (int i = 1; i < 10'000; ++i) body += ",\"" + std::to_string(2'012'000'000 + i) + "\"";
    body += "]";
    for (const std::string_view method : {"PUT", "POST"}) {
        bool others_ran = false;
        bool ran_before_the_call = false;
        pools_.on_call = [&] { ran_before_the_call = others_ran; };
        http::Request request = make_request(method, "/pools/autos/numbers", kAuthorization, body);
        http::Response response;
        run([&] {
            reactor_.scheduler().spawn("other", [&] { others_ran = true; });
            router_.handle(request, response);
        });
        EXPECT_EQ(response.status, 200);
        EXPECT_TRUE(ran_before_the_call) << method;
    }
}

}  // namespace
}  // namespace ringmaster::api
