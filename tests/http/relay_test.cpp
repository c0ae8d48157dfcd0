#include "ringmaster/http/relay.hpp"

#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

TEST(Relay, PassesOnWhatConcernsTheContent) {
    ClientResponse answer;
    answer.head.status = 404;
    answer.head.fields = {{"content-type", "text/html; charset=utf-8"},
                          {"ETag", "\"a\""},
                          {"Set-Cookie", "a=1"},
                          {"Set-Cookie", "b=2"}};
    answer.body = "gone";
    Response response;
    relay(answer, response);
    EXPECT_EQ(response.status, 404);
    answer = {};
    EXPECT_EQ(response.content_type, "text/html; charset=utf-8");
    EXPECT_EQ(response.extra_headers(), "ETag: \"a\"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n");
    EXPECT_EQ(response.body, "gone");
}

TEST(Relay, KeepsWhatConcernsTheConnection) {
    ClientResponse answer;
    answer.head.fields = {{"Connection", "keep-alive, X-Hop"},
                          {"Keep-Alive", "timeout=5"},
                          {"x-hop", "1"},
                          {"Transfer-Encoding", "chunked"},
                          {"Upgrade", "h2c"},
                          {"Trailer", "A"},
                          {"Content-Length", "4"},
                          {"Date", "Sat, 21 Nov 2026 17:31:05 GMT"},
                          {"X-Kept", "1"}};
    Response response;
    relay(answer, response);
    EXPECT_EQ(response.extra_headers(), "X-Kept: 1\r\n");
    EXPECT_EQ(response.content_type, "") << "there was none";
}

}  // namespace
}  // namespace ringmaster::http
