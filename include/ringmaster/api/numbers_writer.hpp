#pragma once

#include "ringmaster/api/api_error.hpp"
#include "ringmaster/base/clock.hpp"
#include "ringmaster/base/text.hpp"
#include "ringmaster/ringpool/store.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::api {

/// Writes the rows of an answer to a request for numbers, each one JSON object. Keeps the text of
/// the last time it wrote, because most rows of an answer expire in the same second.
class NumbersWriter {
  public:
    using RequestId = std::optional<std::string_view>;

    /// Precondition: `allocation` is not refused.
    void append_row(std::string& out, const RequestId& request_id,
                    const ringpool::Allocation& allocation);
    static void append_error(std::string& out, const RequestId& request_id, const ApiError& error);

  private:
    std::string_view utc(WallTime time);

    std::chrono::sys_seconds second_{};
    std::array<char, kUtcBytes> text_{};  ///< of second_; no text yet where it begins with NUL
};

}  // namespace ringmaster::api
