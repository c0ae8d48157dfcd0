#include "ringmaster/app/child_process.hpp"

#include "ringmaster/store/disk.hpp"

#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ringmaster::app {
namespace {

/// How a process with this body ends.
int run(std::vector<int> keep, const std::function<int()>& body) {
    const auto pid = fork_process("ringmaster-x", std::move(keep), body);
    EXPECT_TRUE(pid);
    int status = 0;
    EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
    return status;
}

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(ChildProcessTest, EndsAsItsBodyDoes) {
    EXPECT_EQ(how_ended(run({}, [] { return 7; })), "has ended with status 7");
    EXPECT_EQ(how_ended(run({}, []() -> int { throw std::runtime_error("as it should"); })),
              "has ended with status 1");
    EXPECT_EQ(how_ended(run({}, [] { return ::raise(SIGKILL); })),
              "was killed by signal 9 (Killed)");
}

TEST(ChildProcessTest, HasTheDescriptorsThatItShallKeepAndNoOthers) {
    const store::UniqueFd one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const store::UniqueFd two(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const store::UniqueFd three(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const store::UniqueFd four(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int status = run({four.get(), two.get(), two.get(), STDOUT_FILENO, -1}, [&] {
        int open = 0;
        for (int fd = 0; fd < 1024; ++fd) open += is_open(fd);
        const bool right = is_open(two.get()) && is_open(four.get()) && is_open(STDERR_FILENO);
        return right ? open : 0;
    });
    EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(ChildProcessTest, HasNoSignalsOfItsParentAndNoneOfTheTerminal) {
    sigset_t all, before;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &before);
    std::signal(SIGTERM, SIG_IGN);
    const int status = run({}, [] {
        for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) ::raise(signal);
        ::raise(SIGTERM);
        return 0;
    });
    std::signal(SIGTERM, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    EXPECT_EQ(how_ended(status), "was killed by signal 15 (Terminated)");
}

TEST(ChildProcessTest, HasAName) {
    const int status = run({}, [] {
        char name[16] = "";
        ::prctl(PR_GET_NAME, name);
        return std::string(name) == "ringmaster-x" ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace ringmaster::app
