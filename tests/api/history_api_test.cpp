#include "ringmaster/api/history_api.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "api/admin_fixture.hpp"
#include "api/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using namespace std::chrono_literals;
using ringpool::Hold;

constexpr WallTime kFive = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 17h;

std::string context_of(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
    ringpool::ContextBuilder builder({});
    for (const auto& [name, value] : pairs) EXPECT_TRUE(builder.add(name, value));
    std::string bytes;
    builder.finish(bytes);
    return bytes;
}

/// From five o'clock to half past, free a minute after.
Hold make_hold() {
    Hold hold;
    hold.pool_id = "autos";
    hold.session_id = "v-81";
    hold.context = context_of({{"utm_source", "google"}, {"gclid", "Cj0K"}});
    hold.allocated_at = kFive + 250ms;
    hold.last_touch = kFive + 10min;
    hold.expires_at = kFive + 30min;
    hold.free_at = kFive + 31min;
    return hold;
}

/// What is told of make_hold() before its state.
constexpr std::string_view kHold =
    R"("pool":"autos","session":"v-81","context":{"gclid":"Cj0K","utm_source":"google"},)"
    R"("allocated_at":"2026-11-21T17:00:00.250Z","last_touch":"2026-11-21T17:10:00.000Z",)"
    R"("expires_at":"2026-11-21T17:30:00.000Z","free_at":"2026-11-21T17:31:00.000Z",)";

class HistoryApiTest : public ::testing::Test {
  protected:
    HistoryApiTest() {
        api_.register_routes(router_);
        runtime_.clock.set_wall(kFive + 20min);
        runtime_.settle();
    }

    http::Response send(std::string_view method, std::string_view target) {
        http::Request request = make_request(method, target, kAuthorization);
        http::Response response;
        router_.handle(request, response);
        EXPECT_TRUE(response.extra_headers().starts_with("Cache-Control: no-store\r\n"));
        return response;
    }
    http::Response get(std::string_view rest) {
        return send("GET", "/numbers/+18665550142" + std::string(rest));
    }
    std::string complaint(std::string_view rest) {
        history_.asked.clear();
        const http::Response response = get(rest);
        EXPECT_EQ(response.status, 400) << rest;
        EXPECT_TRUE(history_.asked.empty()) << rest;
        constexpr std::string_view kBegin = R"({"error_class":"InvalidInput","message":")";
        EXPECT_TRUE(response.body.starts_with(kBegin)) << response.body;
        return response.body.substr(kBegin.size(), response.body.size() - kBegin.size() - 2);
    }

    runtime::ManualScheduler runtime_;
    FakeHistory history_;
    AdminAccess access_{kToken};
    HistoryApi api_{access_, history_, runtime_.scheduler, {.max_holders = 3}};
    http::Router router_;
};

TEST_F(HistoryApiTest, TellsWhoHoldsANumberNow) {
    history_.answer = std::vector{make_hold()};
    const http::Response response = get("");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              R"({"number":"+18665550142",)" + std::string(kHold) + R"("state":"held"})");
    EXPECT_EQ(history_.asked, std::vector<std::string>{"+18665550142 now 1"});
}

TEST_F(HistoryApiTest, TellsTheStateAtTheTimeAskedFor) {
    history_.answer = std::vector{make_hold()};
    const auto state_at = [&](std::string_view at) {
        const std::string body = get("?at=" + std::string(at)).body;
        const std::string begin = R"({"number":"+18665550142",)" + std::string(kHold);
        EXPECT_TRUE(body.starts_with(begin)) << body;
        return body.substr(begin.size());
    };
    EXPECT_EQ(state_at("2026-11-21T17:29:59.999Z"), R"("state":"held"})");
    EXPECT_EQ(state_at("2026-11-21T17:30:00Z"),
              R"("state":"cooling","ended_at":"2026-11-21T17:30:00.000Z","ended_seconds_ago":0})");
    EXPECT_EQ(state_at("2026-11-21T18:30:59.999+01:00"),
              R"("state":"cooling","ended_at":"2026-11-21T17:30:00.000Z","ended_seconds_ago":59})");
    EXPECT_EQ(state_at("2026-11-21T17:31:00Z"),
              R"("state":"past","ended_at":"2026-11-21T17:30:00.000Z","ended_seconds_ago":60})");
    EXPECT_EQ(
        state_at("1795384800.5"),
        R"("state":"past","ended_at":"2026-11-21T17:30:00.000Z","ended_seconds_ago":102600})");
    EXPECT_EQ(history_.asked, (std::vector<std::string>{
                                  "+18665550142 1795282199999 1", "+18665550142 1795282200000 1",
                                  "+18665550142 1795282259999 1", "+18665550142 1795282260000 1",
                                  "+18665550142 1795384800500 1"}));
}

TEST_F(HistoryApiTest, TellsTheLastHolders) {
    Hold before = make_hold();
    before.session_id = std::nullopt;
    before.context = "";
    before.allocated_at = before.last_touch = kFive - 2h;
    before.expires_at = before.free_at = kFive - 1h;
    history_.answer = std::vector{make_hold(), before};
    const http::Response response = get("?history=3&at=2026-11-21T17:01:00Z");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"number":"+18665550142","holders":[{)" + std::string(kHold) +
                  R"("state":"held"},{"pool":"autos","context":{},)"
                  R"("allocated_at":"2026-11-21T15:00:00.000Z",)"
                  R"("last_touch":"2026-11-21T15:00:00.000Z",)"
                  R"("expires_at":"2026-11-21T16:00:00.000Z",)"
                  R"("free_at":"2026-11-21T16:00:00.000Z","state":"past",)"
                  R"("ended_at":"2026-11-21T16:00:00.000Z","ended_seconds_ago":3660}]})");
    EXPECT_EQ(history_.asked, std::vector<std::string>{"+18665550142 1795280460000 3"});

    history_.answer = std::vector{make_hold()};
    EXPECT_EQ(get("?history=1").body, R"({"number":"+18665550142","holders":[{)" +
                                          std::string(kHold) + R"("state":"held"}]})");
}

TEST_F(HistoryApiTest, TellsNothingOfWhatWasErasedOrLost) {
    Hold hold = make_hold();
    hold.detail = Hold::Detail::erased;
    history_.answer = std::vector{hold};
    const std::string times =
        R"("allocated_at":"2026-11-21T17:00:00.250Z","last_touch":"2026-11-21T17:10:00.000Z",)"
        R"("expires_at":"2026-11-21T17:30:00.000Z","free_at":"2026-11-21T17:31:00.000Z",)"
        R"("state":"held"})";
    EXPECT_EQ(get("").body, R"({"number":"+18665550142","pool":"autos","erased":true,)" + times);
    hold.detail = Hold::Detail::lost;
    history_.answer = std::vector{hold};
    EXPECT_EQ(get("").body, R"({"number":"+18665550142","lost":true,)" + times);
}

TEST_F(HistoryApiTest, EscapesWhatClientsOnceSent) {
    Hold hold = make_hold();
    hold.session_id = "a\"\r\n\xff";
    hold.context = context_of({{"\"}\n", std::string_view("\0\x80", 2)}});
    history_.answer = std::vector{hold};
    const std::string body = get("").body;
    EXPECT_NE(body.find(R"("session":"a\"\r\n)"
                        "\xef\xbf\xbd\","),
              body.npos)
        << body;
    EXPECT_NE(body.find(R"("context":{"\"}\n":"\u0000)"
                        "\xef\xbf\xbd\"}"),
              body.npos)
        << body;
}

TEST_F(HistoryApiTest, NobodyIsNotFound) {
    const http::Response response = get("?at=1795280400");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.body,
              R"({"error_class":"NotFound","message":"nobody had +18665550142 then, )"
              R"(as far back as the history goes"})");
}

TEST_F(HistoryApiTest, RefusesWhatItDoesNotUnderstand) {
    EXPECT_EQ(complaint("?at="),
              "'at' is ''; expected Unix seconds, or ISO 8601 like "
              "2026-11-21T17:00:00Z or 2026-11-21T18:00:00%2B01:00");
    EXPECT_EQ(complaint("?history=0"), "'history' is '0'; expected 1 to 3");
    EXPECT_EQ(complaint("?history=4"), "'history' is '4'; expected 1 to 3");
    EXPECT_EQ(complaint("?history="), "'history' is ''; expected 1 to 3");
    EXPECT_EQ(complaint("?At=1"), "'At' is no parameter of this");
    EXPECT_EQ(complaint("?at=1&at=2"), "'at' is given twice");
    EXPECT_EQ(complaint("?at=%0d%0aX:1").substr(0, 17), R"('at' is '\r\nX:1')");
    EXPECT_EQ(complaint("x"),
              "the path must end in a number in E.164 form, e.g. "
              "/numbers/+18665550142");
    EXPECT_EQ(get("?at=%").status, 400);
    EXPECT_EQ(send("DELETE", "/sessions/a?b=c").status, 400);
    EXPECT_TRUE(history_.asked.empty());
}

TEST_F(HistoryApiTest, PassesTheDeadlineOfItsFiberOn) {
    const Deadline deadline = runtime_.in(2s);
    runtime_.scheduler.spawn(
        "test", [&] { get(""); }, deadline);
    runtime_.settle();
    EXPECT_EQ(history_.last_deadline.time(), deadline.time());
}

TEST_F(HistoryApiTest, ASlowOrFailedDiskIsWorthAskingAgain) {
    for (const ErrorCode code : {ErrorCode::timeout, ErrorCode::unavailable, ErrorCode::closed}) {
        history_.answer = Error{code, "the history can't be read now"};
        history_.erased = Error{code, "the history can't be read now"};
        for (const http::Response& response : {get(""), send("DELETE", "/sessions/v-81")}) {
            EXPECT_EQ(response.status, 503);
            EXPECT_EQ(response.extra_headers(), "Cache-Control: no-store\r\nRetry-After: 1\r\n");
            EXPECT_EQ(response.body, R"({"error_class":"ServiceUnavailable","message":)"
                                     R"("the history can't be read now"})");
        }
    }
    EXPECT_TRUE(runtime_.log.lines.empty());
}

TEST_F(HistoryApiTest, DamageIsForTheLogAlone) {
    history_.answer = Error{ErrorCode::damaged, "data/journal-1.log: damaged at byte 4096"};
    http::Response response = get("");
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body,
              R"({"error_class":"InternalServiceError","message":"refer to error handle 1"})");
    history_.erased = Error{ErrorCode::damaged, "data/journal-2.log: damaged at byte 7"};
    response = send("DELETE", "/sessions/v-81");
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body,
              R"({"error_class":"InternalServiceError","message":"refer to error handle 2"})");
    EXPECT_EQ(runtime_.log.lines,
              (std::vector<std::string>{
                  "error handle 1: GET /numbers/+18665550142: data/journal-1.log: damaged at byte "
                  "4096",
                  "error handle 2: DELETE /sessions: data/journal-2.log: damaged at byte 7"}));
}

TEST_F(HistoryApiTest, ErasesASession) {
    history_.erased = std::size_t{3};
    const http::Response response = send("DELETE", "/sessions/v%2F8%31%20%C3%BC+%00");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"erased":3})");
    EXPECT_EQ(history_.asked,
              std::vector<std::string>{std::string("erase 'v/81 \xc3\xbc+\0'", 17)});
    history_.erased = std::size_t{0};
    EXPECT_EQ(send("DELETE", "/sessions/v-81").body, R"({"erased":0})");
}

}  // namespace
}  // namespace ringmaster::api
