#include "ringmaster/net/listener.hpp"

#include "ringmaster/base/log.hpp"

#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster::net {
namespace {

/// A listening socket as a supervisor has it, and connections to it.
class Door {
  public:
    Door() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const Endpoint any = *parse_endpoint("127.0.0.1:0");
        if (::bind(fd_, any.data(), static_cast<socklen_t>(any.size())) != 0 ||
            ::listen(fd_, 16) != 0) {
            throw std::runtime_error("listen");
        }
    }
    ~Door() {
        for (const int client : clients_) ::close(client);
        ::close(fd_);
    }
    int fd() const { return fd_; }

    void knock() {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        auto* const plain = reinterpret_cast<sockaddr*>(&address);
        const int client = ::socket(AF_INET, SOCK_STREAM, 0);
        clients_.push_back(client);
        if (::getsockname(fd_, plain, &size) != 0 || ::connect(client, plain, size) != 0) {
            throw std::runtime_error("connect");
        }
        pollfd arrived{fd_, POLLIN, 0};  // which may be a little later
        ::poll(&arrived, 1, 10'000);
    }
    bool somebody_waits() const {
        pollfd poll_fd{fd_, POLLIN, 0};
        return ::poll(&poll_fd, 1, 0) == 1;
    }

  private:
    int fd_;
    std::vector<int> clients_;
};

class ListenerTest : public ::testing::Test {
  protected:
    Listener& make() {
        return *listeners_.emplace_back(std::make_unique<Listener>(reactor_, log_, [this](int fd) {
            ++accepted_;
            ::close(fd);
        }));
    }
    /// Lets the loop run until nothing is left to do.
    void run() {
        reactor_.context().restart();
        while (reactor_.context().poll() > 0) {
        }
    }

    SystemClock clock_;
    NullLog log_;
    ErrorReporter errors_{log_};
    runtime::Reactor reactor_{clock_, errors_, {}};
    int accepted_ = 0;
    std::vector<std::unique_ptr<Listener>> listeners_;
};

TEST_F(ListenerTest, AcceptsFromAnInheritedSocket) {
    Door door;
    door.knock();
    Listener& listener = make();
    ASSERT_TRUE(listener.adopt(door.fd()));
    run();
    EXPECT_EQ(accepted_, 1);
    door.knock();
    run();
    EXPECT_EQ(accepted_, 2);
}

TEST_F(ListenerTest, LeavesAnInheritedSocketToTheOthers) {
    Door door;
    Listener& listener = make();
    ASSERT_TRUE(listener.adopt(door.fd()));
    run();
    listener.close();
    door.knock();
    run();
    EXPECT_EQ(accepted_, 0);
    EXPECT_TRUE(door.somebody_waits());

    ASSERT_TRUE(make().adopt(door.fd()));
    run();
    EXPECT_EQ(accepted_, 1);
}

// A neighbour's door may be opened and given back many times, and at any moment.
TEST_F(ListenerTest, TheSameSocketMayBeAdoptedAgain) {
    Door door;
    Listener& listener = make();
    for (int i = 1; i <= 5; ++i) {
        ASSERT_TRUE(listener.adopt(door.fd()));
        run();
        door.knock();
        run();
        EXPECT_EQ(accepted_, i);
        listener.close();
    }
}

TEST_F(ListenerTest, WhatWasReadyWhenItWasClosedIsNotAccepted) {
    Door door;
    Listener& listener = make();
    ASSERT_TRUE(listener.adopt(door.fd()));
    run();
    door.knock();
    reactor_.post([&] { listener.close(); });
    run();
    const bool waits = door.somebody_waits();
    EXPECT_EQ(accepted_, waits ? 0 : 1);
    ASSERT_TRUE(listener.adopt(door.fd()));
    run();
    EXPECT_EQ(accepted_, 1);
}

TEST_F(ListenerTest, SaysWhyASocketCannotBeAdopted) {
    const auto adopted = make().adopt(-1);
    ASSERT_FALSE(adopted);
    EXPECT_EQ(adopted.error().code, ErrorCode::unavailable);
    EXPECT_NE(adopted.error().message.find("Bad file descriptor"), std::string::npos);
}

}  // namespace
}  // namespace ringmaster::net
