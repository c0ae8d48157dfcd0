#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/ringpool/phone_number.hpp"
#include "ringmaster/ringpool/secret.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ringmaster::ringpool {

/// What an operator says about a ring pool. Numbers are not part of it. Texts for people and
/// browsers are UTF-8 without control characters.
struct PoolDefinition {
    static constexpr std::size_t kMaxKeyBytes = Secret::kMaxBytes;

    std::string id;    ///< 1 to 64 of [A-Za-z0-9._-]
    std::string name;  ///< for people; may be empty; up to 256 bytes
    std::string key;   ///< secret, 1 to 128 bytes; compared in constant time, never logged
    std::chrono::seconds lifetime{1800};  ///< 1 s to 30 days
    std::chrono::seconds cooldown{0};     ///< 0 to 30 days
    /// After this long, touches no longer extend an allocation; 0 = no limit; up to 365 days.
    std::chrono::seconds max_hold{0};
    bool allow_overflow = true;
    PoolNumber overflow;                ///< required where allow_overflow
    std::string tracking_url;           ///< template with {number}; may be empty; up to 2048 bytes
    std::string default_region = "US";  ///< two capital letters

    /// Checks every rule above; the text of the error names the field, its value (never the key's)
    /// and what is expected.
    Result<void> validate() const;

    friend bool operator==(const PoolDefinition&, const PoolDefinition&) noexcept = default;
};

/// Names a pool within one process: dense. A pool that is removed leaves its index to a later one
/// of the same id only.
using PoolIndex = std::uint32_t;

/// All pools that this process knows the definition of. Every shard knows every pool, so that it
/// can refuse a bad key or hand out an overflow number without asking anyone. Belongs to one
/// reactor.
class Catalog {
  public:
    /// Adds the pool, or changes the one of that id. ErrorCode::invalid where the definition is.
    Result<PoolIndex> put(PoolDefinition definition);
    /// Nobody is authorized for the pool any more, and find() does not find it. at() still knows
    /// its last definition, for the requests that are under way.
    void remove(PoolIndex index) noexcept;

    /// The pool with this id and this key, or nothing; which of the two was wrong is not told, and
    /// takes the same time either way.
    const PoolIndex* authorize(std::string_view id, std::string_view key) const noexcept;
    /// The pool with this id, or nothing.
    std::optional<PoolIndex> find(std::string_view id) const noexcept;

    /// Precondition: index < end_index(). The reference stays valid until the pool is changed: do
    /// not keep it where others may run meanwhile, keep the index.
    const PoolDefinition& at(PoolIndex index) const noexcept { return *definitions_[index]; }
    /// How many pools there are.
    std::size_t size() const noexcept { return size_; }
    /// All indices, those of removed pools among them, are less than this.
    PoolIndex end_index() const noexcept { return static_cast<PoolIndex>(definitions_.size()); }
    /// Calls `visit(index, definition)` for each pool, in order of index.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (PoolIndex i = 0; i < end_index(); ++i) {
            if (live_[i]) visit(i, *definitions_[i]);
        }
    }

  private:
    struct TransparentHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>()(text);
        }
    };
    std::vector<std::unique_ptr<const PoolDefinition>> definitions_;
    std::vector<Secret> secrets_;  ///< of the same index
    std::vector<bool> live_;       ///< of the same index
    std::size_t size_ = 0;         ///< how many are live
    /// Removed ones too: they are found again when their id comes back.
    std::unordered_map<std::string, PoolIndex, TransparentHash, std::equal_to<>> by_id_;
};

}  // namespace ringmaster::ringpool
