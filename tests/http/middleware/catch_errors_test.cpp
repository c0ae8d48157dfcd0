#include "ringmaster/http/middleware/catch_errors.hpp"

#include "ringmaster/runtime/fiber.hpp"

#include <stdexcept>

#include "http/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

class CatchErrorsTest : public testing::Test {
  protected:
    /// Around one that adds a field before, and another one after.
    RequestHandler guarded(RequestHandler handler) {
        const Middleware outer = [](RequestHandler next) -> RequestHandler {
            return [next = std::move(next)](Request& request, Response& response) {
                response.add_header("Before", "1");
                next(request, response);
                response.add_header("After", std::to_string(response.status));
            };
        };
        return layered({outer, catch_errors(errors_)}, std::move(handler));
    }

    runtime::CollectingLog log_;
    ErrorReporter errors_{log_};
};

TEST_F(CatchErrorsTest, MakesAnAnswerOfAnException) {
    const Response response = answer(guarded([](Request&, Response& r) {
                                         r.status = 201;
                                         r.add_header("Location", "/half-made");
                                         r.body = "half";
                                         throw std::runtime_error("no such luck");
                                     }),
                                     make_request("GET", "/a?key=secret"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body,
              R"({"error_class":"InternalServiceError","message":"refer to error handle 1"})");
    EXPECT_EQ(response.extra_headers(), "Before: 1\r\nAfter: 500\r\n");
    ASSERT_EQ(log_.lines.size(), 1u);
    EXPECT_EQ(log_.lines[0], "error handle 1: /a: no such luck");
}

TEST_F(CatchErrorsTest, LeavesAnswersAlone) {
    const Response response =
        answer(guarded([](Request&, Response& r) { r.body = "well"; }), make_request("GET", "/"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "well");
    EXPECT_TRUE(log_.lines.empty());
}

TEST_F(CatchErrorsTest, TellsThatThereIsTooMuchContent) {
    PartsReader client({"abc", "def"});
    Request request = make_request("POST", "/");
    request.attach(client);
    request.limit_body(5);
    Response response;
    guarded([](Request& r, Response&) {
        while (!r.read_body().empty()) {
        }
    })(request, response);
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(response.body,
              R"({"error_class":"ContentTooLarge","message":"the body exceeds 5 bytes"})");
    EXPECT_TRUE(log_.lines.empty());
}

TEST_F(CatchErrorsTest, LetsThoseOfAStreamingAnswerPass) {
    PartsWriter client;
    for (const bool too_large : {false, true}) {
        Request request = make_request("GET", "/");
        Response response;
        response.attach(client);
        const RequestHandler handler = guarded([&](Request&, Response& r) {
            r.write("part");
            if (too_large) throw ContentTooLarge("too much");
            throw std::runtime_error("in the middle");
        });
        EXPECT_THROW(handler(request, response), std::runtime_error);
        EXPECT_EQ(response.status, 200);
    }
    EXPECT_TRUE(log_.lines.empty()) << "who cuts the connection off reports it";
}

TEST_F(CatchErrorsTest, LetsTheEndOfAFiberPass) {
    const auto cancelled = guarded([](Request&, Response&) { throw runtime::Cancelled{"left"}; });
    EXPECT_THROW(answer(cancelled, make_request("GET", "/")), runtime::Cancelled);
    const auto unwound = guarded([](Request&, Response&) { throw runtime::FiberUnwound{}; });
    EXPECT_THROW(answer(unwound, make_request("GET", "/")), runtime::FiberUnwound);
    EXPECT_TRUE(log_.lines.empty());
}

}  // namespace
}  // namespace ringmaster::http
