#include "ringmaster/api/content_negotiation.hpp"

#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

bool plain_text_for(std::string_view accept) {
    return prefers_plain_text(make_request("GET", "/", "Accept: " + std::string(accept) + "\r\n"));
}

bool may_be_json(std::string_view headers) {
    http::Response response;
    return check_json(make_request("POST", "/", headers, "{}"), response);
}

bool may_be_lines(std::string_view headers) {
    http::Response response;
    const http::Request request = make_request("POST", "/", headers, "{}");
    return check_json_or_lines(request, response) && content_kind(request) == ContentKind::lines;
}

TEST(PrefersPlainText, WhereItIsAskedFor) {
    for (const std::string_view accept :
         {"text/plain", "TEXT/Plain", "text/*", "text/plain; charset=utf-8",
          "text/plain, */*;q=0.1", "application/json;q=0.5,text/plain;q=0.51",
          "text/html, text/plain", "application/json;q=0, */*", " text/plain ; Q=0.001",
          "text/plain;q=1.000, application/json;q=0.999", "application/json;q=0.9, text/*"}) {
        EXPECT_TRUE(plain_text_for(accept)) << accept;
    }
}

TEST(PrefersPlainText, NotWhereJsonIsAsWelcome) {
    for (const std::string_view accept :
         {"*/*", "application/json", "text/plain, application/json", "text/plain, */*",
          "application/*, text/plain;q=0.9", "image/png", "text/html", "", ",,", "text/plain;q=0",
          "text/plain;q=0.0, */*;q=0.5", "text/html,application/xhtml+xml,*/*;q=0.8",
          "text/plain;q=0.3, application/json;q=0.30", "text", "text/plainer",
          "application/json, text/*"}) {
        EXPECT_FALSE(plain_text_for(accept)) << accept;
    }
    EXPECT_FALSE(prefers_plain_text(make_request("GET", "/")));
}

TEST(PrefersPlainText, SeveralFieldsAreOneList) {
    EXPECT_TRUE(prefers_plain_text(
        make_request("GET", "/", "Accept: application/json;q=0.2\r\naccept: text/plain\r\n")));
}

TEST(CheckJson, TakesWhatMayBeJson) {
    EXPECT_TRUE(may_be_json(""));
    for (const std::string_view type :
         {"application/json", "Application/JSON", "application/json; charset=utf-8",
          "application/json;charset=UTF-8", "application/problem+json", "text/json", ""}) {
        EXPECT_TRUE(may_be_json("Content-Type: " + std::string(type) + "\r\n")) << type;
    }
    EXPECT_TRUE(may_be_json("Content-Encoding: Identity\r\n"));
}

TEST(CheckJson, RefusesOtherTypesAndCodings) {
    for (const std::string_view type :
         {"text/plain", "application/xml", "application/x-www-form-urlencoded",
          "multipart/form-data", "application/jsonp", "json", "+json", "application/json+xml"}) {
        EXPECT_FALSE(may_be_json("Content-Type: " + std::string(type) + "\r\n")) << type;
    }
    EXPECT_FALSE(may_be_json("Content-Encoding: gzip\r\n"));
    EXPECT_FALSE(may_be_json("Content-Type: application/json\r\nContent-Encoding: br\r\n"));
}

TEST(CheckJson, SaysWhatWouldBeTaken) {
    http::Response response;
    EXPECT_FALSE(check_json(make_request("PUT", "/", "Content-Type: text/csv\r\n"), response));
    EXPECT_EQ(response.status, 415);
    EXPECT_EQ(response.extra_headers(),
              "Accept: application/json\r\nAccept-Encoding: identity\r\n");
    EXPECT_EQ(response.body,
              R"({"error_class":"UnsupportedMediaType","message":"the content is declared to be )"
              R"(something else than JSON; send it with 'Content-Type: application/json'"})");
}

TEST(CheckJsonOrLines, TakesListsToo) {
    for (const std::string_view type :
         {"text/plain", "text/csv", "Text/CSV; header=present", "text/plain;charset=utf-8"}) {
        EXPECT_TRUE(may_be_lines("Content-Type: " + std::string(type) + "\r\n")) << type;
    }
    http::Response response;
    EXPECT_TRUE(check_json_or_lines(make_request("PUT", "/", "", "[]"), response));
    EXPECT_FALSE(check_json_or_lines(
        make_request("PUT", "/", "Content-Type: application/x-www-form-urlencoded\r\n", "1"),
        response));
    EXPECT_EQ(response.status, 415);
    EXPECT_EQ(response.extra_headers(),
              "Accept: application/json, text/csv, text/plain\r\nAccept-Encoding: identity\r\n");
    EXPECT_FALSE(may_be_lines("Content-Type: text/csv\r\nContent-Encoding: gzip\r\n"));
    EXPECT_FALSE(may_be_lines("Content-Type: text/html\r\n"));
}

TEST(CheckUncoded, LooksAtTheCodingAlone) {
    http::Response response;
    EXPECT_TRUE(check_uncoded(make_request("POST", "/", "Content-Type: image/png\r\n"), response));
    EXPECT_FALSE(check_uncoded(make_request("POST", "/", "Content-Encoding: gzip\r\n"), response));
    EXPECT_EQ(response.status, 415);
}

TEST(PrefersCsv, WhereItIsAskedFor) {
    const auto csv_for = [](std::string_view accept) {
        return prefers_csv(make_request("GET", "/", "Accept: " + std::string(accept) + "\r\n"));
    };
    EXPECT_TRUE(csv_for("text/csv"));
    EXPECT_TRUE(csv_for("text/csv, application/json;q=0.9"));
    EXPECT_FALSE(csv_for("text/plain"));
    EXPECT_FALSE(csv_for("text/csv, */*"));
    EXPECT_FALSE(csv_for("*/*"));
}

}  // namespace
}  // namespace ringmaster::api
