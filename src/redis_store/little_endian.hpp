#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::redis_store {

/// Appends `value` as `bytes` bytes, the lowest first.
inline void append_number(std::string& out, std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

/// Takes bytes one after the other. What is not there any more is zero or empty, and complete()
/// says so at the end.
class ByteReader {
  public:
    explicit ByteReader(std::string_view bytes) noexcept : rest_(bytes) {}

    std::uint64_t number(std::size_t bytes) noexcept {
        const std::string_view taken = text(bytes);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < taken.size(); ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
        }
        return value;
    }
    std::string_view text(std::size_t bytes) noexcept {
        if (bytes > rest_.size()) {
            complete_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }
    std::string_view rest() noexcept { return text(rest_.size()); }
    /// Whether all that was asked for was there.
    bool complete() const noexcept { return complete_; }
    /// Whether that was all.
    bool at_end() const noexcept { return complete_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool complete_ = true;
};

}  // namespace ringmaster::redis_store
