#include "ringmaster/app/supervisor.hpp"

#include "ringmaster/app/fleet_sockets.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "scratch_directory.hpp"
#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

/// For what must happen at all.
constexpr int kPatienceMs = 60'000;

std::string content(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    return text.str();
}

/// Runs the program fake_daemon, whose shards report what happens to them.
class SupervisorTest : public testing::Test {
  protected:
    SupervisorTest() {
        std::filesystem::copy_file(FAKE_DAEMON, program());
        configure("");
        const auto pipe = directory_.path() / "reports";
        if (::mkfifo(pipe.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
        // Never at its end: this process has it open for writing too.
        reports_ = store::UniqueFd(::open(pipe.c_str(), O_RDWR | O_CLOEXEC));
    }
    ~SupervisorTest() override {
        if (daemon_ > 0 && !reaped_) {
            ::kill(daemon_, SIGKILL);
            ::waitpid(daemon_, nullptr, 0);
        }
        // One in the background is not a child.
        const int pid = std::atoi(content(file("pid")).c_str());
        if (pid > 0) ::kill(pid, SIGKILL);
    }

    std::filesystem::path program() const { return directory_.path() / "daemon"; }
    std::filesystem::path file(const char* name) const { return directory_.path() / name; }
    void configure(std::string_view server) {
        directory_.write("x.toml",
                         "[server]\nlisten = \"127.0.0.1:0\"\nrun_dir = \"run\"\npid_file = "
                         "\"pid\"\n" +
                             std::string(server.empty() ? "shards = 2\n" : server) +
                             "[store]\ndata_dir = \"store\"\n[log]\nfile = \"log\"\n");
    }
    void touch(const char* name) const { directory_.write(name, ""); }

    void run(bool daemonize = false) {
        const std::string config = file("x.toml").string();
        daemon_ = ::fork();
        if (daemon_ != 0) return;
        const int null = ::open("/dev/null", O_WRONLY);
        ::dup2(null, STDERR_FILENO);
        ::execl(program().c_str(), program().c_str(), "serve", "--config", config.c_str(),
                daemonize ? "--daemonize" : nullptr, nullptr);
        ::_exit(127);
    }
    void start() {
        run();
        await({"0 serve", "1 serve"});
        await_service();
    }
    /// What a shard was told, and does, the supervisor knows a little later.
    void await_service() {
        for (std::string status; !status.starts_with("2 shards serve");) {
            status = ask(ControlCommand::status);
            if (status.find(" serve") == status.npos) throw std::runtime_error(status);
        }
    }

    /// The exit status of what was run.
    int ended() {
        int status = 0;
        EXPECT_EQ(::waitpid(daemon_, &status, 0), daemon_);
        reaped_ = true;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    int stop(int number = SIGTERM) {
        ::kill(daemon_, number);
        return ended();
    }
    /// Waits until all of these have been reported, in any order and among others.
    void await(std::vector<std::string> lines) {
        while (!lines.empty()) {
            const auto end = heard_.find('\n');
            if (end != heard_.npos) {
                std::erase(lines, heard_.substr(0, end));
                heard_.erase(0, end + 1);
                continue;
            }
            pollfd reports{reports_.get(), POLLIN, 0};
            if (::poll(&reports, 1, kPatienceMs) != 1) {
                throw std::runtime_error("waited in vain for " + lines[0] + "; the log:\n" +
                                         content(file("log")));
            }
            std::array<char, 4096> buffer;
            const ssize_t got = ::read(reports_.get(), buffer.data(), buffer.size());
            if (got > 0) heard_.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    /// What a command is answered, or why it was not.
    std::string ask(ControlCommand command) {
        const auto answer = ask_supervisor(directory_.path() / "run", command);
        return answer ? *answer : answer.error().message;
    }
    pid_t pid_of(int shard) {
        const std::string status = ask(ControlCommand::status_json);
        const std::string before = "{\"shard\":" + std::to_string(shard) + ",\"pid\":";
        return std::stoi(status.substr(status.find(before) + before.size()));
    }
    bool logged(std::string_view text) const {
        return content(file("log")).find(text) != std::string::npos;
    }

    ScratchDirectory directory_;
    store::UniqueFd reports_;
    std::string heard_;
    pid_t daemon_ = 0;
    bool reaped_ = false;
};

TEST_F(SupervisorTest, StartsServesAndStops) {
    run();
    await({"0 started with numbers", "1 started", "0 configure"});
    await({"0 serve", "1 serve"});
    await_service();
    EXPECT_TRUE(logged("supervisor: listening on 127.0.0.1:"));
    EXPECT_EQ(content(file("pid")), std::to_string(daemon_) + "\n");
    EXPECT_EQ(stop(), 0);
    await({"0 drain", "1 drain"});
    for (const char* left : {"pid", "run/control.sock", "run/shard-0.sock"}) {
        EXPECT_FALSE(std::filesystem::exists(file(left))) << left;
    }
}

TEST_F(SupervisorTest, FailsToStartWithAShard) {
    touch("fail-1");
    run();
    EXPECT_EQ(ended(), 1);
    EXPECT_TRUE(logged("error supervisor: as it was told to\n"));
    EXPECT_FALSE(std::filesystem::exists(file("pid")));
}

TEST_F(SupervisorTest, ForksAShardThatWasKilledAndKeepsItsSockets) {
    start();
    const pid_t killed = pid_of(1);
    const auto before = connect_unix(peer_path(file("run"), 1));
    ASSERT_TRUE(before);
    ::kill(killed, SIGKILL);
    await({"1 started", "1 serve"});
    EXPECT_NE(pid_of(1), killed);
    EXPECT_TRUE(logged("shard 1 was killed by signal 9 (Killed); its successor is forked at once"));
    EXPECT_TRUE(connect_unix(peer_path(file("run"), 1)));
    // Who waited in the queue of the dead one still does.
    char byte = 0;
    EXPECT_EQ(::recv(before->get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, ShardsNoticeItsDeath) {
    start();
    EXPECT_EQ(stop(SIGKILL), -SIGKILL);
    await({"0 orphaned", "1 orphaned"});
    reaped_ = false;
    // Until the last of them has ended, none other could start.
    const store::UniqueFd lock(::open(file("store/lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
    ASSERT_EQ(::flock(lock.get(), LOCK_UN), 0);
    start();  // what it left is in nobody's way
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, RefusesASecondOne) {
    start();
    const pid_t first = daemon_;
    run();
    EXPECT_EQ(ended(), 1);
    EXPECT_TRUE(logged("is in use by another process"));
    EXPECT_EQ(content(file("pid")), std::to_string(first) + "\n");
    daemon_ = first;
    reaped_ = false;
    EXPECT_EQ(ask(ControlCommand::status).find("2 shards serve"), 0u);
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, ASecondSignalStopsAtOnce) {
    touch("linger");
    start();
    ::kill(daemon_, SIGTERM);
    await({"0 drain", "1 drain"});
    EXPECT_EQ(stop(SIGINT), 1);
    await({"0 stop", "1 stop"});
    EXPECT_TRUE(logged("SIGINT again: stopping at once"));
}

TEST_F(SupervisorTest, StopsForACommand) {
    start();
    EXPECT_EQ(ask(ControlCommand::stop), "stopped");
    EXPECT_EQ(ended(), 0);
    EXPECT_EQ(ask(ControlCommand::stop).find("no daemon is there: "), 0u);
}

TEST_F(SupervisorTest, ReloadsAGoodConfigurationOnly) {
    start();
    configure("shards = 2\nbacklog = 5\n");
    EXPECT_EQ(ask(ControlCommand::reload), "the configuration is applied");
    await({"0 configure"});
    EXPECT_TRUE(
        logged("warning supervisor: a change of [server] backlog takes effect with a "
               "restart only"));
    configure("shards = 0\nbacklog = 0\n");
    EXPECT_EQ(ask(ControlCommand::reload).find("nothing is changed: "), 0u);
    EXPECT_TRUE(logged("[server] shards is 0; expected"));
    EXPECT_TRUE(logged("[server] backlog is 0; expected"));
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, ReopensTheLog) {
    start();
    std::filesystem::rename(file("log"), file("log.1"));
    ::kill(daemon_, SIGUSR1);
    await({"0 reopen-log", "1 reopen-log"});
    EXPECT_EQ(stop(), 0);
    EXPECT_TRUE(logged("supervisor: stopped"));
    EXPECT_EQ(content(file("log.1")).find("supervisor: stopped"), std::string::npos);
}

TEST_F(SupervisorTest, RestartsWithTheProgramOnTheDiskAndKeepsItsProcess) {
    start();
    const pid_t before[] = {pid_of(0), pid_of(1)};
    const auto replaced = directory_.path() / "daemon.new";
    std::filesystem::copy_file(FAKE_DAEMON, replaced);
    std::filesystem::rename(replaced, program());
    configure("shards = 3\n");
    EXPECT_EQ(ask(ControlCommand::restart), "2 shards restarted");
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(daemon_) + "/exe"),
              program());
    EXPECT_TRUE(
        logged("a change of [server] shards takes effect when the daemon is stopped and "
               "started"));
    await({"0 drain", "0 started", "0 serve", "1 drain", "1 started", "1 serve", "0 configure"});
    EXPECT_NE(pid_of(0), before[0]);
    EXPECT_NE(pid_of(1), before[1]);
    EXPECT_NE(ask(ControlCommand::status_json).find("\"restarts\":1}"), std::string::npos);
    // The successor does all that the first one did.
    ::kill(pid_of(0), SIGKILL);
    await({"0 started", "0 serve"});
    EXPECT_EQ(ask(ControlCommand::restart), "2 shards restarted");
    EXPECT_EQ(stop(), 0);
    EXPECT_FALSE(std::filesystem::exists(file("pid")));
}

TEST_F(SupervisorTest, RestartsNothingWithABadProgram) {
    start();
    const pid_t before = pid_of(0);
    std::filesystem::remove(program());
    EXPECT_EQ(ask(ControlCommand::restart).find("the shards serve on: "), 0u);
    EXPECT_TRUE(logged("daemon: No such file or directory"));
    directory_.write("daemon", "#!/bin/sh\necho it is of another time\nexit 1\n");
    std::filesystem::permissions(program(), std::filesystem::perms::owner_all);
    EXPECT_EQ(ask(ControlCommand::restart).find("the shards serve on: "), 0u);
    EXPECT_TRUE(logged("error supervisor: it is of another time"));
    EXPECT_EQ(pid_of(0), before);
    EXPECT_EQ(stop(), 0);
}

/// Good when it was asked, but not to be run any more.
TEST_F(SupervisorTest, GoesOnWhereTheProgramCantBeRun) {
    start();
    const pid_t before = pid_of(0);
    std::filesystem::remove(program());
    directory_.write("daemon", "#!/bin/sh\nrm \"$0\"\n");
    std::filesystem::permissions(program(), std::filesystem::perms::owner_all);
    EXPECT_EQ(ask(ControlCommand::restart), "the shards serve on: " + program().string() +
                                                " can't be run: No such file or directory");
    EXPECT_EQ(pid_of(0), before);
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, EndsARestartWhoseShardFails) {
    start();
    const pid_t before = pid_of(1);
    touch("fail-0");
    EXPECT_EQ(ask(ControlCommand::restart).find("the new shard 0 has failed: as it was told to"),
              0u);
    EXPECT_EQ(pid_of(1), before);
    std::filesystem::remove(file("fail-0"));
    await({"0 drain", "0 serve"});
    EXPECT_EQ(stop(), 0);
}

TEST_F(SupervisorTest, GoesToTheBackground) {
    run(true);
    EXPECT_EQ(ended(), 0);
    EXPECT_EQ(ask(ControlCommand::status).find("2 shards serve"), 0u);
    EXPECT_NE(std::stoi(content(file("pid"))), daemon_);
    EXPECT_EQ(ask(ControlCommand::restart), "2 shards restarted");
    EXPECT_EQ(ask(ControlCommand::stop), "stopped");
}

TEST_F(SupervisorTest, FailsOnTheWayToTheBackground) {
    touch("fail-0");
    run(true);
    EXPECT_EQ(ended(), 1);
    EXPECT_TRUE(logged("as it was told to"));
}

}  // namespace
}  // namespace ringmaster::app
