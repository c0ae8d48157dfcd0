#include "ringmaster/app/logger.hpp"

#include "ringmaster/app/printable.hpp"
#include "ringmaster/base/text.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <spdlog/async_logger.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

namespace ringmaster::app {
namespace {

constexpr std::size_t kQueuedRecords = 4096;
constexpr std::size_t kMaxMessageBytes = 4096;

std::string_view name_of(LogLevel level) noexcept {
    switch (level) {
        case LogLevel::debug: return "debug";
        case LogLevel::info: return "info";
        case LogLevel::warning: return "warning";
        case LogLevel::error: return "error";
    }
    return "unknown";
}

/// RFC 3339, in UTC with milliseconds.
std::string timestamp(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    char text[48];
    const int size = std::snprintf(
        text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
    return {text, static_cast<std::size_t>(size)};
}

constexpr std::string_view kRecordsWereLost = " records were lost";

/// A descriptor, or -1 with errno.
int open_log(const std::filesystem::path& path) noexcept {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

std::string cant_be_written(const std::filesystem::path& path, int error) {
    return "the log can't be written: " + printable(path.string()) + ": " +
           std::generic_category().message(error);
}

/// Only the logger's thread writes to it.
class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit FileSink(std::shared_ptr<LogFile> file) : file_(std::move(file)) {
        // The lines are complete as they come, but for their end.
        set_formatter_(std::make_unique<spdlog::pattern_formatter>("%v"));
    }

  private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        file_->write({line.data(), line.size()});
    }
    void flush_() override {}

    std::shared_ptr<LogFile> file_;
};

}  // namespace

std::string log_line(LogFormat format, WallTime time, LogLevel level, std::string_view process,
                     std::string_view message) {
    std::string line;
    if (format == LogFormat::json) {
        line = "{\"time\":\"" + timestamp(time) + "\",\"level\":\"";
        line.append(name_of(level)).append("\",");
        if (!process.empty()) {
            line.append("\"process\":");
            append_json_string(line, process);
            line += ',';
        }
        line.append("\"message\":");
        append_json_string(line, message.substr(0, kMaxMessageBytes));
        line += '}';
        return line;
    }
    line = timestamp(time) + ' ';
    line.append(name_of(level));
    // Messages stand below each other; "warning" is rare enough to stick out.
    line.append(level == LogLevel::info ? 2 : 1, ' ');
    if (!process.empty()) line.append(process).append(": ");
    return line += printable(message, kMaxMessageBytes);
}

LogFile::LogFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(path_.empty() ? STDERR_FILENO : open_log(path_)) {
    if (fd_ < 0) throw std::runtime_error(cant_be_written(path_, errno));
}

LogFile::~LogFile() {
    if (!path_.empty()) ::close(fd_);
}

void LogFile::write(std::string_view line) noexcept {
    while (!line.empty()) {
        const ssize_t written = ::write(fd_, line.data(), line.size());
        if (written >= 0) {
            line.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            return;
        }
    }
}

bool LogFile::can_write() const noexcept {
    pollfd file{fd_, POLLOUT, 0};
    return ::poll(&file, 1, 0) == 1 && (file.revents & POLLOUT) != 0;
}

Result<void> LogFile::reopen() {
    if (path_.empty()) return {};
    const int fresh = open_log(path_);
    // Takes the old one's place in one step: who writes meanwhile writes to one of both.
    const bool good = fresh >= 0 && ::dup3(fresh, fd_, O_CLOEXEC) >= 0;
    const int error = errno;
    if (fresh >= 0) ::close(fresh);
    if (good) return {};
    return Error{ErrorCode::unavailable, cant_be_written(path_, error)};
}

Logger::Logger(const LogOptions& options, const Clock& clock, std::string process)
    : options_(options),
      clock_(clock),
      process_(std::move(process)),
      file_(std::make_shared<LogFile>(options.file)),
      thread_(std::make_shared<spdlog::details::thread_pool>(kQueuedRecords, 1)),
      logger_(
          std::make_shared<spdlog::async_logger>("", std::make_shared<FileSink>(file_), thread_,
                                                 spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_level(spdlog::level::trace);
}

Logger::~Logger() = default;

void Logger::write(LogLevel level, std::string_view message) noexcept {
    if (level < options_.level) return;
    try {
        enqueue(level, message);
        tell_lost();
    } catch (...) {
        // Out of memory: there is nobody left to tell.
    }
}

void Logger::enqueue(LogLevel level, std::string_view message) {
    logger_->log(spdlog::level::info,
                 log_line(options_.format, clock_.wall_now(), level, process_, message));
}

void Logger::tell_lost() {
    const std::size_t lost = thread_->overrun_counter();
    if (lost == told_lost_ || thread_->queue_size() > kQueuedRecords / 2) return;
    const std::size_t more = lost - told_lost_.exchange(lost);
    enqueue(LogLevel::warning, "the log could not be written fast enough: " + std::to_string(more) +
                                   std::string(kRecordsWereLost));
}

DirectLog::DirectLog(const LogOptions& options, const Clock& clock, std::string process)
    : options_(options), clock_(clock), process_(std::move(process)), file_(options.file) {}

void DirectLog::write(LogLevel level, std::string_view message) noexcept {
    if (level < options_.level) return;
    try {
        if (lost_ > 0 && file_.can_write()) {
            append(LogLevel::warning, "the log could not be written fast enough: " +
                                          std::to_string(std::exchange(lost_, 0)) +
                                          std::string(kRecordsWereLost));
        }
        if (file_.can_write()) {
            append(level, message);
        } else {
            ++lost_;
        }
    } catch (...) {
        // Out of memory: there is nobody left to tell.
    }
}

void DirectLog::append(LogLevel level, std::string_view message) {
    file_.write(log_line(options_.format, clock_.wall_now(), level, process_, message) + '\n');
}

}  // namespace ringmaster::app
