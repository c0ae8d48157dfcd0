#include "ringmaster/http/middleware/body_limit.hpp"

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

/// Answers with the content.
void echo(Request& request, Response& response) {
    response.body = request.body();
    while (true) {
        const std::string_view part = request.read_body();
        if (part.empty()) return;
        response.body += part;
    }
}

TEST(BodyLimit, IsOfWholeBodies) {
    const RequestHandler handler = layered({body_limit(5)}, echo);
    EXPECT_EQ(answer(handler, make_request("POST", "/", "", "12345")).body, "12345");
    const Response response = answer(handler, make_request("POST", "/", "", "123456"));
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(response.body,
              R"({"error_class":"ContentTooLarge","message":"the body exceeds 5 bytes"})");
}

TEST(BodyLimit, IsOfChunkedBodies) {
    const RequestHandler handler = layered({body_limit(5)}, echo);
    const auto chunked = [](std::string_view chunk) {
        RequestParser parser({});
        Request request;
        parser.feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                        std::to_string(chunk.size()) + "\r\n" + std::string(chunk) +
                        "\r\n0\r\n\r\n",
                    request);
        return request;
    };
    EXPECT_EQ(answer(handler, chunked("12345")).body, "12345");
    EXPECT_EQ(answer(handler, chunked("123456")).status, 413);
}

/// A request whose content has still to come, and how the handler takes it.
std::string streamed(const RequestHandler& handler, std::deque<std::string> parts) {
    PartsReader client(std::move(parts));
    Request request = make_request("POST", "/");
    request.attach(client);
    Response response;
    try {
        handler(request, response);
    } catch (const ContentTooLarge& error) {
        return error.what();
    }
    return response.body;
}

TEST(BodyLimit, IsOfStreamedBodies) {
    const RequestHandler handler = layered({body_limit(5)}, echo);
    EXPECT_EQ(streamed(handler, {"123", "45"}), "12345");
    EXPECT_EQ(streamed(handler, {"123", "456"}), "the body exceeds 5 bytes");
}

TEST(BodyLimit, IsKnownFromTheLengthBeforeTheContent) {
    RequestParser parser({});
    Request request;
    parser.feed("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n",
                request);
    Response response;
    layered({body_limit(5)}, [](Request&, Response&) { FAIL() << "called"; })(request, response);
    EXPECT_EQ(response.status, 413);
}

TEST(BodyLimit, IsTheLowestOfSeveral) {
    EXPECT_EQ(streamed(layered({body_limit(3), body_limit(5)}, echo), {"1234"}),
              "the body exceeds 3 bytes");
    EXPECT_EQ(streamed(layered({body_limit(5), body_limit(3)}, echo), {"1234"}),
              "the body exceeds 3 bytes");
}

}  // namespace
}  // namespace ringmaster::http
