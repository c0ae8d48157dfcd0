#pragma once

#include "ringmaster/base/log.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// Keeps what is logged, for a test to look at.
class CollectedLog final : public Log {
  public:
    void write(LogLevel, std::string_view message) noexcept override {
        lines_.emplace_back(message);
    }
    /// How many lines have `text` in them.
    std::size_t count(std::string_view text) const {
        std::size_t found = 0;
        for (const std::string& line : lines_) found += line.find(text) != line.npos;
        return found;
    }
    const std::vector<std::string>& lines() const noexcept { return lines_; }

  private:
    std::vector<std::string> lines_;
};

}  // namespace ringmaster::app
