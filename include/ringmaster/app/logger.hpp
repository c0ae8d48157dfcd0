#pragma once

#include "ringmaster/app/config.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/log.hpp"

#include <atomic>
#include <cstddef>
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

/// One record as it stands in the log, without the newline: "2026-11-21T17:31:05.123Z info  text",
/// or {"time":...,"level":...,"message":...}. Always one line, whatever bytes `message` has, so
/// that no client can forge a record; at most some 4 KiB of it.
std::string log_line(LogFormat format, WallTime time, LogLevel level, std::string_view message);

/// Writes the log to a file or to standard error. The writing is done by a thread of its own,
/// because a full disk, a slow pipe or a stopped terminal must not hold up the reactor. The queue
/// between them is bounded: where it is full the oldest record gives way, and how many were lost is
/// told as soon as there is room again. Any thread may write; a forked child may not, because the
/// writing thread is not there.
class Logger final : public Log {
  public:
    /// Appends to `options.file`, which is made where it does not exist. Throws std::runtime_error
    /// where that fails. `clock` must outlive the logger, and be usable from any thread that
    /// writes.
    Logger(const LogOptions& options, const Clock& clock);
    /// Waits until everything is written.
    ~Logger() override;

    void write(LogLevel level, std::string_view message) noexcept override;

  private:
    void enqueue(LogLevel level, std::string_view message);
    void tell_lost();

    const LogOptions options_;
    const Clock& clock_;
    std::shared_ptr<spdlog::details::thread_pool> thread_;
    std::shared_ptr<spdlog::async_logger> logger_;
    std::atomic<std::size_t> told_lost_ = 0;
};

}  // namespace ringmaster::app
