#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace ringmaster::ringpool {

/// A key or token that clients must show, padded to equal size, so that a comparison need not
/// branch on it.
class Secret {
  public:
    static constexpr std::size_t kMaxBytes = 128;

    /// Precondition: at most kMaxBytes.
    explicit Secret(std::string_view text) noexcept;
    /// How long this takes depends on `given` alone.
    bool matches(std::string_view given) const noexcept;

  private:
    std::array<char, kMaxBytes> bytes_{};
    std::size_t size_;
};

}  // namespace ringmaster::ringpool
