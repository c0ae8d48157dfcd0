#include "ringmaster/app/control_server.hpp"

#include "ringmaster/app/fleet_sockets.hpp"

#include <array>
#include <chrono>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;

TEST(ControlProtocol, KnowsItsCommandsByTheirNames) {
    for (const auto command :
         {ControlCommand::status, ControlCommand::status_json, ControlCommand::stop,
          ControlCommand::reload, ControlCommand::restart}) {
        EXPECT_EQ(parse_control(name_of(command)), command);
    }
    EXPECT_EQ(name_of(ControlCommand::status_json), "status --json");
    for (const char* line : {"", "Status", "status ", "stop now", "status\r"}) {
        EXPECT_FALSE(parse_control(line)) << line;
    }
}

TEST(ControlProtocol, AnswersWithAWordAndAText) {
    EXPECT_EQ(control_answer(true, "a\nb\n"), "done\na\nb\n");
    EXPECT_EQ(control_answer(false, "why"), "failed\nwhy");
    EXPECT_EQ(*read_control_answer("done\na\nb\n"), "a\nb\n");
    EXPECT_EQ(read_control_answer("failed\nwhy").error().code, ErrorCode::unavailable);
    EXPECT_EQ(read_control_answer("failed\nwhy").error().message, "why");
    for (const char* answer : {"", "done", "fail", "perhaps\n"}) {
        EXPECT_EQ(read_control_answer(answer).error().code, ErrorCode::closed) << answer;
    }
}

class ControlServerTest : public testing::Test {
  protected:
    ControlServerTest() : server_(listen()) {}

    store::UniqueFd listen() {
        auto sockets = FleetSockets::open({.listen = *net::parse_endpoint("127.0.0.1:0"),
                                           .shard_listen = *net::parse_endpoint("127.0.0.1:0"),
                                           .run_dir = directory_.path()});
        return std::move(sockets->control);
    }
    store::UniqueFd connect() {
        auto client = connect_unix(control_path(directory_.path()));
        if (!client) throw std::runtime_error(client.error().message);
        ::fcntl(client->get(), F_SETFL, O_NONBLOCK);
        return std::move(*client);
    }
    static void say(const store::UniqueFd& client, std::string_view text) {
        ASSERT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    /// All that is there; "(open)" behind it where more may come.
    static std::string heard(const store::UniqueFd& client) {
        std::string text;
        std::array<char, 4096> buffer;
        ssize_t got = 0;
        while ((got = ::recv(client.get(), buffer.data(), buffer.size(), 0)) > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
        return got == 0 ? text : text + "(open)";
    }
    std::vector<ControlServer::Request> turn() { return server_.turn(now_); }

    ScratchDirectory directory_;
    SteadyTime now_{1h};
    ControlServer server_;
};

TEST_F(ControlServerTest, AnswersWhenTheOutcomeIsKnown) {
    const auto client = connect();
    say(client, "rel");
    EXPECT_TRUE(turn().empty());
    say(client, "oad\n");
    const auto requests = turn();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].command, ControlCommand::reload);
    now_ += 1h;  // that takes its time
    EXPECT_TRUE(turn().empty());
    EXPECT_EQ(heard(client), "(open)");
    server_.answer(requests[0].client, true, "the configuration is applied", now_);
    EXPECT_EQ(heard(client), "done\nthe configuration is applied");
}

TEST_F(ControlServerTest, ServesSeveralAndMixesNoneUp) {
    const auto one = connect();
    const auto other = connect();
    say(one, "status\n");
    say(other, "stop\n");
    const auto requests = turn();
    ASSERT_EQ(requests.size(), 2u);
    server_.answer(requests[1].client, false, "b", now_);
    server_.answer(requests[0].client, true, "a", now_);
    turn();
    EXPECT_EQ(heard(one), "done\na");
    EXPECT_EQ(heard(other), "failed\nb");
}

TEST_F(ControlServerTest, RefusesWhatItDoesNotKnow) {
    for (const std::string& line : {std::string("start\n"), std::string(64, 'x')}) {
        const auto client = connect();
        say(client, line);
        EXPECT_TRUE(turn().empty());
        EXPECT_EQ(heard(client).find("failed\nthe daemon does not know this command"), 0u);
    }
}

TEST_F(ControlServerTest, LetsGoOfWhoSaysNothing) {
    const auto client = connect();
    EXPECT_FALSE(server_.next_time());
    turn();
    EXPECT_EQ(server_.next_time(), now_ + 5s);
    now_ += 5s - 1ns;
    turn();
    EXPECT_EQ(heard(client), "(open)");
    now_ += 1ns;
    turn();
    EXPECT_EQ(heard(client), "");
    EXPECT_FALSE(server_.next_time());
}

TEST_F(ControlServerTest, ForgetsWhoLeaves) {
    ControlClient id = 0;
    {
        const auto client = connect();
        say(client, "stop\n");
        const auto requests = turn();
        ASSERT_EQ(requests.size(), 1u);
        id = requests[0].client;
        EXPECT_EQ(server_.descriptors({id}).size(), 1u);
    }
    turn();
    EXPECT_TRUE(server_.descriptors({id}).empty());
    const auto next = connect();
    turn();
    server_.answer(id, true, "not for the next one", now_);
    EXPECT_EQ(heard(next), "(open)");
}

TEST_F(ControlServerTest, LetsGoOfWhoDoesNotTakeTheAnswer) {
    const auto client = connect();
    say(client, "status\n");
    const auto requests = turn();
    ASSERT_EQ(requests.size(), 1u);
    server_.answer(requests[0].client, true, std::string(4 << 20, 'x'), now_);
    std::vector<pollfd> polled;
    server_.add_polled(polled);
    EXPECT_EQ(polled.back().events, POLLIN | POLLOUT);
    now_ += 5s;
    turn();
    polled.clear();
    server_.add_polled(polled);
    EXPECT_EQ(polled.size(), 1u);
}

TEST_F(ControlServerTest, HasNoMoreThanSixteenClients) {
    std::vector<store::UniqueFd> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(connect());
    turn();
    const auto one_more = connect();
    say(one_more, "status\n");
    EXPECT_TRUE(turn().empty());
    std::vector<pollfd> polled;
    server_.add_polled(polled);
    EXPECT_EQ(polled.size(), 16u);
    clients.pop_back();
    turn();
    EXPECT_EQ(turn().size(), 1u);
}

TEST_F(ControlServerTest, GoesOnWithThoseOfAPredecessor) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    const store::UniqueFd client(ends[0]);
    const ControlClient id = server_.adopt(ends[1]);
    EXPECT_EQ(server_.descriptors({id}), std::vector<int>{ends[1]});
    server_.answer(id, true, "restarted", now_);
    turn();
    EXPECT_EQ(heard(client), "done\nrestarted");
}

TEST_F(ControlServerTest, IsAskedByACommand) {
    std::thread daemon([&] {
        for (std::vector<ControlServer::Request> requests; requests.empty();) {
            std::vector<pollfd> polled;
            server_.add_polled(polled);
            ::poll(polled.data(), polled.size(), -1);
            requests = turn();
            if (!requests.empty()) server_.answer(requests[0].client, true, "stopped", now_);
        }
        turn();
    });
    const auto answer = ask_supervisor(directory_.path(), ControlCommand::stop);
    daemon.join();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(*answer, "stopped");
}

TEST_F(ControlServerTest, CommandTellsWhereNoDaemonIs) {
    const auto nowhere = directory_.path() / "nowhere";
    const auto answer = ask_supervisor(nowhere, ControlCommand::status);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::not_found);
    EXPECT_EQ(answer.error().message, "no daemon is there: " + control_path(nowhere).string() +
                                          ": No such file or directory");
}

}  // namespace
}  // namespace ringmaster::app
