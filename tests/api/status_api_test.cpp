#include "ringmaster/api/status_api.hpp"

#include "ringmaster/http/router.hpp"

#include <regex>
#include <string>

#include "http/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

class StatusApiTest : public testing::Test {
  protected:
    http::Response ask(ReadAccess access, std::string_view target, std::string_view fields = "") {
        const StatusApi api(admin_, access, feed_);
        http::Router router;
        api.register_routes(router);
        return http::answer([&](http::Request& request,
                                http::Response& response) { router.handle(request, response); },
                            http::make_request("GET", target, fields));
    }

    runtime::ManualScheduler manual_;
    const AdminAccess admin_{"t0ken:with/colon"};
    StatusFeed feed_{manual_.scheduler, [] { return std::string(); }, {.max_watchers = 0}};
};

TEST_F(StatusApiTest, AnswersOnePageThatNeedsNothingElse) {
    const auto response = ask(ReadAccess::everybody, "/status");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
    EXPECT_EQ(response.body, status_page());
    EXPECT_TRUE(response.body.starts_with("<!doctype html>"));
    EXPECT_EQ(response.body.find("{{"), std::string::npos) << "a file was not inserted";
    EXPECT_NE(response.body.find("EventSource"), std::string::npos);
    EXPECT_NE(response.body.find("prefers-color-scheme"), std::string::npos);
    EXPECT_FALSE(std::regex_search(response.body, std::regex("(https?:)?//[a-z]|src=|@import")));
    EXPECT_TRUE(response.header("Content-Security-Policy")->starts_with("default-src 'none'"));
    EXPECT_EQ(response.header("Cache-Control"), "no-store");
}

TEST_F(StatusApiTest, MayBeForTheAdministratorAlone) {
    for (const std::string target : {"/status", "/status/stream"}) {
        const auto response = ask(ReadAccess::admin, target);
        EXPECT_EQ(response.status, 401);
        EXPECT_EQ(response.header("WWW-Authenticate"),
                  "Basic realm=\"ringmaster\", charset=\"UTF-8\"");
    }
    // user "any", the token as password; and as programs show it
    EXPECT_EQ(
        ask(ReadAccess::admin, "/status", "Authorization: Basic YW55OnQwa2VuOndpdGgvY29sb24=\r\n")
            .status,
        200);
    EXPECT_EQ(
        ask(ReadAccess::admin, "/status", "Authorization: Bearer t0ken:with/colon\r\n").status,
        200);
}

TEST_F(StatusApiTest, RefusesAWatcherTooMany) {
    const auto response = ask(ReadAccess::everybody, "/status/stream");
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.header("Retry-After"), "1");
    EXPECT_NE(response.body.find("TooManyWatchers"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster::api
