#include "ringmaster/http/response_parser.hpp"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using Status = ResponseParser::Status;
using ::testing::HasSubstr;

/// What came of reading `bytes` in pieces of `piece` bytes.
struct Reading {
    Status status = Status::need_more;
    ResponseHead head;
    std::string body;
    std::string error;
    std::size_t consumed = 0;
    int heads = 0;
    bool body_before_head = false;
};

Reading read(std::string_view bytes, std::size_t piece, bool head_request = false,
             const ResponseLimits& limits = {}, bool then_end = false) {
    ResponseParser parser(limits);
    parser.start(head_request);
    Reading r;
    const auto on_body = [&](std::string_view part) {
        r.body_before_head |= r.heads == 0;
        r.body += part;
    };
    std::string_view rest = bytes;
    while (true) {
        const std::string_view part = rest.substr(0, piece);
        const auto progress = parser.feed(part, on_body);
        r.consumed += progress.consumed;
        rest.remove_prefix(progress.consumed);
        r.status = progress.status;
        if (r.status == Status::head_complete) {
            ++r.heads;
            continue;
        }
        if (r.status != Status::need_more) break;
        if (rest.empty()) {
            if (then_end) r.status = parser.end();
            break;
        }
    }
    r.head = parser.head();
    if (r.status == Status::failed) r.error = parser.error().message;
    return r;
}

/// The same however the bytes are split.
Reading read_every_way(std::string_view bytes, bool head_request = false,
                       const ResponseLimits& limits = {}, bool then_end = false) {
    const Reading whole = read(bytes, bytes.size() + 1, head_request, limits, then_end);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Reading split = read(bytes, piece, head_request, limits, then_end);
        EXPECT_EQ(split.status, whole.status) << piece;
        EXPECT_EQ(split.body, whole.body) << piece;
        EXPECT_EQ(split.heads, whole.heads) << piece;
        EXPECT_EQ(split.head.fields, whole.head.fields) << piece;
        EXPECT_EQ(split.error, whole.error) << piece;
        if (whole.status == Status::complete) {
            EXPECT_EQ(split.consumed, whole.consumed) << piece;
        }
        EXPECT_FALSE(split.body_before_head) << piece;
    }
    return whole;
}

TEST(ResponseParser, ReadsAnAnswerOfStatedLengthAndLeavesWhatFollows) {
    const auto r = read_every_way(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 2");
    EXPECT_EQ(r.status, Status::complete);
    EXPECT_EQ(r.heads, 1);
    EXPECT_EQ(r.head.status, 200);
    EXPECT_TRUE(r.head.keep_alive);
    EXPECT_EQ(r.head.field("content-type"), "text/plain");
    EXPECT_EQ(r.head.field("Content-Typ"), std::nullopt);
    EXPECT_EQ(r.body, "hello");
    EXPECT_EQ(r.consumed, 69u);
}

TEST(ResponseParser, UndoesTheChunkedCoding) {
    const auto r = read_every_way(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer-Field: 1\r\n\r\n");
    EXPECT_EQ(r.status, Status::complete);
    EXPECT_EQ(r.body, "hello world");
    EXPECT_TRUE(r.head.keep_alive);
}

TEST(ResponseParser, AnAnswerWithoutLengthEndsWithTheConnection) {
    constexpr std::string_view kBytes = "HTTP/1.1 200 OK\r\n\r\nall that comes";
    EXPECT_EQ(read_every_way(kBytes).status, Status::need_more);
    const auto r = read_every_way(kBytes, false, {}, true);
    EXPECT_EQ(r.status, Status::complete);
    EXPECT_EQ(r.body, "all that comes");
    EXPECT_FALSE(r.head.keep_alive);
}

TEST(ResponseParser, SomeAnswersHaveNoContentWhateverTheySay) {
    EXPECT_EQ(read_every_way("HTTP/1.1 204 No Content\r\n\r\n").status, Status::complete);
    EXPECT_EQ(read_every_way("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").status,
              Status::complete);
    const auto head = read_every_way("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true);
    EXPECT_EQ(head.status, Status::complete);
    EXPECT_EQ(head.heads, 1);
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(read_every_way("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").status,
              Status::complete);
}

TEST(ResponseParser, SkipsInterimAnswers) {
    const auto r = read_every_way(
        "HTTP/1.1 100 Continue\r\nA: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(r.status, Status::complete);
    EXPECT_EQ(r.heads, 1);
    EXPECT_EQ(r.head.status, 201);
    EXPECT_EQ(r.head.fields.size(), 1u);
    EXPECT_EQ(r.body, "ok");
}

TEST(ResponseParser, TellsWhetherTheConnectionMayBeUsedAgain) {
    EXPECT_FALSE(read_every_way("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                     .head.keep_alive);
    EXPECT_FALSE(read_every_way("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").head.keep_alive);
}

TEST(ResponseParser, RefusesWhatIsNoAnswerOrEndsInTheMiddle) {
    for (const std::string_view bytes :
         {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
          "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"}) {
        EXPECT_EQ(read(bytes, 1).status, Status::failed) << bytes;
        EXPECT_EQ(read(bytes, bytes.size()).status, Status::failed) << bytes;
    }
    for (const std::string_view bytes :
         {"", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
        const auto r = read_every_way(bytes, false, {}, true);
        EXPECT_EQ(r.status, Status::failed) << bytes;
        EXPECT_EQ(r.error, "the answer ends in the middle");
    }
}

TEST(ResponseParser, HasBounds) {
    const ResponseLimits limits{.head_bytes = 60, .field_count = 2, .body_bytes = 0};
    const std::string start = "HTTP/1.1 200 OK\r\n";
    const std::string rest = "Content-Length: 0\r\n\r\n";
    const auto with_field = [&](std::size_t bytes) {
        return start + "A: " + std::string(bytes, 'x') + "\r\n" + rest;
    };
    const std::size_t room = 60 - with_field(0).size();
    EXPECT_EQ(read_every_way(with_field(room), false, limits).status, Status::complete);
    const auto big = read_every_way(with_field(room + 1), false, limits);
    EXPECT_EQ(big.status, Status::failed);
    EXPECT_EQ(big.error, "the head of the answer has more than 60 bytes");
    const auto many = read_every_way(start + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", false, limits);
    EXPECT_EQ(many.status, Status::failed);
    EXPECT_EQ(many.error, "the answer has more than 2 header fields");
}

}  // namespace
}  // namespace ringmaster::http
