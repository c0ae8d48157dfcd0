#include "ringmaster/http/request_parser.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/seed.hpp"
#include "request_parser_corpus.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::read_all;
using ::testing::StartsWith;

using Events = std::vector<std::string>;

std::string operator""_s(const char* text, std::size_t size) {
    return std::string(text, size);
}

/// Reads the bytes whole, byte by byte, and split in two at every place: what comes out must be the
/// same. (Of long input, not every place.)
Events read_however_split(std::string_view bytes, const RequestLimits& limits = {}) {
    fuzz::keep_seed("http", std::string(1, '\0').append(bytes));
    const Events whole = read_all(bytes, {}, limits);
    std::vector<std::size_t> each;
    for (std::size_t i = 1; i < bytes.size(); ++i) each.push_back(i);
    EXPECT_EQ(read_all(bytes, each, limits), whole) << "byte by byte:\n" << bytes;
    const std::size_t step = 1 + bytes.size() / 2000;
    for (std::size_t i = 1; i < bytes.size(); i += step) {
        EXPECT_EQ(read_all(bytes, {i}, limits), whole) << "cut at " << i << ":\n" << bytes;
    }
    return whole;
}

/// The only event but the final "idle".
std::string one(std::string_view bytes, const RequestLimits& limits = {}) {
    Events events = read_however_split(bytes, limits);
    if (events.size() == 2 && events[1] == "idle") return events[0];
    if (events.size() == 1 && events[0] != "idle") return events[0];
    std::string all = "unexpected events:";
    for (const std::string& event : events) all += "\n  " + event;
    return all;
}

/// The head of a POST with these fields besides Host.
std::string post(std::string_view fields) {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}
std::string chunked(std::string_view body) {
    return post("Transfer-Encoding: chunked\r\n") + std::string(body);
}
std::string get(std::string_view fields) {
    return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

struct Case {
    std::string bytes;
    std::string expected;  ///< exactly, or for errors their beginning
};

void expect_requests(const std::vector<Case>& cases) {
    for (const Case& c : cases) EXPECT_EQ(one(c.bytes), c.expected) << c.bytes;
}
void expect_errors(const std::vector<Case>& cases) {
    for (const Case& c : cases) EXPECT_THAT(one(c.bytes), StartsWith(c.expected)) << c.bytes;
}

// ---------------------------------------------------------------------- sound requests

TEST(RequestParser, ReadsTheRequestLineAndFields) {
    expect_requests({
        {"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n",
         "GET target=/ping path=/ping query= host=127.0.0.1:8080 1.1 keep [Host|127.0.0.1:8080] "
         "[Accept|*/*] body="},
        {"DELETE /a%20b?c=d?e HTTP/1.1\r\nhOST:\t x \t\r\nEmpty:\r\nBlank: \t \r\n\r\n",
         "DELETE target=/a%20b?c=d?e path=/a%20b query=c=d?e host=x 1.1 keep [hOST|x] [Empty|] "
         "[Blank|] body="},
        {"PUT /? HTTP/1.1\r\nHost:\r\n\r\n",
         "PUT target=/? path=/ query= host= 1.1 keep [Host|] body="},
        {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
         "? target=/ path=/ query= host=a 1.1 keep [Host|a] body="},
        {get("X: a\tb\xff\xc3\xa9,\"\\\r\n"),
         "GET target=/ path=/ query= host=a 1.1 keep [Host|a] [X|a\tb\xff\xc3\xa9,\"\\] body="},
        {get("!#$%&'*+-.^_`|~09AZaz: 1\r\n"),
         "GET target=/ path=/ query= host=a 1.1 keep [Host|a] [!#$%&'*+-.^_`|~09AZaz|1] body="},
    });
}

TEST(RequestParser, KnowsTheMethods) {
    const std::vector<std::pair<std::string, Method>> methods = {
        {"GET", Method::get},         {"HEAD", Method::head},   {"POST", Method::post},
        {"PUT", Method::put},         {"PATCH", Method::patch}, {"DELETE", Method::delete_},
        {"OPTIONS", Method::options}, {"TRACE", Method::other}};
    for (const auto& [text, method] : methods) {
        RequestParser parser{RequestLimits()};
        Request request;
        EXPECT_EQ(parser.feed(text + " / HTTP/1.1\r\nHost: a\r\n\r\n", request).status,
                  RequestParser::Status::complete);
        EXPECT_EQ(request.method(), method);
    }
}

TEST(RequestParser, FindsFieldsWhateverTheirCase) {
    RequestParser parser{RequestLimits()};
    Request request;
    parser.feed(get("Accept: first\r\nACCEPT: second\r\n"), request);
    EXPECT_EQ(request.header("accept"), "first");
    EXPECT_EQ(request.header("accep"), std::nullopt);
}

TEST(RequestParser, ReducesAbsoluteTargetsToTheirPath) {
    const auto host_and_target = [](std::string_view target) {
        RequestParser parser{RequestLimits()};
        Request request;
        const std::string bytes =
            "GET " + std::string(target) + " HTTP/1.1\r\nHost: other\r\nX: y\r\n\r\n";
        read_however_split(bytes);
        EXPECT_EQ(parser.feed(bytes, request).status, RequestParser::Status::complete) << target;
        EXPECT_EQ(request.header("X"), "y");
        EXPECT_EQ(request.header("Host"), "other");
        EXPECT_EQ(std::string(request.path()) + (request.query().empty() ? "" : "?") +
                      std::string(request.query()),
                  request.target());
        return std::string(request.host()) + " " + std::string(request.target());
    };
    EXPECT_EQ(host_and_target("http://a.example:80/x?y=http://z"), "a.example:80 /x?y=http://z");
    EXPECT_EQ(host_and_target("HTTPS://[::1]:8080/"), "[::1]:8080 /");
    EXPECT_EQ(host_and_target("http://a.example"), "a.example /");
    EXPECT_EQ(host_and_target("http://a.example?q=/1"), "a.example /?q=/1");
    EXPECT_EQ(host_and_target("http://a%2Db/"), "a%2Db /");
}

TEST(RequestParser, AcceptsAsteriskForOptionsOnly) {
    EXPECT_EQ(one("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
              "OPTIONS target=* path=* query= host=a 1.1 keep [Host|a] body=");
    EXPECT_THAT(one("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("400 the request target *"));
    EXPECT_THAT(one("OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"), StartsWith("400 "));
}

TEST(RequestParser, DecidesWhetherTheConnectionStaysOpen) {
    const auto keeps = [](std::string_view version, std::string_view connection) {
        const std::string event = one("GET / " + std::string(version) + "\r\nHost: a\r\n" +
                                      std::string(connection) + "\r\n");
        EXPECT_THAT(event, StartsWith("GET "));
        return event.find(" keep [Host") != event.npos;
    };
    EXPECT_TRUE(keeps("HTTP/1.1", ""));
    EXPECT_TRUE(keeps("HTTP/1.1", "Connection: closed\r\n"));
    EXPECT_TRUE(keeps("HTTP/1.1", "Connection: close x\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: ,x ,\tCLOSE\t, y\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x\r\nConnection: close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive, close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", ""));
    EXPECT_FALSE(keeps("HTTP/1.0", "Connection: close, keep-alive\r\n"));
    EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
}

TEST(RequestParser, Http10NeedsNoHost) {
    EXPECT_EQ(one("GET / HTTP/1.0\r\n\r\n"), "GET target=/ path=/ query= host= 1.0 close body=");
}

TEST(RequestParser, ReadsContent) {
    EXPECT_THAT(one(post("Content-Length: 5\r\n") + "he\0\r\n"_s), EndsWith(" body=he\0\r\n"_s));
    EXPECT_THAT(one(post("Content-Length: 0\r\n")), EndsWith(" body="));
    EXPECT_THAT(one(post("")), EndsWith(" body="));
    EXPECT_THAT(one(post("content-length: 0005 \r\n") + "hello"), EndsWith(" body=hello"));
    EXPECT_THAT(one(get("Content-Length: 2\r\n") + "hi"), EndsWith(" body=hi"));
}

TEST(RequestParser, UndoesChunked) {
    const auto body = [](std::string_view bytes) {
        const std::string event = one(chunked(bytes));
        EXPECT_THAT(event, StartsWith("POST ")) << bytes;
        return event.substr(event.find("body=") + 5);
    };
    EXPECT_EQ(body("0\r\n\r\n"), "");
    EXPECT_EQ(body("3\r\nabc\r\n0\r\n\r\n"), "abc");
    EXPECT_EQ(body("1\r\na\r\n002\r\n\r\n\r\n0000\r\n\r\n"), "a\r\n");
    EXPECT_EQ(body("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789");
    for (const std::string blanks : {"", "\t", " \t "}) {
        EXPECT_THAT(
            one(post("Transfer-Encoding:" + blanks + "chunked\r\n") + "1\r\na\r\n0\r\n\r\n"),
            EndsWith(" body=a"));
        EXPECT_THAT(one(post("Content-Length:" + blanks + "1\r\n") + "a"), EndsWith(" body=a"));
    }
    EXPECT_THAT(one(post("Transfer-Encoding:CHUNKED \r\n") + "1\r\na\r\n0\r\n\r\n"),
                EndsWith(" body=a"));
}

TEST(RequestParser, IgnoresChunkExtensions) {
    for (const std::string extension : {";", ";x", ";x=y", ";x=\"y;z\"", "; x = y ;z", ";;\xff"}) {
        EXPECT_THAT(one(chunked("1" + extension + "\r\na\r\n0" + extension + "\r\n\r\n")),
                    EndsWith(" body=a"))
            << extension;
    }
}

TEST(RequestParser, DropsTrailers) {
    EXPECT_EQ(one(chunked("1\r\na\r\n0\r\nX: y\r\nContent-Length: 7\r\nHost: b\r\n\r\n")),
              "POST target=/ path=/ query= host=a 1.1 keep [Host|a] [Transfer-Encoding|chunked] "
              "body=a");
}

TEST(RequestParser, StopsExactlyBehindEachRequest) {
    const std::string first = chunked("1\r\na\r\n0\r\nX: y\r\n\r\n");
    const std::string second = post("Content-Length: 3\r\n") + "abc";
    RequestParser parser{RequestLimits()};
    Request request;
    const auto progress = parser.feed(first + second + get(""), request);
    EXPECT_EQ(progress.status, RequestParser::Status::complete);
    EXPECT_EQ(progress.consumed, first.size());
    EXPECT_FALSE(parser.in_request());
    request.clear(1000);
    EXPECT_EQ(parser.feed(second + get(""), request).consumed, second.size());
    EXPECT_EQ(request.body(), "abc");
}

TEST(RequestParser, ReadsPipelinedRequests) {
    const Events events = read_however_split(get("") + chunked("1\r\na\r\n0\r\n\r\n") +
                                             post("Content-Length: 1\r\n") + "b" + "\r\n\r\n" +
                                             get("Connection: close\r\n") + "GET / HT");
    ASSERT_EQ(events.size(), 5U);
    EXPECT_THAT(events[0], StartsWith("GET "));
    EXPECT_THAT(events[1], EndsWith(" body=a"));
    EXPECT_THAT(events[2], EndsWith(" body=b"));
    EXPECT_THAT(events[3], HasSubstr(" close "));
    EXPECT_EQ(events[4], "in head");
}

TEST(RequestParser, ReadsGoodRequestsBeforeABadOne) {
    const Events events = read_however_split(get("") + get("") + "GET /\x01");
    ASSERT_EQ(events.size(), 3U);
    EXPECT_THAT(events[0], StartsWith("GET "));
    EXPECT_THAT(events[1], StartsWith("GET "));
    EXPECT_EQ(events[2], "400 control character 0x01 at byte 5");
}

TEST(RequestParser, TreatsUpgradeAsIfItWereNotThere) {
    const std::string upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    const Events events = read_however_split(
        get(upgrade) + post(upgrade + "Content-Length: 1\r\n") + "b" +
        post(upgrade + "Transfer-Encoding: chunked\r\n") + "1\r\nc\r\n0\r\n\r\n" + get(""));
    ASSERT_EQ(events.size(), 5U);
    EXPECT_THAT(events[0], StartsWith("GET target=/ path=/ query= host=a 1.1 keep"));
    EXPECT_THAT(events[1], EndsWith(" body=b"));
    EXPECT_THAT(events[2], EndsWith(" body=c"));
    EXPECT_THAT(events[3], StartsWith("GET "));
}

TEST(RequestParser, TellsOnceThatTheClientWaitsForContinue) {
    const std::string head = post("Expect: 100-Continue\r\nContent-Length: 2\r\n");
    RequestParser parser{RequestLimits()};
    Request request;
    auto progress = parser.feed(head + "a", request);
    EXPECT_EQ(progress.status, RequestParser::Status::head_complete);
    EXPECT_EQ(progress.consumed, head.size());
    EXPECT_TRUE(request.expects_continue());
    EXPECT_TRUE(parser.in_body());
    EXPECT_EQ(parser.feed("a", request).status, RequestParser::Status::need_more);
    EXPECT_EQ(parser.feed("b", request).status, RequestParser::Status::complete);

    EXPECT_THAT(read_however_split(head + "ab"),
                ElementsAre("continue", EndsWith("body=ab"), "idle"));
    EXPECT_THAT(read_however_split(post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n") +
                                   "0\r\n\r\n"),
                ElementsAre("continue", EndsWith("body="), "idle"));
}

TEST(RequestParser, NobodyWaitsForContinueWithoutABodyOrInHttp10) {
    EXPECT_THAT(one(get("Expect: 100-continue\r\n")), HasSubstr(" keep [Host"));
    EXPECT_THAT(one("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na"),
                HasSubstr(" close [Expect"));
}

TEST(RequestParser, SkipsAFewEmptyLines) {
    EXPECT_THAT(one("\r\n\r\n" + get("")), StartsWith("GET "));
    EXPECT_THAT(read_however_split("\r\n"), ElementsAre("idle"));
    EXPECT_THAT(read_however_split("\r"), ElementsAre("in head"));
    std::string eight;
    for (int i = 0; i < 8; ++i) eight += "\r\n";
    EXPECT_THAT(read_however_split(eight + get("") + eight + get("")),
                ElementsAre(StartsWith("GET "), StartsWith("GET "), "idle"));
    EXPECT_THAT(one(eight + "\r\n" + get("")), StartsWith("400 too many empty lines"));
}

TEST(RequestParser, KnowsHowFarARequestHasCome) {
    RequestParser parser{RequestLimits()};
    Request request;
    const std::string bytes = chunked("1;x\r\na\r\n0\r\nX: y\r\n\r\n");
    const std::size_t head = chunked("").size();
    EXPECT_FALSE(parser.in_request());
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
        ASSERT_EQ(parser.feed({&bytes[i], 1}, request).status, RequestParser::Status::need_more);
        EXPECT_TRUE(parser.in_request());
        EXPECT_EQ(parser.in_body(), i + 1 >= head) << i;
    }
    EXPECT_EQ(parser.feed({&bytes.back(), 1}, request).status, RequestParser::Status::complete);
    EXPECT_FALSE(parser.in_request());
    EXPECT_FALSE(parser.in_body());
}

// ---------------------------------------------------------------------- refused requests

TEST(RequestParser, RefusesMalformedRequestLines) {
    expect_errors({
        {"GET  / HTTP/1.1\r\n", "400 a blank too many in the request line at byte 4"},
        {"GET /  HTTP/1.1\r\n", "400 a blank too many"},
        {"GET / HTTP/1.1 \r\n", "400 a blank too many"},
        {"GET  HTTP/1.1\r\n", "400 a blank too many"},
        {" GET / HTTP/1.1\r\n", "400 malformed method"},
        {"GET\t/ HTTP/1.1\r\n", "400 control character 0x09 at byte 3"},
        {"GET /\r\n", "400 no HTTP version"},
        {"GET\r\n", "400 no HTTP version"},
        {"G(T / HTTP/1.1\r\n", "400 malformed method"},
        {"GET / http/1.1\r\n", "400 malformed HTTP version at byte 6"},
        {"GET / HTTP/1.1x\r\n", "400 malformed HTTP version"},
        {"GET / HTTP/1,1\r\n", "400 malformed HTTP version"},
        {"GET / HTTP/11\r\n", "400 malformed HTTP version"},
        {"GET / ICE/1.0\r\n", "400 malformed HTTP version"},
        {"GET / HTTP/1.2\r\n", "505 "},
        {"GET / HTTP/0.9\r\n", "505 "},
        {"GET / HTTP/2.0\r\n", "505 "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 "},
        {"\x16\x03\x01", "400 control character 0x16 at byte 0"},
        {"FROB / HTTP/1.1\r\n", "501 the method is not known"},
        {"GETX / HTTP/1.1\r\n", "501 the method is not known"},
        {"get / HTTP/1.1\r\n", "501 the method is not known"},
        {"SETUP / HTTP/1.1\r\n", "501 the method is not known"},
        {"PRI / HTTP/1.1\r\n", "501 PRI is not supported"},
        {"CONNECT a:80 HTTP/1.1\r\n", "501 CONNECT is not supported"},
    });
}

TEST(RequestParser, RefusesMalformedTargets) {
    expect_errors({
        {"GET a:80 HTTP/1.1\r\n", "400 "},
        {"GET a/b HTTP/1.1\r\n", "400 "},
        {"GET ?x HTTP/1.1\r\n", "400 "},
        {"GET ftp://a/ HTTP/1.1\r\n", "400 the request target is neither"},
        {"GET http:/a HTTP/1.1\r\n", "400 "},
        {"GET http:///a HTTP/1.1\r\n", "400 malformed authority"},
        {"GET http://:80/a HTTP/1.1\r\n", "400 malformed authority"},
        {"GET http://u@a/ HTTP/1.1\r\n", "400 malformed authority"},
        {"GET http://a:b/ HTTP/1.1\r\n", "400 malformed authority"},
        {"GET /a#b HTTP/1.1\r\n", "400 a fragment in the request target at byte 6"},
        {"GET /\xc3\xa9 HTTP/1.1\r\n", "400 "},
    });
}

TEST(RequestParser, RefusesBareLineEndsAndControlCharacters) {
    const std::string bare_lf = "400 a line feed without a carriage return";
    const std::string bare_cr = "400 a carriage return without a line feed";
    expect_errors({
        {"\nGET / HTTP/1.1\r\n", bare_lf},
        {"\rGET / HTTP/1.1\r\n", bare_cr + " at byte 0"},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", bare_lf + " at byte 14"},
        {"GET / HTTP/1.1\rHost: a\r\n\r\n", bare_cr + " at byte 14"},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", bare_lf},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", bare_lf + " at byte 25"},
        {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", bare_cr},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", bare_cr},
        {"GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n", bare_cr},
        {get("X: a\0b\r\n"_s), "400 control character 0x00 at byte 29"},
        {get("X\0: b\r\n"_s), "400 control character 0x00"},
        {"GET /\0 HTTP/1.1\r\n"_s, "400 control character 0x00 at byte 5"},
        {get("X: a\x1f\r\n"), "400 control character 0x1f"},
        {get("X: a\x7f\r\n"), "400 control character 0x7f"},
        {get("X: a\x0b\r\n"), "400 control character 0x0b"},
    });
}

TEST(RequestParser, RefusesMalformedFields) {
    expect_errors({
        {get("X : a\r\n"), "400 Invalid header token at byte 26"},
        {get("X\t: a\r\n"), "400 "},
        {get("X\r\n"), "400 "},
        {get("X(: a\r\n"), "400 "},
        {get("\xc3\xa9: a\r\n"), "400 "},
        {get(": a\r\n"), "400 an empty field name at byte 25"},
        {get(":\r\n"), "400 an empty field name"},
        {get("X: a\r\n b\r\n"), "400 a field line that begins with a blank at byte 31"},
        {get("X: a\r\n\tb\r\n"), "400 a field line that begins with a blank"},
        {get("X:\r\n \r\n"), "400 a field line that begins with a blank"},
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 a field line that begins with a blank"},
    });
}

TEST(RequestParser, RefusesAMissingRepeatedOrMalformedHost) {
    expect_errors({
        {"GET / HTTP/1.1\r\n\r\n", "400 no Host field"},
        {"GET http://a/ HTTP/1.1\r\n\r\n", "400 no Host field"},
        {get("Host: a\r\n"), "400 repeated Host"},
        {get("host: b\r\n"), "400 repeated Host"},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", "400 repeated Host"},
    });
    for (const std::string host :
         {"a b",      "a, b",   "a/b",      "u@a",     "a:",         "a:0",   "a:65535",  "a:65536",
          "a:x",      "a:-1",   "a:000080", ":80",     "a:1:2",      "[::1]", "[::1]:80", "[::1",
          "[]",       "[::1]x", "[::g]",    "[::1]:x", "a%2e",       "a%2",   "a%zz",     "a\xff",
          "http://a", "a#",     "a?",       "a_b",     "10.0.0.1:80"}) {
        const bool good = host == "a:" || host == "a:0" || host == "a:65535" || host == "[::1]" ||
                          host == "[::1]:80" || host == "a%2e" || host == "a_b" ||
                          host == "10.0.0.1:80";
        EXPECT_THAT(one("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"),
                    StartsWith(good ? "GET " : "400 malformed Host"))
            << host;
        EXPECT_THAT(one("GET http://a/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n"),
                    StartsWith(good ? "GET " : "400 malformed Host"))
            << host;
    }
}

TEST(RequestParser, RefusesContentLengthsThatOthersMayReadOtherwise) {
    for (const std::string length :
         {"+3", "-3", "3 3", "3,3", "3, 3", "0x3", "3x", "", " ", "3.0", "3e0", "\"3\"", "3_0",
          "9223372036854775808", "18446744073709551615", "18446744073709551616",
          "99999999999999999999999999999999999"}) {
        EXPECT_THAT(one(post("Content-Length: " + length + "\r\n") + "abc"), StartsWith("400 "))
            << length;
    }
    EXPECT_THAT(one(post("Content-Length: 9223372036854775807\r\n")), StartsWith("413 "));
    expect_errors({
        {post("Content-Length: 3\r\nContent-Length: 3\r\n") + "abc", "400 "},
        {post("Content-Length: 3\r\ncontent-length: 4\r\n") + "abc", "400 "},
        {post("Content-Length: 3\r\n 4\r\n") + "abc", "400 "},
        {post("Content-Length: 0\r\nContent-Length: 0\r\n"), "400 "},
        {post("Content-Length : 3\r\n") + "abc", "400 "},
    });
}

TEST(RequestParser, RefusesTransferCodingsThatOthersMayReadOtherwise) {
    const auto coded = [](std::string_view codings) {
        return post("Transfer-Encoding: " + std::string(codings) + "\r\n") + "0\r\n\r\n";
    };
    expect_errors({
        {coded("gzip"), "501 "},
        {coded("gzip, chunked"), "501 "},
        {coded("identity"), "501 "},
        {coded("xchunked"), "501 "},
        {coded("chunkedx"), "501 "},
        {coded("\"chunked\""), "501 "},
        {coded("chunked;q=1"), "501 "},
        {coded("chunked chunked"), "501 "},
        {coded("chunked, gzip"), "400 "},
        {coded("chunked, chunked"), "400 "},
        {coded("chunked,"), "400 "},
        {coded("chunked\t"), "400 "},
        {coded(",chunked"), "400 "},
        {coded(""), "400 "},
        {coded("chunked\x0b"), "400 "},
        {coded("gzip\r\nTransfer-Encoding: chunked"), "501 "},
        {coded("chunked\r\nTransfer-Encoding: chunked"), "400 "},
        {coded("chunked\r\nTransfer-Encoding: gzip"), "400 "},
        {coded("\r\nTransfer-Encoding: chunked"), "400 "},
        {coded("\r\n chunked"), "400 "},
        {coded("chunked\r\nContent-Length: 5"), "400 "},
        {coded("gzip\r\nContent-Length: 5"), "400 "},
        {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400 "},
        {post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", "400 "},
        {post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n", "400 "},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400 Transfer-Encoding in HTTP/1.0"},
    });
}

TEST(RequestParser, RefusesChunkTricks) {
    for (const std::string body : {"0x3\r\nabc\r\n",
                                   "+3\r\nabc\r\n",
                                   "-3\r\nabc\r\n",
                                   " 3\r\nabc\r\n",
                                   "3 \r\nabc\r\n",
                                   "3\t\r\nabc\r\n",
                                   "3 ;x\r\nabc\r\n",
                                   "\r\n",
                                   ";x\r\n",
                                   "g\r\n",
                                   "3_0\r\n",
                                   "3,3\r\n",
                                   "10000000000000000\r\n",
                                   "f0000000000000000\r\n",
                                   "3\nabc\r\n",
                                   "3\rabc\r\n",
                                   "3\r\r\nabc\r\n",
                                   "3\r\nabc\n0\r\n\r\n",
                                   "3\r\nabc\r0\r\n\r\n",
                                   "3\r\nabcd\r\n",
                                   "3\r\nabc0\r\n",
                                   "3\r\nab\r\n0\r\n\r\n",
                                   "3;x\n\r\nabc\r\n",
                                   "3;x\ry\r\nabc\r\n",
                                   "3;x=\"\n\"\r\nabc\r\n",
                                   "0\n\r\n",
                                   "0\r\n\n",
                                   "0\r\n\r\r\n",
                                   "0\r\nX: y\n\r\n",
                                   "0\r\n X: y\r\n\r\n",
                                   "0\r\nX: y\r\n z\r\n\r\n",
                                   "0\r\nX : y\r\n\r\n",
                                   "0\r\n: y\r\n\r\n",
                                   "0\r\nX\r\n\r\n",
                                   "0\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
        EXPECT_THAT(one(chunked(body)), StartsWith("400 ")) << body;
    }
    EXPECT_THAT(one(chunked("3;a\0\r\nabc\r\n"_s)), StartsWith("400 control character 0x00"));
    EXPECT_THAT(one(chunked("ffffffffffffffff\r\n")), StartsWith("413 "));
}

TEST(RequestParser, RefusesOtherExpectations) {
    expect_errors({
        {post("Expect: 200-ok\r\nContent-Length: 1\r\n"), "417 "},
        {post("Expect:\r\nContent-Length: 1\r\n"), "417 "},
        {post("Expect: 100-continue, x\r\nContent-Length: 1\r\n"), "417 "},
        {post("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n"), "417 "},
        {get("Expect: x\r\n"), "417 "},
    });
}

TEST(RequestParser, CountsTheBytesOfChunksInErrorPositions) {
    const std::string before = chunked("3;x\r\nabc\r\n");
    EXPECT_THAT(one(before + "x\r\n"), EndsWith("Invalid character in chunk size at byte " +
                                                std::to_string(before.size())));
    EXPECT_THAT(one(before + "0\r\n \r\n"),
                EndsWith(" at byte " + std::to_string(before.size() + 3)));
    EXPECT_THAT(one(before + "1\n"), EndsWith(" at byte " + std::to_string(before.size() + 1)));
}

// ---------------------------------------------------------------------- bounds

TEST(RequestParser, BoundsTheTarget) {
    const RequestLimits limits{.target_bytes = 16};
    const auto with_target = [](std::size_t size) {
        return "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
    };
    EXPECT_THAT(one(with_target(15), limits), StartsWith("GET "));
    EXPECT_THAT(one(with_target(16), limits), StartsWith("GET "));
    EXPECT_EQ(one(with_target(17), limits), "414 the request target exceeds 16 bytes");
    EXPECT_THAT(one("GET /" + std::string(16, 'a'), limits), StartsWith("414 ")) << "at once";
    EXPECT_THAT(read_however_split("GET /" + std::string(15, 'a'), limits), ElementsAre("in head"));
    EXPECT_THAT(one("GET /" + std::string(15, 'a') + "\x01", limits), StartsWith("400 "));
    EXPECT_THAT(one("GET /" + std::string(16, 'a') + "\x01", limits), StartsWith("414 "));
}

TEST(RequestParser, BoundsTheHead) {
    const std::string request = get("X: y\r\n");
    for (const std::size_t bound : {request.size() - 1, request.size(), request.size() + 1}) {
        EXPECT_THAT(one(request, {.head_bytes = bound}),
                    StartsWith(bound < request.size() ? "431 the header section" : "GET "));
    }
    const RequestLimits limits{.head_bytes = 40};
    EXPECT_THAT(read_however_split(get("").substr(0, 25) + std::string(15, 'a'), limits),
                ElementsAre("in head"));
    EXPECT_THAT(one(get("").substr(0, 25) + std::string(16, 'a'), limits), StartsWith("431 "));
    EXPECT_THAT(one(std::string(41, 'a'), limits), StartsWith("431 "));
}

TEST(RequestParser, BoundsTheNumberOfFieldsTrailersIncluded) {
    const RequestLimits limits{.header_count = 3};
    EXPECT_THAT(one(get("A: 1\r\nB: 2\r\n"), limits), StartsWith("GET "));
    EXPECT_EQ(one(get("A: 1\r\nB: 2\r\nC: 3\r\n"), limits), "431 more than 3 header fields");
    EXPECT_THAT(one(get("A: 1\r\nB: 2\r\nC: 3\r\n").substr(0, 43), limits), StartsWith("431 "));
    EXPECT_THAT(one(chunked("0\r\nA: 1\r\n\r\n"), limits), StartsWith("POST "));
    EXPECT_THAT(one(chunked("0\r\nA: 1\r\nB: 2\r\n\r\n"), limits), StartsWith("431 "));
}

TEST(RequestParser, BoundsTrailersTogetherWithTheHead) {
    const std::size_t head = chunked("").size();
    const std::string trailer = "X: " + std::string(20, 'y') + "\r\n\r\n";
    const std::string request = chunked("1\r\na\r\n0\r\n" + trailer);
    EXPECT_THAT(one(request, {.head_bytes = head + trailer.size()}), StartsWith("POST "));
    EXPECT_THAT(one(request, {.head_bytes = head + trailer.size() - 1}), StartsWith("431 "));
}

TEST(RequestParser, BoundsTheBody) {
    const RequestLimits limits{.body_bytes = 8};
    EXPECT_THAT(one(post("Content-Length: 7\r\n") + "1234567", limits), StartsWith("POST "));
    EXPECT_THAT(one(post("Content-Length: 8\r\n") + "12345678", limits), StartsWith("POST "));
    EXPECT_EQ(one(post("Content-Length: 9\r\n"), limits), "413 Content-Length exceeds 8 bytes")
        << "before any byte of the body";
    EXPECT_THAT(one(post("Expect: 100-continue\r\nContent-Length: 9\r\n"), limits),
                StartsWith("413 "));
    EXPECT_THAT(one(chunked("4\r\n1234\r\n3\r\n567\r\n0\r\n\r\n"), limits), StartsWith("POST "));
    EXPECT_THAT(one(chunked("4\r\n1234\r\n4\r\n5678\r\n0\r\n\r\n"), limits), StartsWith("POST "));
    EXPECT_EQ(one(chunked("4\r\n1234\r\n5\r\n"), limits), "413 the body exceeds 8 bytes");
    EXPECT_THAT(one(chunked("9\r\n"), limits), StartsWith("413 "));
}

TEST(RequestParser, BoundsChunkLines) {
    EXPECT_THAT(one(chunked("1;" + std::string(252, 'x') + "\r\na\r\n0\r\n\r\n")),
                EndsWith(" body=a"));
    EXPECT_THAT(one(chunked("1;" + std::string(253, 'x') + "\r\na\r\n0\r\n\r\n")),
                StartsWith("400 a line of the chunked coding is too long"));
    EXPECT_THAT(one(chunked(std::string(257, '0'))), StartsWith("400 "));
}

TEST(RequestParser, TheBodyIsPadded) {
    for (const std::size_t size : {0U, 1U, 15U, 16U, 4096U, 16'448U, 32'896U, 100'000U}) {
        RequestParser parser{RequestLimits()};
        Request request;
        parser.feed(post("Content-Length: " + std::to_string(size) + "\r\n"), request);
        const std::string body(size, 'x');
        for (std::size_t at = 0; at < size; at += 1000) {
            parser.feed(std::string_view(body).substr(at, 1000), request);
        }
        ASSERT_EQ(request.body(), body);
        // Under the address sanitizer this fails where the padding is not ours.
        volatile const char* end = request.body().data() + request.body().size();
        for (std::size_t i = 0; i < Request::kBodyPadding; ++i) (void)end[i];
    }
}

TEST(RequestParser, AClearedRequestHasForgottenAll) {
    RequestParser parser{RequestLimits()};
    Request request;
    parser.feed(
        "POST http://b/x?y HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Length: 1\r\n\r\n",
        request);
    parser.feed("z", request);
    for (const std::size_t keep : {std::size_t{100'000}, std::size_t{0}}) {
        request.clear(keep);
        EXPECT_EQ(testing::describe(request), "? target= path= query= host= 1.1 close body=");
    }
}

}  // namespace
}  // namespace ringmaster::http
