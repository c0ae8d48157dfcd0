#pragma once

#include "ringmaster/ringpool/hold_history.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/pool_definition.hpp"
#include "ringmaster/ringpool/session_hash.hpp"
#include "ringmaster/ringpool/slot.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmaster::migrate {

/// All that a store knows of a number of one of its pools, in terms that every store understands.
struct NumberImage {
    /// Who has, or had, it: session and times, which are civil. Nothing else of it is set.
    ringpool::Slot slot;
    /// Newest first. Where the slot has a session, its hold is the first one. None is Detail::lost:
    /// what was lost cannot be told from what was erased.
    std::vector<ringpool::Hold> holds;
    ringpool::PoolNumber number;
    bool draining = false;
};

/// What verification compares: how much there is, and a sum over all of it which does not depend on
/// the order.
class Digest {
  public:
    void add(const ringpool::PoolDefinition& pool);
    void add(std::string_view pool_id, const NumberImage& image);

    std::uint64_t pools() const noexcept { return pools_; }
    std::uint64_t numbers() const noexcept { return numbers_; }
    std::uint64_t holds() const noexcept { return holds_; }
    /// For people: 32 hexadecimal digits.
    std::string checksum() const;
    friend bool operator==(const Digest&, const Digest&) noexcept = default;

  private:
    void add_bytes(std::string_view bytes);

    std::uint64_t pools_ = 0;
    std::uint64_t numbers_ = 0;
    std::uint64_t holds_ = 0;
    std::array<std::uint64_t, 2> sum_{};  ///< of BLAKE2b hashes
};

}  // namespace ringmaster::migrate
