#include "ringmaster/shard/placement.hpp"

#include <cstdint>

namespace ringmaster::shard {
namespace {

// FNV-1a, 64 bits (Fowler, Noll, Vo): what stands on the disk depends on it, so it must not depend
// on a library.
std::uint64_t hash(std::string_view text) noexcept {
    std::uint64_t value = 0xcbf29ce484222325u;
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return value;
}

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): all bits of the weight depend on all of
// both.
std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace

ShardIndex Placement::owner(std::string_view pool_id) const noexcept {
    const std::uint64_t id = mix(hash(pool_id));
    ShardIndex best = 0;
    std::uint64_t most = 0;
    for (ShardIndex shard = 0; shard < count_; ++shard) {
        const std::uint64_t weight = mix(id + (shard + 1) * 0x9e3779b97f4a7c15u);
        if (weight <= most) continue;
        most = weight;
        best = shard;
    }
    return best;
}

}  // namespace ringmaster::shard
