#include "ringmaster/http/response.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kDate = "Sat, 21 Nov 2026 17:31:05 GMT";

std::string written(const Response& response, ResponseFraming framing = {}) {
    framing.date = kDate;
    std::string out;
    append_response(out, response, framing);
    return out;
}

TEST(Response, IsWrittenWithItsLengthAndDate) {
    Response response;
    response.content_type = "text/plain";
    response.body = "pong";
    EXPECT_EQ(written(response),
              "HTTP/1.1 200 OK\r\n"
              "Date: Sat, 21 Nov 2026 17:31:05 GMT\r\n"
              "Content-Type: text/plain\r\n"
              "Content-Length: 4\r\n"
              "\r\n"
              "pong");
}

TEST(Response, IsAppendedToWhatIsThere) {
    std::string out = "before";
    append_response(out, Response(), {.date = kDate});
    EXPECT_TRUE(out.starts_with("beforeHTTP/1.1 200 OK\r\n"));
}

TEST(Response, ToHeadHasTheLengthButNotTheContent) {
    Response response;
    response.body = "pong";
    const std::string out = written(response, {.head_request = true});
    EXPECT_NE(out.find("\r\nContent-Length: 4\r\n"), out.npos);
    EXPECT_TRUE(out.ends_with("\r\n\r\n"));
}

TEST(Response, WithoutContentHasNoLength) {
    for (const int status : {100, 103, 204, 304}) {
        Response response;
        response.status = status;
        response.body = "must not be sent";
        const std::string out = written(response);
        EXPECT_EQ(out.find("Content-"), out.npos) << out;
        EXPECT_TRUE(out.ends_with("\r\n\r\n")) << out;
    }
}

TEST(Response, WithAnEmptyBodySaysSo) {
    Response response;
    response.content_type = "";
    EXPECT_EQ(written(response),
              "HTTP/1.1 200 OK\r\nDate: " + std::string(kDate) + "\r\nContent-Length: 0\r\n\r\n");
}

TEST(Response, TellsWhetherTheConnectionStaysOpen) {
    const auto connection = [](bool keep_alive, bool close, int minor_version) {
        Response response;
        response.close = close;
        const std::string out =
            written(response, {.keep_alive = keep_alive, .minor_version = minor_version});
        const std::size_t at = out.find("\r\nConnection: ");
        return at == out.npos ? "" : out.substr(at + 14, out.find("\r\n", at + 2) - at - 14);
    };
    EXPECT_EQ(connection(true, false, 1), "");
    EXPECT_EQ(connection(false, false, 1), "close");
    EXPECT_EQ(connection(true, true, 1), "close");
    EXPECT_EQ(connection(true, false, 0), "keep-alive");
    EXPECT_EQ(connection(false, false, 0), "close");
    EXPECT_EQ(connection(true, true, 0), "close");
}

TEST(Response, CarriesExtraHeaders) {
    Response response;
    response.add_header("Allow", "GET, HEAD");
    response.add_header("Empty", "");
    response.add_header("X", "\t\xc3\xa9~ ");
    EXPECT_NE(written(response).find("\r\nAllow: GET, HEAD\r\nEmpty: \r\nX: \t\xc3\xa9~ \r\n\r\n"),
              std::string::npos);
}

TEST(Response, RefusesHeadersThatCouldBreakTheFraming) {
    Response response;
    for (const std::string name : {"", "A B", "A:", "A\r\n", "A\n", "\xc3\xa9"}) {
        EXPECT_THROW(response.add_header(name, "x"), std::invalid_argument) << name;
    }
    for (const std::string& value : {std::string("a\r\nB: c"), std::string("\n"), std::string("\r"),
                                     std::string("\0", 1), std::string("\x7f")}) {
        EXPECT_THROW(response.add_header("A", value), std::invalid_argument) << value;
    }
    for (const std::string name :
         {"Content-Length", "transfer-encoding", "CONNECTION", "Content-Type", "date"}) {
        EXPECT_THROW(response.add_header(name, "1"), std::invalid_argument) << name;
    }
    EXPECT_EQ(response.extra_headers(), "");
}

TEST(Response, ClearedIsLikeNew) {
    Response response;
    response.status = 500;
    response.content_type = "";
    response.body = std::string(5000, 'x');
    response.close = true;
    response.add_header("A", "b");
    response.clear(10'000);
    EXPECT_EQ(written(response), written(Response()));
    EXPECT_GE(response.body.capacity(), 5000U);
    response.clear(4000);
    EXPECT_LT(response.body.capacity(), 4000U);
}

TEST(ReasonPhrase, KnowsTheUsualStatuses) {
    EXPECT_EQ(reason_phrase(200), "OK");
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(DateCache, FormatsAsImfFixdate) {
    DateCache cache;
    EXPECT_EQ(cache.at(WallTime(784'111'777'000ms)), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(cache.at(WallTime(784'111'777'999ms)), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(cache.at(WallTime(784'111'778'000ms)), "Sun, 06 Nov 1994 08:49:38 GMT");
    EXPECT_EQ(cache.at(WallTime(951'827'696'000ms)), "Tue, 29 Feb 2000 12:34:56 GMT");
    EXPECT_EQ(cache.at(WallTime(0ms)), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(cache.at(WallTime(-1ms)), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(cache.at(WallTime(253'402'300'799'000ms)), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(Response, FindsAndTakesOutAddedFields) {
    Response response;
    response.add_header("Vary", "Origin");
    response.add_header("ETag", "\"a: b\"");
    response.add_header("vary", "Accept-Encoding");
    response.add_header("VARY", "Accept");
    response.add_header("Empty", "");
    EXPECT_EQ(response.header("etag"), "\"a: b\"");
    EXPECT_EQ(response.header("VARY"), "Origin");
    EXPECT_EQ(response.header("Empty"), "");
    EXPECT_EQ(response.header("Var"), std::nullopt);
    EXPECT_EQ(response.header("Origin"), std::nullopt);
    response.remove_header("Vary");
    response.remove_header("Tag");
    EXPECT_EQ(response.extra_headers(), "ETag: \"a: b\"\r\nEmpty: \r\n");
    response.remove_header("empty");
    response.remove_header("ETag");
    EXPECT_EQ(response.extra_headers(), "");
}

TEST(Response, RestartsWithTheFieldsOfOthers) {
    PartsWriter client;
    Response response;
    response.attach(client);
    response.add_header("Outer", "1");
    const std::size_t outer = response.extra_headers().size();
    response.add_header("Inner", "2");
    response.status = 404;
    response.content_type = "text/plain";
    response.body = "inner";
    response.close = true;
    response.write("part");
    response.restart(outer);
    EXPECT_EQ(written(response), "HTTP/1.1 200 OK\r\nDate: " + std::string(kDate) +
                                     "\r\nContent-Type: application/json\r\n"
                                     "Content-Length: 0\r\nOuter: 1\r\n\r\n");
    EXPECT_FALSE(response.streaming());
    EXPECT_EQ(response.written_bytes(), 0u);
    EXPECT_EQ(response.writer(), &client);
}

TEST(Response, CountsWhatIsStreamed) {
    PartsWriter client;
    Response response;
    response.attach(client);
    response.write("");
    response.write("abc");
    response.write("de");
    EXPECT_EQ(response.written_bytes(), 5u);
    response.clear(0);
    EXPECT_EQ(response.written_bytes(), 0u);
    EXPECT_EQ(response.writer(), nullptr);
}

}  // namespace
}  // namespace ringmaster::http
