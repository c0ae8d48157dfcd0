#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ringmaster::ringpool {

/// A telephone number in E.164 form: up to 15 digits, country code first (ITU-T E.164, 6.2.1).
/// A plain value of eight bytes; whether the number exists in some numbering plan is not its
/// business but the importer's (number_import.hpp).
class PhoneNumber {
  public:
    /// No number.
    constexpr PhoneNumber() noexcept = default;
    /// `digits` is the number read as one integer, e.g. 18665550142.
    static constexpr PhoneNumber from_digits(std::uint64_t digits) noexcept {
        return PhoneNumber(digits);
    }
    /// Reads "+18665550142", and the same without the plus. Nothing else: no spaces, no leading
    /// zero, 7 to 15 digits.
    static std::optional<PhoneNumber> parse_e164(std::string_view text) noexcept;

    constexpr std::uint64_t digits() const noexcept { return digits_; }
    constexpr explicit operator bool() const noexcept { return digits_ != 0; }
    /// Appends "+18665550142".
    void append_e164(std::string& out) const;
    std::string e164() const;

    friend constexpr auto operator<=>(PhoneNumber, PhoneNumber) noexcept = default;

  private:
    constexpr explicit PhoneNumber(std::uint64_t digits) noexcept : digits_(digits) {}
    std::uint64_t digits_ = 0;
};

/// A number as people of its country write it ("866-555-0142"), made once when the number is
/// imported and then copied: at most kCapacity bytes, never allocated, so that an answer may
/// outlive the pool that it came from.
class FormattedNumber {
  public:
    static constexpr std::size_t kCapacity = 23;

    constexpr FormattedNumber() noexcept = default;
    /// Text past kCapacity is cut off; no national format of E.164 is that long.
    explicit FormattedNumber(std::string_view text) noexcept;
    std::string_view view() const noexcept { return {text_.data(), size_}; }
    friend constexpr bool operator==(const FormattedNumber&,
                                     const FormattedNumber&) noexcept = default;

  private:
    std::uint8_t size_ = 0;
    std::array<char, kCapacity> text_{};
};

/// A number together with its text.
struct PoolNumber {
    PhoneNumber number;
    FormattedNumber formatted;
    friend constexpr bool operator==(const PoolNumber&, const PoolNumber&) noexcept = default;
};

}  // namespace ringmaster::ringpool

template <>
struct std::hash<ringmaster::ringpool::PhoneNumber> {
    std::size_t operator()(ringmaster::ringpool::PhoneNumber n) const noexcept {
        // Neighbouring numbers must not share a bucket run: Fibonacci hashing (Knuth, TAOCP 6.4).
        return n.digits() * 0x9E3779B97F4A7C15u;
    }
};
