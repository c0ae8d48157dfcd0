#include "ringmaster/app/logger.hpp"

#include "ringmaster/app/printable.hpp"
#include "ringmaster/base/text.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

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

std::shared_ptr<spdlog::sinks::sink> make_sink(const LogOptions& options) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    } else {
        try {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(options.file.string());
        } catch (const spdlog::spdlog_ex& error) {
            throw std::runtime_error(std::string("the log can't be written: ") + error.what());
        }
    }
    // The lines are complete as they come.
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v"));
    return sink;
}

}  // namespace

std::string log_line(LogFormat format, WallTime time, LogLevel level, std::string_view message) {
    std::string line;
    if (format == LogFormat::json) {
        line = "{\"time\":\"" + timestamp(time) + "\",\"level\":\"";
        line.append(name_of(level)).append("\",\"message\":");
        append_json_string(line, message.substr(0, kMaxMessageBytes));
        line += '}';
        return line;
    }
    line = timestamp(time) + ' ';
    line.append(name_of(level));
    // Messages stand below each other; "warning" is rare enough to stick out.
    line.append(level == LogLevel::info ? 2 : 1, ' ');
    return line += printable(message, kMaxMessageBytes);
}

Logger::Logger(const LogOptions& options, const Clock& clock)
    : options_(options),
      clock_(clock),
      thread_(std::make_shared<spdlog::details::thread_pool>(kQueuedRecords, 1)),
      logger_(std::make_shared<spdlog::async_logger>(
          "", make_sink(options), thread_, spdlog::async_overflow_policy::overrun_oldest)) {
    logger_->set_level(spdlog::level::trace);
    // A record that is still in a buffer when the process is killed is the one that was needed.
    logger_->flush_on(spdlog::level::trace);
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
    logger_->log(spdlog::level::info, log_line(options_.format, clock_.wall_now(), level, message));
}

void Logger::tell_lost() {
    const std::size_t lost = thread_->overrun_counter();
    if (lost == told_lost_ || thread_->queue_size() > kQueuedRecords / 2) return;
    const std::size_t more = lost - told_lost_.exchange(lost);
    enqueue(LogLevel::warning, "the log could not be written fast enough: " + std::to_string(more) +
                                   " records were lost");
}

}  // namespace ringmaster::app
