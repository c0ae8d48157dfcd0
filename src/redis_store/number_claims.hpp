#pragma once

#include "ringmaster/base/result.hpp"
#include "ringmaster/redis_store/function_caller.hpp"
#include "ringmaster/ringpool/phone_number.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ringmaster::redis_store {

/// Stands for a pool in the registry where there is none.
inline constexpr std::string_view kNoPool = "*";

/// What the registry says of a number: "numbers" in functions/registry.lua.
struct ClaimEntry {
    std::string claim;
    std::string first;                ///< the pool that may have it; empty: none
    std::vector<std::string> others;  ///< pools that had it before

    /// Nothing where it is no such entry.
    static std::optional<ClaimEntry> parse(std::string_view entry);
};

/// What a pool says of a number that it is asked to give up.
struct PoolWord {
    enum class Kind : std::uint8_t { has_it, drains_it, gone };
    Kind kind = Kind::gone;
    std::string knowledge;  ///< of one that is gone; may be empty
};

/// Suspends. Asks a pool about numbers, in order. Where it `gives`, edits of that pool that have
/// begun before will add none of those that it has not.
Result<std::vector<PoolWord>> ask_pool(FunctionCaller& functions, const std::string& pool,
                                       bool gives, std::span<const std::string> numbers);

/// Steps 2 to 4 of an addition (functions/registry.lua): makes a pool the only one that may have
/// some numbers, and asks all pools that had them what they know. One try; the caller has read the
/// epoch of the pool before.
class NumberClaims {
  public:
    struct Taken {
        bool as_overflow = false;  ///< of the pool, maybe among others; else it is in it
        std::string pool;
        bool draining = false;  ///< it still is held in the pool
    };

    NumberClaims(FunctionCaller& functions, std::string pool);

    /// Suspends. False where somebody was quicker: begin anew. Where anything was refused, the rest
    /// is not all claimed.
    Result<bool> claim(std::span<const std::string> numbers);

    /// By number, what can't be had.
    const std::map<std::string, Taken, std::less<>>& refused() const noexcept { return refused_; }
    /// What another pool knows of the number; empty: nothing.
    std::string_view knowledge(const std::string& number) const noexcept;

  private:
    struct Question {
        std::vector<std::string> numbers;
        std::vector<std::string> claims;
    };
    Result<void> claim_all(std::span<const std::string> numbers,
                           std::vector<std::vector<std::string>>& unclaimed);
    Result<void> note(const redis::Reply& answer, bool again, bool& as_expected);
    Result<void> ask();
    Result<bool> take();
    Result<bool> claim_rest(std::span<const std::vector<std::string>> unclaimed);

    FunctionCaller& functions_;
    const std::string pool_;
    std::map<std::string, Taken, std::less<>> refused_;
    std::unordered_map<std::string, std::string> knowledge_;
    std::unordered_map<std::string, std::string> expected_;  ///< number to its latest claim
    /// By pool, and whether it is the one that may have them.
    std::map<std::pair<std::string, bool>, Question> questions_;
};

}  // namespace ringmaster::redis_store
