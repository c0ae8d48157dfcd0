#include "ringmaster/api/compat_api.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/fixture.hpp"
#include "fuzz/seed.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using ringpool::OverflowReason;

/// Those of make_catalog(), and 3 "linked" (key K) with a tracking_url that needs escaping in every
/// format.
ringpool::Catalog make_compat_catalog() {
    ringpool::Catalog catalog = make_catalog();
    ringpool::PoolDefinition pool;
    pool.id = "linked";
    pool.key = "K";
    pool.allow_overflow = false;
    pool.tracking_url = R"(http://x.test/{number}?a="<b>",c&n={number})";
    if (!catalog.put(std::move(pool))) throw std::logic_error("bad pool");
    return catalog;
}

ringpool::Allocation answer_with(std::uint64_t digits, std::string_view formatted) {
    ringpool::Allocation answer = FakeStore::number(0);
    answer.number = ringpool::PhoneNumber::from_digits(digits);
    answer.formatted = ringpool::FormattedNumber(formatted);
    return answer;
}

class CompatApiTest : public ::testing::Test {
  protected:
    CompatApiTest() { api_.register_routes(router_); }

    static ApiLimits limits() {
        ApiLimits limits;
        limits.max_batch = 3;
        limits.max_request_id_bytes = 8;
        limits.context = {.max_parameters = 2, .max_name_bytes = 4, .max_value_bytes = 8};
        return limits;
    }

    http::Response send(http::Request request) {
        http::Response response;
        router_.handle(request, response);
        return response;
    }
    http::Response post(std::string_view body,
                        std::string_view headers = "Content-Type: application/json\r\n") {
        fuzz::keep_seed("compat", body);
        return send(make_request("POST", "/api/2013-07-01/bulk.json", headers, body));
    }
    /// `rest` is what follows "/ring_pools/".
    http::Response get(std::string_view rest) {
        fuzz::keep_seed("compat", rest);
        fuzz::keep_seed("compat", rest.substr(rest.find('?') + 1));
        return send(make_request("GET", "/api/2013-07-01/ring_pools/" + std::string(rest)));
    }
    /// What a batch of this one row is answered, without what is around the row.
    std::string answer_to_row(std::string_view row) {
        store_.next = 0;
        const std::string body = post("{\"requests\":[" + std::string(row) + "]}").body;
        constexpr std::string_view kBegin = R"({"responses":[)";
        if (!body.starts_with(kBegin) || !body.ends_with("]}")) return "not rows: " + body;
        return body.substr(kBegin.size(), body.size() - kBegin.size() - 2);
    }
    static std::string suffix(std::string_view api_suffix) {
        return std::string(R"({"api_suffix":")").append(api_suffix).append(R"("})");
    }

    ringpool::Allocation without_number(ringpool::PoolIndex pool, OverflowReason reason) {
        return ringpool::overflow_allocation(catalog_.at(pool), reason);
    }

    runtime::ManualScheduler runtime_;
    ringpool::Catalog catalog_ = make_compat_catalog();
    FakeStore store_;
    CompatApi api_{catalog_, store_, runtime_.scheduler, runtime_.clock, runtime_.errors, limits()};
    http::Router router_;
};

constexpr std::string_view kNumber =
    R"({"promo_number_formatted":"866-555-0142","promo_number":"8665550142","tracking_url":""})";

TEST_F(CompatApiTest, AnswersABulkInOrderWhateverBecomesOfARow) {
    store_.script = {FakeStore::number(0), without_number(1, OverflowReason::exhausted),
                     FakeStore::number(2)};
    http::Response response = post(
        R"({"requests":[)"
        R"({"api_suffix":"autos/allocate_number.json?ring_pool_key=A329F4DC&m1=autos&m2=ford",)"
        R"("request_id":"193C5F"},)"
        R"({"api_suffix":"1/allocate_number.json?ring_pool_key=A329F4DC002168&m1=antiques",)"
        R"("request_id":"58CD4F"},)"
        R"({"request_id":"E3901B","api_suffix":"boats/allocate_number.json?ring_pool_key=77AA01"}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.extra_headers(), "processing-time: 0.000\r\n");
    EXPECT_EQ(response.body,
              R"({"responses":[)"
              R"({"request_id":"193C5F","promo_number_formatted":"866-555-0142",)"
              R"("promo_number":"8665550142","tracking_url":""},)"
              R"({"request_id":"58CD4F","error_class":"InvalidKey",)"
              R"("message":"API Key 'A329F4DC002168' is not valid for resource '1'"},)"
              R"({"request_id":"E3901B","promo_number_formatted":"800-555-0100",)"
              R"("promo_number":"8005550100","tracking_url":"","overflow":true}]})");
    EXPECT_EQ(store_.asked, (std::vector<std::string>{"0 - m1=autos;m2=ford;", "1 - "}));
    EXPECT_EQ(store_.batches, 1);

    store_.script = {without_number(2, OverflowReason::exhausted), FakeStore::number(1)};
    store_.next = 0;
    response =
        post(R"({"requests":[{"api_suffix":"strict/allocate_number.json?ring_pool_key=77AA01"},)"
             R"({"request_id":"b"},)"
             R"({"api_suffix":"linked/allocate_number.json?ring_pool_key=K","request_id":"c"}]})");
    EXPECT_EQ(response.body,
              R"({"responses":[{"error_class":"PoolExhausted","message":)"
              R"("pool 'strict' has no number to give (exhausted) and allows no overflow"},)"
              R"({"request_id":"b","error_class":"InvalidInput",)"
              R"("message":"'api_suffix' is missing"},)"
              R"({"request_id":"c","promo_number_formatted":"866-555-0143",)"
              R"("promo_number":"8665550143","tracking_url":)"
              R"("http://x.test/8665550143?a=\"<b>\",c&n=8665550143"}]})");
    EXPECT_EQ(store_.batches, 2);
}

TEST_F(CompatApiTest, ToleratesWhatTheDocumentsContradictEachOtherIn) {
    const std::pair<std::string_view, std::string_view> kTable[] = {
        {"autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a&m2=b", "0 - m1=a;m2=b;"},
        {"/autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a", "0 - m1=a;"},
        {"ring_pools/autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a", "0 - m1=a;"},
        {"/ring_pools/autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a", "0 - m1=a;"},
        {"autos/allocate_number.json?ring_pool_key=A329F4DC", "0 - "},
        {"autos/allocate_number.json?ring_pool_key=A329F4DC&m1=", "0 - m1=;"},
        {"autos/allocate_number.json?ring_pool_key=A329F4DC&m1", "0 - m1=;"},
        {"autos/allocate_number.json?m2=b&ring_pool_key=A329F4DC&m1=a", "0 - m1=a;m2=b;"},
        {"%61utos/allocate_number.json?ring_pool_key=%41329F4D%43&m%31=a+b%26", "0 - m1=a b&;"},
        // Escapes of JSON are undone before those of the URL.
        {R"(\u0061utos\/allocate_number.json?ring_pool_key=A329F4DC&m1=\u0025\u0034\u0031)",
         "0 - m1=A;"},
        // No parameter but the key has a meaning of its own.
        {"autos/allocate_number.json?ring_pool_key=A329F4DC&pool=x&key=y", "0 - key=y;pool=x;"},
    };
    for (const auto& [api_suffix, asked] : kTable) {
        for (const std::string_view rows : {"requests", "request"}) {
            store_.next = 0;
            store_.asked.clear();
            const http::Response response =
                post(std::string("{\"").append(rows) + "\":[" + suffix(api_suffix) + "]}");
            EXPECT_EQ(response.status, 200);
            EXPECT_EQ(response.body, R"({"responses":[)" + std::string(kNumber) + "]}")
                << api_suffix;
            EXPECT_EQ(store_.asked, std::vector<std::string>{std::string(asked)}) << api_suffix;
        }
    }
}

TEST_F(CompatApiTest, TellsWhatIsWrongWithARow) {
    const std::string malformed =
        "'api_suffix' must be like 'POOL/allocate_number.json?ring_pool_key=KEY&m1=autos'";
    const std::string good = "autos/allocate_number.json?ring_pool_key=A329F4DC";
    const std::pair<std::string, std::string> kTable[] = {
        {"7", "a row must be an object"},
        {"{}", "'api_suffix' is missing"},
        {R"({"api_suffix":7})", "'api_suffix' must be a string"},
        {R"({"api_suffix":"a","api_suffix":"a"})", "'api_suffix' is given twice"},
        {R"({"request_id":7,"api_suffix":")" + good + "\"}", "'request_id' must be a string"},
        {R"({"request_id":"123456789","api_suffix":")" + good + "\"}",
         "'request_id' is longer than 8 bytes"},
        {suffix(""), malformed},
        {suffix("?ring_pool_key=A329F4DC"), malformed},
        {suffix("autos"), malformed},
        {suffix("allocate_number.json?ring_pool_key=A329F4DC"), malformed},
        {suffix("/allocate_number.json?ring_pool_key=A329F4DC"), malformed},
        {suffix("//autos/allocate_number.json?ring_pool_key=A329F4DC"), malformed},
        {suffix("ring_pools//allocate_number.json?ring_pool_key=A329F4DC"), malformed},
        {suffix("a/autos/allocate_number.json?ring_pool_key=A329F4DC"), malformed},
        {suffix("autos/allocate_number.xml?ring_pool_key=A329F4DC"), malformed},
        {suffix("autos/allocate_number.json/?ring_pool_key=A329F4DC"), malformed},
        {suffix("autos?x=/allocate_number.json"), malformed},
        {suffix("%zz/allocate_number.json?ring_pool_key=A329F4DC"),
         "the path of 'api_suffix' is malformed: a '%' without two hex digits after it at byte 0"},
        {suffix("autos/allocate_number.json"), "'ring_pool_key' is missing"},
        {suffix("autos/allocate_number.json?"), "'ring_pool_key' is missing"},
        {suffix("autos/allocate_number.json?key=A329F4DC"), "'ring_pool_key' is missing"},
        {suffix(good + "&ring_pool_key=A329F4DC"), "'ring_pool_key' is given twice"},
        {suffix(good + "&m1=%4"),
         "the query is malformed: a '%' without two hex digits after it, "
         "in the pair at byte 23"},
        {suffix(good + "&=1"), "a context parameter has an empty name"},
        {suffix(good + "&a=1&a=1"), "context parameter 'a' is given twice"},
        {suffix(good + "&a=1&b=2&c=3"),
         "context parameter 'c' is one too many: at most 2 are allowed"},
        {suffix(good + "&abcde=1"), "the name of context parameter 'abcde' is longer than 4 bytes"},
        {suffix(good + "&a=123456789"),
         "the value of context parameter 'a' is longer than 8 bytes"},
    };
    for (const auto& [row, message] : kTable) {
        EXPECT_EQ(answer_to_row(row),
                  R"({"error_class":"InvalidInput","message":")" + message + "\"}")
            << row;
    }
    EXPECT_EQ(store_.batches, 0);
    EXPECT_EQ(answer_to_row(suffix(good + "&a=12345678&abcd=2")), kNumber) << "at the limits";
    // Who shows no key is told of nothing else, and not whether the pool is there.
    for (const std::string pool : {"autos", "nobody", "ring_pools"}) {
        EXPECT_EQ(answer_to_row(suffix(pool + "/allocate_number.json?ring_pool_key=A3&=&a=%")),
                  R"({"error_class":"InvalidKey","message":"API Key 'A3' is not valid for )"
                  R"(resource ')" +
                      pool + R"('"})");
    }
}

TEST_F(CompatApiTest, RefusesABadBodyAsAWhole) {
    const std::string row = suffix("autos/allocate_number.json?ring_pool_key=A329F4DC");
    const std::string rows = row + "," + row + "," + row;
    const auto refusal = [](std::string_view error_class, std::string_view message) {
        return std::string(R"({"error_class":")").append(error_class) + R"(","message":")" +
               std::string(message) + "\"}";
    };
    const std::pair<std::string, std::string> kTable[] = {
        {R"({"requests":[)" + row,
         refusal("MalformedJson", "the body is not JSON: expected ',' or ']' at byte 79")},
        {"[]", refusal("InvalidInput", "the body must be an object")},
        {"{}", refusal("InvalidInput", "'requests' is missing")},
        {R"({"request":[]})", refusal("InvalidInput", "'requests' must have at least one row")},
        {R"({"request":{}})", refusal("InvalidInput", "'requests' must be an array")},
        {R"({"request":[)" + row + R"(],"requests":[)" + row + "]}",
         refusal("InvalidInput", "'requests' is given twice")},
        {R"({"requests":[)" + rows + "," + row + "]}",
         refusal("InvalidInput", "'requests' has more than 3 rows")},
    };
    for (const auto& [body, expected] : kTable) {
        const http::Response response = post(body);
        EXPECT_EQ(response.status, 400) << body;
        EXPECT_EQ(response.body, expected) << body;
    }
    EXPECT_EQ(post(row, "Content-Encoding: gzip\r\n").status, 415);
    EXPECT_EQ(store_.batches, 0);
    EXPECT_EQ(post(R"({"requests":[)" + rows + "]}").status, 200) << "as many as allowed";
}

TEST_F(CompatApiTest, TakesABulkForJsonWhateverItIsDeclaredToBe) {
    const std::string body =
        R"({"requests":[)" + suffix("autos/allocate_number.json?ring_pool_key=A329F4DC") + "]}";
    for (const std::string_view headers :
         {"", "Content-Type:\r\n", "Content-Type: application/json; charset=utf-8\r\n",
          "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: text/plain\r\n",
          "Content-Type: application/octet-stream\r\n", "Content-Type: ;;\r\n"}) {
        store_.next = 0;
        const http::Response response = post(body, headers);
        EXPECT_EQ(response.status, 200) << headers;
        EXPECT_EQ(response.body, R"({"responses":[)" + std::string(kNumber) + "]}") << headers;
    }
}

TEST_F(CompatApiTest, TellsItsTimeForABulk) {
    store_.on_allocate = [&] { runtime_.clock.advance(12ms); };
    EXPECT_EQ(post(R"({"requests":[)" +
                   suffix("autos/allocate_number.json?ring_pool_key=A329F4DC") + "]}")
                  .extra_headers(),
              "processing-time: 12.000\r\n");
}

TEST_F(CompatApiTest, AnswersInThreeFormats) {
    const std::string autos = "?ring_pool_key=A329F4DC&m1=a%20b&m2=c";
    const std::string linked = "?ring_pool_key=K";
    struct Expected {
        std::string target;
        std::string_view content_type;
        std::string body;
    };
    const Expected kTable[] = {
        {"autos/allocate_number.json" + autos, "application/json",
         R"({"promo_number_formatted":"866-555-0142","tracking_url":"",)"
         R"("promo_number":"8665550142"})"},
        {"autos/allocate_number.xml" + autos, "application/xml",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<Response>\n"
         "  <PromoNumberFormatted>866-555-0142</PromoNumberFormatted>\n"
         "  <PromoNumber>8665550142</PromoNumber>\n"
         "  <TrackingUrl></TrackingUrl>\n"
         "</Response>\n"},
        {"autos/allocate_number.csv" + autos, "text/csv",
         "PromoNumberFormatted,PromoNumber,TrackingUrl\n866-555-0142,8665550142,\n"},
        {"linked/allocate_number.json" + linked, "application/json",
         R"({"promo_number_formatted":"866-555-0142",)"
         R"("tracking_url":"http://x.test/8665550142?a=\"<b>\",c&n=8665550142",)"
         R"("promo_number":"8665550142"})"},
        {"linked/allocate_number.xml" + linked, "application/xml",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<Response>\n"
         "  <PromoNumberFormatted>866-555-0142</PromoNumberFormatted>\n"
         "  <PromoNumber>8665550142</PromoNumber>\n"
         "  <TrackingUrl>http://x.test/8665550142?a=\"&lt;b&gt;\",c&amp;n=8665550142"
         "</TrackingUrl>\n"
         "</Response>\n"},
        {"linked/allocate_number.csv" + linked, "text/csv",
         "PromoNumberFormatted,PromoNumber,TrackingUrl\n866-555-0142,8665550142,"
         "\"http://x.test/8665550142?a=\"\"<b>\"\",c&n=8665550142\"\n"},
    };
    for (const Expected& expected : kTable) {
        store_.next = 0;
        const http::Response response = get(expected.target);
        EXPECT_EQ(response.status, 200) << expected.target;
        EXPECT_EQ(response.content_type, expected.content_type);
        EXPECT_EQ(response.extra_headers(),
                  "Cache-Control: no-store\r\nprocessing-time: 0.000\r\n");
        EXPECT_EQ(response.body, expected.body) << expected.target;
    }
    EXPECT_EQ(store_.asked.front(), "0 - m1=a b;m2=c;");
}

TEST_F(CompatApiTest, WritesNumbersOfOtherCountriesInE164) {
    const auto promo_number = [&](std::uint64_t digits) {
        store_.script = {answer_with(digits, "x")};
        store_.next = 0;
        const std::string row =
            answer_to_row(suffix("linked/allocate_number.json?ring_pool_key=K"));
        constexpr std::string_view kBegin = R"({"promo_number_formatted":"x",)";
        return row.starts_with(kBegin) ? row.substr(kBegin.size()) : row;
    };
    EXPECT_EQ(promo_number(442079460958),
              R"("promo_number":"+442079460958","tracking_url":)"
              R"("http://x.test/%2B442079460958?a=\"<b>\",c&n=%2B442079460958"})");
    EXPECT_EQ(promo_number(10005550100), R"("promo_number":"0005550100","tracking_url":)"
                                         R"("http://x.test/0005550100?a=\"<b>\",c&n=0005550100"})");
    EXPECT_TRUE(promo_number(20005550100).starts_with(R"("promo_number":"+20005550100")"));
    EXPECT_TRUE(promo_number(999999999999999).starts_with(R"("promo_number":"+999999999999999")"));
    EXPECT_TRUE(promo_number(1234567).starts_with(R"("promo_number":"+1234567")"));
}

TEST_F(CompatApiTest, AnOverflowNumberIsANumberInAllFormats) {
    const auto body = [&](std::string_view format) {
        store_.script = {without_number(0, OverflowReason::owner_slow)};
        store_.next = 0;
        return get("autos/allocate_number." + std::string(format) + "?ring_pool_key=A329F4DC").body;
    };
    EXPECT_EQ(body("json"), R"({"promo_number_formatted":"800-555-0100","tracking_url":"",)"
                            R"("promo_number":"8005550100"})");
    EXPECT_EQ(body("csv"),
              "PromoNumberFormatted,PromoNumber,TrackingUrl\n800-555-0100,8005550100,\n");
}

TEST_F(CompatApiTest, TellsErrorsAsTextOrXmlWithTheStatusOfTheirClass) {
    struct Expected {
        std::string_view pool;
        std::string_view query;
        int status;
        std::string_view error_class;
        std::string_view message;
        std::string_view xml_message;
    };
    constexpr std::string_view kExhausted =
        "pool 'strict' has no number to give (exhausted) and allows no overflow";
    const Expected kTable[] = {
        {"1", "ring_pool_key=A329F4DC002168", 403, "InvalidKey",
         "API Key 'A329F4DC002168' is not valid for resource '1'",
         "API Key 'A329F4DC002168' is not valid for resource '1'"},
        {"a%2Fb", "ring_pool_key=%3Ca%3E%26%22%09%0D%0A%01%FF%EF%BF%BF%EF%BF%BE%C3%A9", 403,
         "InvalidKey",
         "API Key '<a>&\"\t\r\n\x01\xFF\xEF\xBF\xBF\xEF\xBF\xBE\xC3\xA9' is not valid for "
         "resource 'a/b'",
         "API Key '&lt;a&gt;&amp;\"\t&#13;\n\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
         "\xC3\xA9' is not valid for resource 'a/b'"},
        {"autos", "m1=a", 400, "InvalidInput", "'ring_pool_key' is missing",
         "'ring_pool_key' is missing"},
        {"autos", "", 400, "InvalidInput", "'ring_pool_key' is missing",
         "'ring_pool_key' is missing"},
        {"autos", "ring_pool_key=A329F4DC&a=1&b=2&c=3", 400, "InvalidInput",
         "context parameter 'c' is one too many: at most 2 are allowed",
         "context parameter 'c' is one too many: at most 2 are allowed"},
        {"strict", "ring_pool_key=77AA01", 503, "PoolExhausted", kExhausted, kExhausted},
    };
    store_.script.assign(3, without_number(2, OverflowReason::exhausted));
    for (const Expected& expected : kTable) {
        const auto target = [&](std::string_view format) {
            return std::string(expected.pool) + "/allocate_number." + std::string(format) + "?" +
                   std::string(expected.query);
        };
        for (const std::string_view format : {"json", "csv"}) {
            const http::Response response = get(target(format));
            EXPECT_EQ(response.status, expected.status);
            EXPECT_EQ(response.content_type, "text/plain");
            EXPECT_EQ(response.body,
                      std::string(expected.error_class) + ": " + std::string(expected.message));
        }
        const http::Response response = get(target("xml"));
        EXPECT_EQ(response.status, expected.status);
        EXPECT_EQ(response.content_type, "application/xml");
        EXPECT_EQ(response.body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Class>" +
                                     std::string(expected.error_class) + "</Class>\n  <Message>" +
                                     std::string(expected.xml_message) + "</Message>\n</Error>\n");
    }
}

TEST_F(CompatApiTest, AStoreThatThrowsIsToldByAHandle) {
    store_.on_allocate = [] { throw std::runtime_error("what nobody outside may see"); };
    const std::string good = "autos/allocate_number.json?ring_pool_key=A329F4DC";
    const http::Response response =
        post(R"({"requests":[)" + suffix(good) + R"(,{"request_id":"b"}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"responses":[{"error_class":"InternalServiceError",)"
              R"("message":"refer to error handle 1"},{"request_id":"b",)"
              R"("error_class":"InvalidInput","message":"'api_suffix' is missing"}]})");
    const http::Response single = get(good);
    EXPECT_EQ(single.status, 500);
    EXPECT_EQ(single.body, "InternalServiceError: refer to error handle 2");
    store_.on_allocate = nullptr;
    EXPECT_EQ(get(good).status, 200) << "a failure is not kept";
}

TEST_F(CompatApiTest, EqualParametersAreTheSameInAnyOrderAndInterface) {
    get("autos/allocate_number.xml?ring_pool_key=A329F4DC&b=2&a=1");
    answer_to_row(suffix("autos/allocate_number.json?a=1&b=2&ring_pool_key=A329F4DC"));
    ASSERT_EQ(store_.contexts.size(), 2u);
    EXPECT_EQ(store_.contexts[0], store_.contexts[1]);
}

TEST_F(CompatApiTest, RequestsInFlightAtOneTimeDoNotDisturbEachOther) {
    runtime::Event disk(runtime_.scheduler);
    store_.on_allocate = [&] { disk.wait(); };
    http::Response responses[3];
    const std::string a = suffix("%61utos/allocate_number.json?ring_pool_key=A329F4DC&%61=%31");
    runtime_.spawn([&] { responses[0] = post("{\"requests\":[" + a + "]}"); });
    runtime_.spawn(
        [&] { responses[1] = get("linked/allocate_number.csv?ring_pool_key=%4B&%62=%32"); });
    runtime_.spawn([&] {
        responses[2] =
            post(R"({"request":[{"request_id":"\u0063","api_suffix":"b%6Fats/allocate_number.json)"
                 R"(?ring_pool_key=77AA%301&\u0063=%33"},)" +
                 a + "]}");
    });
    runtime_.settle();
    EXPECT_EQ(store_.batches, 3);
    EXPECT_TRUE(store_.asked.empty()) << "all wait";
    disk.set();
    runtime_.settle();
    EXPECT_EQ(store_.asked,
              (std::vector<std::string>{"0 - a=1;", "3 - b=2;", "1 - c=3;", "0 - a=1;"}));
    EXPECT_EQ(responses[0].body, R"({"responses":[)" + std::string(kNumber) + "]}");
    EXPECT_EQ(responses[1].body,
              "PromoNumberFormatted,PromoNumber,TrackingUrl\n866-555-0143,8665550143,"
              "\"http://x.test/8665550143?a=\"\"<b>\"\",c&n=8665550143\"\n");
    EXPECT_EQ(responses[2].body,
              R"({"responses":[{"request_id":"c","promo_number_formatted":"866-555-0144",)"
              R"("promo_number":"8665550144","tracking_url":""},)"
              R"({"promo_number_formatted":"866-555-0145","promo_number":"8665550145",)"
              R"("tracking_url":""}]})");
}

/// Each byte replaced by those that mean something on the way: whatever comes of the row, the rows
/// around it have their numbers, or the body is no JSON and nobody has one.
TEST_F(CompatApiTest, ABadSuffixHarmsNoOtherRow) {
    const std::string good = suffix("autos/allocate_number.json?ring_pool_key=A329F4DC&m1=a");
    const std::string begin = R"({"responses":[)" + std::string(kNumber) + ",{";
    std::string changed = good;
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const char c : std::string_view("%/?&=+\\\"{\0\xFF", 11)) {
            changed[i] = c;
            store_.next = 0;
            store_.asked.clear();
            const http::Response response =
                post("{\"requests\":[" + good + "," + changed + "," + good + "]}");
            if (response.status == 400) {
                EXPECT_TRUE(store_.asked.empty()) << changed;
                continue;
            }
            EXPECT_EQ(response.status, 200) << changed;
            EXPECT_TRUE(response.body.starts_with(begin)) << changed;
            EXPECT_GE(store_.asked.size(), 2u) << changed;
            EXPECT_EQ(store_.asked.back(), "0 - m1=a;") << changed;
        }
        changed[i] = good[i];
    }
}

TEST_F(CompatApiTest, ADateMustLookLikeOne) {
    for (const std::string date :
         {"2013-07-1", "2013-07-011", "2013_07_01", "201a-07-01", "x", "2013-0701-"}) {
        const std::string base = "/api/" + date;
        for (const http::Response& response :
             {send(make_request("GET", base + "/ring_pools/autos/allocate_number.json"
                                              "?ring_pool_key=A329F4DC")),
              send(make_request("POST", base + "/bulk.json", "", "{}"))}) {
            EXPECT_EQ(response.status, 404) << date;
            EXPECT_EQ(response.body,
                      R"({"error_class":"NotFound","message":"no resource has this path"})");
        }
    }
    EXPECT_EQ(get("autos/allocate_number.txt?ring_pool_key=A329F4DC").status, 404);
    EXPECT_EQ(send(make_request("GET", "/api/2013-07-01/bulk.json")).status, 405);
    EXPECT_EQ(store_.batches, 0);
}

}  // namespace
}  // namespace ringmaster::api
