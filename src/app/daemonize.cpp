#include "ringmaster/app/daemonize.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {
namespace {

/// In the process that was started: the first byte is the exit status, and the rest what to say.
[[noreturn]] void wait_for_word(int fd, pid_t child) {
    std::string word;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got == 0 || (got < 0 && errno != EINTR)) break;
        if (got > 0) word.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::waitpid(child, nullptr, 0);  // the one in the middle, which ends at once
    if (word.empty()) {
        word = static_cast<char>(kFailed);
        word += "the daemon has ended while it started; its log tells why";
    }
    if (word.size() > 1) std::fprintf(stderr, "%s\n", word.c_str() + 1);
    ::_exit(word[0]);
}

void close_standard_streams() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
    if (null > STDERR_FILENO) ::close(null);
}

}  // namespace

Result<Daemonizer> Daemonizer::fork() {
    const auto failed = [](const char* what) {
        return Error{ErrorCode::unavailable,
                     std::string("can't become a daemon: ") + what + ": " + std::strerror(errno)};
    };
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("pipe");
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) return failed("fork");
    if (child > 0) {
        ::close(ends[1]);
        wait_for_word(ends[0], child);
    }
    ::close(ends[0]);
    Daemonizer daemonizer(ends[1]);
    ::setsid();
    // The leader of a session could get a terminal by opening one; its child can't.
    const pid_t daemon = ::fork();
    if (daemon < 0) {
        daemonizer.tell(kFailed, failed("fork").message);
        ::_exit(kFailed);
    }
    if (daemon > 0) ::_exit(kDone);
    if (::chdir("/") != 0) return failed("chdir");
    close_standard_streams();
    return daemonizer;
}

Daemonizer::Daemonizer(Daemonizer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Daemonizer::~Daemonizer() {
    if (fd_ >= 0) ::close(fd_);
}

void Daemonizer::tell(ExitCode status, std::string_view text) noexcept {
    if (fd_ < 0) return;
    const std::string word = static_cast<char>(status) + std::string(text);
    // Who started it may have been killed meanwhile.
    [[maybe_unused]] const ssize_t ignored = ::write(fd_, word.data(), word.size());
    ::close(std::exchange(fd_, -1));
}

}  // namespace ringmaster::app
