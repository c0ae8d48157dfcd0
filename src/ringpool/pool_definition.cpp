#include "ringmaster/ringpool/pool_definition.hpp"

#include <algorithm>
#include <utility>

#include <sodium/utils.h>

namespace ringmaster::ringpool {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxIdBytes = 64;

Error invalid(std::string_view field, std::string_view value, std::string_view expected) {
    std::string message(field);
    message.append(" is ").append(value).append("; expected ").append(expected);
    return {ErrorCode::invalid, std::move(message)};
}

std::string quoted(std::string_view text) {
    return std::string("'").append(text).append("'");
}

Result<void> check_range(std::string_view field, std::chrono::seconds value,
                         std::chrono::seconds least, std::chrono::seconds most,
                         std::string_view expected) {
    if (value >= least && value <= most) return {};
    return invalid(field, std::to_string(value.count()) + " s", expected);
}

bool is_id(std::string_view id) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !id.empty() && id.size() <= kMaxIdBytes && std::ranges::all_of(id, allowed);
}

bool is_region(std::string_view region) {
    const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
    return region.size() == 2 && std::ranges::all_of(region, is_capital);
}

}  // namespace

Result<void> PoolDefinition::validate() const {
    if (!is_id(id)) return invalid("id", quoted(id), "1 to 64 of A-Z a-z 0-9 . _ -");
    if (key.empty() || key.size() > kMaxKeyBytes) {
        return invalid("key", std::to_string(key.size()) + " bytes long", "1 to 128 bytes");
    }
    if (auto checked = check_range("lifetime", lifetime, 1s, 720h, "1 s to 2592000 s (30 days)");
        !checked) {
        return checked;
    }
    if (auto checked = check_range("cooldown", cooldown, 0s, 720h, "0 s to 2592000 s (30 days)");
        !checked) {
        return checked;
    }
    if (auto checked =
            check_range("max_hold", max_hold, 0s, 8760h, "0 s (no limit) to 31536000 s (365 days)");
        !checked) {
        return checked;
    }
    if (allow_overflow && !overflow.number) {
        return invalid("overflow number", "missing", "one, because allow_overflow is true");
    }
    if (!is_region(default_region)) {
        return invalid("default_region", quoted(default_region),
                       "two capital letters (ISO 3166-1), e.g. 'US'");
    }
    return {};
}

Catalog::Secret::Secret(std::string_view key) noexcept : size(key.size()) {
    std::ranges::copy(key, bytes.begin());
}

bool Catalog::Secret::matches(std::string_view given) const noexcept {
    // The bytes past the key are zero and take part in the comparison, so that how long it takes
    // depends on the given key alone.
    const std::size_t compared = std::min(given.size(), bytes.size());
    const bool same_bytes = sodium_memcmp(bytes.data(), given.data(), compared) == 0;
    const bool same_size = given.size() == size;
    return static_cast<int>(same_bytes) & static_cast<int>(same_size);
}

Result<PoolIndex> Catalog::add(PoolDefinition definition) {
    if (auto checked = definition.validate(); !checked) return checked.error();
    const auto index = static_cast<PoolIndex>(definitions_.size());
    if (!by_id_.try_emplace(definition.id, index).second) {
        return invalid("id", quoted(definition.id), "one that no other pool has");
    }
    secrets_.emplace_back(definition.key);
    definitions_.push_back(std::make_unique<const PoolDefinition>(std::move(definition)));
    return index;
}

const PoolIndex* Catalog::authorize(std::string_view id, std::string_view key) const noexcept {
    // An unknown pool is asked for its key as well; nothing matches that of no pool.
    static const Secret kNobody("");
    const auto found = by_id_.find(id);
    const bool known = found != by_id_.end();
    const bool matches = (known ? secrets_[found->second] : kNobody).matches(key);
    return known && matches ? &found->second : nullptr;
}

}  // namespace ringmaster::ringpool
