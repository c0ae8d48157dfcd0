#include "ringmaster/http/middleware/barrier.hpp"

#include "ringmaster/http/router.hpp"
#include "ringmaster/runtime/parallel.hpp"

#include <chrono>
#include <stdexcept>

#include "http/middleware/suspending_fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;
using Parts = std::vector<std::string>;

void forbid(Response& response) {
    set_error(response, 403, "Forbidden", "not for you");
    response.add_header("Why", "because");
}

class BarrierTest : public SuspendingLayerTest {
  protected:
    BarrierTest() : SuspendingLayerTest("/what?key=k") {}
    void begin(BarrierWork work, RequestHandler handler) {
        begin_behind(barrier(manual_.scheduler, std::move(work)), std::move(handler));
    }
    /// Takes so long, and has nothing against it.
    BarrierWork agreeing_after(std::chrono::milliseconds time) {
        return [this, time](const Request&) -> Refusal {
            sleep(time);
            return {};
        };
    }
    BarrierWork refusing_after(std::chrono::milliseconds time) {
        return [this, time](const Request&) -> Refusal {
            sleep(time);
            return forbid;
        };
    }
};

TEST_F(BarrierTest, LetsBothWorkSideBySide) {
    begin(agreeing_after(20ms), [&](Request&, Response& response) {
        sleep(20ms);
        response.body = "read";
    });
    manual_.advance(19ms);
    EXPECT_EQ(ended(), "");
    manual_.advance(1ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.body, "read");
    EXPECT_EQ(response_.writer(), &client_);
}

TEST_F(BarrierTest, ShowsTheRequestToTheWork) {
    begin(
        [](const Request& request) -> Refusal {
            if (request.query() == "key=k") return forbid;
            return {};
        },
        [](Request&, Response&) {});
    EXPECT_EQ(response_.status, 403);
}

TEST_F(BarrierTest, WaitsForTheWork) {
    begin(agreeing_after(20ms), [](Request&, Response& response) { response.body = "read"; });
    EXPECT_EQ(ended(), "");
    manual_.advance(20ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.body, "read");
}

TEST_F(BarrierTest, ReplacesTheAnswerToWhatIsRefused) {
    begin(refusing_after(20ms), [](Request&, Response& response) {
        response.status = 201;
        response.add_header("Inner", "secret");
        response.body = "secret";
    });
    manual_.advance(20ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.status, 403);
    EXPECT_EQ(response_.body, R"({"error_class":"Forbidden","message":"not for you"})");
    EXPECT_EQ(response_.extra_headers(), "Outer: 1\r\nWhy: because\r\n");
}

TEST_F(BarrierTest, CancelsTheHandlerOfWhatIsRefused) {
    bool cancelled = false;
    begin(refusing_after(20ms), [&](Request&, Response&) {
        try {
            sleep(1h);
        } catch (const runtime::Cancelled&) {
            cancelled = true;
            throw;
        }
    });
    manual_.advance(20ms);
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(response_.status, 403);
}

TEST_F(BarrierTest, HoldsBackWhatTheHandlerStreams) {
    begin(agreeing_after(20ms), [](Request&, Response& response) {
        response.status = 203;
        response.write("one");
        response.write("two");
    });
    EXPECT_EQ(client_.parts, Parts());
    manual_.advance(19ms);
    EXPECT_EQ(client_.parts, Parts());
    manual_.advance(1ms);
    EXPECT_EQ(client_.parts, (Parts{"one", "two"}));
    EXPECT_EQ(client_.status, 203);
    EXPECT_TRUE(response_.streaming());
    EXPECT_EQ(ended(), "answered");
}

TEST_F(BarrierTest, SendsNothingOfAStreamThatIsRefused) {
    begin(refusing_after(20ms), [](Request&, Response& response) { response.write("secret"); });
    manual_.advance(20ms);
    EXPECT_EQ(ended(), "answered");
    EXPECT_EQ(client_.parts, Parts());
    EXPECT_FALSE(response_.streaming());
    EXPECT_EQ(response_.status, 403);
}

TEST_F(BarrierTest, SendsNothingOfAStreamWhereTheWorkFails) {
    begin(
        [&](const Request&) -> Refusal {
            sleep(20ms);
            throw std::runtime_error("no directory");
        },
        [](Request&, Response& response) {
            // Not even from one that does not give up.
            for (int i = 0; i < 2; ++i) {
                try {
                    response.write("secret");
                } catch (const runtime::Cancelled&) {
                }
            }
        });
    manual_.advance(20ms);
    EXPECT_EQ(ended(), "no directory");
    EXPECT_EQ(client_.parts, Parts());
    EXPECT_FALSE(response_.streaming());
    EXPECT_EQ(response_.extra_headers(), "Outer: 1\r\n");
}

TEST_F(BarrierTest, RethrowsWhatBothThrow) {
    begin(
        [&](const Request&) -> Refusal {
            sleep(20ms);
            throw std::runtime_error("no directory");
        },
        [](Request&, Response&) { throw std::logic_error("a bug"); });
    EXPECT_EQ(ended(), "") << "the work has not ended";
    manual_.advance(20ms);
    EXPECT_EQ(ended(), "no directory; also job 1: a bug");
}

TEST_F(BarrierTest, RethrowsWhatTheHandlerThrows) {
    begin(agreeing_after(0ms), [](Request&, Response&) { throw std::logic_error("a bug"); });
    manual_.advance(1ms);
    EXPECT_EQ(ended(), "a bug");
}

/// Work that ends without having agreed, because a stream told it that nobody is left.
TEST_F(BarrierTest, AnswersNothingWhereTheWorkWasCancelled) {
    begin([](const Request&) -> Refusal { throw runtime::Cancelled{"the client has left"}; },
          [](Request&, Response& response) { response.body = "secret"; });
    EXPECT_EQ(ended(), "cancelled: the client has left");
}

TEST_F(BarrierTest, PassesOnThatTheHandlerWasCancelledByItsClient) {
    begin(agreeing_after(0ms),
          [](Request&, Response&) { throw runtime::Cancelled{"the client has left"}; });
    manual_.advance(1ms);
    EXPECT_EQ(ended(), "cancelled: the client has left");
}

TEST_F(BarrierTest, CancelsBothWhenTheClientLeaves) {
    int cancelled = 0;
    const auto wait = [&] {
        try {
            sleep(1h);
        } catch (const runtime::Cancelled&) {
            ++cancelled;
            throw;
        }
    };
    begin(
        [&](const Request&) -> Refusal {
            wait();
            return {};
        },
        [&](Request&, Response&) { wait(); });
    task_.cancel("the client has left");
    manual_.settle();
    EXPECT_EQ(cancelled, 2);
    EXPECT_EQ(ended(), "cancelled: the client has left");
}

class BarrierWithoutFibersTest : public testing::Test {
  protected:
    /// What becomes of a handler that streams.
    std::string answer_with(std::size_t fibers) {
        runtime::ManualScheduler manual({.max_fibers = fibers});
        PartsWriter client;
        Request request = make_request("GET", "/");
        Response response;
        response.attach(client);
        const RequestHandler handler =
            layered({barrier(manual.scheduler, [](const Request&) { return Refusal(); })},
                    [](Request&, Response& r) { r.write("part"); });
        manual.spawn([&] { handler(request, response); });
        manual.settle();
        return std::to_string(response.status) + (response.streaming() ? " " : " not ") +
               "streamed, " + std::to_string(manual.scheduler.fibers_in_use()) + " at work";
    }
};

TEST_F(BarrierWithoutFibersTest, IsUnavailable) {
    EXPECT_EQ(answer_with(1), "503 not streamed, 0 at work");
}

TEST_F(BarrierWithoutFibersTest, GoesOneAfterTheOther) {
    EXPECT_EQ(answer_with(2), "200 streamed, 0 at work");
    EXPECT_EQ(answer_with(3), "200 streamed, 0 at work");
}

}  // namespace
}  // namespace ringmaster::http
