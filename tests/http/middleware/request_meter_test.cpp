#include "ringmaster/http/middleware/request_meter.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

#include "http/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

std::size_t endpoint_of(const Request& request) noexcept {
    if (request.path() == "/slow") return 2;
    return request.path() == "/quick" ? 1 : 0;
}

class RequestMeterTest : public testing::Test {
  protected:
    void run(const RequestHandler& inner, Request request, Response& response) {
        const RequestHandler handler = layered({meter_.layer()}, inner);
        manual_.spawn([&] { handler(request, response); });
        manual_.settle();
        while (manual_.scheduler.fibers_in_use() > 0) manual_.advance(1ms);
    }
    /// Asks once; the handler takes `time`.
    Response ask(std::string_view target, int status, std::chrono::milliseconds time) {
        Response response;
        run(
            [&](Request&, Response& answer) {
                manual_.clock.advance(time);
                answer.status = status;
            },
            make_request("GET", target), response);
        return response;
    }

    runtime::ManualScheduler manual_;
    RequestMeter meter_{manual_.scheduler,
                        {"quick", "slow"},
                        {{"others", 0}, {"quick", 0}, {"slow", 1}},
                        endpoint_of};
};

TEST_F(RequestMeterTest, MeasuresHandlersByGroup) {
    ASSERT_EQ(meter_.size(), 2u);
    EXPECT_EQ(meter_.group(1).name, "slow");
    EXPECT_EQ(ask("/", 200, 3ms).status, 200);
    ask("/quick", 200, 5ms);
    ask("/slow", 200, 700ms);
    EXPECT_EQ(meter_.group(0).durations.count(), 2u);
    EXPECT_EQ(meter_.group(0).durations.sum(), 8ms);
    EXPECT_EQ(meter_.group(1).durations.count(), 1u);
    EXPECT_EQ(meter_.group(1).durations.max(), 700ms);
}

TEST_F(RequestMeterTest, TellsWhereTheTimeOfEachEndpointWent) {
    ASSERT_EQ(meter_.endpoints(), 3u);
    EXPECT_EQ(meter_.endpoint(2).name, "slow");
    Request request = make_request("GET", "/quick");
    request.set_queue_time(4ms);
    Response response;
    run(
        [&](Request&, Response&) {
            manual_.clock.advance(3ms);
            const runtime::Waiting disk(manual_.scheduler, runtime::WaitsFor::disk);
            manual_.scheduler.sleep_until(manual_.clock.steady_now() + 10ms);
        },
        std::move(request), response);
    const auto& bucket = meter_.endpoint(1).times.buckets()[runtime::TimeProfile::bucket_of(13ms)];
    EXPECT_EQ(bucket.count, 1u);
    EXPECT_EQ(bucket.times.running, 3ms);
    EXPECT_EQ(bucket.times.waited_for(runtime::WaitsFor::disk), 10ms);
    EXPECT_EQ(bucket.times.all(), 13ms);
    EXPECT_EQ(bucket.queued, 4ms);
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
    Response response;
    response.attach(client);
    run(
        [&](Request&, Response& streamed) {
            streamed.write("part");
            manual_.clock.advance(5s);
        },
        make_request("GET", "/"), response);
    EXPECT_EQ(meter_.group(0).answers[2], 1u);
    EXPECT_EQ(meter_.group(0).durations.count(), 0u);
    const auto& buckets = meter_.endpoint(0).times.buckets();
    EXPECT_EQ(buckets[runtime::TimeProfile::bucket_of(5s)].count, 0u);
}

TEST_F(RequestMeterTest, DoesNotCountAHandlerThatThrows) {
    Response response;
    run([](Request&, Response&) { throw std::runtime_error("no answer"); },
        make_request("GET", "/"), response);
    EXPECT_EQ(manual_.log.lines.size(), 1u) << "the scheduler was told";
    EXPECT_EQ(meter_.group(0).durations.count(), 0u);
    EXPECT_EQ(meter_.group(0).answers[2], 0u);
}

}  // namespace
}  // namespace ringmaster::http
