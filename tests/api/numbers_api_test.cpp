#include "ringmaster/api/numbers_api.hpp"

#include "ringmaster/runtime/sync.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using Outcome = ringpool::Allocation::Outcome;
using ringpool::OverflowReason;

constexpr std::string_view kJson = "Content-Type: application/json\r\n";

class NumbersApiTest : public ::testing::Test {
  protected:
    NumbersApiTest() { api_.register_routes(router_); }

    http::Response send(http::Request request) {
        http::Response response;
        router_.handle(request, response);
        return response;
    }
    http::Response post(std::string_view body, std::string_view headers = kJson) {
        return send(make_request("POST", "/numbers", headers, body));
    }
    http::Response get(std::string_view query, std::string_view headers = "") {
        return send(make_request("GET", "/numbers?" + std::string(query), headers));
    }
    http::Response release(std::string_view target) { return send(make_request("DELETE", target)); }

    ringpool::Allocation without_number(ringpool::PoolIndex pool, OverflowReason reason) {
        return ringpool::overflow_allocation(catalog_.at(pool), reason);
    }

    runtime::ManualScheduler runtime_;
    ringpool::Catalog catalog_ = make_catalog();
    FakeStore store_;
    NumbersApi api_{catalog_, store_, runtime_.scheduler, runtime_.clock, runtime_.errors, {}};
    http::Router router_;
};

TEST_F(NumbersApiTest, AnswersABatchInOrder) {
    store_.script = {FakeStore::number(0), without_number(1, OverflowReason::exhausted)};
    const http::Response response = post(R"({"requests": [
        {"pool": "autos", "key": "A329F4DC", "session": "v-81", "request_id": "193C5F",
         "context": {"utm_source": "google", "utm_medium": "cpc", "gclid": "Cj0K"}},
        {"pool": "boats", "key": "77AA01", "context": {"m1": "antiques"}}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, R"({"responses":[{"request_id":"193C5F","number":"+18665550142",)"
                             R"("formatted":"866-555-0142","expires_at":"2026-11-21T17:31:05Z"},)"
                             R"({"number":"+18005550100","formatted":"800-555-0100",)"
                             R"("overflow":true,"reason":"exhausted"}]})");
    EXPECT_EQ(store_.asked,
              (std::vector<std::string>{"0 'v-81' gclid=Cj0K;utm_medium=cpc;utm_source=google;",
                                        "1 - m1=antiques;"}));
    EXPECT_EQ(store_.batches, 1);
}

TEST_F(NumbersApiTest, ARowThatFailsDoesNotFailTheOthers) {
    store_.script = {FakeStore::number(0), without_number(2, OverflowReason::owner_down),
                     FakeStore::number(2)};
    const http::Response response =
        post(R"({"requests":[{"pool":"autos","key":"A3","request_id":"1"},)"
             R"({"pool":"autos","key":"A329F4DC","session":"a","request_id":"2"},)"
             R"({"pool":"autos","key":"A329F4DC","session":7,"request_id":"3"},)"
             R"({"pool":"strict","key":"77AA01","session":"b","request_id":"4"},)"
             R"([],)"
             R"({"pool":"autos","key":"A329F4DC","session":"c","request_id":"6"}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"responses":[{"request_id":"1","error_class":"InvalidKey",)"
              R"("message":"API Key 'A3' is not valid for resource 'autos'"},)"
              R"({"request_id":"2","number":"+18665550142","formatted":"866-555-0142",)"
              R"("expires_at":"2026-11-21T17:31:05Z"},)"
              R"({"request_id":"3","error_class":"InvalidInput",)"
              R"("message":"'session' must be a string"},)"
              R"({"request_id":"4","error_class":"PoolExhausted",)"
              R"("message":"pool 'strict' has no number to give (owner_down) and allows no )"
              R"(overflow"},)"
              R"({"error_class":"InvalidInput","message":"a row must be an object"},)"
              R"({"request_id":"6","number":"+18665550144","formatted":"866-555-0144",)"
              R"("expires_at":"2026-11-21T17:31:05Z"}]})");
    EXPECT_EQ(store_.asked, (std::vector<std::string>{"0 'a' ", "2 'b' ", "0 'c' "}));
}

TEST_F(NumbersApiTest, DoesNotAskTheStoreWhereNoRowIsGood) {
    const http::Response response = post(R"({"requests":[{"pool":"autos","key":"A3"}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(store_.batches, 0);
}

TEST_F(NumbersApiTest, EscapesWhatItEchoes) {
    const http::Response response =
        post(R"({"requests":[{"pool":"<\"x\">","key":"\\\u0001","request_id":"\"\u00e9\n"}]})");
    EXPECT_EQ(response.body,
              "{\"responses\":[{\"request_id\":\"\\\"\u00e9\\n\",\"error_class\":\"InvalidKey\","
              "\"message\":\"API Key '\\\\\\u0001' is not valid for resource '<\\\"x\\\">'\"}]}");
}

TEST_F(NumbersApiTest, AllocatesNothingWhereTheEndOfABodyIsMalformed) {
    for (const std::string_view end : {"", "]", "]}}", "]}x", "],\"x\":tru}", ",]}", ",{\"a\"}]}",
                                       ",{\"x\":\"\\q\"}]}", "],\"requests\":[]}"}) {
        const http::Response response =
            post(R"({"requests":[{"pool":"autos","key":"A329F4DC"})" + std::string(end));
        EXPECT_EQ(response.status, 400) << end;
    }
    EXPECT_EQ(store_.batches, 0);
}

TEST_F(NumbersApiTest, RefusesABadBodyAsAWhole) {
    http::Response response = post(R"({"requests":[{"pool")");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, R"({"error_class":"MalformedJson","message":)"
                             R"("the body is not JSON: expected ':' at byte 20"})");
    response = post(R"({"requests":[]})");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, R"({"error_class":"InvalidInput","message":)"
                             R"("'requests' must have at least one row"})");
}

TEST_F(NumbersApiTest, RefusesContentOfAnotherType) {
    http::Response response = post("{}", "Content-Type: application/xml\r\n");
    EXPECT_EQ(response.status, 415);
    EXPECT_EQ(response.extra_headers(),
              "Accept: application/json\r\nAccept-Encoding: identity\r\n");
    EXPECT_EQ(response.body.substr(0, 38), R"({"error_class":"UnsupportedMediaType",)");
}

TEST_F(NumbersApiTest, TellsItsTimeForTheRequest) {
    store_.on_allocate = [&] { runtime_.clock.advance(12ms); };
    const std::string body = R"({"requests":[{"pool":"autos","key":"A329F4DC"}]})";
    EXPECT_EQ(post(body).extra_headers(), "processing-time: 12.000\r\n");
    runtime_.settle();
    store_.on_allocate = nullptr;
    EXPECT_EQ(post(body).extra_headers(), "processing-time: 0.000\r\n");
}

TEST_F(NumbersApiTest, EqualContextsAreTheSameInAnyOrder) {
    post(R"({"requests":[{"pool":"autos","key":"A329F4DC","context":{"b":2,"a":"1"}}]})");
    post(R"({"requests":[{"context":{"a":1,"b":"2"},"key":"A329F4DC","pool":"autos"}]})");
    get("b=2&pool=autos&a=1&key=A329F4DC");
    ASSERT_EQ(store_.contexts.size(), 3u);
    EXPECT_EQ(store_.contexts[0], store_.contexts[1]);
    EXPECT_EQ(store_.contexts[0], store_.contexts[2]);
}

TEST_F(NumbersApiTest, PassesTheDeadlineOfItsFiberOn) {
    const Deadline deadline = runtime_.in(2s);
    runtime_.scheduler.spawn(
        "test", [&] { get("pool=autos&key=A329F4DC"); }, deadline);
    runtime_.settle();
    EXPECT_EQ(store_.last_deadline.time(), deadline.time());
}

TEST_F(NumbersApiTest, GetsOneNumber) {
    const http::Response response = get("pool=autos&key=A329F4DC&session=v-81&utm_source=google");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, R"({"number":"+18665550142","formatted":"866-555-0142",)"
                             R"("expires_at":"2026-11-21T17:31:05Z"})");
    EXPECT_EQ(response.extra_headers(), "Cache-Control: no-store\r\nprocessing-time: 0.000\r\n");
    EXPECT_EQ(store_.asked, std::vector<std::string>{"0 'v-81' utm_source=google;"});
}

TEST_F(NumbersApiTest, GetsOneNumberAsPlainText) {
    store_.script = {FakeStore::number(0), without_number(0, OverflowReason::exhausted)};
    http::Response response = get("pool=autos&key=A329F4DC", "Accept: text/plain\r\n");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_EQ(response.body, "+18665550142\n");
    response = get("pool=autos&key=A329F4DC", "Accept: text/plain\r\n");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "+18005550100\n");
}

TEST_F(NumbersApiTest, AFailedGetHasTheStatusOfItsClass) {
    store_.script = {without_number(2, OverflowReason::exhausted)};
    http::Response response = get("pool=strict&key=77AA01");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.body,
              R"({"error_class":"PoolExhausted","message":"pool 'strict' has no number to give )"
              R"((exhausted) and allows no overflow"})");

    response = get("pool=autos&key=A3");
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(response.body, R"({"error_class":"InvalidKey","message":)"
                             R"("API Key 'A3' is not valid for resource 'autos'"})");

    response = get("pool=autos&key=A329F4DC&a=1&a=2");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.body, R"({"error_class":"InvalidInput","message":)"
                             R"("context parameter 'a' is given twice"})");
}

TEST_F(NumbersApiTest, TellsErrorsAsPlainTextToo) {
    const http::Response response = get("pool=autos&key=A3", "Accept: text/plain\r\n");
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(response.content_type, "text/plain");
    EXPECT_EQ(response.body, "InvalidKey: API Key 'A3' is not valid for resource 'autos'\n");
}

TEST_F(NumbersApiTest, AStoreThatThrowsFailsOnlyTheRowsItWasAskedFor) {
    store_.on_allocate = [] { throw std::runtime_error("what nobody outside may see"); };
    const http::Response response = post(
        R"({"requests":[{"pool":"autos","key":"A329F4DC","request_id":"1"},{"pool":"autos"}]})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"responses":[{"request_id":"1","error_class":"InternalServiceError",)"
              R"("message":"refer to error handle 1"},)"
              R"({"error_class":"InvalidInput","message":"'key' is missing"}]})");
    EXPECT_EQ(
        runtime_.log.lines,
        std::vector<std::string>{"error handle 1: POST /numbers: what nobody outside may see"});

    const http::Response single = get("pool=autos&key=A329F4DC");
    EXPECT_EQ(single.status, 500);
    EXPECT_EQ(single.body, R"({"error_class":"InternalServiceError",)"
                           R"("message":"refer to error handle 2"})");
}

TEST_F(NumbersApiTest, ReleasesANumber) {
    const http::Response response =
        release("/numbers/+18665550142?pool=autos&key=A329F4DC&session=v-81");
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(store_.asked, std::vector<std::string>{"+18665550142 0 'v-81' "});
}

TEST_F(NumbersApiTest, ReleasesTheNumberOfAContextToo) {
    EXPECT_EQ(release("/numbers/%2B18665550142?pool=autos&key=A329F4DC&b=2&a=1").status, 204);
    EXPECT_EQ(store_.asked, std::vector<std::string>{"+18665550142 0 - a=1;b=2;"});
}

TEST_F(NumbersApiTest, TellsWhyNothingWasReleased) {
    const std::string_view good = "/numbers/+18665550142?pool=autos&key=A329F4DC&session=v-81";
    store_.released = Error{ErrorCode::not_found, "no"};
    http::Response response = release(good);
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body, R"({"error_class":"NotFound",)"
                             R"("message":"the session does not hold +18665550142"})");

    store_.released = Error{ErrorCode::unavailable, "the journal can't be written"};
    response = release(good);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.extra_headers(), "Retry-After: 1\r\n");
    EXPECT_EQ(response.body, R"({"error_class":"ServiceUnavailable",)"
                             R"("message":"the journal can't be written"})");

    store_.asked.clear();
    EXPECT_EQ(release("/numbers/+18665550142?pool=autos&key=A3&session=v-81").status, 403);
    EXPECT_EQ(release("/numbers/+18665550142?pool=autos&session=v-81").status, 400);
    EXPECT_EQ(release("/numbers/555-0142?pool=autos&key=A329F4DC&session=v-81").status, 400);
    EXPECT_TRUE(store_.asked.empty());
}

TEST_F(NumbersApiTest, RequestsInFlightAtOneTimeDoNotDisturbEachOther) {
    runtime::Event disk(runtime_.scheduler);
    store_.on_allocate = [&] { disk.wait(); };
    constexpr int kRequests = 20;
    std::vector<http::Response> responses(kRequests);
    const auto name = [](int i) { return std::string(1, static_cast<char>('a' + i)); };
    for (int i = 0; i < kRequests; ++i) {
        runtime_.spawn([&, i] {
            // Each with escapes, an error and a context of its own, in buffers of growing size.
            std::string body = R"({"requests":[{"pool":"autos","key":"wrong\n)" + name(i) + R"("})";
            for (int row = 0; row <= i; ++row) {
                body += R"(,{"pool":"autos","key":"A329F4DC","request_id":"\u0072)" + name(i) +
                        std::to_string(row) + R"(","session":"\u0073)" + name(i) +
                        R"(","context":{"c":"\t)" + name(i) + R"("}})";
            }
            responses[static_cast<std::size_t>(i)] = post(body + "]}");
        });
    }
    runtime_.settle();
    EXPECT_EQ(store_.batches, kRequests);
    EXPECT_TRUE(store_.asked.empty()) << "all wait";
    disk.set();
    runtime_.settle();

    std::vector<std::string> asked;
    for (int i = 0; i < kRequests; ++i) {
        std::string body =
            R"({"responses":[{"error_class":"InvalidKey","message":"API Key 'wrong\n)" + name(i) +
            R"(' is not valid for resource 'autos'"})";
        for (int row = 0; row <= i; ++row) {
            const std::string number = std::to_string(18665550142 + asked.size());
            body += R"(,{"request_id":"r)" + name(i) + std::to_string(row) + R"(","number":"+)" +
                    number + R"(","formatted":"866-555-0)" + number.substr(8) +
                    R"(","expires_at":"2026-11-21T17:31:05Z"})";
            asked.push_back("0 's" + name(i) + "' c=\t" + name(i) + ";");
        }
        EXPECT_EQ(responses[static_cast<std::size_t>(i)].body, body + "]}");
    }
    EXPECT_EQ(store_.asked, asked);
}

}  // namespace
}  // namespace ringmaster::api
