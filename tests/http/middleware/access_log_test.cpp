#include "ringmaster/http/middleware/access_log.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "http/fixture.hpp"
#include "runtime/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

class AccessLogTest : public testing::Test {
  protected:
    /// What is logged of one request.
    std::string logged(Request request, RequestHandler handler) {
        lines_.lines.clear();
        Response response;
        response.attach(client_);
        const RequestHandler whole =
            layered({access_log(lines_, manual_.clock, manual_.scheduler)}, std::move(handler));
        manual_.spawn([&] { whole(request, response); });
        manual_.settle();
        while (manual_.scheduler.fibers_in_use() > 0) manual_.advance(1ms);
        EXPECT_EQ(lines_.lines.size(), 1u);
        return lines_.lines.empty() ? "" : lines_.lines[0];
    }
    /// The same without running, idle and stalled, which are the scheduler's.
    std::string summary(Request request, RequestHandler handler) {
        std::string line = logged(std::move(request), std::move(handler));
        const std::size_t begin = line.find(" (running ");
        const std::size_t end = line.find(')', begin);
        if (end == line.npos) return "no times: " + line;
        return line.erase(begin, end + 1 - begin);
    }

    runtime::ManualScheduler manual_;
    runtime::CollectingLog lines_;
    PartsWriter client_;
};

TEST_F(AccessLogTest, TellsTheAnswerAndHowLongItTook) {
    EXPECT_EQ(summary(make_request("POST", "/numbers", "", "{}"),
                      [&](Request&, Response& response) {
                          response.body = "12345";
                          manual_.scheduler.sleep_until(manual_.scheduler.now() + 20ms);
                      }),
              "POST /numbers 200, 5 bytes, 20.000 ms");
}

/// What the scheduler says of the fiber, whatever that is.
TEST_F(AccessLogTest, TellsWhereTheTimeWent) {
    std::string expected;
    const std::string line = logged(make_request("GET", "/"), [&](Request&, Response&) {
        manual_.scheduler.sleep_until(manual_.scheduler.now() + 3ms);
        const runtime::TaskTimes times = manual_.scheduler.task_times();
        const auto ms = [](SteadyTime::duration time) {
            char text[32];
            std::snprintf(text, sizeof text, "%.3f",
                          std::chrono::duration<double, std::milli>(time).count());
            return std::string(text);
        };
        expected = "(running " + ms(times.running) + ", idle " + ms(times.idle()) + ", stalled " +
                   ms(times.stalled) + ")";
    });
    EXPECT_NE(line.find(expected), line.npos) << line << ", expected " << expected;
}

TEST_F(AccessLogTest, DoesNotTellTheQuery) {
    EXPECT_EQ(summary(make_request("GET", "/a%20b?key=secret"),
                      [](Request&, Response& response) { response.status = 404; }),
              "GET /a%20b 404, 0 bytes, 0.000 ms");
}

TEST_F(AccessLogTest, TellsQueueTimeAndIdWhereTheyAreKnown) {
    Request request = make_request("GET", "/");
    request.set_queue_time(1'500us);
    request.set_id("a-1");
    EXPECT_EQ(summary(std::move(request), [](Request&, Response&) {}),
              "GET / 200, 0 bytes, 0.000 ms, queued 1.500 ms, id a-1");
}

TEST_F(AccessLogTest, CountsTheContentThatIsSent) {
    const auto with_body = [](int status) {
        return [status](Request&, Response& response) {
            response.status = status;
            response.body = "12345";
        };
    };
    EXPECT_EQ(summary(make_request("HEAD", "/"), with_body(200)), "HEAD / 200, 0 bytes, 0.000 ms");
    EXPECT_EQ(summary(make_request("GET", "/"), with_body(304)), "GET / 304, 0 bytes, 0.000 ms");
    EXPECT_EQ(summary(make_request("GET", "/"),
                      [](Request&, Response& response) {
                          response.body = "not sent";
                          response.write("abc");
                          response.write("defg");
                      }),
              "GET / 200, 7 bytes, 0.000 ms");
}

TEST_F(AccessLogTest, TellsOfHandlersThatThrow) {
    EXPECT_EQ(summary(make_request("GET", "/"),
                      [](Request&, Response&) { throw std::runtime_error("broken"); }),
              "GET / 500, 0 bytes, 0.000 ms");
    ASSERT_EQ(manual_.log.lines.size(), 1u);
    EXPECT_NE(manual_.log.lines[0].find("broken"), std::string::npos) << "it goes on";
    EXPECT_EQ(summary(make_request("GET", "/"),
                      [](Request&, Response& response) {
                          response.status = 203;
                          response.write("abc");
                          throw std::runtime_error("broken");
                      }),
              "GET / 203, 3 bytes, cut off, 0.000 ms");
}

TEST_F(AccessLogTest, TellsOfClientsThatLeave) {
    const auto left = [&](bool streaming) {
        return summary(make_request("GET", "/"), [&, streaming](Request&, Response& response) {
            if (streaming) response.write("ab");
            manual_.scheduler.current_task().cancel("the client has left");
            manual_.scheduler.yield();
        });
    };
    EXPECT_EQ(left(false), "GET / 499, 0 bytes, 0.000 ms");
    EXPECT_EQ(left(true), "GET / 200, 2 bytes, cut off, 0.000 ms");
    EXPECT_TRUE(manual_.log.lines.empty());
}

}  // namespace
}  // namespace ringmaster::http
