#include "ringmaster/app/fleet_sockets.hpp"

#include <fcntl.h>
#include <set>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

class FleetSocketsTest : public testing::Test {
  protected:
    FleetSocketOptions options(std::string_view listen = "127.0.0.1:0") {
        return {.listen = *net::parse_endpoint(listen),
                .shard_listen = *net::parse_endpoint("127.0.0.1:0"),
                .run_dir = directory_.path() / "data/run",
                .shards = 3};
    }
    static std::string address(const store::UniqueFd& socket) {
        return net::to_string(local_endpoint(socket.get()));
    }
    static bool connects(const store::UniqueFd& listening) {
        const net::Endpoint to = local_endpoint(listening.get());
        const store::UniqueFd client(::socket(to.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        return ::connect(client.get(), to.data(), static_cast<socklen_t>(to.size())) == 0;
    }

    ScratchDirectory directory_;
};

TEST_F(FleetSocketsTest, ListensOnOnePortForAllAndOnOneForEach) {
    const auto sockets = FleetSockets::open(options());
    ASSERT_TRUE(sockets) << sockets.error().message;
    ASSERT_EQ(sockets->public_sockets.size(), 3u);
    ASSERT_EQ(sockets->own_sockets.size(), 3u);
    std::set<std::string> addresses;
    for (const auto& socket : sockets->public_sockets) {
        EXPECT_EQ(address(socket), address(sockets->public_sockets[0]));
        EXPECT_EQ(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        EXPECT_EQ(::fcntl(socket.get(), F_GETFD), FD_CLOEXEC);
        EXPECT_TRUE(connects(socket));
    }
    addresses.insert(address(sockets->public_sockets[0]));
    for (const auto& socket : sockets->own_sockets) {
        EXPECT_EQ(address(socket).find("127.0.0.1:"), 0u);
        addresses.insert(address(socket));
        EXPECT_TRUE(connects(socket));
    }
    EXPECT_EQ(addresses.size(), 4u);
}

TEST_F(FleetSocketsTest, ListensOnUnixSocketsForItsUserAlone) {
    const auto sockets = FleetSockets::open(options());
    ASSERT_TRUE(sockets) << sockets.error().message;
    const auto run_dir = options().run_dir;
    ASSERT_EQ(sockets->peer_sockets.size(), 3u);
    EXPECT_EQ(address(sockets->peer_sockets[2]), "unix:" + (run_dir / "shard-2.sock").string());
    EXPECT_EQ(address(sockets->control), "unix:" + (run_dir / "control.sock").string());
    struct stat status {};
    ASSERT_EQ(::stat(control_path(run_dir).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    ASSERT_EQ(::stat(run_dir.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(FleetSocketsTest, TellsWhereThereAreNotEnoughPorts) {
    const auto too_high = FleetSockets::open(options("127.0.0.1:65533"));
    ASSERT_FALSE(too_high);
    EXPECT_EQ(too_high.error().message,
              "there are not as many ports from 65534 on as there are shards, which is 3; expected "
              "a lower port in [server] shard_listen");
}

TEST_F(FleetSocketsTest, RefusesAPortThatAnotherDaemonShares) {
    const auto one = FleetSockets::open(options());
    ASSERT_TRUE(one) << one.error().message;
    auto again = options(address(one->public_sockets[0]));
    again.run_dir = directory_.path() / "other";
    const auto other = FleetSockets::open(again);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "can't listen on " + address(one->public_sockets[0]) +
                                         ": bind: Address already in use");
}

TEST_F(FleetSocketsTest, RemovesWhatADeadOneLeftButNotALivingOnes) {
    {
        const auto dead = FleetSockets::open(options());
        ASSERT_TRUE(dead) << dead.error().message;
    }
    const auto one = FleetSockets::open(options());
    ASSERT_TRUE(one) << one.error().message;
    const auto other = FleetSockets::open(options());
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message,
              "can't listen on unix:" + peer_path(options().run_dir, 0).string() +
                  ": another process does");
    EXPECT_TRUE(connects(one->peer_sockets[0]));
}

/// The kernel lets one more wait than it was told.
TEST_F(FleetSocketsTest, ChangesHowManyMayWait) {
    auto sockets = FleetSockets::open(options());
    ASSERT_TRUE(sockets) << sockets.error().message;
    sockets->set_backlog(0);
    const net::Endpoint to = local_endpoint(sockets->peer_sockets[0].get());
    const auto connect = [&] {
        store::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int connected = ::connect(client.get(), to.data(), static_cast<socklen_t>(to.size()));
        return std::pair(connected == 0, std::move(client));
    };
    const auto one = connect();
    const auto two = connect();
    EXPECT_TRUE(one.first);
    EXPECT_FALSE(two.first);
    sockets->set_backlog(1);
    const auto three = connect();
    EXPECT_TRUE(three.first);
}

TEST_F(FleetSocketsTest, TellsARunDirectoryThatCantBeMade) {
    directory_.write("file", "");
    auto under_file = options();
    under_file.run_dir = directory_.path() / "file/run";
    const auto sockets = FleetSockets::open(under_file);
    ASSERT_FALSE(sockets);
    EXPECT_EQ(sockets.error().message,
              "can't make the directory " + under_file.run_dir.string() + ": Not a directory");
}

}  // namespace
}  // namespace ringmaster::app
