#include "ringmaster/http/middleware/timeout.hpp"

#include "ringmaster/runtime/parallel.hpp"

#include <chrono>
#include <stdexcept>

#include "http/middleware/suspending_fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

/// One request to a handler that has 100 ms.
class TimeoutTest : public SuspendingLayerTest {
  protected:
    TimeoutTest() : SuspendingLayerTest("/") {}
    void begin(RequestHandler handler) {
        begin_behind(timeout(manual_.scheduler, 100ms), std::move(handler));
    }
};

TEST_F(TimeoutTest, LeavesAnswersInTimeAlone) {
    begin([&](Request&, Response& response) {
        sleep(99ms);
        response.body = "in time";
    });
    manual_.advance(98ms);
    EXPECT_EQ(ended(), "");
    manual_.advance(1ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.status, 200);
    EXPECT_EQ(response_.body, "in time");
    manual_.advance(1s);
    EXPECT_EQ(response_.body, "in time");
}

TEST_F(TimeoutTest, AnswersInPlaceOfAHandlerThatTakesLonger) {
    bool destroyed = false;
    begin([&](Request&, Response& response) {
        struct Watch {
            bool& destroyed;
            ~Watch() { destroyed = true; }
        } const watch{destroyed};
        response.status = 201;
        response.add_header("Inner", "2");
        response.body = "half of";
        sleep(101ms);
        response.body += "an answer";
    });
    manual_.advance(99ms);
    EXPECT_EQ(ended(), "");
    manual_.advance(1ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_TRUE(destroyed);
    EXPECT_EQ(response_.status, 503);
    EXPECT_EQ(response_.body, R"({"error_class":"Timeout","message":"it took longer than 100 ms; )"
                              R"(try again later"})");
    EXPECT_EQ(response_.extra_headers(), "Outer: 1\r\nRetry-After: 1\r\n");
    EXPECT_EQ(manual_.scheduler.fibers_in_use(), 0u);
}

TEST_F(TimeoutTest, WaitsForWhatCanNotBeCancelled) {
    bool finished = false;
    begin([&](Request&, Response& response) {
        const runtime::CancellationShield shield(manual_.scheduler);
        sleep(150ms);
        response.body = "late";
        finished = true;
    });
    manual_.advance(149ms);
    EXPECT_EQ(ended(), "") << "the handler still uses the answer";
    manual_.advance(1ms);
    EXPECT_TRUE(finished);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.status, 503);
}

TEST_F(TimeoutTest, CutsOffAnAnswerThatIsStreaming) {
    begin([&](Request&, Response& response) {
        response.write("one");
        sleep(101ms);
        response.write("two");
    });
    manual_.advance(100ms);
    EXPECT_EQ(ended(), "cancelled: it took longer than 100 ms");
    EXPECT_EQ(response_.status, 200) << "that has been sent";
    EXPECT_EQ(client_.parts, std::vector<std::string>{"one"});
}

TEST_F(TimeoutTest, LetsAStreamEndThatCouldNotBeCancelled) {
    begin([&](Request&, Response& response) {
        const runtime::CancellationShield shield(manual_.scheduler);
        response.write("one");
        sleep(101ms);
        response.write("two");
    });
    manual_.advance(101ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(client_.parts, (std::vector<std::string>{"one", "two"}));
}

TEST_F(TimeoutTest, CancelsTheHandlerWhenTheClientLeaves) {
    bool cancelled = false;
    begin([&](Request&, Response&) {
        try {
            sleep(50ms);
        } catch (const runtime::Cancelled&) {
            cancelled = true;
            throw;
        }
    });
    task_.cancel("the client has left");
    manual_.settle();
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(ended(), "cancelled: the client has left");
}

/// As a stream to a client that has left does.
TEST_F(TimeoutTest, PassesOnThatTheHandlerWasCancelledByItsClient) {
    begin([&](Request&, Response&) { throw runtime::Cancelled{"the client has left"}; });
    EXPECT_EQ(ended(), "cancelled: the client has left");
}

TEST_F(TimeoutTest, PassesOnWhatTheHandlerThrows) {
    begin([&](Request&, Response&) { throw std::runtime_error("broken"); });
    EXPECT_EQ(ended(), "broken");
}

TEST_F(TimeoutTest, PassesOnWhatAFanOutOfTheHandlersThrows) {
    begin([&](Request&, Response&) {
        runtime::FanOut jobs(manual_.scheduler);
        jobs.cancel("enough");
        jobs.run(1, 1, [](std::size_t) {});
    });
    EXPECT_EQ(ended(), "cancelled: enough");
    EXPECT_EQ(response_.status, 200);
}

class TimeoutWithoutFibersTest : public testing::Test {
  protected:
    std::string answer_with(std::size_t fibers) {
        runtime::ManualScheduler manual({.max_fibers = fibers});
        Request request = make_request("GET", "/");
        Response response;
        const RequestHandler handler =
            layered({timeout(manual.scheduler, 100ms)}, [&](Request&, Response&) {
                runtime::parallel_for(manual.scheduler, 1, 1, [](std::size_t) {});
            });
        std::string ended = "answered ";
        manual.spawn([&] {
            try {
                handler(request, response);
            } catch (const runtime::NoFiber&) {
                ended = "none for the handler's ";
            }
        });
        manual.settle();
        return ended + std::to_string(response.status) + " " + response.body;
    }
};

TEST_F(TimeoutWithoutFibersTest, IsUnavailable) {
    EXPECT_EQ(answer_with(1),
              R"(answered 503 {"error_class":"ServiceUnavailable","message":"too many requests )"
              R"(are in flight; try again later"})");
    EXPECT_EQ(answer_with(2), "none for the handler's 200 ");
    EXPECT_EQ(answer_with(3), "answered 200 ");
}

}  // namespace
}  // namespace ringmaster::http
