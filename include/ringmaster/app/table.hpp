#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::app {

/// Text in aligned columns, for people at a terminal.
class Table {
  public:
    enum class Align : std::uint8_t { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// As many cells as there are columns. What is not fit for a terminal is escaped.
    void add(std::vector<std::string> cells);
    /// A line of titles, unless all are empty, and a line for each row; columns are two blanks
    /// apart, and no line ends with blanks.
    std::string text() const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// "1,234,567".
std::string with_thousands(std::uint64_t number);

/// "2026-11-21T17:31:05.123Z", as the daemon tells times, without what people do not want to see:
/// "2026-11-21 17:31:05 UTC". Other text stays as it is.
std::string human_time(std::string_view utc);

/// "45 s", "12 min 5 s", "3 h 20 min", "5 days 2 h".
std::string human_duration(std::uint64_t seconds);

}  // namespace ringmaster::app
