#pragma once

#include "ringmaster/ringpool/session_hash.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ringmaster::replay {

/// How many different sessions there are, in bounded memory (1 MiB): exact up to kExact of them,
/// beyond that an estimate from a sample, which is off by some 0.5 % (adaptive sampling: Flajolet,
/// "On adaptive sampling", 1990). Session hashes are keyed, and so as good as random.
class DistinctCount {
  public:
    static constexpr std::size_t kExact = 1u << 16;

    void add(const ringpool::SessionHash& session);
    std::uint64_t count() const noexcept { return std::uint64_t{size_} << level_; }
    bool exact() const noexcept { return level_ == 0; }

  private:
    bool sampled(std::uint64_t hash) const noexcept {
        return (hash & ((std::uint64_t{1} << level_) - 1)) == 0;
    }
    void insert(std::uint64_t hash) noexcept;
    void grow(std::size_t places);

    std::vector<std::uint64_t> places_;  ///< open addressing; 0 = free
    std::size_t size_ = 0;
    unsigned level_ = 0;  ///< of 2^level_ sessions, one is in the sample
};

}  // namespace ringmaster::replay
