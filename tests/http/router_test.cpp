#include "ringmaster/http/router.hpp"

#include "ringmaster/http/request_parser.hpp"

#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using ::testing::HasSubstr;

/// Answers with the route's name and what its placeholders matched.
Handler named(std::string name) {
    return [name](const Request&, const PathParameters& parameters, Response& response) {
        response.body = name;
        for (const std::string& parameter : parameters) response.body += " <" + parameter + ">";
    };
}

class RouterTest : public ::testing::Test {
  protected:
    RouterTest() {
        router_.add(Method::get, "/", named("root"));
        router_.add(Method::get, "/ping", named("ping"));
        router_.add(Method::get, "/numbers", named("get"));
        router_.add(Method::post, "/numbers", named("post"));
        router_.add(Method::get, "/numbers/{e164}", named("number"));
        router_.add(Method::delete_, "/numbers/{e164}", named("release"));
        router_.add(Method::get, "/numbers/special", named("special"));
        router_.add(Method::get, "/pools/{id}/numbers/{e164}", named("pool number"));
        router_.add(Method::get, "/pools/all/{what}", named("all pools"));
    }

    Response handle(std::string_view method, std::string_view target) {
        RequestParser parser{RequestLimits()};
        Request request;
        const std::string bytes =
            std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
        EXPECT_EQ(parser.feed(bytes, request).status, RequestParser::Status::complete) << bytes;
        Response response;
        router_.handle(request, response);
        return response;
    }
    std::string get(std::string_view target) {
        const Response response = handle("GET", target);
        return response.status == 200 ? response.body : std::to_string(response.status);
    }

    Router router_;
};

TEST_F(RouterTest, FindsLiteralRoutes) {
    EXPECT_EQ(get("/"), "root");
    EXPECT_EQ(get("/ping"), "ping");
    EXPECT_EQ(get("/ping?x=/numbers"), "ping");
    EXPECT_EQ(get("/p%69ng"), "ping");
    EXPECT_EQ(handle("POST", "/numbers").body, "post");
}

TEST_F(RouterTest, FillsPlaceholders) {
    EXPECT_EQ(get("/numbers/+18665550142"), "number <+18665550142>");
    EXPECT_EQ(get("/numbers/%2B1%2F2%20"), "number <+1/2 >")
        << "an encoded slash separates nothing";
    EXPECT_EQ(get("/pools/autos/numbers/7"), "pool number <autos> <7>");
}

TEST_F(RouterTest, PrefersLiterals) {
    EXPECT_EQ(get("/numbers/special"), "special");
    EXPECT_EQ(get("/numbers/specia%6c"), "special");
    EXPECT_EQ(get("/pools/all/x"), "all pools <x>");
    EXPECT_EQ(get("/pools/all/numbers/7"), "pool number <all> <7>") << "goes back where it must";
    EXPECT_EQ(handle("DELETE", "/numbers/special").status, 405);
}

TEST_F(RouterTest, AnswersNotFound) {
    for (const std::string target : {"/pin", "/pings", "/ping/", "/ping/x", "//ping", "/numbers/",
                                     "/numbers/1/2", "/pools/autos", "/pools//numbers/7", "//"}) {
        EXPECT_EQ(get(target), "404") << target;
    }
    const Response response = handle("GET", "/none");
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body, R"({"error_class":"NotFound","message":"no resource has this path"})");
}

TEST_F(RouterTest, RefusesMalformedPercentEncoding) {
    EXPECT_EQ(get("/numbers/%2"), "400");
    EXPECT_EQ(get("/%zz"), "400");
    EXPECT_THAT(handle("GET", "/a/%").body, HasSubstr("at byte 3"));
}

TEST_F(RouterTest, AnswersOtherMethodsWithAllow) {
    const Response response = handle("POST", "/ping");
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.extra_headers(), "Allow: GET, HEAD, OPTIONS\r\n");
    EXPECT_THAT(response.body, HasSubstr("\"error_class\":\"MethodNotAllowed\""));
    EXPECT_EQ(handle("DELETE", "/numbers").extra_headers(), "Allow: GET, HEAD, POST, OPTIONS\r\n");
}

TEST_F(RouterTest, AnswersOptions) {
    const Response response = handle("OPTIONS", "/numbers/1");
    EXPECT_EQ(response.status, 204);
    EXPECT_EQ(response.extra_headers(), "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
    EXPECT_EQ(handle("OPTIONS", "*").extra_headers(),
              "Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n");
    EXPECT_EQ(handle("OPTIONS", "/none").status, 404);
}

TEST_F(RouterTest, AnswersHeadAsGet) {
    EXPECT_EQ(handle("HEAD", "/ping").body, "ping");
    router_.add(Method::head, "/ping", named("head of ping"));
    EXPECT_EQ(handle("HEAD", "/ping").body, "head of ping");
}

TEST_F(RouterTest, AnswersMethodsThatItDoesNotKnowWithNotImplemented) {
    for (const std::string method : {"PROPFIND", "TRACE"}) {
        EXPECT_EQ(handle(method, "/ping").status, 501) << method;
        EXPECT_EQ(handle(method, "/none").status, 501) << method;
    }
    // It knows this one, though no resource has it.
    EXPECT_EQ(handle("PUT", "/ping").status, 405);
    EXPECT_EQ(handle("PUT", "/none").status, 404);
}

TEST_F(RouterTest, RefusesMalformedAndRepeatedPatterns) {
    for (const std::string pattern : {"", "ping", "//", "/a/", "/a//b", "/{}", "/{a", "/a}",
                                      "/x{a}", "/{a}x", "/{a{b}}", "*"}) {
        EXPECT_THROW(router_.add(Method::get, pattern, named("x")), std::invalid_argument)
            << pattern;
    }
    EXPECT_THROW(router_.add(Method::get, "/ping", named("x")), std::invalid_argument);
    EXPECT_THROW(router_.add(Method::get, "/numbers/{other}", named("x")), std::invalid_argument);
    EXPECT_THROW(router_.add(Method::other, "/x", named("x")), std::invalid_argument);
    EXPECT_THROW(router_.add(Method::get, "/x", Handler()), std::invalid_argument);
    EXPECT_EQ(get("/ping"), "ping");
}

TEST(SetError, EscapesItsText) {
    Response response;
    response.content_type = "text/plain";
    response.body = "old";
    set_error(response, 400, "InvalidInput", "key \"\xff\"");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_EQ(response.body,
              "{\"error_class\":\"InvalidInput\",\"message\":\"key \\\"\xef\xbf\xbd\\\"\"}");
}

}  // namespace
}  // namespace ringmaster::http
