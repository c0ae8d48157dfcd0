#include "ringmaster/app/service_notification.hpp"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

using namespace std::chrono_literals;
using shard::ShardPhase;
using shard::SharedPage;

/// The service manager's end.
class Manager {
  public:
    explicit Manager(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.starts_with('@')) address.sun_path[0] = '\0';
        fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    }
    ~Manager() { ::close(fd_); }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    std::string received() const {
        std::array<char, 4096> buffer;
        const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
        return size < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

  private:
    int fd_;
};

class ServiceNotificationTest : public testing::Test {
  protected:
    ScratchDirectory directory_;
    std::string path_ = (directory_.path() / "notify").string();
    SteadyTime now_{1500ms};
};

TEST_F(ServiceNotificationTest, TellsWhatTheManagerMustKnow) {
    const Manager manager(path_);
    ServiceNotification notification(path_, 0us);
    notification.tell("READY=1", now_);
    EXPECT_EQ(manager.received(), "READY=1\nMAINPID=" + std::to_string(::getpid()));
    notification.tell("RELOADING=1", now_);
    EXPECT_EQ(manager.received(), "RELOADING=1\nMONOTONIC_USEC=1500000");
    notification.tell("STOPPING=1", now_);
    EXPECT_EQ(manager.received(), "STOPPING=1");
    EXPECT_FALSE(notification.next_sign());
}

TEST_F(ServiceNotificationTest, TellsAStatusOnce) {
    const Manager manager(path_);
    ServiceNotification notification(path_, 0us);
    notification.tell_status("2 shards serve");
    notification.tell_status("2 shards serve");
    EXPECT_EQ(manager.received(), "STATUS=2 shards serve");
    EXPECT_EQ(manager.received(), "nothing");
}

TEST_F(ServiceNotificationTest, KnowsAbstractNames) {
    const std::string name = "@" + path_;
    const Manager manager(name);
    ServiceNotification notification(name, 0us);
    notification.tell("STOPPING=1", now_);
    EXPECT_EQ(manager.received(), "STOPPING=1");
}

TEST_F(ServiceNotificationTest, SendsSignsOfLifeAtHalfTheIntervalWhileAllIsAlive) {
    const Manager manager(path_);
    ServiceNotification notification(path_, 10s);
    const auto keep_alive = [&](bool alive) {
        notification.keep_alive(now_, [&](std::chrono::microseconds interval) {
            EXPECT_EQ(interval, 10s);
            return alive;
        });
        return manager.received();
    };
    EXPECT_EQ(keep_alive(true), "WATCHDOG=1");
    EXPECT_EQ(notification.next_sign(), now_ + 5s);
    now_ += 5s - 1ns;
    EXPECT_EQ(keep_alive(true), "nothing");
    now_ += 1ns;
    EXPECT_EQ(keep_alive(false), "nothing");
    EXPECT_EQ(notification.next_sign(), now_ + 5s);
    now_ += 5s;
    EXPECT_EQ(keep_alive(true), "WATCHDOG=1");
}

TEST_F(ServiceNotificationTest, DoesNothingWithoutAManager) {
    ServiceNotification none("", 10s);
    none.tell("READY=1", now_);
    EXPECT_FALSE(none.next_sign());
    ServiceNotification gone(path_, 0us);
    gone.tell("READY=1", now_);
    ServiceNotification too_long(std::string(200, 'x'), 10s);
    too_long.tell("READY=1", now_);
    EXPECT_FALSE(too_long.next_sign());
}

TEST_F(ServiceNotificationTest, IsToldByTheEnvironment) {
    const Manager manager(path_);
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "10000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    auto mine = ServiceNotification::of_environment();
    mine.tell("STOPPING=1", now_);
    EXPECT_EQ(manager.received(), "STOPPING=1");
    EXPECT_TRUE(mine.next_sign());
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_FALSE(ServiceNotification::of_environment().next_sign());
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
}

TEST_F(ServiceNotificationTest, AskForTheHeartbeatsOfThoseThatServe) {
    auto page = SharedPage::create(2);
    ASSERT_TRUE(page);
    now_ = SteadyTime(100s);
    const auto beat = [&](shard::ShardIndex i, ShardPhase phase, std::chrono::nanoseconds at) {
        page->shard(i).phase = phase;
        page->shard(i).heartbeat_ns = at.count();
    };
    EXPECT_TRUE(all_alive(*page, now_, 10s));
    beat(0, ShardPhase::serving, 90s);
    beat(1, ShardPhase::starting, 0s);
    EXPECT_TRUE(all_alive(*page, now_, 10s));
    beat(0, ShardPhase::serving, 90s - 1ns);
    EXPECT_FALSE(all_alive(*page, now_, 10s));
    beat(0, ShardPhase::dead, 0s);
    EXPECT_TRUE(all_alive(*page, now_, 10s));
    beat(1, ShardPhase::serving, 1s);
    EXPECT_FALSE(all_alive(*page, now_, 10s));
}

}  // namespace
}  // namespace ringmaster::app
