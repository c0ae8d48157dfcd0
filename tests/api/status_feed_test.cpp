#include "ringmaster/api/status_feed.hpp"

#include "ringmaster/http/testing.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/peer.hpp"
#include <gtest/gtest.h>

namespace ringmaster::api {
namespace {

using http::Peer;
using namespace std::chrono_literals;

constexpr std::string_view kGet = "GET /status/stream HTTP/1.1\r\nHost: a\r\n\r\n";

/// "data: N\n\n" of the N-th snapshot.
std::string event(int n) {
    return "data: " + std::to_string(n) + "\n\n";
}

class StatusFeedTest : public testing::Test {
  protected:
    /// Serves a feed whose snapshots are counted, in a server that is drained at the end.
    void run(StatusFeed::Options options, const std::function<void(StatusFeed&)>& talk) {
        StatusFeed feed(
            server_.scheduler(),
            [this] {
                if (++snapshots_ == failing_) throw std::runtime_error("no snapshot");
                return std::to_string(snapshots_) + padding_;
            },
            options);
        server_.run([&](http::Request&, http::Response& response) { feed.watch(response); },
                    [&] {
                        const std::size_t fibers = server_.scheduler().fibers_in_use();
                        talk(feed);
                        server_.wait_until([&] { return feed.watchers() == 0; });
                        feed.close();
                        EXPECT_EQ(server_.scheduler().fibers_in_use(), fibers);
                    });
    }

    http::TestServer server_;
    int snapshots_ = 0;
    int failing_ = 0;  ///< the number of the snapshot that fails
    std::string padding_;
};

TEST_F(StatusFeedTest, TakesOneSnapshotForAll) {
    run({.period = 5ms}, [&](StatusFeed& feed) {
        std::vector<std::unique_ptr<Peer>> peers;
        for (int i = 0; i < 40; ++i) peers.push_back(std::make_unique<Peer>(server_));
        for (auto& peer : peers) peer->send(kGet);
        server_.wait_until([&] { return feed.watchers() == peers.size(); });
        const int last = snapshots_ + 5;
        for (auto& peer : peers) peer->read_until(event(last));
        // However many they are: were each of them to cost one, there would be hundreds.
        EXPECT_GE(snapshots_, last);
        EXPECT_EQ(server_.server().stats().open_answers, peers.size());
    });
}

TEST_F(StatusFeedTest, TakesNoneWhileNobodyWatches) {
    run({.period = 1ms}, [&](StatusFeed& feed) {
        const std::size_t fibers = server_.scheduler().fibers_in_use();
        EXPECT_EQ(snapshots_, 0);
        for (int round = 0; round < 3; ++round) {
            Peer peer(server_);
            peer.send(kGet);
            peer.read_until(event(snapshots_ + 2));
            peer.leave();
            server_.wait_until([&] {
                return feed.watchers() == 0 && server_.scheduler().fibers_in_use() == fibers;
            });
        }
    });
}

TEST_F(StatusFeedTest, ShowsTheLatestToWhoComesBetweenTwo) {
    run({.period = 1h}, [&](StatusFeed&) {
        Peer first(server_);
        first.send(kGet);
        const std::string answer = first.read_until(event(1));
        EXPECT_NE(answer.find("Content-Type: text/event-stream\r\n"), answer.npos);
        EXPECT_NE(answer.find("retry: 2000\n\n"), answer.npos);
        Peer second(server_);
        second.send(kGet);
        second.read_until(event(1));
        EXPECT_EQ(snapshots_, 1);
    });
}

TEST_F(StatusFeedTest, BoundsWhoWatches) {
    run({.max_watchers = 1, .period = 1h}, [&](StatusFeed& feed) {
        Peer first(server_);
        first.send(kGet);
        first.read_until(event(1));
        Peer second(server_);
        second.send(kGet);
        EXPECT_TRUE(second.read_until("}").starts_with("HTTP/1.1 503 "));
        EXPECT_EQ(feed.watchers(), 1u);
        first.leave();
        server_.wait_until([&] { return feed.watchers() == 0; });
        second.send(kGet);
        second.read_until(event(2));
    });
}

TEST_F(StatusFeedTest, LeavesOutWhatASlowWatcherDoesNotTake) {
    padding_.assign(100'000, '.');
    run({.period = 1ms}, [&](StatusFeed& feed) {
        Peer slow(server_);
        slow.send(kGet);
        server_.wait_until([&] { return feed.watchers() == 1; });
        // 30 MB are more than the kernel keeps for one connection.
        server_.wait_until([&] { return snapshots_ >= 300; });
        const int missed_before = snapshots_;
        const std::string received =
            slow.read_until("data: " + std::to_string(missed_before + 5) + ".");
        int events = 0;
        for (std::size_t at = 0; (at = received.find("data: ", at)) != received.npos; ++at) {
            ++events;
        }
        EXPECT_LT(events, missed_before);
        slow.leave();
    });
}

TEST_F(StatusFeedTest, GoesOnAfterASnapshotThatFails) {
    failing_ = 1;
    run({.period = 1ms}, [&](StatusFeed&) {
        Peer peer(server_);
        peer.send(kGet);
        peer.read_until(event(2));
    });
    ASSERT_EQ(server_.log().size(), 1u);
    EXPECT_NE(server_.log()[0].find("no snapshot"), std::string::npos);
}

TEST_F(StatusFeedTest, EndsWithTheServer) {
    StatusFeed feed(server_.scheduler(), [] { return std::string("x"); }, {.period = 1h});
    server_.run([&](http::Request&, http::Response& response) { feed.watch(response); },
                [&] {
                    Peer peer(server_);
                    peer.send(kGet);
                    peer.read_until("data: x\n\n");
                    server_.server().drain(Deadline::at(server_.scheduler().now() + 10s));
                    EXPECT_EQ(feed.watchers(), 0u);
                    feed.close();
                });
}

}  // namespace
}  // namespace ringmaster::api
