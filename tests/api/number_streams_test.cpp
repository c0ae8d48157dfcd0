#include "ringmaster/api/number_streams.hpp"

#include "ringmaster/http/testing.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/fixture.hpp"
#include "http/peer.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using ringpool::Allocation;
using ringpool::OverflowReason;
using std::chrono::milliseconds;

constexpr std::string_view kTarget = "/numbers/stream?pool=autos&key=A329F4DC&session=v-81&m1=x";
constexpr const char* kAsked = "0 'v-81' m1=x;";
constexpr const char* kAskedAgain = "0 'v-81' m1=x; kept";
constexpr const char* kOverflow =
    "event: number\n"
    R"(data: {"number":"+18005550100","formatted":"800-555-0100","overflow":true,"reason":")";

std::string chunk(std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string size;
    for (std::size_t rest = text.size(); rest > 0; rest /= 16)
        size.insert(0, 1, kDigits[rest % 16]);
    return size + "\r\n" + std::string(text) + "\r\n";
}

class NumberStreamsTest : public ::testing::Test {
  protected:
    using Peer = http::Peer;

    NumberStreamsTest() {
        for (int i = 0; i < 100; ++i) store_.script.push_back(number(0, std::chrono::hours(1)));
    }
    /// Afterwards the store goes on with number 0.
    void answer_first(const std::vector<Allocation>& answers) {
        std::ranges::copy(answers, store_.script.begin());
    }

    /// Streams with these limits, while `talk` runs.
    template <class Talk>
    void run(Talk&& talk) {
        make_streams();
        http::Router router;
        streams_->register_routes(router);
        server_.run([&](http::Request& request,
                        http::Response& response) { router.handle(request, response); },
                    [&] {
                        talk();
                        server_.server().drain(soon());
                        EXPECT_TRUE(streams_->drain(soon()));
                        EXPECT_EQ(streams_->stats().streams, 0u);
                    });
    }
    void make_streams() {
        streams_ = std::make_unique<NumberStreams>(catalog_, store_, server_.scheduler(), clock_,
                                                   errors_, ApiLimits(), limits_,
                                                   [this](Deadline) { ++catch_ups_; });
    }

    Deadline soon() { return Deadline::at(server_.scheduler().now() + std::chrono::seconds(10)); }
    void wait_until(const std::function<bool()>& condition) { server_.wait_until(condition); }

    static std::string get(std::string_view target, std::string_view fields = "") {
        return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) +
               "\r\n";
    }
    /// A stream whose first event has come.
    std::unique_ptr<Peer> open(std::string_view target = kTarget) {
        auto peer = std::make_unique<Peer>(server_);
        peer->send(get(target));
        next(*peer);
        return peer;
    }
    /// What comes up to the end of a chunk.
    static std::string next(Peer& peer) { return peer.read_until("\n\n\r\n"); }

    Allocation number(std::uint64_t i, milliseconds promised) {
        Allocation answer = FakeStore::number(i);
        answer.expires_at = std::chrono::floor<milliseconds>(clock_.wall_now()) + promised;
        return answer;
    }
    Allocation none(OverflowReason reason, ringpool::PoolIndex pool = 0) {
        return ringpool::overflow_allocation(catalog_.at(pool), reason);
    }
    void set_lifetime(std::chrono::seconds lifetime) {
        auto pool = catalog_.at(0);
        pool.lifetime = lifetime;
        ASSERT_TRUE(catalog_.put(std::move(pool)));
    }

    struct NoLog final : Log {
        void write(LogLevel, std::string_view) noexcept override {}
    } log_;
    ErrorReporter errors_{log_};
    SystemClock clock_;
    ringpool::Catalog catalog_ = make_catalog();
    FakeStore store_;
    NumberStreamLimits limits_{.ping = std::chrono::hours(1)};
    http::TestServer server_{{.half_close_timeout = milliseconds(0)}};
    int catch_ups_ = 0;
    std::unique_ptr<NumberStreams> streams_;
};

TEST_F(NumberStreamsTest, BeginsWithTheNumber) {
    answer_first({FakeStore::number(0)});
    run([&] {
        Peer peer(server_);
        peer.send(get(kTarget));
        const std::string answer = next(peer);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        for (const std::string field :
             {"Content-Type: text/event-stream", "Cache-Control: no-store", "Connection: close"}) {
            EXPECT_NE(answer.find("\r\n" + field + "\r\n"), answer.npos) << field;
        }
        EXPECT_NE(answer.find("\r\nprocessing-time: "), answer.npos);
        EXPECT_EQ(answer.substr(answer.find("\r\n\r\n") + 4),
                  chunk("retry: 3000\n\nevent: number\n"
                        R"(data: {"number":"+18665550142","formatted":"866-555-0142",)"
                        R"("expires_at":"2026-11-21T17:31:05Z"})"
                        "\nid: +18665550142\n\n"));
        EXPECT_EQ(store_.asked, std::vector<std::string>{kAsked});
        EXPECT_EQ(streams_->stats().streams, 1u);
        EXPECT_EQ(server_.scheduler().fibers_in_use(), 1u) << "nobody but this test";
    });
}

TEST_F(NumberStreamsTest, FailsAsASingleRequestDoes) {
    answer_first({none(OverflowReason::exhausted, 2)});
    run([&] {
        const auto answer = [&](std::string_view target) {
            Peer peer(server_);
            peer.send(get(target, "Connection: close\r\n"));
            return peer.read_to_end();
        };
        EXPECT_TRUE(answer("/numbers/stream?pool=autos&key=guess").starts_with("HTTP/1.1 403 "));
        EXPECT_TRUE(answer("/numbers/stream?pool=autos").starts_with("HTTP/1.1 400 "));
        EXPECT_TRUE(answer("/numbers/stream?pool=strict&key=77AA01").starts_with("HTTP/1.1 503 "));
        EXPECT_EQ(streams_->stats().opened, 0u);
    });
}

TEST_F(NumberStreamsTest, PingsWithoutAskingTheStore) {
    limits_.ping = milliseconds(20);
    run([&] {
        const auto peer = open();
        std::string got;
        while (got.size() < 3 * chunk(": \n\n").size()) got += next(*peer);
        EXPECT_TRUE(got.starts_with(chunk(": \n\n") + chunk(": \n\n"))) << got;
        EXPECT_EQ(store_.batches, 1);
        EXPECT_GE(streams_->stats().pings, 3u);
    });
}

TEST_F(NumberStreamsTest, RenewsAndKeepsTheContextWhileItIsOpen) {
    set_lifetime(std::chrono::seconds(1));
    run([&] {
        const auto peer = open();
        wait_until([&] { return store_.asked.size() == 3; });
        EXPECT_EQ(store_.asked, (std::vector<std::string>{kAsked, kAskedAgain, kAskedAgain}));
        EXPECT_EQ(streams_->stats().changes, 0u);
        EXPECT_EQ(catch_ups_, 2);
    });
}

TEST_F(NumberStreamsTest, RenewsWithoutASessionByTheContext) {
    set_lifetime(std::chrono::seconds(1));
    run([&] {
        const auto peer = open("/numbers/stream?pool=autos&key=A329F4DC&m2=b&m1=x");
        wait_until([&] { return store_.asked.size() == 2; });
        EXPECT_EQ(store_.asked[1], "0 - m1=x;m2=b; kept");
        EXPECT_EQ(store_.asked[1], store_.asked[0] + " kept");
    });
}

// Draining numbers, and those that were held for as long as they may be, are not promised anew.
TEST_F(NumberStreamsTest, TellsAnotherNumberWhenThePromiseEnds) {
    answer_first({number(0, milliseconds(150)), number(0, milliseconds(10)),
                  number(1, std::chrono::hours(1))});
    run([&] {
        const auto peer = open();
        const std::string event = next(*peer);
        EXPECT_NE(event.find("event: number\ndata: {\"number\":\"+18665550143\""), event.npos);
        EXPECT_NE(event.find("\nid: +18665550143\n"), event.npos);
        EXPECT_EQ(streams_->stats().changes, 1u);
    });
}

TEST_F(NumberStreamsTest, AsksOnceMoreWhenItEnds) {
    run([&] {
        const auto peer = open();
        EXPECT_EQ(store_.asked.size(), 1u);
        peer->leave();
        wait_until([&] { return streams_->stats().streams == 0; });
        EXPECT_EQ(store_.asked, (std::vector<std::string>{kAsked, kAskedAgain}));
    });
    EXPECT_EQ(store_.asked.size(), 2u);
}

TEST_F(NumberStreamsTest, AsksForAllThatEndTogetherAtOnce) {
    limits_.max_batch = 8;
    run([&] {
        std::vector<std::unique_ptr<Peer>> peers;
        for (int i = 0; i < 20; ++i) peers.push_back(open());
        EXPECT_EQ(store_.batches, 20);
        server_.server().drain(Deadline::at(server_.scheduler().now()));
        EXPECT_TRUE(streams_->drain(soon()));
        EXPECT_EQ(store_.asked.size(), 40u);
        EXPECT_EQ(store_.batches, 23);
    });
}

TEST_F(NumberStreamsTest, DoesNotTellAClientWhatItKnows) {
    answer_first({number(0, std::chrono::hours(1)), none(OverflowReason::exhausted),
                  none(OverflowReason::exhausted), number(0, std::chrono::hours(1))});
    const auto first = [&](std::string_view last_event_id) {
        Peer peer(server_);
        peer.send(get(kTarget, "Last-Event-ID: " + std::string(last_event_id) + "\r\n"));
        return next(peer);
    };
    run([&] {
        EXPECT_EQ(first("+18665550142").find("event: "), std::string::npos);
        EXPECT_EQ(first("+18005550100;overflow").find("event: "), std::string::npos);
        EXPECT_NE(first("+18005550100").find("event: number"), std::string::npos);
        EXPECT_NE(first("+18005550100;overflow").find("event: number"), std::string::npos);
    });
}

TEST_F(NumberStreamsTest, TellsTheNumberThatComesBehindAnOverflow) {
    limits_.ping = milliseconds(150);
    answer_first({none(OverflowReason::exhausted), none(OverflowReason::owner_slow),
                  number(7, std::chrono::hours(1))});
    run([&] {
        Peer peer(server_);
        peer.send(get(kTarget));
        std::string got;
        while (got.find("+18665550149") == got.npos) got += peer.read_until("\n\n\r\n");
        const auto overflow = got.find(kOverflow + std::string("exhausted\"}"));
        EXPECT_NE(overflow, got.npos);
        EXPECT_NE(got.find("id: +18005550100;overflow\n"), got.npos);
        EXPECT_EQ(streams_->stats().changes, 1u) << "the reason alone is no news";
    });
}

TEST_F(NumberStreamsTest, ForgetsAtOnceWhoHoldsNothing) {
    answer_first({none(OverflowReason::exhausted)});
    run([&] {
        const auto peer = open();
        peer->leave();
        wait_until([&] { return streams_->stats().streams == 0; });
    });
    EXPECT_EQ(store_.asked.size(), 1u);
}

TEST_F(NumberStreamsTest, TrustsAPromiseWhileTheStoreIsSilentAndNotLonger) {
    limits_.ping = milliseconds(100);
    answer_first({number(0, std::chrono::seconds(3))});  // many renewals, also on a busy machine
    std::fill(store_.script.begin() + 1, store_.script.end(),
              none(OverflowReason::store_unavailable));
    set_lifetime(std::chrono::seconds(1));
    run([&] {
        const auto peer = open();
        std::string got;
        while (got.find("event: number") == got.npos) got += next(*peer);
        EXPECT_NE(got.find(kOverflow + std::string("store_unavailable\"}")), got.npos);
        EXPECT_GE(clock_.wall_now(), store_.script[0].expires_at);
        EXPECT_GE(streams_->stats().failed_renewals, 2u);
        EXPECT_EQ(streams_->stats().changes, 1u);
    });
}

TEST_F(NumberStreamsTest, GoesOnWhereTheStoreThrows) {
    answer_first({number(0, milliseconds(150)), number(1, std::chrono::hours(1))});
    limits_.ping = milliseconds(100);
    run([&] {
        const auto peer = open();
        store_.on_allocate = [this] {
            if (store_.batches == 2) throw std::runtime_error("a bug");
        };
        std::string got;
        while (got.find("+18665550143") == got.npos) got += next(*peer);
        EXPECT_EQ(streams_->stats().failed_renewals, 1u);
    });
}

TEST_F(NumberStreamsTest, SaysWhereAPoolWithoutOverflowHasNothing) {
    answer_first({number(0, milliseconds(150)), none(OverflowReason::exhausted, 2)});
    run([&] {
        const auto peer = open("/numbers/stream?pool=strict&key=77AA01&session=a");
        const std::string event = next(*peer);
        EXPECT_NE(event.find("event: unavailable\ndata: {\"error_class\":\"PoolExhausted\""),
                  event.npos)
            << event;
    });
}

TEST_F(NumberStreamsTest, EndsWithItsPool) {
    answer_first({number(0, milliseconds(150))});
    run([&] {
        const auto peer = open();
        catalog_.remove(0);
        const std::string rest = peer->read_to_end();
        EXPECT_NE(rest.find("event: unavailable\ndata: {\"error_class\":\"InvalidKey\""),
                  rest.npos);
        EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
        EXPECT_EQ(streams_->stats().streams, 0u);
    });
}

TEST_F(NumberStreamsTest, HasABound) {
    limits_.max_streams = 2;
    run([&] {
        const auto one = open();
        const auto two = open();
        Peer three(server_);
        three.send(get(kTarget, "Connection: close\r\n"));
        const std::string refused = three.read_to_end();
        EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
        EXPECT_NE(refused.find("Retry-After: "), refused.npos);
        EXPECT_EQ(store_.asked.size(), 2u);
        one->leave();
        wait_until([&] { return streams_->stats().streams == 1; });
        open();
    });
}

// The store is asked for it when the client leaves.
TEST_F(NumberStreamsTest, MayEndWhileItIsRenewed) {
    answer_first({number(0, milliseconds(150))});
    run([&] {
        const auto peer = open();
        runtime::Event asked(server_.scheduler());
        runtime::Event left(server_.scheduler());
        store_.on_allocate = [&] {
            asked.set();
            left.wait();
        };
        asked.wait();
        peer->leave();
        wait_until([&] { return server_.server().stats().open_answers == 0; });
        EXPECT_EQ(streams_->stats().streams, 1u);
        left.set();
        wait_until([&] { return streams_->stats().streams == 0; });
        EXPECT_EQ(store_.asked.size(), 2u);
    });
}

}  // namespace
}  // namespace ringmaster::api
