#pragma once

#include <cstdint>
#include <exception>
#include <string_view>

namespace ringmaster {

enum class LogLevel { debug, info, warning, error };

/// Where modules tell what an operator should know: one line per start, stop and problem. `app`
/// puts the real sink behind it; tests collect the lines. Must not block and must not throw; any
/// thread may write.
class Log {
  public:
    virtual ~Log() = default;
    virtual void write(LogLevel level, std::string_view message) noexcept = 0;

    void info(std::string_view message) noexcept { write(LogLevel::info, message); }
    void warning(std::string_view message) noexcept { write(LogLevel::warning, message); }
    void error(std::string_view message) noexcept { write(LogLevel::error, message); }
};

/// Discards everything.
class NullLog final : public Log {
  public:
    void write(LogLevel, std::string_view) noexcept override {}
};

/// Gives each unexpected exception an integer handle that stands both in the log and in the answer
/// to the client, so that one can be found from the other without telling the client more.
class ErrorReporter {
  public:
    explicit ErrorReporter(Log& log) noexcept : log_(log) {}

    /// Logs `error` with what was being done, and returns its handle. Never throws.
    std::uint64_t report(std::string_view doing, std::exception_ptr error) noexcept;

  private:
    Log& log_;
    std::uint64_t count_ = 0;
};

}  // namespace ringmaster
