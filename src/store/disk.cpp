#include "ringmaster/store/disk.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace ringmaster::store {

namespace {

std::error_code last_error() noexcept {
    return {errno, std::generic_category()};
}

// Calls again what a signal interrupted.
template <class Call>
auto uninterrupted(Call&& call) noexcept {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

std::error_code open_with(const std::filesystem::path& path, int flags, UniqueFd& file) {
    UniqueFd opened(uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); }));
    if (opened.get() < 0) return last_error();
    file = std::move(opened);
    return {};
}

}  // namespace

UniqueFd::~UniqueFd() {
    if (fd_ >= 0) ::close(fd_);
}

std::error_code Disk::create(const std::filesystem::path& path, UniqueFd& file) {
    // A process that died may still have the old file open; it keeps that one to itself.
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return last_error();
    return open_with(path, O_CREAT | O_EXCL | O_RDWR, file);
}

std::error_code Disk::open(const std::filesystem::path& path, UniqueFd& file) {
    return open_with(path, O_RDWR, file);
}

std::error_code Disk::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
    return ::rename(from.c_str(), to.c_str()) == 0 ? std::error_code() : last_error();
}

std::error_code Disk::remove(const std::filesystem::path& path) {
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? std::error_code() : last_error();
}

std::error_code Disk::make_directory(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    const std::error_code error = last_error();
    std::error_code ignored;
    if (errno == EEXIST && std::filesystem::is_directory(path, ignored)) return {};
    return error;
}

std::error_code Disk::remove_directory(const std::filesystem::path& path) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT || errno == ENOTEMPTY) return {};
    return last_error();
}

std::error_code Disk::sync_directory(const std::filesystem::path& directory) {
    UniqueFd file;
    if (const auto error = open_with(directory, O_RDONLY | O_DIRECTORY, file)) return error;
    return ::fsync(file.get()) == 0 ? std::error_code() : last_error();
}

std::error_code Disk::write_at(int file, std::span<const std::byte> bytes,
                               std::uint64_t offset) noexcept {
    while (!bytes.empty()) {
        const ssize_t written = uninterrupted(
            [&] { return ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
        if (written < 0) return last_error();
        if (written == 0) return std::make_error_code(std::errc::no_space_on_device);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

std::error_code Disk::allocate(int file, std::uint64_t bytes) noexcept {
    const int result =
        uninterrupted([&] { return ::fallocate(file, 0, 0, static_cast<off_t>(bytes)); });
    if (result == 0) return {};
    // Not every file system can; there, disk full is found when it is written to.
    if (errno == EOPNOTSUPP) return truncate(file, bytes);
    return last_error();
}

std::error_code Disk::truncate(int file, std::uint64_t bytes) noexcept {
    const int result = uninterrupted([&] { return ::ftruncate(file, static_cast<off_t>(bytes)); });
    return result == 0 ? std::error_code() : last_error();
}

std::error_code Disk::sync(int file) noexcept {
    return uninterrupted([&] { return ::fdatasync(file); }) == 0 ? std::error_code() : last_error();
}

Error disk_error(const char* doing, const std::filesystem::path& path, std::error_code reason,
                 ErrorCode code) {
    return {code, std::string(doing) + " " + path.string() + ": " + reason.message()};
}

Result<void> read_at(int file, const std::filesystem::path& path, std::uint64_t offset,
                     std::vector<std::byte>& bytes) {
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t got = uninterrupted([&] {
            return ::pread(file, bytes.data() + have, bytes.size() - have,
                           static_cast<off_t>(offset + have));
        });
        if (got < 0) return disk_error("read", path, last_error());
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return {};
}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const UniqueFd file(fd);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0) return disk_error("open", path, last_error());
    std::vector<std::byte> bytes(std::min(max_bytes, static_cast<std::size_t>(status.st_size)));
    if (auto done = read_at(fd, path, 0, bytes); !done) return done.error();
    return bytes;
}

}  // namespace ringmaster::store
