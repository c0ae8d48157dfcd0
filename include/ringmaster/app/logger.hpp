#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"
#include "ringmaster/base/result.hpp"

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class async_logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace ringmaster::app {

/// One record as it stands in the log, without the newline: "2026-11-21T17:31:05.123Z info  shard
/// 1: text", or {"time":...,"level":...,"process":"shard 1","message":...}; without a process where
/// that is empty. Always one line, whatever bytes `message` has, so that no client can forge a
/// record; at most some 4 KiB of it.
std::string log_line(LogFormat format, WallTime time, LogLevel level, std::string_view process,
                     std::string_view message);

/// The file that the log goes to, or standard error. Several processes may append to one file: each
/// line is one write, which the kernel puts at the end as a whole.
class LogFile {
  public:
    /// Appends to `path`, which is made where it does not exist; empty: standard error. Throws
    /// std::runtime_error where that fails.
    explicit LogFile(std::filesystem::path path);
    ~LogFile();
    LogFile(const LogFile&) = delete;
    LogFile& operator=(const LogFile&) = delete;

    /// `line` has its newline. A full disk loses it. Blocks while a pipe is full.
    void write(std::string_view line) noexcept;
    /// Whether a line of some 4 KiB can be written without waiting.
    bool can_write() const noexcept;

    /// Goes on with a new file of the same path, after the old one was moved away. ErrorCode::
    /// unavailable, with the reason, where there can't be one: then the old one is written on. Any
    /// thread may call it while another one writes.
    Result<void> reopen();

  private:
    const std::filesystem::path path_;
    int fd_;
};

/// Writes the log from a thread of its own, because a full disk, a slow pipe or a stopped terminal
/// must not hold up the reactor. The queue between them is bounded: where it is full the oldest
/// record gives way, and how many were lost is told as soon as there is room again. Any thread may
/// write; a forked child may not, because the writing thread is not there.
class Logger final : public Log {
  public:
    /// `process` stands in each record. Throws as LogFile() does. `clock` must outlive the logger,
    /// and be usable from any thread that writes.
    Logger(const LogOptions& options, const Clock& clock, std::string process = "");
    /// Waits until everything is written.
    ~Logger() override;

    void write(LogLevel level, std::string_view message) noexcept override;
    Result<void> reopen() { return file_->reopen(); }

  private:
    void enqueue(LogLevel level, std::string_view message);
    void tell_lost();

    const LogOptions options_;
    const Clock& clock_;
    const std::string process_;
    std::shared_ptr<LogFile> file_;
    std::shared_ptr<spdlog::details::thread_pool> thread_;
    std::shared_ptr<spdlog::async_logger> logger_;
    std::atomic<std::size_t> told_lost_ = 0;
};

/// Writes the log in the calling thread: for a process that forks, and so can't have threads. Where
/// its reader is behind, records are lost, and how many is told with the next one that is not. For
/// one thread.
class DirectLog final : public Log {
  public:
    /// As Logger().
    DirectLog(const LogOptions& options, const Clock& clock, std::string process);

    void write(LogLevel level, std::string_view message) noexcept override;
    Result<void> reopen() { return file_.reopen(); }

  private:
    void append(LogLevel level, std::string_view message);

    const LogOptions options_;
    const Clock& clock_;
    const std::string process_;
    LogFile file_;
    std::size_t lost_ = 0;
};

}  // namespace ringmaster::app
