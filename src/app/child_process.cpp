#include "ringmaster/app/child_process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <climits>

namespace ringmaster::app {
namespace {

void close_all_but(std::vector<int> keep) {
    keep.push_back(STDERR_FILENO);
    std::ranges::sort(keep);
    for (std::size_t i = 0; i < keep.size(); ++i) {
        if (keep[i] < STDERR_FILENO) continue;
        const auto first = static_cast<unsigned>(keep[i]) + 1;
        const auto last = i + 1 < keep.size() ? static_cast<unsigned>(keep[i + 1]) - 1 : UINT_MAX;
        // A kernel without it (before 5.9) leaves them open, which costs no more than tidiness.
        if (first <= last && first != last + 1) ::close_range(first, last, 0);
    }
}

void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
    for (const int signal : {SIGINT, SIGQUIT, SIGHUP}) std::signal(signal, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Result<pid_t> fork_process(const char* name, std::vector<int> keep,
                           const std::function<int()>& body) {
    std::fflush(nullptr);  // or the child would write it once more
    const pid_t pid = ::fork();
    if (pid < 0) {
        return Error{ErrorCode::unavailable,
                     std::string("can't be forked: ") + std::strerror(errno)};
    }
    if (pid > 0) return pid;
    reset_signals();
    close_all_but(std::move(keep));
    ::prctl(PR_SET_NAME, name);
    int status = EXIT_FAILURE;
    try {
        status = body();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name, error.what());
    }
    // Not _exit(): what looks at a whole process (coverage, leaks) does so at its end. The frames
    // below this one are the parent's business, and are not unwound.
    std::exit(status);
}

std::string how_ended(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        const int signal = WTERMSIG(wait_status);
        return "was killed by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
    }
    return "has ended with status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace ringmaster::app
