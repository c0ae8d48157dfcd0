#pragma once

#include <cstdint>
#include <string_view>

namespace ringmaster::redis {

/// Hash slots of a cluster. Redis Cluster specification, "Key distribution model".
inline constexpr std::uint16_t kSlots = 16'384;

/// CRC-16/XMODEM: polynomial 0x1021, begins with 0, nothing reflected.
std::uint16_t crc16(std::string_view bytes) noexcept;

/// The slot of a key: that of its hash tag, what stands between the first "{" and the first "}"
/// after it, where that is not empty.
std::uint16_t key_slot(std::string_view key) noexcept;

}  // namespace ringmaster::redis
