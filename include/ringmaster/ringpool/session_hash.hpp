#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringmaster::ringpool {

struct Session;

/// A 128-bit keyed hash of a session within its pool. Equal hashes are taken for equal sessions:
/// with a secret key, nobody can make two that collide. All zero means "nobody".
struct SessionHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const SessionHash&, const SessionHash&) noexcept = default;
    explicit operator bool() const noexcept { return (low | high) != 0; }
};

/// Makes SessionHashes with SipHash-2-4. What it hashes is stored beside the numbers, so the key
/// must stay the same for as long as they are kept. Reuses one buffer, and so allocates nothing
/// once it has seen the largest session. Not thread-safe.
class SessionHasher {
  public:
    using Key = std::array<std::uint8_t, 16>;

    explicit SessionHasher(const Key& key) noexcept : key_(key) {}

    /// Never zero. Different pools, and visitors and contexts of equal bytes, hash differently.
    /// Precondition: `pool_id` has at most 255 bytes.
    SessionHash hash(std::string_view pool_id, const Session& session);

  private:
    Key key_;
    std::string buffer_;
};

}  // namespace ringmaster::ringpool
