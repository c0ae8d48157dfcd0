#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ringmaster::store {

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4). `before` is the checksum of the bytes in front of
/// these, so that crc32c(b, crc32c(a)) is the checksum of a and b together; 0 where there are none.
/// Takes the processor's own instruction where it has one.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

namespace detail {
/// The two ways to reckon it, apart, so that a test sees both.
std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before) noexcept;
bool has_crc32c_instruction() noexcept;
}  // namespace detail

}  // namespace ringmaster::store
