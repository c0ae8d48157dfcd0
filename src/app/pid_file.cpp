#include "ringmaster/app/pid_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>
#include <utility>

namespace ringmaster::app {

PidFile::PidFile(std::filesystem::path path) : path_(std::move(path)), pid_(::getpid()) {}

PidFile::PidFile(PidFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), pid_(other.pid_) {}

PidFile::~PidFile() {
    if (!path_.empty() && ::getpid() == pid_) ::unlink(path_.c_str());
}

Result<PidFile> PidFile::write(const std::filesystem::path& path) {
    if (path.empty()) return PidFile("");
    const std::string draft = path.string() + ".tmp";
    const auto failed = [&] {
        return Error{ErrorCode::unavailable, "the pid file " + path.string() +
                                                 " can't be written: " + std::strerror(errno)};
    };
    std::FILE* const file = std::fopen(draft.c_str(), "we");
    if (file == nullptr) return failed();
    const bool written = std::fprintf(file, "%d\n", ::getpid()) > 0;
    if (std::fclose(file) != 0 || !written || std::rename(draft.c_str(), path.c_str()) != 0) {
        Error error = failed();
        ::unlink(draft.c_str());
        return error;
    }
    return PidFile(path);
}

}  // namespace ringmaster::app
