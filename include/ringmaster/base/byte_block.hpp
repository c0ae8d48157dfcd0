#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ringmaster {

/// Eight bytes at once, to pass over the many that need no attention.
class ByteBlock {
  public:
    static constexpr std::size_t kSize = 8;

    explicit ByteBlock(const char* bytes) noexcept { std::memcpy(&word_, bytes, kSize); }

    /// Where the first control character is, or kSize.
    std::size_t first_control() const noexcept {
        return first(below(0x20) | zero(word_ ^ (kOnes * 0x7f)));
    }
    /// Where the first byte is that a JSON string can't hold, or only after a look at it; or kSize.
    std::size_t first_json_special() const noexcept { return first(json_specials()); }
    bool has_json_special() const noexcept { return json_specials() != 0; }

  private:
    static constexpr std::uint64_t kOnes = 0x0101010101010101;
    static constexpr std::uint64_t kHighBits = 0x8080808080808080;
    static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");

    // All flag each byte that is as asked with its high bit. A borrow may flag bytes behind such a
    // one too, which does not matter to who looks for the first.
    std::uint64_t below(std::uint64_t limit) const noexcept {
        return (word_ - kOnes * limit) & ~word_ & kHighBits;
    }
    static std::uint64_t zero(std::uint64_t word) noexcept {
        return (word - kOnes) & ~word & kHighBits;
    }
    // below() and zero() without their masks: a byte with a high bit is special anyway.
    std::uint64_t json_specials() const noexcept {
        const std::uint64_t quote = word_ ^ (kOnes * '"');
        const std::uint64_t backslash = word_ ^ (kOnes * '\\');
        return ((word_ - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | word_) & kHighBits;
    }
    static std::size_t first(std::uint64_t flags) noexcept {
        return static_cast<std::size_t>(std::countr_zero(flags)) / 8;
    }

    std::uint64_t word_;
};

}  // namespace ringmaster
