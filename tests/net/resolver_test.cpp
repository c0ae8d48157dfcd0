#include "ringmaster/net/resolver.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "runtime/fixture.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster::net {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

/// Steady time that a test moves on, on top of the real one.
struct LeapingClock final : Clock {
    SteadyTime steady_now() const noexcept override {
        return std::chrono::steady_clock::now() + leap;
    }
    WallTime wall_now() const noexcept override { return SystemClock().wall_now(); }
    std::chrono::milliseconds leap{0};
};

struct ResolverTest : ::testing::Test {
    void run(std::function<void()> job) {
        reactor.post([&] {
            reactor.scheduler().run("test", [&] {
                job();
                while (reactor.scheduler().fibers_in_use() > 1) reactor.scheduler().yield();
                reactor.stop();
            });
        });
        reactor.run();
    }
    Result<std::vector<Endpoint>> look_up(const std::string& host, std::uint16_t port) {
        ++look_ups;
        if (gate) gate->get_future().wait();
        if (host == "nobody") return Error{ErrorCode::not_found, "can't look up nobody: no such"};
        return std::vector<Endpoint>{*parse_endpoint("192.0.2.1:" + std::to_string(port))};
    }

    LeapingClock clock;
    runtime::CollectingLog log;
    ErrorReporter errors{log};
    runtime::Reactor reactor{clock, errors, {.max_fibers = 16}};
    runtime::HelperThread helper{reactor, "look-up"};
    std::atomic<int> look_ups = 0;
    std::optional<std::promise<void>> gate;
    Resolver resolver{reactor.scheduler(),
                      helper,
                      {std::chrono::minutes(1), 3},
                      [this](const auto& host, auto port) { return look_up(host, port); }};
};

TEST_F(ResolverTest, AsksOnceAndBelievesTheAnswerForAWhile) {
    run([&] {
        for (int i = 0; i < 3; ++i) {
            const auto found = resolver.resolve("somebody", 80, {});
            ASSERT_TRUE(found);
            EXPECT_EQ(to_string(found->front()), "192.0.2.1:80");
        }
        EXPECT_EQ(look_ups, 1);
        EXPECT_EQ(to_string(resolver.resolve("somebody", 81, {})->front()), "192.0.2.1:81");
        EXPECT_EQ(look_ups, 2);
        clock.leap += std::chrono::minutes(1);
        reactor.scheduler().sleep_until(reactor.scheduler().now());
        EXPECT_TRUE(resolver.resolve("somebody", 80, {}));
        EXPECT_EQ(look_ups, 3);
    });
}

TEST_F(ResolverTest, DoesNotRememberFailures) {
    run([&] {
        for (int i = 1; i <= 2; ++i) {
            const auto failed = resolver.resolve("nobody", 80, {});
            ASSERT_FALSE(failed);
            EXPECT_EQ(failed.error().code, ErrorCode::not_found);
            EXPECT_EQ(look_ups, i);
        }
    });
}

TEST_F(ResolverTest, ThoseWhoAskAtTheSameTimeShareOneLookUp) {
    gate.emplace();
    int answered = 0;
    run([&] {
        for (int i = 0; i < 5; ++i) {
            reactor.scheduler().spawn(
                "asks", [&] { answered += resolver.resolve("somebody", 80, {}) ? 1 : 0; });
        }
        reactor.scheduler().yield();
        const auto soon = Deadline::at(reactor.scheduler().now() + milliseconds(5));
        EXPECT_EQ(resolver.resolve("somebody", 80, soon).error().code, ErrorCode::timeout);
        EXPECT_EQ(answered, 0);
        gate->set_value();
    });
    EXPECT_EQ(answered, 5);
    EXPECT_EQ(look_ups, 1);
}

TEST_F(ResolverTest, WaitsForLookUpsWhoseAskersHaveGivenUp) {
    gate.emplace();
    bool idle = false;
    run([&] {
        resolver.wait_until_idle();
        const auto soon = Deadline::at(reactor.scheduler().now() + milliseconds(2));
        EXPECT_EQ(resolver.resolve("somebody", 80, soon).error().code, ErrorCode::timeout);
        reactor.scheduler().spawn("waits", [&] {
            resolver.wait_until_idle();
            idle = true;
        });
        reactor.scheduler().sleep_until(reactor.scheduler().now() + milliseconds(2));
        EXPECT_FALSE(idle);
        gate->set_value();
    });
    EXPECT_TRUE(idle);
}

TEST_F(ResolverTest, RemembersSoManyNamesAndNoMore) {
    run([&] {
        for (const char* name : {"a", "b", "c", "d", "e"}) {
            EXPECT_TRUE(resolver.resolve(name, 80, {}));
            reactor.scheduler().sleep_until(reactor.scheduler().now() + milliseconds(2));
        }
        EXPECT_EQ(look_ups, 5);
        EXPECT_TRUE(resolver.resolve("e", 80, {}));
        EXPECT_EQ(look_ups, 5);
        EXPECT_TRUE(resolver.resolve("a", 80, {}));
        EXPECT_EQ(look_ups, 6) << "the oldest had given way";
    });
}

TEST_F(ResolverTest, TheSystemKnowsLocalhostAndNumbers) {
    const auto number = Resolver::system_look_up("127.0.0.1", 8080);
    ASSERT_TRUE(number);
    EXPECT_EQ(to_string(number->front()), "127.0.0.1:8080");
    const auto nobody = Resolver::system_look_up("host.invalid", 80);
    ASSERT_FALSE(nobody) << "RFC 6761, 6.4";
    EXPECT_THAT(nobody.error().message, HasSubstr("can't look up host.invalid: "));
}

}  // namespace
}  // namespace ringmaster::net
