#include "ringmaster/http/middleware/rate_limit.hpp"

#include <chrono>
#include <stdexcept>

#include "http/fixture.hpp"
#include <gtest/gtest.h>

namespace ringmaster::http {
namespace {

using namespace std::chrono_literals;

/// By the field Key.
class RateLimitTest : public testing::Test {
  protected:
    void limit(const RateLimitOptions& options) {
        handler_ = layered({rate_limit(
                               options,
                               [](const Request& request) {
                                   return std::string(request.header("Key").value_or(""));
                               },
                               clock_)},
                           [this](Request&, Response&) { ++calls_; });
    }
    Response ask(std::string_view key = "k") {
        return answer(handler_, make_request("GET", "/", "Key: " + std::string(key) + "\r\n"));
    }
    /// "STATUS RateLimit".
    std::string told(std::string_view key = "k") {
        const Response response = ask(key);
        return std::to_string(response.status) + " " +
               std::string(response.header("RateLimit").value_or("-"));
    }

    FakeClock clock_;
    RequestHandler handler_;
    int calls_ = 0;
};

TEST_F(RateLimitTest, TellsWhatIsLeft) {
    limit({.name = "n", .requests = 3, .window = 60s});
    EXPECT_EQ(ask("other").header("RateLimit-Policy"), "\"n\";q=3;w=60");
    EXPECT_EQ(told(), "200 \"n\";r=2;t=20");
    EXPECT_EQ(told(), "200 \"n\";r=1;t=40");
    EXPECT_EQ(told(), "200 \"n\";r=0;t=60");
    EXPECT_EQ(calls_, 4);
}

TEST_F(RateLimitTest, RefusesWhereNothingIsLeft) {
    limit({.requests = 3, .window = 60s});
    for (int i = 0; i < 3; ++i) ask();
    clock_.advance(500ms);
    for (int i = 0; i < 5; ++i) {
        const Response response = ask();
        EXPECT_EQ(response.status, 429);
        EXPECT_EQ(response.header("Retry-After"), "20");
        EXPECT_EQ(response.header("RateLimit-Policy"), "\"default\";q=3;w=60");
        EXPECT_EQ(response.header("RateLimit"), "\"default\";r=0;t=60") << "it costs nothing";
        EXPECT_EQ(response.body, R"({"error_class":"TooManyRequests","message":"too many )"
                                 R"(requests; try again in 20 s"})");
    }
    EXPECT_EQ(calls_, 3);
}

TEST_F(RateLimitTest, AllowsAgainWhenTheTimeHasCome) {
    limit({.requests = 3, .window = 60s});
    for (int i = 0; i < 3; ++i) ask();
    clock_.advance(19'999ms);
    EXPECT_EQ(told(), "429 \"default\";r=0;t=41");
    clock_.advance(1ms);
    EXPECT_EQ(told(), "200 \"default\";r=0;t=60");
    EXPECT_EQ(told(), "429 \"default\";r=0;t=60");
    clock_.advance(45s);
    EXPECT_EQ(told(), "200 \"default\";r=1;t=35");
}

TEST_F(RateLimitTest, AllowsNoMoreThanTheQuotaAtOnce) {
    limit({.requests = 3, .window = 60s});
    clock_.advance(1h);
    ask();
    clock_.advance(24h);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask().status, 200);
    EXPECT_EQ(ask().status, 429);
}

TEST_F(RateLimitTest, HasAQuotaForEachKey) {
    limit({.requests = 1, .window = 60s});
    EXPECT_EQ(ask("a").status, 200);
    EXPECT_EQ(ask("b").status, 200);
    EXPECT_EQ(ask("a").status, 429);
    EXPECT_EQ(ask("b").status, 429);
    EXPECT_EQ(ask(std::string(4000, 'a')).status, 200);
}

TEST_F(RateLimitTest, ForgetsTheKeyNotSeenForLongest) {
    limit({.requests = 1, .window = 60s, .max_keys = 2});
    ask("a");
    ask("b");
    EXPECT_EQ(ask("a").status, 429) << "and was seen now";
    ask("c");
    EXPECT_EQ(ask("a").status, 429);
    EXPECT_EQ(ask("c").status, 429);
    EXPECT_EQ(ask("b").status, 200) << "it was forgotten";
    EXPECT_EQ(ask("a").status, 200) << "for that one";
}

/// Where the window is not a multiple of the requests.
TEST_F(RateLimitTest, LosesNoRequestToRounding) {
    limit({.requests = 7, .window = 1s});
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 7; ++i) EXPECT_EQ(ask().status, 200);
        EXPECT_EQ(ask().status, 429);
        clock_.advance(1s);
    }
}

TEST_F(RateLimitTest, RefusesOptionsThatMakeNoSense) {
    EXPECT_THROW(limit({.name = "a\"b"}), std::invalid_argument);
    EXPECT_THROW(limit({.name = "a\nb"}), std::invalid_argument);
    EXPECT_THROW(limit({.requests = 0}), std::invalid_argument);
    EXPECT_THROW(limit({.requests = 1'000'001}), std::invalid_argument);
    EXPECT_THROW(limit({.window = 0s}), std::invalid_argument);
    EXPECT_THROW(limit({.window = std::chrono::days(367)}), std::invalid_argument);
    EXPECT_THROW(limit({.max_keys = 0}), std::invalid_argument);
    EXPECT_NO_THROW(limit({.requests = 1'000'000, .window = 1s, .max_keys = 1}));
}

}  // namespace
}  // namespace ringmaster::http
