#include "ringmaster/http/middleware/cors.hpp"

#include <stdexcept>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

constexpr std::string_view kPreflight =
    "Origin: https://example.com\r\nAccess-Control-Request-Method: DELETE\r\n";

/// All added fields of the answer, with "; " between them.
std::string fields(const CorsOptions& options, const Request& request, int* status = nullptr) {
    const RequestHandler handler = layered({cors(options)}, [](Request&, Response& response) {
        response.add_header("Handler", "called");
    });
    const Response response = answer(handler, request);
    if (status != nullptr) *status = response.status;
    std::string text(response.extra_headers());
    for (auto at = text.find("\r\n"); at != text.npos; at = text.find("\r\n")) {
        text.replace(at, 2, at + 2 < text.size() ? "; " : "");
    }
    return text;
}

Request get(std::string_view origin) {
    return make_request("GET", "/",
                        origin.empty() ? "" : "Origin: " + std::string(origin) + "\r\n");
}

TEST(Cors, AllowsThePagesOfItsOrigins) {
    const CorsOptions options{.origins = {"https://example.com", "http://localhost:3000"}};
    EXPECT_EQ(fields(options, get("https://example.com")),
              "Vary: Origin; Access-Control-Allow-Origin: https://example.com; Handler: called");
    EXPECT_EQ(fields(options, get("http://localhost:3000")),
              "Vary: Origin; Access-Control-Allow-Origin: http://localhost:3000; Handler: called");
}

TEST(Cors, AllowsNoOthers) {
    const CorsOptions options{.origins = {"https://example.com"}, .exposed_fields = {"A"}};
    for (const char* origin :
         {"", "null", "http://example.com", "https://example.com:8443", "https://example.com.evil",
          "https://evil.example.com", "https://EXAMPLE.com", "https://example.co", "*"}) {
        EXPECT_EQ(fields(options, get(origin)), "Vary: Origin; Handler: called") << origin;
    }
}

TEST(Cors, AllowsAll) {
    const CorsOptions options{.origins = {"*"}};
    EXPECT_EQ(fields(options, get("https://example.com")),
              "Access-Control-Allow-Origin: *; Handler: called");
    EXPECT_EQ(fields(options, get("")), "Access-Control-Allow-Origin: *; Handler: called");
}

TEST(Cors, ExposesFieldsAndAllowsCredentials) {
    const CorsOptions options{.origins = {"https://example.com"},
                              .exposed_fields = {"processing-time", "X-Request-Id"},
                              .credentials = true};
    EXPECT_EQ(fields(options, get("https://example.com")),
              "Vary: Origin; Access-Control-Allow-Origin: https://example.com; "
              "Access-Control-Allow-Credentials: true; "
              "Access-Control-Expose-Headers: processing-time, X-Request-Id; Handler: called");
}

TEST(Cors, AnswersThePreflight) {
    const CorsOptions options{.origins = {"https://example.com"},
                              .methods = {"GET", "DELETE"},
                              .request_fields = {"Content-Type", "X-A"},
                              .exposed_fields = {"processing-time"},
                              .max_age = std::chrono::seconds(5)};
    int status = 0;
    EXPECT_EQ(fields(options, make_request("OPTIONS", "/", kPreflight), &status),
              "Vary: Origin; Access-Control-Allow-Origin: https://example.com; "
              "Access-Control-Allow-Methods: GET, DELETE; "
              "Access-Control-Allow-Headers: Content-Type, X-A; Access-Control-Max-Age: 5");
    EXPECT_EQ(status, 204);
}

TEST(Cors, AnswersThePreflightOfAll) {
    int status = 0;
    EXPECT_EQ(fields({.origins = {"*"}}, make_request("OPTIONS", "/", kPreflight), &status),
              "Access-Control-Allow-Origin: *; Access-Control-Allow-Methods: GET, HEAD, POST; "
              "Access-Control-Max-Age: 600");
    EXPECT_EQ(status, 204);
}

TEST(Cors, LeavesOtherRequestsForOptionsToTheHandler) {
    const CorsOptions options{.origins = {"https://example.com"}};
    const auto is_answered = [&](std::string_view method, std::string_view request_fields) {
        return fields(options, make_request(method, "/", request_fields)).find("Handler") !=
               std::string::npos;
    };
    EXPECT_FALSE(is_answered("OPTIONS", kPreflight));
    EXPECT_TRUE(is_answered("OPTIONS", ""));
    EXPECT_TRUE(is_answered("OPTIONS", "Origin: https://example.com\r\n"));
    EXPECT_TRUE(is_answered("OPTIONS", "Access-Control-Request-Method: GET\r\n"));
    EXPECT_TRUE(is_answered("GET", kPreflight));
    EXPECT_TRUE(is_answered(
        "OPTIONS", "Origin: https://other.example\r\nAccess-Control-Request-Method: GET\r\n"));
}

TEST(Cors, KnowsWhatAnOriginIs) {
    for (const char* origin : {"https://example.com", "http://localhost:3000", "http://[::1]:80",
                               "http://127.0.0.1", "chrome-extension://abcdefgh"}) {
        EXPECT_TRUE(is_origin(origin)) << origin;
    }
    for (const char* origin :
         {"", "*", "null", "example.com", "https://", "://example.com", "https://example.com/",
          "https://Example.com", "https://*.example.com", "https://example.com,https://b.com",
          "https://example.com b", "https://user@example.com", "https:/example.com",
          "1http://example.com", "https://example.com:x"}) {
        EXPECT_FALSE(is_origin(origin)) << origin;
    }
}

TEST(Cors, RefusesOptionsThatMakeNoSense) {
    EXPECT_THROW(cors({}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"*", "https://example.com"}}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"https://example.com/"}}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"*"}, .credentials = true}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"*"}, .methods = {"GET, POST"}}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"*"}, .request_fields = {"a:b"}}), std::invalid_argument);
    EXPECT_THROW(cors({.origins = {"*"}, .exposed_fields = {""}}), std::invalid_argument);
}

}  // namespace
}  // namespace ringmaster::http
