#include "ringmaster/ringpool/phone_number.hpp"

#include <algorithm>
#include <charconv>

namespace ringmaster::ringpool {

std::optional<PhoneNumber> PhoneNumber::parse_e164(std::string_view text) noexcept {
    if (text.starts_with('+')) text.remove_prefix(1);
    if (text.size() < 7 || text.size() > 15 || text.front() == '0') return std::nullopt;
    std::uint64_t digits = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return PhoneNumber(digits);
}

void PhoneNumber::append_e164(std::string& out) const {
    std::array<char, 20> text;  // any 64-bit number fits
    const auto end = std::to_chars(text.data(), text.data() + text.size(), digits_).ptr;
    out += '+';
    out.append(text.data(), end);
}

std::string PhoneNumber::e164() const {
    std::string text;
    append_e164(text);
    return text;
}

FormattedNumber::FormattedNumber(std::string_view text) noexcept
    : size_(static_cast<std::uint8_t>(std::min(text.size(), kCapacity))) {
    std::copy_n(text.begin(), size_, text_.begin());
}

}  // namespace ringmaster::ringpool
