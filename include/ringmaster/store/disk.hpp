#pragma once

#include "ringmaster/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace ringmaster::store {

/// A file descriptor that is closed with its owner.
class UniqueFd {
  public:
    UniqueFd() noexcept = default;
    explicit UniqueFd(int fd) noexcept : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~UniqueFd();

    int get() const noexcept { return fd_; }

  private:
    int fd_ = -1;
};

/// Everything by which the store changes what is on the disk, so that a test can stop the disk,
/// fill it, or slow it down at any step. All calls block; from any thread, and from a forked child,
/// so none of those that take a descriptor may allocate or lock. A signal never fails them.
class Disk {
  public:
    virtual ~Disk() = default;

    /// Makes an empty file in place of any that was there, for its owner alone, or opens one.
    virtual std::error_code create(const std::filesystem::path& path, UniqueFd& file);
    virtual std::error_code open(const std::filesystem::path& path, UniqueFd& file);
    virtual std::error_code rename(const std::filesystem::path& from,
                                   const std::filesystem::path& to);
    virtual std::error_code remove(const std::filesystem::path& path);
    /// For its owner alone. No error where there is one.
    virtual std::error_code make_directory(const std::filesystem::path& path);
    /// No error where there is none, or where it is not empty, which leaves it.
    virtual std::error_code remove_directory(const std::filesystem::path& path);
    /// Makes what the calls above did in `directory` durable.
    virtual std::error_code sync_directory(const std::filesystem::path& directory);

    /// Writes all of `bytes`, in as many calls as it takes.
    virtual std::error_code write_at(int file, std::span<const std::byte> bytes,
                                     std::uint64_t offset) noexcept;
    /// Sets aside room, so that a later write can't run out of it. The file reads as zeros there.
    virtual std::error_code allocate(int file, std::uint64_t bytes) noexcept;
    virtual std::error_code truncate(int file, std::uint64_t bytes) noexcept;
    /// fdatasync. After a failure, what was written since the last success must be taken for lost,
    /// whatever a later call returns.
    virtual std::error_code sync(int file) noexcept;
};

/// What failed, where, and the system's reason for it, as an error for people.
Error disk_error(const char* doing, const std::filesystem::path& path, std::error_code reason,
                 ErrorCode code = ErrorCode::unavailable);

/// Reads the bytes of a file from `offset` on into all of `bytes`, which become fewer where the
/// file ends before. ErrorCode::unavailable, with `path`, where that fails. Blocks.
Result<void> read_at(int file, const std::filesystem::path& path, std::uint64_t offset,
                     std::vector<std::byte>& bytes);
/// The first `max_bytes` of a file.
Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                         std::size_t max_bytes = SIZE_MAX);

}  // namespace ringmaster::store
