#include "ringmaster/http/middleware/request_meter.hpp"

#include <chrono>
#include <stdexcept>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

std::size_t group_of(const Request& request) noexcept {
    return request.path() == "/slow" ? 1 : 0;
}

class RequestMeterTest : public testing::Test {
  protected:
    /// Asks once; the handler takes `time`.
    Response ask(std::string_view target, int status, std::chrono::milliseconds time) {
        const RequestHandler handler = layered({meter_.layer()}, [&](Request&, Response& response) {
            clock_.advance(time);
            response.status = status;
        });
        return answer(handler, make_request("GET", target));
    }

    FakeClock clock_;
    RequestMeter meter_{clock_, {"quick", "slow"}, group_of};
};

TEST_F(RequestMeterTest, MeasuresHandlersByGroup) {
    ASSERT_EQ(meter_.size(), 2u);
    EXPECT_EQ(meter_.group(1).name, "slow");
    EXPECT_EQ(ask("/", 200, 3ms).status, 200);
    ask("/", 200, 5ms);
    ask("/slow", 200, 700ms);
    EXPECT_EQ(meter_.group(0).durations.count(), 2u);
    EXPECT_EQ(meter_.group(0).durations.sum(), 8ms);
    EXPECT_EQ(meter_.group(1).durations.count(), 1u);
    EXPECT_EQ(meter_.group(1).durations.max(), 700ms);
}

TEST_F(RequestMeterTest, CountsAnswersByTheFirstDigitOfTheirStatus) {
    for (const int status : {200, 204, 304, 403, 404, 400, 503}) ask("/", status, 0ms);
    const auto& answers = meter_.group(0).answers;
    EXPECT_EQ(answers[2], 2u);
    EXPECT_EQ(answers[3], 1u);
    EXPECT_EQ(answers[4], 3u);
    EXPECT_EQ(answers[5], 1u);
    EXPECT_EQ(meter_.group(1).answers[2], 0u);
}

// How long a stream lasts says nothing about how quick the server is.
TEST_F(RequestMeterTest, CountsStreamedAnswersAndDoesNotMeasureThem) {
    PartsWriter client;
    Request request = make_request("GET", "/");
    Response response;
    response.attach(client);
    layered({meter_.layer()}, [&](Request&, Response& streamed) {
        streamed.write("part");
        clock_.advance(5s);
    })(request, response);
    EXPECT_EQ(meter_.group(0).answers[2], 1u);
    EXPECT_EQ(meter_.group(0).durations.count(), 0u);
}

TEST_F(RequestMeterTest, DoesNotCountAHandlerThatThrows) {
    const RequestHandler handler = layered(
        {meter_.layer()}, [](Request&, Response&) { throw std::runtime_error("no answer"); });
    EXPECT_THROW(answer(handler, make_request("GET", "/")), std::runtime_error);
    EXPECT_EQ(meter_.group(0).durations.count(), 0u);
    EXPECT_EQ(meter_.group(0).answers[2], 0u);
}

}  // namespace
}  // namespace ringmaster::http
