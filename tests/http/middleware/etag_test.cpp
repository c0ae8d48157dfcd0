#include "ringmaster/http/middleware/etag.hpp"

#include <string>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

// BLAKE2b of 128 bits; from: printf content | b2sum -l 128
constexpr std::string_view kTag = "\"c681ff421fbd7af6dc373a7ced20fbeb\"";

void content(Request&, Response& response) {
    response.body = "content";
}

Response get(std::string_view fields = "", RequestHandler handler = content) {
    return answer(layered({etag()}, std::move(handler)), make_request("GET", "/", fields));
}

Response get_if_none_match(const std::string& tags) {
    return get("If-None-Match: " + tags + "\r\n");
}

TEST(Etag, IsAHashOfTheContent) {
    const Response response = get();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "content");
    EXPECT_EQ(response.header("ETag"), kTag);
    EXPECT_NE(get("", [](Request&, Response& r) { r.body = "Content"; }).header("ETag"), kTag);
}

TEST(Etag, AnswersWhoHasTheContentWithoutIt) {
    const std::string tag(kTag);
    for (const std::string& tags :
         {tag, "W/" + tag, "\"a\", " + tag, "\"a\",W/\"b\" ,\t" + tag, "\"a,\"," + tag + ", \"c\"",
          ", ," + tag, std::string("*"), "\"a\"" + tag}) {
        const Response response = get_if_none_match(tags);
        EXPECT_EQ(response.status, 304) << tags;
        EXPECT_EQ(response.body, "") << tags;
        EXPECT_EQ(response.header("ETag"), kTag) << tags;
    }
    EXPECT_EQ(get("If-None-Match: \"a\"\r\nif-none-match: " + tag + "\r\n").status, 304);
}

TEST(Etag, SendsTheContentToOthers) {
    const std::string tag(kTag);
    for (const std::string& tags :
         {std::string(), std::string("\"a\""), tag.substr(1), tag.substr(0, tag.size() - 1),
          "w/" + tag, "x" + tag, "x, " + tag, std::string("\"*\""), "\"a" + tag,
          std::string("a")}) {
        const Response response = get_if_none_match(tags);
        EXPECT_EQ(response.status, 200) << tags;
        EXPECT_EQ(response.body, "content") << tags;
    }
}

TEST(Etag, IsTheHandlersWhereItHasOne) {
    const auto tagged = [](Request&, Response& response) {
        response.add_header("ETag", "W/\"1\"");
        response.body = "content";
    };
    EXPECT_EQ(get("", tagged).extra_headers(), "ETag: W/\"1\"\r\n");
    EXPECT_EQ(get("If-None-Match: \"1\"\r\n", tagged).status, 304);
    EXPECT_EQ(get("If-None-Match: " + std::string(kTag) + "\r\n", tagged).status, 200);
}

TEST(Etag, KeepsTheFieldsThatCachesNeed) {
    const Response response = get("If-None-Match: *\r\n", [](Request&, Response& r) {
        r.add_header("Cache-Control", "max-age=60");
        r.add_header("Content-Language", "en");
        r.add_header("Content-Location", "/en");
        r.add_header("Expires", "0");
        r.add_header("Last-Modified", "Sat, 21 Nov 2026 17:31:05 GMT");
        r.add_header("Vary", "Accept");
        r.add_header("ETag", "\"1\"");
        r.body = "content";
    });
    EXPECT_EQ(response.extra_headers(),
              "Cache-Control: max-age=60\r\nContent-Location: /en\r\nExpires: 0\r\n"
              "Vary: Accept\r\nETag: \"1\"\r\n");
}

TEST(Etag, IsForHeadToo) {
    const RequestHandler handler = layered({etag()}, content);
    EXPECT_EQ(answer(handler, make_request("HEAD", "/")).header("ETag"), kTag);
    EXPECT_EQ(answer(handler, make_request("HEAD", "/", "If-None-Match: *\r\n")).status, 304);
}

TEST(Etag, IsForNothingElse) {
    const auto untouched = [](const Response& response) {
        return !response.header("ETag") && response.status != 304;
    };
    const RequestHandler handler = layered({etag()}, content);
    EXPECT_TRUE(untouched(answer(handler, make_request("POST", "/", "If-None-Match: *\r\n"))));
    EXPECT_TRUE(untouched(get("If-None-Match: *\r\n", [](Request&, Response& response) {
        response.status = 404;
        response.body = "content";
    })));
    PartsWriter client;
    Request request = make_request("GET", "/", "If-None-Match: *\r\n");
    Response response;
    response.attach(client);
    layered({etag()}, [](Request&, Response& r) { r.write("content"); })(request, response);
    EXPECT_TRUE(untouched(response));
}

TEST(Etag, IsNotMadeForLargeContent) {
    const auto is_tagged = [](std::size_t bytes) {
        const RequestHandler handler =
            layered({etag({.max_bytes = 10})},
                    [bytes](Request&, Response& response) { response.body.assign(bytes, 'x'); });
        return answer(handler, make_request("GET", "/")).header("ETag").has_value();
    };
    EXPECT_TRUE(is_tagged(0));
    EXPECT_TRUE(is_tagged(10));
    EXPECT_FALSE(is_tagged(11));
}

}  // namespace
}  // namespace ringmaster::http
