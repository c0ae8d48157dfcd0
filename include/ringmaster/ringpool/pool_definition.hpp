#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmaster::ringpool {

/// What an operator says about a ring pool. Numbers are not part of it.
struct PoolDefinition {
    static constexpr std::size_t kMaxKeyBytes = 128;

    std::string id;    ///< 1 to 64 of [A-Za-z0-9._-]
    std::string name;  ///< for people; may be empty
    std::string key;   ///< secret, 1 to 128 bytes; compared in constant time, never logged
    std::chrono::seconds lifetime{1800};  ///< 1 s to 30 days
    std::chrono::seconds cooldown{0};     ///< 0 to 30 days
    /// After this long, touches no longer extend an allocation; 0 = no limit; up to 365 days.
    std::chrono::seconds max_hold{0};
    bool allow_overflow = true;
    PoolNumber overflow;                ///< required where allow_overflow
    std::string tracking_url;           ///< template with {number}; may be empty
    std::string default_region = "US";  ///< two capital letters

    /// Checks every rule above; the text of the error names the field, its value (never the key's)
    /// and what is expected.
    Result<void> validate() const;
};

/// Names a pool within one process: dense, never reused while the process lives.
using PoolIndex = std::uint32_t;

/// All pools that this process knows the definition of. Every shard knows every pool, so that it
/// can refuse a bad key or hand out an overflow number without asking anyone.
class Catalog {
  public:
    /// Fails with ErrorCode::invalid where the definition is, or where the id is taken.
    Result<PoolIndex> add(PoolDefinition definition);

    /// The pool with this id and this key, or nothing; which of the two was wrong is not told, and
    /// takes the same time either way.
    const PoolIndex* authorize(std::string_view id, std::string_view key) const noexcept;

    /// Precondition: index < size(). The reference stays valid as long as the catalog.
    const PoolDefinition& at(PoolIndex index) const noexcept { return *definitions_[index]; }
    std::size_t size() const noexcept { return definitions_.size(); }

  private:
    /// A key, padded to equal size, so that a comparison need not branch on it.
    struct Secret {
        explicit Secret(std::string_view key) noexcept;
        bool matches(std::string_view given) const noexcept;

        std::array<char, PoolDefinition::kMaxKeyBytes> bytes{};
        std::size_t size;
    };
    struct TransparentHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>()(text);
        }
    };
    std::vector<std::unique_ptr<const PoolDefinition>> definitions_;
    std::vector<Secret> secrets_;  ///< of the same index
    std::unordered_map<std::string, PoolIndex, TransparentHash, std::equal_to<>> by_id_;
};

}  // namespace ringmaster::ringpool
