#include "ringmaster/api/embed_script.hpp"

#include <string>
#include <string_view>

#include "api/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

class EmbedScriptTest : public ::testing::Test {
  protected:
    EmbedScriptTest() { register_embed_script(router_); }

    http::Response get(std::string_view headers = "") {
        http::Request request = make_request("GET", "/embed.js", headers);
        http::Response response;
        router_.handle(request, response);
        return response;
    }

    http::Router router_;
};

TEST_F(EmbedScriptTest, IsAScriptForAnyPageAndCache) {
    const http::Response response = get();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.content_type, "text/javascript; charset=utf-8");
    EXPECT_EQ(response.header("Cache-Control"), "public, max-age=3600");
    EXPECT_EQ(response.header("Cross-Origin-Resource-Policy"), "cross-origin");
    EXPECT_EQ(response.body, embed_script_text());
    EXPECT_NE(response.body.find("\"numbers/stream\""), std::string::npos);
}

TEST_F(EmbedScriptTest, IsNotSentAgainToWhoHasIt) {
    const std::string tag(get().header("ETag").value());
    ASSERT_TRUE(tag.starts_with('"'));
    const http::Response response = get("If-None-Match: " + tag + "\r\n");
    EXPECT_EQ(response.status, 304);
    EXPECT_EQ(response.body, "");
    EXPECT_EQ(response.header("ETag"), tag);
    EXPECT_EQ(response.header("Cache-Control"), "public, max-age=3600");

    EXPECT_EQ(get("If-None-Match: \"an-older-one\"\r\n").status, 200);
}

}  // namespace
}  // namespace ringmaster::api
